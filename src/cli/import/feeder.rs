//! Sends batches through one stream, several under way at a time, and settles what becomes of each row.
//!
//! Two records of one entry are never under way together unless they are the same bytes: a batch that is refused is
//! sent again later, and must not overtake. Refused batches are settled one by one, in their order, when nothing else
//! is under way.

use super::OnExisting;
use super::acts::Acts;
use super::refused::{self, Broken};
use super::rejects::Rejects;
use super::tally::Tally;
use crate::cli::failure::{Failure, is_lost};
use crate::client::{self, Client};
use crate::import::{Draft, Item, Reject};
use crate::record::{Act, Key, Kind, Reason, Revision};
use crate::rpc::proto::append_stream_response::Result as Answer;
use crate::rpc::proto::{AppendRecord, AppendRequest, AppendResponse, AppendStreamResponse};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// Batches under way at a time.
const UNDER_WAY_MAX: usize = 8;
/// Records of a batch.
const BATCH_RECORDS: usize = 500;
/// Bytes of payloads and keys after which a batch is sent; one payload more still fits into what a batch may have.
const BATCH_BYTES: usize = 1 << 20;

/// How rows are sent.
#[derive(Clone, Debug)]
pub struct How {
    /// What becomes of a row whose key the archive has with other content.
    pub on_existing: OnExisting,
    /// Nothing is written.
    pub dry_run: bool,
    /// The name to act under; may be empty.
    pub principal: String,
}

/// Sends rows and counts what becomes of them.
pub struct Feeder<'a> {
    client: &'a Client,
    how: How,
    tally: &'a mut Tally,
    rejects: Rejects,
    requests: mpsc::Sender<AppendRequest>,
    answers: Streaming<AppendStreamResponse>,
    under_way: VecDeque<Vec<Draft>>,
    refused: Vec<Vec<Mended>>,
    /// How often a refused batch was sent again.
    mends: u64,
    batch: Vec<Draft>,
    batch_bytes: usize,
    /// The entries of the batch and of those under way, with the bytes that are sent for them.
    entries: HashMap<u64, u64>,
    names: Names,
    acts: Acts,
}

impl<'a> Feeder<'a> {
    /// Opens the stream.
    ///
    /// # Errors
    /// The server's.
    pub async fn open(
        client: &'a Client,
        how: How,
        tally: &'a mut Tally,
        rejects: Rejects,
    ) -> Result<Self, Failure> {
        let (requests, waiting) = mpsc::channel(UNDER_WAY_MAX);
        let answers = client
            .append_stream(ReceiverStream::new(waiting))
            .await
            .map_err(gone)?;
        Ok(Self {
            client,
            how,
            tally,
            rejects,
            requests,
            answers,
            under_way: VecDeque::new(),
            refused: Vec::new(),
            mends: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            entries: HashMap::new(),
            names: Names::default(),
            acts: Acts::default(),
        })
    }

    /// The rows that are settled.
    pub const fn rows(&self) -> u64 {
        self.tally.read()
    }

    /// Takes rows over. `is_idle` says that no further ones wait, so that these should not wait either.
    ///
    /// # Errors
    /// The server's; a file of rejects that cannot be written.
    pub async fn take(&mut self, items: Vec<Item>, is_idle: bool) -> Result<(), Failure> {
        for item in items {
            match item {
                Item::Reject(reject) => self.reject(&reject)?,
                Item::Record(draft) => self.add(*draft).await?,
            }
        }
        if is_idle {
            self.send().await?;
        }
        Ok(())
    }

    /// Settles everything that was taken over; where the import was stopped, only what is under way.
    ///
    /// # Errors
    /// The server's; a file of rejects that cannot be written.
    pub async fn end(mut self, is_stopped: bool) -> Result<(), Failure> {
        if is_stopped {
            self.batch.clear();
        } else {
            self.send().await?;
        }
        self.settle().await?;
        self.tally.rejects_in = self.rejects.end()?;
        Ok(())
    }

    async fn add(&mut self, draft: Draft) -> Result<(), Failure> {
        self.tally.warned(&draft);
        if !draft.act.has_content() && self.acts.has(self.client, &draft).await? {
            self.tally.duplicate();
            return Ok(());
        }
        let (entry, bytes) = (self.names.entry(&draft), self.names.bytes(&draft));
        if entry.is_some_and(|entry| self.entries.get(&entry).is_some_and(|other| *other != bytes)) {
            self.send().await?;
            self.settle().await?;
        }
        if let Some(entry) = entry {
            self.entries.insert(entry, bytes);
        }
        self.batch_bytes += draft.payload.len() + draft.key.as_ref().map_or(0, |key| key.as_str().len());
        self.batch.push(draft);
        if self.batch.len() >= BATCH_RECORDS || self.batch_bytes >= BATCH_BYTES {
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        while self.under_way.len() >= UNDER_WAY_MAX {
            self.hear().await?;
        }
        if !self.refused.is_empty() {
            self.settle().await?;
        }
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if self.requests.send(self.request(&batch)).await.is_err() {
            // The stream has ended; its status is what the next answer says.
            self.hear_end().await?;
        }
        self.under_way.push_back(batch);
        Ok(())
    }

    /// Waits until nothing is under way, and then for the refused batches, one by one.
    async fn settle(&mut self) -> Result<(), Failure> {
        while !self.under_way.is_empty() {
            self.hear().await?;
        }
        for batch in std::mem::take(&mut self.refused) {
            self.mend(batch).await?;
        }
        self.entries.clear();
        for draft in &self.batch {
            if let Some(entry) = self.names.entry(draft) {
                self.entries.insert(entry, self.names.bytes(draft));
            }
        }
        Ok(())
    }

    /// The answer to the oldest batch under way.
    async fn hear(&mut self) -> Result<(), Failure> {
        let answer = self.answers.message().await.map_err(gone)?;
        let answer = answer.ok_or_else(|| Failure::failed(GONE))?;
        let batch = self.under_way.pop_front().unwrap_or_default();
        match answer.result {
            Some(Answer::Response(response)) => {
                for draft in &batch {
                    if let Some(entry) = self.names.entry(draft) {
                        self.entries.remove(&entry);
                    }
                }
                self.count(&batch, &response)?;
            }
            Some(Answer::Refusal(refusal)) => {
                let status = client::refused(refusal);
                let listed = refused::records(&status);
                if listed.is_empty() {
                    return Err(status.into());
                }
                // What is wrong is judged when the batch is sent again, behind those before it. That an entry exists
                // will be so then too.
                let guesses = self.guesses(&listed, refused::total(&status), batch.len());
                let mut batch: Vec<Mended> = batch.into_iter().map(Mended::from).collect();
                if guesses {
                    batch.iter_mut().for_each(Mended::guess);
                }
                self.refused.push(batch);
            }
            None => {
                return Err(Failure::failed(
                    "the daemon answered nothing; use a newer chancery",
                ));
            }
        }
        Ok(())
    }

    async fn hear_end(&mut self) -> Result<(), Failure> {
        while !self.under_way.is_empty() {
            self.hear().await?;
        }
        match self.answers.message().await {
            Err(status) => Err(gone(status)),
            Ok(_) => Err(Failure::failed(GONE)),
        }
    }

    /// Sends a refused batch again, each time without the records that keep it out, until it is taken.
    async fn mend(&mut self, mut batch: Vec<Mended>) -> Result<(), Failure> {
        while !batch.is_empty() {
            self.mends += 1;
            let request = self.request(batch.iter().map(|mended| &mended.draft));
            let status = match self.client.append(request).await {
                Ok(response) => {
                    let sent: Vec<Draft> = batch.into_iter().map(|mended| mended.draft).collect();
                    return self.count(&sent, &response);
                }
                Err(status) => status,
            };
            let mut broken = refused::records(&status);
            if broken.is_empty() {
                return Err(gone(status));
            }
            let guesses = self.guesses(&broken, refused::total(&status), batch.len());
            let mut kept = Vec::with_capacity(batch.len());
            for (index, mut mended) in batch.into_iter().enumerate() {
                match broken.remove(&index) {
                    None => {
                        if guesses {
                            mended.guess();
                        }
                        kept.push(mended);
                    }
                    Some(broken) => match self.judge(&mut mended, broken) {
                        Verdict::Again => kept.push(mended),
                        Verdict::Duplicate => self.tally.duplicate(),
                        Verdict::Reject(reason) => self.reject(&Reject {
                            line: mended.draft.line,
                            reason,
                            bytes: mended.draft.source,
                        })?,
                    },
                }
            }
            batch = kept;
        }
        Ok(())
    }

    /// Whether the records that a refusal does not list are taken for re-issues too. A refusal lists as many records as
    /// fit into it, some forty of five hundred: where most of a batch is re-issued, learning them from refusals would
    /// send it a dozen times. A wrong guess is told by the next refusal.
    fn guesses(&self, listed: &BTreeMap<usize, Broken>, total: usize, batch: usize) -> bool {
        let exist = listed.values().filter(|broken| broken.reason == EXISTS).count();
        let most_exist = exist * 2 >= listed.len() && total * 2 >= batch;
        self.how.on_existing == OnExisting::Amend && total > listed.len() && most_exist
    }

    /// What becomes of a record that keeps its batch out.
    fn judge(&self, mended: &mut Mended, broken: Broken) -> Verdict {
        match (broken.reason.as_str(), self.how.on_existing) {
            ("UNKNOWN_ENTRY", _) if mended.is_guess => {
                mended.take_back();
                Verdict::Again
            }
            (EXISTS, OnExisting::Amend) if mended.draft.act == Act::Create => {
                mended.amend();
                Verdict::Again
            }
            (EXISTS, OnExisting::Skip) => Verdict::Reject(format!(
                "skipped, as --on-existing skip says: {}",
                broken.sentence
            )),
            // What the row asks for is so already: an import that is run again.
            ("ALREADY_SO", _) => Verdict::Duplicate,
            _ => Verdict::Reject(broken.sentence),
        }
    }

    fn reject(&mut self, reject: &Reject) -> Result<(), Failure> {
        self.rejects.keep(reject)?;
        self.tally.rejected(reject);
        Ok(())
    }

    fn count(&mut self, batch: &[Draft], response: &AppendResponse) -> Result<(), Failure> {
        if response.receipts.len() != batch.len() {
            return Err(Failure::failed(
                "the daemon answered too few receipts; use a newer chancery",
            ));
        }
        response
            .receipts
            .iter()
            .for_each(|receipt| self.tally.taken(receipt.outcome(), receipt.position));
        Ok(())
    }

    fn request<'d>(&self, batch: impl IntoIterator<Item = &'d Draft>) -> AppendRequest {
        AppendRequest {
            records: batch.into_iter().map(wire).collect(),
            validate_only: self.how.dry_run,
            claimed_principal: self.how.principal.clone(),
            ..AppendRequest::default()
        }
    }
}

/// A record of a refused batch, on its way to being taken.
struct Mended {
    draft: Draft,
    /// It is sent as an amendment without knowing that its entry exists.
    is_guess: bool,
    /// Such a guess was wrong.
    is_new: bool,
    /// Its reason as the row has it.
    reason: Reason,
}

impl From<Draft> for Mended {
    fn from(draft: Draft) -> Self {
        Self {
            reason: draft.reason.clone(),
            draft,
            is_guess: false,
            is_new: false,
        }
    }
}

impl Mended {
    /// The entry exists with other content.
    fn amend(&mut self) {
        self.draft.act = Act::Amend;
        if self.draft.reason.is_empty() {
            self.draft.reason = reissued();
        }
    }

    /// The entry may exist.
    fn guess(&mut self) {
        if self.draft.act == Act::Create && self.draft.key.is_some() && !self.is_new {
            self.is_guess = true;
            self.amend();
        }
    }

    /// The entry does not exist.
    fn take_back(&mut self) {
        (self.is_guess, self.is_new) = (false, true);
        self.draft.act = Act::Create;
        self.draft.reason = self.reason.clone();
    }
}

/// The reason of a refusal because the key has other content.
const EXISTS: &str = "ENTRY_EXISTS";

/// What becomes of a record that keeps its batch out.
enum Verdict {
    Again,
    Duplicate,
    Reject(String),
}

const GONE: &str =
    "the connection to the daemon was lost; run the same import again to go on: nothing is recorded twice";

fn gone(status: Status) -> Failure {
    if is_lost(&status) {
        Failure::failed(GONE)
    } else {
        status.into()
    }
}

fn reissued() -> Reason {
    Reason::new("reissued").unwrap_or_default()
}

fn wire(draft: &Draft) -> AppendRecord {
    AppendRecord {
        act: draft.act.number(),
        kind: draft.kind.map_or(0, Kind::number),
        series: draft.series.to_string(),
        key: draft.key.as_ref().map(ToString::to_string).unwrap_or_default(),
        payload: vec![draft.payload.clone()],
        expected_revision: draft.expected_revision.map(Revision::get),
        reason: draft.reason.as_str().to_owned(),
        relation: draft
            .relation
            .as_ref()
            .map(|(relation, entry)| crate::cli::append::wire_relation(*relation, entry)),
    }
}

/// Entries and bytes as numbers, by a hash of this process.
#[derive(Debug, Default)]
struct Names(RandomState);

impl Names {
    /// The entry of a record; `None` where the server makes its key.
    fn entry(&self, draft: &Draft) -> Option<u64> {
        let key = draft.key.as_ref().map(Key::as_str)?;
        Some(self.0.hash_one((draft.series.as_str(), key)))
    }

    /// The bytes that a record was made of.
    fn bytes(&self, draft: &Draft) -> u64 {
        self.0.hash_one(&draft.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::connect::Local;
    use crate::import::{self, Format, Options};
    use std::ops::ControlFlow;

    /// JSON lines of these entries, all of one issue.
    fn rows(entries: std::ops::Range<usize>, issue: &str) -> Vec<Item> {
        let text: String = entries
            .map(|n| {
                format!(
                    "{{\"series\":\"feed\",\"key\":\"k{n}\",\"kind\":\"event\",\"title\":\"{issue} {n}\"}}\n"
                )
            })
            .collect();
        let mut items = Vec::new();
        let read = import::read(
            Format::Jsonl,
            &mut text.as_bytes(),
            &Options::default(),
            &mut |item| {
                items.push(item);
                ControlFlow::Continue(())
            },
        );
        assert!(read.unwrap().is_continue());
        items
    }

    /// Imports rows; how often a refused batch was sent again, and recorded, amended, duplicates, rejected.
    async fn import(client: &Client, items: Vec<Item>) -> (u64, [u64; 4]) {
        let mut tally = Tally::default();
        let how = How {
            on_existing: OnExisting::Amend,
            dry_run: false,
            principal: String::new(),
        };
        let mut feeder = Feeder::open(client, how, &mut tally, Rejects::told())
            .await
            .unwrap();
        feeder.take(items, true).await.unwrap();
        feeder.settle().await.unwrap();
        let mends = feeder.mends;
        feeder.end(false).await.unwrap();
        (
            mends,
            [tally.recorded, tally.amended, tally.duplicates, tally.rejected],
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reissued_batch_is_taken_when_it_is_sent_again_once_or_twice() {
        let folder = tempfile::tempdir().unwrap();
        let local = Local::open(folder.path()).await.unwrap();
        let client = Client::connect(local.server()).await.unwrap();
        assert_eq!(import(&client, rows(0..480, "first")).await, (0, [480, 0, 0, 0]));
        assert_eq!(import(&client, rows(0..480, "second")).await, (1, [0, 480, 0, 0]));
        // Some rows that the archive does not have are learnt from one more refusal.
        let (mends, counts) = import(&client, rows(0..500, "third")).await;
        assert_eq!((mends, counts), (2, [20, 480, 0, 0]));
        assert_eq!(import(&client, rows(0..500, "third")).await, (0, [0, 0, 500, 0]));
        // Few re-issues among new rows stay what they are: only the listed ones are amended.
        let (_, counts) = import(&client, rows(400..900, "fourth")).await;
        assert_eq!(counts, [400, 100, 0, 0]);
        let state = client.get_entry(entry("k499")).await.unwrap().entry.unwrap();
        assert_eq!(state.revision, 2);
        let state = client.get_entry(entry("k899")).await.unwrap().entry.unwrap();
        let leaf = state.record.unwrap().leaf;
        assert_eq!(
            crate::record::Leaf::decode(&leaf).unwrap().reason,
            "",
            "it is no re-issue"
        );
        drop(client);
        local.close().await.unwrap();
    }

    fn entry(key: &str) -> crate::rpc::proto::GetEntryRequest {
        let name = crate::rpc::proto::entry_name::Name::Key(crate::rpc::proto::EntryKey {
            series: "feed".into(),
            key: key.into(),
        });
        crate::rpc::proto::GetEntryRequest {
            entry: Some(crate::rpc::proto::EntryName { name: Some(name) }),
            ..Default::default()
        }
    }
}

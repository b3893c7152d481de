//! Whether an archive still answers what was cited, and what was erased since.
//!
//! Erasure is the one thing that may take an entry out of an answer of the past: it is masked as of every position. Nobody can
//! say any more whether an erased content matched, so that what is named here are the entries that may have been in the cited
//! answer; where they are as many as are missing, they were.

use crate::cli::failure::Failure;
use crate::cli::screen::{Screen, count, plain};
use crate::cli::shown::moment;
use crate::client::{CitationId, Client};
use crate::filter::{Filter, LazyContent, Subject};
use crate::record::{Act, Hash, Leaf, Position, Recorded, Revision, Status};
use crate::rpc::proto;
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::pin::pin;
use tonic::Code;

/// The most erased entries that are named to a person.
const NAMED_MAX: usize = 20;

/// A citation that the archive still answers, but for what was erased.
#[derive(Debug)]
pub struct Held {
    /// The root at the cited position.
    root: Hash,
    /// How many entries come now.
    now: u64,
    /// Whether an erasure may also bring an entry into the answer, as the filter asks for the status.
    by_status: bool,
    /// The entries erased since that may have been in the answer.
    erased: Vec<Erased>,
    /// The version of the tables that answer now, where it is another one than that of the citation.
    other_tables: Option<String>,
}

/// An entry that was erased since.
#[derive(Debug)]
struct Erased {
    series: String,
    key: String,
    /// The ERASE.
    position: u64,
    recorded: Recorded,
    reason: String,
}

/// Holds a citation against an archive.
///
/// # Errors
/// The server's; another archive, or one with fewer records; a filter that this program does not read. Exit code 3 where the
/// records below the position are others, or where no erasure explains another number of entries.
pub async fn check(client: &Client, id: &CitationId) -> Result<Held, Failure> {
    let filter = read(&id.filter)?;
    let status = client.status().await?;
    if status.origin != id.origin {
        return Err(Failure::failed(format!(
            "the citation is of the archive `{}`, and this one is `{}`; ask that one, by --server or --data",
            plain(&id.origin),
            plain(&status.origin)
        )));
    }
    if id.position > status.tail {
        return Err(Failure::failed(format!(
            "the citation is as of position {}, and this archive ends at {}: it is an older copy, or records are lost; ask a \
             whole copy of `{}`",
            id.position,
            status.tail,
            plain(&id.origin)
        )));
    }
    let key = client.verifier_key().await?;
    let (root, _) = client.root_at(id.position, &key).await?;
    if !id.agrees(&root) {
        return Err(Failure::Wrong(format!(
            "as of position {} the root of `{}` is {}, and the cited one begins with {}: these are not the records that were \
             cited; compare the archive with a checkpoint that somebody has kept",
            id.position,
            plain(&id.origin),
            hex::encode(root),
            id.root()
        )));
    }
    let now = super::search(client, &id.filter, id.position).await?.total;
    let by_status = filter.names_status();
    let erased = match now == id.count && !by_status {
        true => Vec::new(),
        false => erased_since(client, id.position, status.tail, &filter).await?,
    };
    let tables = super::tables(client).await?;
    let held = Held {
        other_tables: (tables != id.tables).then_some(tables),
        root,
        now,
        by_status,
        erased,
    };
    if held.is_explained(id.count) {
        return Ok(held);
    }
    Err(Failure::Wrong(unexplained(client, id, &held).await?))
}

/// The filter of a citation.
fn read(text: &str) -> Result<Filter, Failure> {
    let filter = Filter::parse(text)
        .map_err(|error| Failure::usage(format!("the filter of the citation id cannot be read: {error}")))?;
    match filter.canonical() {
        canonical if canonical == text => Ok(filter),
        canonical => Err(Failure::usage(format!(
            "the filter of the citation id is `{}`, expected its canonical form `{}`; take the id as chancery cite printed it",
            plain(text),
            plain(canonical)
        ))),
    }
}

/// Why the archive is not the one that was cited although its records are.
async fn unexplained(client: &Client, id: &CitationId, held: &Held) -> Result<String, Failure> {
    let tables = super::tables(client).await?;
    let by_tables = match tables == id.tables {
        true => String::new(),
        false => format!(
            "; it was cited by the tables of version {}, and is answered by those of {}, which may be why",
            plain(&id.tables),
            plain(&tables)
        ),
    };
    let may_have_been = match held.erased.len() as u64 {
        0 => "nothing was erased since that may have been among them".to_owned(),
        1 => "only 1 entry was erased since that may have been among them".to_owned(),
        more => format!(
            "only {} entries were erased since that may have been among them",
            count(more)
        ),
    };
    Ok(format!(
        "as of position {} the cited answer had {} and has {} now, but {may_have_been}{by_tables}; see what is wrong with: \
         chancery verify",
        id.position,
        entries(id.count),
        count(held.now)
    ))
}

impl Held {
    /// Whether what was erased may be all that has changed since `cited` entries were answered.
    fn is_explained(&self, cited: u64) -> bool {
        let fits = cited.abs_diff(self.now) <= self.erased.len() as u64;
        fits && (self.now <= cited || self.by_status)
    }

    /// Says on stderr what was cited, and what is missing now.
    pub fn say(&self, id: &CitationId, screen: &Screen) {
        for line in self.lines(id) {
            screen.note(line);
        }
    }

    fn lines(&self, id: &CitationId) -> Vec<String> {
        let cited = format!(
            "cited: {} of {} as of position {}",
            entries(id.count),
            plain(&id.origin),
            count(id.position)
        );
        let erased = self.erased.len() as u64;
        let missing = id.count.saturating_sub(self.now);
        let said = match (missing, erased) {
            (0, 0) if self.other_tables.is_some() => {
                return vec![format!("note: {cited}; as many come"), self.of_tables(id)];
            }
            (0, 0) => return vec![format!("note: {cited}; all of them come")],
            _ if self.by_status => format!(
                "there are {} now; the filter asks for the status, which was changed since by the erasure of:",
                count(self.now)
            ),
            // Without a status an erasure takes out and brings nothing in, and all that it may have taken out is missing.
            (missing, erased) if missing == erased => {
                format!("{} erased since:", was(missing))
            }
            (missing, _) => format!("{} erased since, of these:", was(missing)),
        };
        let named = self.erased.iter().take(NAMED_MAX).map(Erased::line);
        let more = self.erased.len().saturating_sub(NAMED_MAX) as u64;
        std::iter::once(format!("note: {cited}; {said}"))
            .chain(named)
            .chain((more > 0).then(|| format!("  ... {} more", count(more))))
            .chain(self.other_tables.as_ref().map(|_| self.of_tables(id)))
            .collect()
    }

    /// What is not known where other tables answer.
    fn of_tables(&self, id: &CitationId) -> String {
        format!(
            "note: it was cited by the tables of version {} and is answered by those of {}, by which other entries may match",
            plain(&id.tables),
            plain(self.other_tables.as_deref().unwrap_or_default())
        )
    }

    /// What holds, for `cite --check`.
    pub fn json(&self, id: &CitationId) -> Value {
        let erased: Vec<Value> = self.erased.iter().map(Erased::json).collect();
        json!({
            "holds": true,
            "origin": id.origin,
            "position": id.position,
            "root": hex::encode(self.root),
            "filter": id.filter,
            "tables": { "cited": id.tables, "now": self.other_tables.as_ref().unwrap_or(&id.tables) },
            "cited": id.count,
            "count": self.now,
            "erased_since": erased,
        })
    }

    /// The root at the cited position.
    pub fn root(&self) -> &Hash {
        &self.root
    }
}

impl Erased {
    fn line(&self) -> String {
        let reason = match self.reason.as_str() {
            "" => String::new(),
            reason => format!(" ({})", plain(reason)),
        };
        format!(
            "  {}/{}, by the ERASE at position {} of {}{reason}",
            plain(&self.series),
            plain(&self.key),
            self.position,
            moment(self.recorded)
        )
    }

    fn json(&self) -> Value {
        json!({
            "series": self.series,
            "key": self.key,
            "position": self.position,
            "recorded": self.recorded.to_string(),
            "reason": self.reason,
        })
    }
}

/// `1 entry`, `1,204 entries`.
pub fn entries(number: u64) -> String {
    match number {
        1 => "1 entry".to_owned(),
        number => format!("{} entries", count(number)),
    }
}

fn was(number: u64) -> String {
    match number {
        1 => "1 of them was".to_owned(),
        number => format!("{} of them were", count(number)),
    }
}

/// The entries that an ERASE from `position` to `tail` took the content from that was their newest as of `position`, without
/// those that the filter leaves out whatever they said.
async fn erased_since(
    client: &Client,
    position: u64,
    tail: u64,
    filter: &Filter,
) -> Result<Vec<Erased>, Failure> {
    let request = proto::ReadRequest {
        from: Some(position),
        until: Some(tail),
        filter: "act = erase".to_owned(),
        parts: proto::Parts::Leaf.into(),
        ..proto::ReadRequest::default()
    };
    let mut records = pin!(client.records(request).await?);
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    while let Some(record) = records.try_next().await? {
        let leaf = decoded(record.position, &record.leaf)?;
        let Some(range) = leaf.erased else { continue };
        let name = (leaf.series.to_owned(), leaf.key.to_owned());
        if seen.contains(&name) {
            continue;
        }
        let Some(standing) = standing(client, leaf.series, leaf.key, position).await? else {
            continue;
        };
        if standing.is_taken_by(range) {
            if standing.may_have_matched(leaf.series, leaf.key, filter) {
                found.push(Erased {
                    series: leaf.series.to_owned(),
                    key: leaf.key.to_owned(),
                    position: record.position,
                    recorded: leaf.recorded,
                    reason: leaf.reason.to_owned(),
                });
            }
            seen.insert(name);
        }
    }
    Ok(found)
}

/// An entry as of a position, as its leaves tell it.
struct Standing {
    /// The record of its newest content, as the filter sees it.
    content: Newest,
    retracted: bool,
    /// Its newest content was erased before.
    erased: bool,
}

struct Newest {
    position: Position,
    act: Act,
    kind: crate::record::Kind,
    revision: Revision,
    recorded: Recorded,
    principal: String,
}

impl Standing {
    /// Whether the newest content is among these revisions, and was there until then.
    fn is_taken_by(&self, (from, to): (Revision, Revision)) -> bool {
        let revision = self.content.revision;
        !self.erased && from <= revision && revision < to
    }

    fn may_have_matched(&self, series: &str, key: &str, filter: &Filter) -> bool {
        if filter.names_status() {
            // It may have been in the answer by its status then, or come into it by the one that it has now.
            return true;
        }
        let content = &self.content;
        let subject = Subject {
            position: content.position,
            act: content.act,
            kind: content.kind,
            series,
            key,
            revision: content.revision,
            recorded: content.recorded,
            status: Status::Current,
            principal: &content.principal,
            content: LazyContent::absent(),
        };
        !self.retracted && filter.could_match(&subject)
    }
}

/// The entry as of a position; `None` where it had no content then.
async fn standing(
    client: &Client,
    series: &str,
    key: &str,
    position: u64,
) -> Result<Option<Standing>, Failure> {
    let key = proto::EntryKey {
        series: series.to_owned(),
        key: key.to_owned(),
    };
    let request = proto::GetHistoryRequest {
        entry: Some(proto::EntryName {
            name: Some(proto::entry_name::Name::Key(key)),
        }),
        as_of: Some(proto::AsOf {
            at: Some(proto::as_of::At::Position(position)),
        }),
        parts: proto::Parts::Leaf.into(),
    };
    let mut messages = match client.archive().get_history(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) if status.code() == Code::NotFound => return Ok(None),
        Err(status) => return Err(status.into()),
    };
    let mut standing: Option<Standing> = None;
    while let Some(message) = messages.next().await {
        let message = match message {
            Ok(message) => message,
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(status.into()),
        };
        for record in &message.records {
            let leaf = decoded(record.position, &record.leaf)?;
            fold(&mut standing, Position::new(record.position), &leaf);
        }
    }
    Ok(standing)
}

fn fold(standing: &mut Option<Standing>, position: Position, leaf: &Leaf<'_>) {
    if leaf.act.has_content() {
        *standing = Some(Standing {
            content: Newest {
                position,
                act: leaf.act,
                kind: leaf.kind,
                revision: leaf.revision,
                recorded: leaf.recorded,
                principal: leaf.principal.to_owned(),
            },
            retracted: false,
            erased: false,
        });
        return;
    }
    let Some(standing) = standing else { return };
    match (leaf.act, leaf.erased) {
        (Act::Retract, _) => standing.retracted = true,
        (Act::Reinstate, _) => standing.retracted = false,
        (Act::Erase, Some(range)) if standing.is_taken_by(range) => standing.erased = true,
        _ => {}
    }
}

fn decoded(position: u64, leaf: &[u8]) -> Result<Leaf<'_>, Failure> {
    Leaf::decode(leaf).map_err(|error| Failure::failed(format!("position {position}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(now: u64, by_status: bool, erased: u64) -> Held {
        let one = |n| Erased {
            series: "desk".into(),
            key: format!("k{n}"),
            position: 10 + n,
            recorded: Recorded::from_nanos(0),
            reason: if n == 0 { "order".into() } else { String::new() },
        };
        Held {
            root: [0; 32],
            now,
            by_status,
            erased: (0..erased).map(one).collect(),
            other_tables: None,
        }
    }

    #[test]
    fn what_is_missing_is_told_as_surely_as_it_is_known() {
        let id = CitationId::new("example.org/test", 9, &[0; 32], 3, "1", "x").unwrap();
        let first = |held: Held| held.lines(&id)[0].clone();
        let cited = "note: cited: 3 entries of example.org/test as of position 9; ";
        let check = |held, says: &str| assert_eq!(first(held), format!("{cited}{says}"));
        check(held(3, false, 0), "all of them come");
        check(held(2, false, 1), "1 of them was erased since:");
        check(held(1, false, 2), "2 of them were erased since:");
        check(held(2, false, 4), "1 of them was erased since, of these:");
        assert_eq!(
            held(2, false, 1).lines(&id)[1],
            "  desk/k0, by the ERASE at position 10 of 1970-01-01 00:00:00Z (order)"
        );
        let long = held(2, false, 1_030).lines(&id);
        assert_eq!(long.len(), 22);
        assert_eq!(long[21], "  ... 1,010 more");
    }

    #[test]
    fn only_an_erasure_explains_another_number_of_entries() {
        assert!(held(3, false, 0).is_explained(3));
        assert!(held(2, false, 1).is_explained(3));
        assert!(!held(2, false, 0).is_explained(3));
        assert!(!held(1, false, 1).is_explained(3));
        assert!(!held(4, false, 5).is_explained(3));
        assert!(held(4, true, 1).is_explained(3));
        assert!(!held(5, true, 1).is_explained(3));
    }
}

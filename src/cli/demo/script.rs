//! What is shown, step by step.

use super::stage::{Folder, Stage};
use crate::cli::act;
use crate::cli::append::wire;
use crate::cli::edit::{as_input, template};
use crate::cli::failure::Failure;
use crate::cli::history;
use crate::cli::name::EntryArg;
use crate::cli::output::{print, print_entries, table};
use crate::cli::screen::{Screen, count, stdout};
use crate::cli::shown::Shown;
use crate::cli::watch;
use crate::client::{Client, FeedError};
use crate::record::Act;
use crate::record::json::{Input, set_path};
use crate::rpc::proto::{self, subscribe_from::From, subscribe_response::Message};
use serde_json::Value;
use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

/// 499 entries: two centuries of diplomacy, and a dispatch with its three events.
const SAMPLE: &str = include_str!("../../../data/sample/chancery-sample.jsonl");
/// What arrives while the log is followed.
const ARRIVALS: &str = include_str!("../../../data/sample/arrivals.jsonl");
/// Records of a batch of the sample.
const BATCH: usize = 100;
/// The event whose name is corrected.
const CORRECTED: &str = "desk/bajwa-bagheri-2021-10-13";
/// The same meeting once more, from another agency: what is retracted.
const TWIN: &str = r#"{"series":"desk","key":"second-report-2021-10-13","kind":"event",
    "title":"Prime Minister Khan receives Iranian military chief","occurred":"2021-10-13",
    "participants":[{"side":"party","name":"Imran Khan","countries":["PAK"]},
    {"side":"party","name":"Gen. Bagheri","countries":["IRN"]}],"types":["cameo:040"]}"#;
/// The entry that the twin repeats.
const TWIN_OF: &str = "desk/khan-bagheri-2021-10-13";
const TWIN_NAME: &str = "desk/second-report-2021-10-13";

/// The demonstration.
pub struct Script<'a> {
    client: Client,
    server: &'a str,
    folder: &'a Folder,
    screen: Screen,
    step: u32,
}

/// The columns by which everything below a heading is set in.
const INDENT: u16 = 4;

impl<'a> Script<'a> {
    /// On a stage that is set.
    pub fn new(stage: &'a Stage, folder: &'a Folder, screen: &Screen) -> Self {
        Self {
            client: stage.client.clone(),
            server: stage.server(),
            folder,
            screen: screen.indented(INDENT),
            step: 0,
        }
    }

    /// Plays it from beginning to end.
    ///
    /// # Errors
    /// Whatever the archive refuses.
    pub async fn play(&mut self) -> Result<(), Failure> {
        self.opening()?;
        self.load().await?;
        self.one_day().await?;
        self.follow().await?;
        let before = self.correct().await?;
        self.retract().await?;
        self.ask(before).await?;
        self.standing().await
    }

    fn opening(&mut self) -> Result<(), Failure> {
        let ink = self.screen.ink();
        let mut out = stdout();
        writeln!(
            out,
            "\n{}",
            ink.bold("  Chancery · an archive of diplomatic events")
        )?;
        writeln!(
            out,
            "{}",
            ink.dim("  durable before it is acknowledged · nothing overwritten · every change followed")
        )?;
        out.flush()?;
        self.heading("A daemon starts on an empty archive")?;
        let whose = if self.folder.is_kept() {
            "kept"
        } else {
            "temporary"
        };
        self.line(format_args!(
            "listening on {}, archive in {} ({whose})",
            self.server,
            self.folder.path().display()
        ))
    }

    async fn load(&mut self) -> Result<(), Failure> {
        self.heading("A sample archive is loaded: 1815 to 2022, and a dispatch with its three events")?;
        self.command("import chancery-sample.jsonl")?;
        let records = records(SAMPLE)?;
        let number = records.len() as u64;
        let started = Instant::now();
        for batch in records.chunks(BATCH) {
            self.append(batch.to_vec()).await?;
        }
        let took = started.elapsed().as_millis();
        self.line(format_args!(
            "{} entries in {took} ms; each batch was synced to disk before it was acknowledged",
            count(number)
        ))
    }

    async fn one_day(&mut self) -> Result<(), Failure> {
        self.heading("One dispatch reports three meetings: one document, three events")?;
        self.search("series = desk", proto::Order::Newest, 10).await
    }

    /// Follows the log while the arrivals are appended.
    async fn follow(&mut self) -> Result<(), Failure> {
        self.heading("The log is followed while more comes in")?;
        self.command("watch 'series = sample'")?;
        let arrivals = records(ARRIVALS)?;
        let awaited = arrivals.len();
        let request = proto::SubscribeRequest {
            from: Some(proto::SubscribeFrom {
                from: Some(From::Tail(true)),
            }),
            filter: "series = sample".to_owned(),
            ..proto::SubscribeRequest::default()
        };
        let mut feed = self.client.subscribe(request).await?;
        // Its first message says that the subscription stands: from here on nothing is missed.
        feed.next().await.map_err(broken)?;
        let appending = async {
            for record in arrivals {
                self.pause(250).await;
                self.append(vec![record]).await?;
            }
            Ok::<(), Failure>(())
        };
        let watching = async {
            let mut seen = 0;
            while seen < awaited {
                let Some(message) = feed.next().await.map_err(broken)? else {
                    break;
                };
                if let Message::Batch(batch) = message {
                    for record in &batch.records {
                        let line = watch::line::of(&Shown::record(record)?, record.change(), &self.screen);
                        self.line(line)?;
                    }
                    seen += batch.records.len();
                }
            }
            Ok::<(), Failure>(())
        };
        let (appended, watched) = tokio::join!(appending, watching);
        appended.and(watched)
    }

    /// Corrects a name; the position before the correction.
    async fn correct(&mut self) -> Result<u64, Failure> {
        self.heading("A name is corrected, and the history shows it")?;
        self.command(&format!(
            "amend {CORRECTED} --set 'participants[1].name=Mohammad Hossein Bagheri' --reason corrected"
        ))?;
        let found = entry(CORRECTED)?.get(&self.client, None, false).await?;
        let before = found.view_position;
        let found = found.entry.unwrap_or_default();
        let mut record = Value::Object(template(&Shown::entry(&found)?)?);
        set_path(&mut record, "participants[1].name", "Mohammad Hossein Bagheri").map_err(invalid)?;
        record["reason"] = "corrected".into();
        record["explanation"] = "full name, from the second report".into();
        self.append(vec![wire(as_input(record).map_err(invalid)?)])
            .await?;
        self.command(&format!("get {CORRECTED} --history"))?;
        let found = entry(CORRECTED)?
            .get(&self.client, None, false)
            .await?
            .entry
            .unwrap_or_default();
        let records = history::ask(&self.client, &Shown::entry(&found)?, None).await?;
        let mut text = Vec::new();
        history::print(&mut text, &self.screen, &found, &records, false)?;
        self.lines(&text)?;
        Ok(before)
    }

    async fn retract(&mut self) -> Result<(), Failure> {
        self.heading(
            "A second report of the same meeting is retracted; it leaves the answers, not the archive",
        )?;
        self.append(records(TWIN)?).await?;
        let meetings = "dyad = PAK-IRN AND occurred = 2021-10";
        let with = self.number(meetings).await?;
        self.command(&format!(
            "retract {TWIN_NAME} --reason duplicate --explanation 'same as {TWIN_OF}'"
        ))?;
        let name = entry(TWIN_NAME)?.resolve(&self.client).await?;
        let explanation = format!("same as {TWIN_OF}");
        let record = act::record(Act::Retract, &name, "duplicate", &explanation, None);
        self.append(vec![record]).await?;
        let without = self.number(meetings).await?;
        self.line(format_args!(
            "meetings between Pakistan and Iran in October 2021: {with} before, {without} after"
        ))
    }

    async fn ask(&mut self, before: u64) -> Result<(), Failure> {
        self.heading("Three questions")?;
        self.search(
            "kind = agreement AND topic = borders AND occurred >= 1945",
            proto::Order::Occurred,
            6,
        )
        .await?;
        self.blank()?;
        let filter = "country = Pakistan AND kind = (event OR agreement)";
        self.command(&format!("count '{filter}'"))?;
        let number = self.number(filter).await?;
        self.line(number)?;
        self.blank()?;
        self.command(&format!("get {CORRECTED} --as-of {before}"))?;
        let as_of = proto::AsOf {
            at: Some(proto::as_of::At::Position(before)),
        };
        let then = entry(CORRECTED)?.get(&self.client, Some(as_of), false).await?;
        let then = then.entry.unwrap_or_default();
        let then = Shown::entry(&then)?;
        self.line(format_args!(
            "{} · {}   (what was known before the correction)",
            then.date(),
            then.who()
        ))
    }

    async fn standing(&mut self) -> Result<(), Failure> {
        self.heading("Where the archive stands")?;
        self.command("status")?;
        let status = self.client.status().await?;
        let mut card = table(&self.screen, &[]);
        let records = format!(
            "{} records in {} entries, all on disk",
            count(status.tail),
            count(status.entries)
        );
        card.add_row(["tail".to_owned(), records]);
        card.add_row(["root".to_owned(), hex::encode(&status.root)]);
        let mut text = Vec::new();
        print(&mut text, &card)?;
        self.lines(&text)
    }

    /// Shows a search as its command would print it.
    async fn search(&self, filter: &str, order: proto::Order, limit: u32) -> Result<(), Failure> {
        let said = if order == proto::Order::Occurred {
            " --order occurred"
        } else {
            ""
        };
        self.command(&format!("search '{filter}'{said} --limit {limit}"))?;
        let request = proto::SearchRequest {
            filter: filter.to_owned(),
            page_size: limit,
            order: order.into(),
            ..proto::SearchRequest::default()
        };
        let page = self.client.query().search(request).await?.into_inner();
        let entries: Vec<Shown<'_>> = page.entries.iter().map(Shown::entry).collect::<Result<_, _>>()?;
        let mut text = Vec::new();
        print_entries(&mut text, &self.screen, &entries, true)?;
        self.lines(&text)?;
        let more = page.total.saturating_sub(entries.len() as u64);
        if more > 0 {
            self.line(self.screen.ink().dim(format_args!("... {} more", count(more))))?;
        }
        Ok(())
    }

    async fn number(&self, filter: &str) -> Result<u64, Failure> {
        let request = proto::CountRequest {
            filter: filter.to_owned(),
            ..proto::CountRequest::default()
        };
        Ok(self.client.query().count(request).await?.into_inner().count)
    }

    async fn append(&self, records: Vec<proto::AppendRecord>) -> Result<(), Failure> {
        let request = proto::AppendRequest {
            records,
            claimed_principal: "demo".to_owned(),
            ..proto::AppendRequest::default()
        };
        self.client.append(request).await?;
        Ok(())
    }

    fn heading(&mut self, text: &str) -> Result<(), Failure> {
        self.step += 1;
        let ink = self.screen.ink();
        let mut out = stdout();
        writeln!(
            out,
            "\n{} {}",
            ink.cyan(format_args!(" {} ", self.step)),
            ink.bold(text)
        )?;
        out.flush()?;
        Ok(())
    }

    fn command(&self, text: &str) -> Result<(), Failure> {
        let ink = self.screen.ink();
        self.line(format_args!("{} {}", ink.green("$ chancery"), ink.green(text)))
    }

    fn line(&self, text: impl Display) -> Result<(), Failure> {
        let mut out = stdout();
        writeln!(out, "    {text}")?;
        out.flush()?;
        Ok(())
    }

    fn lines(&self, text: &[u8]) -> Result<(), Failure> {
        String::from_utf8_lossy(text)
            .lines()
            .try_for_each(|line| self.line(line))
    }

    fn blank(&self) -> Result<(), Failure> {
        let mut out = stdout();
        writeln!(out)?;
        Ok(())
    }

    /// Time for a person to read; a program needs little.
    async fn pause(&self, milliseconds: u64) {
        let milliseconds = if self.screen.out_terminal {
            milliseconds
        } else {
            milliseconds / 10
        };
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

/// What to try next.
///
/// # Errors
/// As the writer.
pub fn farewell(folder: &Folder, screen: &Screen) -> Result<(), Failure> {
    let ink = screen.ink();
    let data = folder.path().display().to_string();
    let mut next = Vec::new();
    if folder.is_kept() {
        next.push((format!("chancery serve --data {data}"), "go on with this archive"));
        next.push((
            format!("chancery search 'country = PAK' --data {data}"),
            "or read it while it is stopped",
        ));
    } else {
        next.push((
            "chancery demo --keep DIR".to_owned(),
            "the same, and the archive stays",
        ));
        next.push((
            "chancery serve".to_owned(),
            "an archive of your own, in ./chancery-data",
        ));
    }
    next.push((
        "chancery import FILE".to_owned(),
        "dispatches, ICEWS, GDELT, JSON lines",
    ));
    next.push((
        "chancery watch --from start".to_owned(),
        "every change, from the first record on",
    ));
    next.push((
        "chancery edit ENTRY".to_owned(),
        "correct something in your editor",
    ));
    next.push(("chancery --help".to_owned(), "all commands"));
    let mut out = stdout();
    writeln!(out, "\n{} {}", ink.cyan(" → "), ink.bold("What to try next"))?;
    let widest = next
        .iter()
        .map(|(command, _)| command.chars().count())
        .max()
        .unwrap_or_default();
    for (command, what) in next {
        let command = format!("{command:<widest$}");
        writeln!(out, "    {}  {}", ink.green(command), ink.dim(what))?;
    }
    writeln!(out)?;
    out.flush()?;
    Ok(())
}

/// The records of JSON lines or of one object.
fn records(text: &str) -> Result<Vec<proto::AppendRecord>, Failure> {
    let lines = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    lines
        .map(|value| {
            let value = value.map_err(|error| Failure::failed(format!("the sample: {error}")))?;
            Input::from_value(value).map(wire).map_err(invalid)
        })
        .collect()
}

fn entry(name: &str) -> Result<EntryArg, Failure> {
    name.parse().map_err(|error: String| Failure::failed(error))
}

fn invalid(error: crate::record::json::JsonError) -> Failure {
    Failure::failed(error.to_string())
}

fn broken(error: FeedError) -> Failure {
    Failure::failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_can_be_appended() {
        assert!(records(SAMPLE).unwrap().len() >= 300);
        assert!(records(ARRIVALS).unwrap().len() >= 10);
        assert_eq!(records(TWIN).unwrap().len(), 1);
    }
}

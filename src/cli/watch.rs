//! `chancery watch`: the log as it grows.
//!
//! Every record is printed, or handed to a command, in order and at least once. With a state file the place is kept
//! across runs: it is written after what it speaks of was done, never before. Where the connection breaks the watch
//! goes on from its last resume token, so that nothing is skipped.

use super::connect::Reach;
use super::failure::{Failure, is_lost};
use super::name::{self, Point};
use super::number;
use super::output::{Form, reader_gone};
use super::screen::{Screen, stdout};
use super::shown::Shown;
use crate::client::{Client, Feed, FeedError, reason};
use crate::record::json::with_change;
use crate::rpc::proto::{self, subscribe_from::From, subscribe_response::Message};
use crate::view::Change;
use bytes::Bytes;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tonic::Code;

pub mod line;
pub mod reaction;
mod state;

use reaction::{Job, Reaction};
use state::{Place, StateFile};

/// How often the daemon says that it is there where it has nothing else to say.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A feed that is silent for so long is lost: three heartbeats did not come.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Follows the log.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only records that match, and those that bring an entry in or out of the filter; all where it is left out
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// Where to begin: start, tail, a position, YYYY-MM-DD (its start, in UTC) or an RFC 3339 time; a state file comes
    /// first
    #[arg(long, value_name = "POINT", default_value = "tail")]
    from: Beginning,
    /// End after this position
    #[arg(long, value_name = "POSITION", value_parser = number::position)]
    until: Option<u64>,
    /// Deliver a record only by its own content, not because its entry leaves the filter
    #[arg(long)]
    records_only: bool,
    /// Deliver leaves alone: which act on which entry, by whom and when, without what it says
    #[arg(long)]
    leaves: bool,
    /// Keep the place in this file, and go on from it
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Run this shell command for each record, with its JSON on stdin and CHANCERY_POSITION, _SERIES, _KEY, _ACT,
    /// _REVISION, _CHANGE and _HASH set; move on only after it exits with 0
    #[arg(long, value_name = "CMD", value_parser = command)]
    exec: Option<String>,
    /// Kill a command that takes longer, with all that it started, and try again; else it may take as long as it likes
    #[arg(long, value_name = "SECONDS", requires = "exec", value_parser = seconds)]
    exec_timeout: Option<Duration>,
    /// The form of the records
    #[arg(short, long, value_enum, default_value_t, conflicts_with = "exec")]
    output: Form,
    #[command(flatten)]
    reach: Reach,
}

/// Where a watch begins that has no place yet, or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    Start,
    Tail,
    Point(Point),
}

impl Beginning {
    /// How it is asked for.
    pub fn from(self) -> From {
        match self {
            Self::Start => From::Start(true),
            Self::Tail => From::Tail(true),
            Self::Point(point) => point.from(),
        }
    }
}

impl FromStr for Beginning {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "start" => Ok(Self::Start),
            "tail" => Ok(Self::Tail),
            point => point
                .parse()
                .map(Self::Point)
                .map_err(|error: String| format!("{error}, or start, or tail")),
        }
    }
}

/// Follows until the end that was asked for, or Ctrl-C.
///
/// # Errors
/// The server's; a state file that cannot be read or written.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let mut interrupted = match args.exec {
        Some(_) => super::interrupt::listen_with_hangup()?,
        None => super::interrupt::listen()?,
    };
    // What a command does may be worth doing though nobody reads what it writes.
    let is_printed = args.exec.is_none();
    let mut watch = Watch::new(args, screen)?;
    tokio::select! {
        done = watch.run() => done,
        () = interrupted.heard() => Ok(()),
        () = reader_gone(), if is_printed => Err(Failure::ReaderGone),
    }
}

struct Watch<'a> {
    args: Args,
    filter: String,
    screen: &'a Screen,
    state: Option<StateFile>,
    place: Option<Place>,
    reaction: Reaction,
    /// Between the attempts to get a feed.
    waits: Backoff,
    /// What the next feed that stands is told with.
    standing: Standing,
}

/// What is said once a feed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is the first one: somebody at a terminal hears where it begins, since nothing may come for long.
    First,
    /// The one before was lost, and that was said.
    Again,
    /// It was said.
    Said,
}

/// Why one connection's feed ended.
enum Ended {
    /// Everything that was asked for has been seen.
    Done,
    /// The daemon went away, or said that it will.
    Lost(String),
}

impl<'a> Watch<'a> {
    fn new(args: Args, screen: &'a Screen) -> Result<Self, Failure> {
        let state = args.state.clone().map(StateFile::open).transpose()?;
        let place = state.as_ref().map(StateFile::read).transpose()?.flatten();
        if let Some(file) = state.as_ref().filter(|file| file.is_emptied()) {
            let file = file.path().display();
            screen.note(format_args!(
                "`{file}` is empty and keeps no place yet; beginning where --from says"
            ));
        }
        check_end(&args, place.as_ref())?;
        if let Some((file, place)) = state.as_ref().zip(place.as_ref()) {
            check_kind(file, place, args.records_only)?;
        }
        let reaction = match &args.exec {
            Some(command) => Reaction::Command(Job {
                command: command.clone(),
                timeout: args.exec_timeout,
            }),
            None => Reaction::Print(args.output),
        };
        let filter = name::filter(&args.filter);
        Ok(Self {
            args,
            filter,
            screen,
            state,
            place,
            reaction,
            waits: Backoff::default(),
            standing: Standing::First,
        })
    }

    async fn run(&mut self) -> Result<(), Failure> {
        let mut client = self.args.reach.client().await?;
        loop {
            match self.follow(&client).await? {
                Ended::Done => return Ok(()),
                Ended::Lost(why) => self.lost(&why),
            }
            client = loop {
                tokio::time::sleep(self.waits.next()).await;
                if let Ok(client) = Client::connect(&self.args.reach.server).await {
                    break client;
                }
            };
        }
    }

    fn lost(&mut self, why: &str) {
        self.screen
            .note(format_args!("{why}; trying again, nothing will be skipped"));
        self.standing = Standing::Again;
    }

    fn stands(&mut self, started: &proto::Started) {
        match std::mem::replace(&mut self.standing, Standing::Said) {
            Standing::First if self.screen.err_terminal && self.args.until.is_none() => {
                self.screen.note(format_args!(
                    "following from position {}; the log ends before {}, and what comes is shown as it comes, until Ctrl-C",
                    started.from, started.tail
                ));
            }
            Standing::Again => self
                .screen
                .note(format_args!("connected again, at position {}", started.from)),
            Standing::First | Standing::Said => {}
        }
    }

    /// A subscription that was not taken. Where the place in the file is the reason, the file is named; where the beginning is, it is
    /// said where one can begin.
    fn refused(&self, status: tonic::Status) -> Result<Ended, Failure> {
        let kept = self.state.as_ref().zip(self.place.as_ref());
        let of_place = kept
            .zip(reason(&status))
            .and_then(|((file, place), reason)| file.refused(place, &reason, status.message()));
        match of_place {
            Some(sentence) => Err(Failure::failed(sentence)),
            None => begins_too_late(&status).map_or_else(|| ended(status), Err),
        }
    }

    async fn follow(&mut self, client: &Client) -> Result<Ended, Failure> {
        let request = proto::SubscribeRequest {
            from: Some(self.from()),
            filter: self.filter.clone(),
            until: self.args.until,
            records_only: self.args.records_only,
            parts: match self.args.leaves {
                true => proto::Parts::Leaf,
                false => proto::Parts::LeafAndPayload,
            }
            .into(),
            heartbeat_ms: u32::try_from(HEARTBEAT.as_millis()).unwrap_or_default(),
        };
        let mut feed = match client.subscribe(request).await {
            Ok(feed) => feed,
            Err(status) => return self.refused(status),
        };
        loop {
            let message = match heard(feed.next(), SILENCE_MAX).await {
                Ok(Some(message)) => message,
                Ok(None) if self.has_reached_its_end(&feed) => return Ok(Ended::Done),
                Ok(None) => return Ok(Ended::Lost("the daemon ended the feed".to_owned())),
                Err(Unheard::Silence) => return Ok(Ended::Lost("the daemon is silent".to_owned())),
                Err(Unheard::Feed(FeedError::Status(status))) => return ended(status),
                Err(Unheard::Feed(error)) => return Err(Failure::failed(error.to_string())),
            };
            if let Some(ended) = self.take(message).await? {
                return Ok(ended);
            }
        }
    }

    async fn take(&mut self, message: Message) -> Result<Option<Ended>, Failure> {
        if is_well(&message) {
            self.waits = Backoff::default();
        }
        match message {
            Message::Started(started) => {
                self.stands(&started);
                let next = self.place.as_ref().map_or(0, |place| place.next);
                self.keep(Place {
                    origin: started.origin,
                    filter: started.canonical_filter,
                    token: started.resume_token,
                    next: started.from.max(next),
                    records_only: Some(self.args.records_only),
                })?;
            }
            Message::Batch(batch) => self.batch(batch).await?,
            Message::Draining(_) => {
                return Ok(Some(Ended::Lost("the daemon is stopping".to_owned())));
            }
            Message::FellBehind(behind) => self.screen.note(format_args!(
                "behind by {} records; reading on from the log",
                super::screen::count(behind.tail.saturating_sub(behind.position))
            )),
            Message::CaughtUp(_) | Message::Heartbeat(_) => {}
        }
        Ok(None)
    }

    /// Does what is to be done with each record, and then keeps the place.
    async fn batch(&mut self, batch: proto::Batch) -> Result<(), Failure> {
        for record in &batch.records {
            // A run that ended within a batch has done its first records.
            if self
                .place
                .as_ref()
                .is_some_and(|place| record.position < place.next)
            {
                continue;
            }
            let shown = Shown::record(record)?;
            self.reaction.react(&shown, record.change(), self.screen).await?;
            if let (Reaction::Command(_), Some(mut place)) = (&self.reaction, self.place.clone()) {
                place.next = record.position + 1;
                self.keep(place)?;
            }
        }
        if let Some(place) = self.place.clone() {
            let token = batch.resume_token;
            self.keep(Place {
                token,
                // It may have gone on within the batch, beyond the end of this one: batches are cut as they come.
                next: batch.scanned_through.max(place.next),
                ..place
            })?;
        }
        Ok(())
    }

    fn keep(&mut self, place: Place) -> Result<(), Failure> {
        if let Some(state) = &mut self.state {
            state.write(&place)?;
        }
        self.place = Some(place);
        Ok(())
    }

    fn from(&self) -> proto::SubscribeFrom {
        let from = match &self.place {
            Some(place) => From::ResumeToken(place.token.clone()),
            None => self.args.from.from(),
        };
        proto::SubscribeFrom { from: Some(from) }
    }

    fn has_reached_its_end(&self, feed: &Feed) -> bool {
        let reached = feed.position().map(crate::record::Position::get);
        self.args
            .until
            .is_some_and(|until| reached.is_some_and(|next| next > until))
    }
}

/// A shell command that does something.
///
/// # Errors
/// One without a word: every record would pass for done.
pub fn command(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty; give a command, as `cat`".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

/// How long something may take.
///
/// # Errors
/// What is no number of seconds from 0.1 to a day.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    let seconds = seconds.filter(|seconds| (0.1..=86_400.0).contains(seconds));
    let allowed = || "allowed are 0.1 to 86400 seconds".to_owned();
    seconds.map(Duration::from_secs_f64).ok_or_else(allowed)
}

/// A beginning that does not lie in the log yet, with what to say instead.
pub fn begins_too_late(status: &tonic::Status) -> Option<Failure> {
    (reason(status).as_deref() == Some("BEYOND_TAIL")).then(|| {
        Failure::failed(format!(
            "{}; begin at the tail, with `--from tail`, or at a position up to it",
            status.message()
        ))
    })
}

/// Refuses an end that lies before the beginning.
fn check_end(args: &Args, place: Option<&Place>) -> Result<(), Failure> {
    let begins = match (place, args.from) {
        (None, Beginning::Point(Point::Position(from))) => from,
        // A place in a file may be behind its end: all was seen. The others are not known before the daemon is asked.
        _ => return Ok(()),
    };
    match args.until {
        Some(until) if until < begins => Err(Failure::usage(format!(
            "`--until {until}` lies before `--from {begins}`; there is no record between them"
        ))),
        _ => Ok(()),
    }
}

/// Refuses a place that was kept by a watch to which other records are delivered.
fn check_kind(file: &StateFile, place: &Place, records_only: bool) -> Result<(), Failure> {
    let (was, remedy) = match place.records_only {
        Some(true) if !records_only => ("with", "add it"),
        Some(false) if records_only => ("without", "leave it out"),
        _ => return Ok(()),
    };
    Err(Failure::failed(format!(
        "`{}` keeps the place of a watch {was} `--records-only`; {remedy}, or use another file",
        file.path().display()
    )))
}

/// Whether a feed that says this stands: its first message comes from a daemon that may be lost again at once, and the last from one
/// that ends.
fn is_well(message: &Message) -> bool {
    !matches!(message, Message::Started(_) | Message::Draining(_))
}

/// Why no message came.
#[derive(Debug)]
enum Unheard {
    /// The feed ended.
    Feed(FeedError),
    /// Not even a heartbeat came.
    Silence,
}

/// The next message of a feed, where one comes within `silence`.
async fn heard<T>(next: impl Future<Output = Result<T, FeedError>>, silence: Duration) -> Result<T, Unheard> {
    match tokio::time::timeout(silence, next).await {
        Ok(message) => message.map_err(Unheard::Feed),
        Err(_) => Err(Unheard::Silence),
    }
}

/// Whether a failed call may succeed on another connection.
fn ended(status: tonic::Status) -> Result<Ended, Failure> {
    if is_lost(&status) || matches!(status.code(), Code::Unavailable | Code::Cancelled) {
        return Ok(Ended::Lost("the connection to the daemon was lost".to_owned()));
    }
    Err(status.into())
}

/// Ever longer waits, up to a bound.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(Duration::from_millis(200))
    }
}

impl Backoff {
    /// How long to wait now.
    pub fn next(&mut self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(30);
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        wait
    }
}

/// The word of a change; empty where the subscription is not one to changes.
fn change_word(change: proto::Change) -> &'static str {
    let change = match change {
        proto::Change::Unspecified => Change::Untold,
        proto::Change::Enters => Change::Enters,
        proto::Change::Stays => Change::Stays,
        proto::Change::Leaves => Change::Leaves,
    };
    change.word()
}

/// A record with its change in the JSON form, as alerts tell it too.
fn json(shown: &Shown<'_>, change: proto::Change) -> Value {
    with_change(Value::Object(shown.json(false)), change_word(change))
}

/// Prints a record at once.
fn print(form: Form, shown: &Shown<'_>, change: proto::Change, screen: &Screen) -> Result<(), Failure> {
    let mut out = stdout();
    match form {
        Form::Json => writeln!(out, "{}", json(shown, change))?,
        Form::Table => writeln!(out, "{}", line::of(shown, change, screen))?,
    }
    out.flush()?;
    Ok(())
}

/// The bytes of a token as text, for the state file.
fn token_text(token: &Bytes) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_begins_where_it_is_told() {
        assert_eq!("start".parse(), Ok(Beginning::Start));
        assert_eq!("17".parse(), Ok(Beginning::Point(Point::Position(17))));
        let error = "begin".parse::<Beginning>().unwrap_err();
        assert!(error.ends_with("or start, or tail"), "{error}");
    }

    #[tokio::test]
    async fn a_silent_feed_is_lost() {
        let silence = Duration::from_millis(1);
        let heard_nothing = heard(std::future::pending::<Result<(), _>>(), silence).await;
        assert!(
            matches!(heard_nothing, Err(Unheard::Silence)),
            "{heard_nothing:?}"
        );
        let heard_one = heard(std::future::ready(Ok(7)), silence).await;
        assert!(matches!(heard_one, Ok(7)), "{heard_one:?}");
    }

    #[test]
    fn a_feed_that_has_only_begun_is_not_well() {
        assert!(is_well(&Message::CaughtUp(proto::CaughtUp::default())));
        assert!(is_well(&Message::Heartbeat(proto::Heartbeat::default())));
        assert!(!is_well(&Message::Started(proto::Started::default())));
        assert!(!is_well(&Message::Draining(proto::Draining::default())));
    }

    #[test]
    fn a_command_has_a_word() {
        assert_eq!(command("cat >> log"), Ok("cat >> log".to_owned()));
        for empty in ["", " \n"] {
            assert!(command(empty).unwrap_err().contains("empty"));
        }
    }

    #[test]
    fn a_time_has_bounds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "nan", "inf", "86401", "1s", ""] {
            assert_eq!(
                seconds(wrong),
                Err("allowed are 0.1 to 86400 seconds".into()),
                "{wrong}"
            );
        }
    }

    #[test]
    fn waits_grow_to_a_bound() {
        let mut waits = Backoff::default();
        let all: Vec<Duration> = (0..12).map(|_| waits.next()).collect();
        assert!(all.is_sorted());
        assert_eq!(all[11], Duration::from_secs(30));
    }
}

//! One alert, from its place to the daemon's end.
//!
//! Four steps for each match, in this order: 1 the token behind it is made, 2 the command or webhook succeeds, 3 the token is
//! on disk, 4 the next match is looked at. A failure of 2 or 3 is tried again at that step; what fails before is begun again
//! from the place. Before 2 is tried again, how far it had looked is on disk: a restart does not go back behind the match.

use super::attempt::{Failed, Of, Why};
use super::beginning::Begun;
use super::keeping::Keeping;
use super::matched::{Batch, Told};
use super::settings::{Alert, Beginning, Target};
use super::standing::Standing;
use super::waits::{Stop, Waits, random};
use super::{command, webhook};
use crate::log::{Log, ReadError};
use crate::record::{Hash, Position, Recorded};
use crate::subscription::{
    From, Hub, Item, ResumeToken, Subscribe, SubscribeError, TokenError, blocking, has_passed,
};
use crate::view::{Mode, Parts};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Where nothing matched a place is not kept before it has moved so far: a crash costs another look at as many records.
const UNKEPT_POSITIONS: u64 = 65_536;
/// Nor before it is so old.
const UNKEPT: Duration = Duration::from_secs(60);
/// How often it is looked whether the log has come to where an alert begins.
const BEGIN_EVERY: Duration = Duration::from_secs(1);
/// An alert does not need to hear that nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(3_600);

/// Where an alert stands, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) token: ResumeToken,
    pub(super) last_success: Option<Recorded>,
}

impl Place {
    /// When a match was last done, in nanoseconds since 1970 and 0 for never (8, little-endian), and the token.
    pub(super) fn encode(&self) -> Vec<u8> {
        let nanos = self.last_success.map_or(0, Recorded::nanos);
        [&nanos.to_le_bytes()[..], &self.token.encode()].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, TokenError> {
        let (nanos, token) = bytes.split_first_chunk().ok_or(TokenError::Unreadable)?;
        let nanos = i64::from_le_bytes(*nanos);
        Ok(Self {
            token: ResumeToken::decode(token)?,
            last_success: (nanos != 0).then(|| Recorded::from_nanos(nanos)),
        })
    }
}

/// Follows the log for one alert.
pub(super) struct Follower {
    alert: Alert,
    hub: Arc<Hub>,
    log: Log,
    keeping: Keeping,
    standing: Arc<Standing>,
    stop: Stop,
    waits: Waits,
    /// `None` before it has begun.
    place: Option<Place>,
    /// Up to where, and when, the place is on disk.
    kept: (Option<Position>, Instant),
    /// Whether the last failure was none of a match: it has passed once the log is followed.
    is_off: bool,
    /// The match that has failed and is not done.
    undone: Option<Position>,
}

/// Why a session is not followed any further.
enum Ended {
    /// The daemon is stopping.
    Stopping,
    /// What was read ahead may hold what was erased since: it is read again.
    Erased,
}

/// What went wrong beside the command or webhook.
enum Trouble {
    /// It may pass.
    Passing(String),
    /// A person must decide.
    Final(String),
}

impl std::convert::From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::Passing(error.to_string())
    }
}

impl Follower {
    pub(super) fn new(
        alert: Alert,
        hub: Arc<Hub>,
        log: Log,
        keeping: Keeping,
        standing: Arc<Standing>,
        stop: Stop,
    ) -> Self {
        Self {
            waits: Waits::new(alert.retry_max),
            alert,
            hub,
            log,
            keeping,
            standing,
            stop,
            place: None,
            kept: (None, Instant::now()),
            is_off: false,
            undone: None,
        }
    }

    /// Has it begin at a place that was found for it. One that is not kept is kept before anything is done.
    pub(super) fn begin(&mut self, begun: Begun) {
        let position = begun.place.token.position;
        match begun.unkept {
            None => self.kept.0 = Some(position),
            Some(why) => {
                self.is_off = true;
                self.standing.failed(&why);
                tracing::warn!(
                    alert = self.alert.name,
                    position = position.get(),
                    "where it begins cannot be kept yet; after a crash it may begin later: {why}"
                );
            }
        }
        self.standing.at(position, None);
        self.place = Some(begun.place);
    }

    pub(super) async fn run(mut self) {
        let mut ended = match self.recall() {
            Ok(()) => self.follow().await,
            Err(trouble) => Err(trouble),
        };
        loop {
            match ended {
                Ok(Ended::Stopping) => return,
                Ok(Ended::Erased) => {}
                Err(Trouble::Passing(why)) => {
                    self.is_off = true;
                    if !self.failed(&why, "it cannot follow the log").await {
                        return;
                    }
                }
                Err(Trouble::Final(why)) => {
                    tracing::error!(alert = self.alert.name, reason = why, "an alert is stopped");
                    self.standing.stopped(&why);
                    return;
                }
            }
            ended = self.follow().await;
        }
    }

    /// Finds the place that was kept. One of another filter is taken over, with a word: the new filter begins there.
    fn recall(&mut self) -> Result<(), Trouble> {
        let Some(bytes) = self.keeping.get(&self.alert.name) else {
            return Ok(());
        };
        let mut place = Place::decode(&bytes).map_err(|error| Trouble::Final(of_token(&error)))?;
        let was = place.token;
        let now = ResumeToken {
            filter: self.alert.filter.sha256(),
            records_only: Some(self.records_only()),
            ..was
        };
        let position = was.position;
        match changed(&was, &now) {
            Some(field) => tracing::warn!(
                alert = self.alert.name,
                position = position.get(),
                "{field} of the alert was changed: the new one begins where the old one stood"
            ),
            None => self.kept = (Some(position), Instant::now()),
        }
        place.token = now;
        self.standing.at(position, place.last_success);
        self.place = Some(place);
        Ok(())
    }

    async fn follow(&mut self) -> Result<Ended, Trouble> {
        if !self.reaches_its_beginning().await {
            return Ok(Ended::Stopping);
        }
        // A match that was read before an erasure is never done after it.
        let erasures = self.log.erasures();
        let mut session = match self.hub.subscribe(self.request().await?).await {
            Ok(session) => session,
            Err(SubscribeError::Draining) => return Ok(Ended::Stopping),
            Err(SubscribeError::Token(error)) => return Err(Trouble::Final(of_token(&error))),
            Err(SubscribeError::Read(error)) => return Err(error.into()),
        };
        while let Some(item) = session.next().await {
            match item? {
                Item::Started { token, .. } => {
                    let token = read(&token)?;
                    // From here on it begins here, whatever `from` says and however long nothing matches.
                    if !self.stand_at(token, None, true).await {
                        return Ok(Ended::Stopping);
                    }
                }
                Item::Batch(bytes) => {
                    if let Some(ended) = self.batch(bytes, erasures).await? {
                        return Ok(ended);
                    }
                }
                Item::Draining { token, .. } => {
                    let token = read(&token)?;
                    self.stand_at(token, None, true).await;
                    return Ok(Ended::Stopping);
                }
                Item::CaughtUp { .. } => self.follows(),
                Item::FellBehind { .. } | Item::Heartbeat { .. } => {}
            }
        }
        Ok(Ended::Stopping)
    }

    /// Waits for the log to come to where it begins that has no place yet; answers whether the daemon still runs.
    async fn reaches_its_beginning(&mut self) -> bool {
        let mut waits_for = String::new();
        while let Some(what) = self.is_ahead() {
            if waits_for != what {
                tracing::info!(
                    alert = self.alert.name,
                    "an alert begins later, and waits for {what}"
                );
                self.standing.waits_for(&what);
                waits_for = what;
            }
            if !self.stop.wait(BEGIN_EVERY).await {
                return false;
            }
        }
        self.standing.waits_for("");
        true
    }

    /// What the log has not come to where the alert begins; `None` where it has.
    fn is_ahead(&self) -> Option<String> {
        match (&self.place, self.alert.from) {
            (None, Beginning::Position(position)) if position > self.log.tail() => {
                Some(format!("position {position}"))
            }
            (None, Beginning::Recorded(time)) if time >= self.log.now() => Some(time.to_string()),
            _ => None,
        }
    }

    async fn request(&self) -> Result<Subscribe, Trouble> {
        let from = match (&self.place, self.alert.from) {
            (Some(place), _) => From::Token(place.token.encode().into()),
            (None, Beginning::Start) => From::Start,
            (None, Beginning::Tail) => From::Tail,
            (None, Beginning::Position(position)) => From::Position(position),
            (None, Beginning::Recorded(time)) => From::Recorded(time),
        };
        let (log, asked) = (self.log.clone(), from.clone());
        blocking(move || has_passed(&log, &asked)).await?;
        Ok(Subscribe {
            from,
            filter: self.alert.filter.clone(),
            parts: Parts::Both,
            until: None,
            heartbeat: HEARTBEAT,
            mode: self.alert.mode,
        })
    }

    async fn batch(&mut self, bytes: bytes::Bytes, erasures: u64) -> Result<Option<Ended>, Trouble> {
        let unread = |error: bytes::TryGetError| Trouble::Passing(error.to_string());
        let batch = Batch::decode(bytes).map_err(unread)?;
        for matched in &batch.matches {
            let told = matched.told()?;
            let behind = matched.position.next();
            let token = self.token(behind).await?;
            self.follows();
            if let Some(ended) = self.deliver(&told, erasures).await? {
                return Ok(Some(ended));
            }
            if !self.stand_at(token, Some(self.log.now()), true).await {
                return Ok(Some(Ended::Stopping));
            }
        }
        self.follows();
        let (kept, at) = self.kept;
        let due = kept.is_none_or(|kept| batch.through.since(kept) >= UNKEPT_POSITIONS);
        let due = due || at.elapsed() >= UNKEPT;
        let goes_on = self.stand_at(read(&batch.token)?, None, due).await;
        Ok((!goes_on).then_some(Ended::Stopping))
    }

    /// What was no failure of a match has passed; one of a match has not before the match is done.
    fn follows(&mut self) {
        if std::mem::take(&mut self.is_off) && self.undone.is_none() {
            self.well();
        }
    }

    /// Nothing has failed that has not passed: what fails next is tried again soon.
    fn well(&mut self) {
        self.undone = None;
        self.waits.reset();
        self.standing.well();
    }

    fn records_only(&self) -> bool {
        self.alert.mode == Mode::Records
    }

    async fn token(&self, position: Position) -> Result<ResumeToken, Trouble> {
        let log = self.log.clone();
        let root: Hash = blocking(move || log.root_at(position)).await?;
        Ok(ResumeToken::new(
            self.log.origin(),
            self.alert.filter.sha256(),
            self.records_only(),
            position,
            root,
        ))
    }

    /// Does it until it succeeds; answers why it did not.
    async fn deliver(&mut self, told: &Told, erasures: u64) -> Result<Option<Ended>, Trouble> {
        loop {
            if self.log.erasures() != erasures {
                return Ok(Some(Ended::Erased));
            }
            let done = match self.stop.is_told() {
                true => Err(Why::Stopping.into()),
                false => self.once(told).await,
            };
            let Err(failed) = done else {
                self.well();
                return Ok(None);
            };
            if !self.stand_before(told.position).await? || matches!(failed.why, Why::Stopping) {
                return Ok(Some(Ended::Stopping));
            }
            self.undone = Some(told.position);
            let what = format!("position {} is not done", told.position);
            if !failed.stderr.is_empty() {
                let (alert, position) = (&self.alert.name, told.position.get());
                tracing::warn!(
                    alert,
                    position,
                    stderr = failed.stderr,
                    "the command of an alert wrote"
                );
            }
            if !self.failed(&failed.line(), &what).await {
                return Ok(Some(Ended::Stopping));
            }
        }
    }

    /// Keeps how far it has looked before a match that is not done, so that a restart shows the same and a changed filter begins
    /// there; answers whether the daemon still runs.
    async fn stand_before(&mut self, position: Position) -> Result<bool, Trouble> {
        if self.kept.0.is_some_and(|kept| kept >= position) {
            return Ok(true);
        }
        let token = self.token(position).await?;
        Ok(self.stand_at(token, None, true).await)
    }

    async fn once(&self, told: &Told) -> Result<(), Failed> {
        let (mut stop, timeout) = (self.stop.clone(), self.alert.timeout);
        let cut = async {
            tokio::select! {
                () = tokio::time::sleep(timeout) => Why::Timeout(timeout),
                () = stop.cut_off() => Why::Stopping,
            }
        };
        let of = Of {
            alert: &self.alert.name,
            origin: self.log.origin(),
        };
        match &self.alert.target {
            Target::Command(argv) => command::run(argv, &of, told, cut).await,
            Target::Webhook(to) => webhook::post(to, &of, told, cut).await.map_err(Failed::from),
        }
    }

    /// Moves the place, on disk too where `keep` says so; answers whether the daemon still runs. What cannot be kept is tried
    /// again, since nothing may be done beyond it.
    async fn stand_at(&mut self, token: ResumeToken, succeeded: Option<Recorded>, keep: bool) -> bool {
        let before = self.place.as_ref();
        let last_success = succeeded.or(before.and_then(|place| place.last_success));
        let place = Place { token, last_success };
        let keep =
            keep && before.is_none_or(|before| *before != place || self.kept.0 != Some(token.position));
        let position = token.position;
        let mut was_refused = false;
        while keep && let Err(error) = self.keeping.keep(&self.alert.name, place.encode()).await {
            was_refused = true;
            let why = format!("state/alerts: {error}");
            if !self
                .failed(&why, "its place cannot be kept, nothing more is done")
                .await
            {
                return false;
            }
        }
        if keep {
            self.kept = (Some(position), Instant::now());
        }
        // What was erased before it was done is no match any more.
        let is_passed = self.undone.is_some_and(|undone| undone < position);
        if is_passed || (was_refused && self.undone.is_none()) {
            self.well();
        }
        self.standing.at(position, last_success);
        self.place = Some(place);
        true
    }

    /// Tells of a failure and waits; answers whether the daemon still runs.
    async fn failed(&mut self, why: &str, what: &str) -> bool {
        let failures = self.standing.failed(why);
        let wait = self.waits.next(random());
        tracing::warn!(
            alert = self.alert.name,
            failures,
            retry_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "{what}: {why}"
        );
        self.stop.wait(wait).await
    }
}

/// Which field of the settings is another one than that of the place.
fn changed(was: &ResumeToken, now: &ResumeToken) -> Option<&'static str> {
    // An earlier build did not say what it judged.
    let has_other_mode = was
        .records_only
        .is_some_and(|mode| now.records_only != Some(mode));
    match (was.filter != now.filter, has_other_mode) {
        (true, true) => Some("filter and records-only"),
        (true, false) => Some("filter"),
        (false, true) => Some("records-only"),
        (false, false) => None,
    }
}

fn read(token: &[u8]) -> Result<ResumeToken, Trouble> {
    ResumeToken::decode(token).map_err(|error| Trouble::Final(of_token(&error)))
}

/// Why a place cannot be gone on from, and what to do.
fn of_token(error: &TokenError) -> String {
    let why = match error {
        TokenError::Unreadable => "its place in state/alerts cannot be read".to_owned(),
        TokenError::OtherLog(origin) => {
            format!("its place in state/alerts belongs to another archive, not to `{origin}`")
        }
        TokenError::OtherFilter(_) => "its place in state/alerts belongs to another filter".to_owned(),
        TokenError::OtherMode { .. } => {
            "its place in state/alerts belongs to another records-only".to_owned()
        }
        TokenError::Forked { position, why } => format!(
            "it stands at position {position}, after records that this archive does not hold ({why}); the archive was \
             restored or forked"
        ),
    };
    format!("{why}; compare what was done with the archive, then give the alert another name to begin anew")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_field_is_named_and_what_an_earlier_build_did_not_say_is_no_change() {
        let with = |filter: u8, records_only: Option<bool>| {
            let position = Position::new(9);
            let mut token = ResumeToken::new("example.org/log", [filter; 32], false, position, [2; 32]);
            token.records_only = records_only;
            token
        };
        let (was, unsaid) = (with(1, Some(false)), with(1, None));
        let cases = [
            (was, was, None),
            (was, with(1, Some(true)), Some("records-only")),
            (was, with(2, Some(false)), Some("filter")),
            (was, with(2, Some(true)), Some("filter and records-only")),
            (unsaid, with(1, Some(true)), None),
            (unsaid, with(2, Some(true)), Some("filter")),
        ];
        for (was, now, says) in cases {
            assert_eq!(changed(&was, &now), says);
        }
    }

    #[test]
    fn a_place_round_trips_and_a_changed_one_is_refused() {
        let token = ResumeToken::new("example.org/log", [1; 32], false, Position::new(9), [2; 32]);
        for last_success in [None, Some(Recorded::from_nanos(5))] {
            let place = Place { token, last_success };
            let mut bytes = place.encode();
            assert_eq!(Place::decode(&bytes), Ok(place));
            bytes[20] ^= 1;
            assert_eq!(Place::decode(&bytes), Err(TokenError::Unreadable));
        }
        assert_eq!(Place::decode(b"short"), Err(TokenError::Unreadable));
    }
}

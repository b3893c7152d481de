//! What our errors are on the wire: a gRPC code, a stable reason, details.
//!
//! One exhaustive match for each error: a new variant does not compile until it has a code and a reason here and a
//! paragraph in `docs/errors.md`. The sentence of an error is its message; `google.rpc` details carry the parts that a
//! program needs. Details are cut at [`DETAILS_BYTES_MAX`], with the whole count beside them.

use crate::log::fixity::FixityError;
use crate::log::{AppendError, Closed, ReadError, Rule, SignError, Violation};
use crate::subscription::group::GroupError;
use crate::subscription::{SubscribeError, TokenError};
use crate::view::{EntryError, QueryError};
use std::collections::HashMap;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every reason.
pub const DOMAIN: &str = "chancery";
/// The most bytes of details that an answer carries; what is beyond is counted, not sent.
pub const DETAILS_BYTES_MAX: usize = 6 * 1024;
/// When to try again, where that may help.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// The most characters of a message.
const MESSAGE_CHARS_MAX: usize = 1_000;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal),* $(,)?) => {
        /// Why a call failed, as programs are told. The words never change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name),* }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word in `google.rpc.ErrorInfo.reason`.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word),* }
            }
        }
    };
}

reasons! {
    /// A field of the request or of a record is not allowed.
    InvalidField = "INVALID_FIELD",
    /// A series, key, reason, principal or request id is not allowed.
    InvalidName = "INVALID_NAME",
    /// More than a bound allows.
    TooLarge = "TOO_LARGE",
    /// A batch without records.
    EmptyBatch = "EMPTY_BATCH",
    /// The bytes of the request are not its message.
    Undecodable = "UNDECODABLE",
    /// A filter that cannot be read.
    InvalidFilter = "INVALID_FILTER",
    /// A page token of another question, or no token.
    InvalidPageToken = "INVALID_PAGE_TOKEN",
    /// Bytes that are no resume token.
    InvalidResumeToken = "INVALID_RESUME_TOKEN",
    /// The request id names another batch.
    RequestIdReused = "REQUEST_ID_REUSED",
    /// An act that has a service of its own.
    WrongService = "WRONG_SERVICE",
    /// The beginning of a key that several entries have.
    AmbiguousKey = "AMBIGUOUS_KEY",
    /// The archive does not have the entry.
    UnknownEntry = "UNKNOWN_ENTRY",
    /// The entry does not have the revision.
    UnknownRevision = "UNKNOWN_REVISION",
    /// The key exists with other content.
    EntryExists = "ENTRY_EXISTS",
    /// The entry was retracted.
    EntryRetracted = "ENTRY_RETRACTED",
    /// The entry was erased and its key is closed.
    EntryErased = "ENTRY_ERASED",
    /// Some revisions were erased: content needs an expected revision.
    EntryPartlyErased = "ENTRY_PARTLY_ERASED",
    /// The act would change nothing.
    AlreadySo = "ALREADY_SO",
    /// There is nothing to undo.
    NotSo = "NOT_SO",
    /// A hold is in the way.
    EntryHeld = "ENTRY_HELD",
    /// The entry is at another revision.
    RevisionConflict = "REVISION_CONFLICT",
    /// The entry was changed again and again while it was to be erased.
    EntryChanged = "ENTRY_CHANGED",
    /// The log has another tail.
    TailConflict = "TAIL_CONFLICT",
    /// A record matches `fail_if_match`.
    MatchConflict = "MATCH_CONFLICT",
    /// A write failed: no appends until a restart.
    AppendsClosed = "APPENDS_CLOSED",
    /// The disk is nearly full.
    DiskFull = "DISK_FULL",
    /// The clock jumped and nobody confirmed it.
    ClockNotConfirmed = "CLOCK_NOT_CONFIRMED",
    /// Durable bytes are damaged: no appends at all.
    ReadOnly = "READ_ONLY",
    /// A web page whose origin the settings do not name.
    ForeignPage = "FOREIGN_PAGE",
    /// The server is stopping.
    Draining = "DRAINING",
    /// The records may or may not have been written.
    FateUnknown = "FATE_UNKNOWN",
    /// `wait_for` asks for followers or witnesses, and there are none.
    NoFollower = "NO_FOLLOWER",
    /// Stored bytes are not what was written.
    Damaged = "DAMAGED",
    /// The position is not written yet.
    BeyondTail = "BEYOND_TAIL",
    /// Something was erased while a reader was slow to take what had been read before.
    ErasedMeanwhile = "ERASED_MEANWHILE",
    /// The log's clock has not passed the time yet.
    TimeNotPassed = "TIME_NOT_PASSED",
    /// The disk did not answer.
    ReadFailed = "READ_FAILED",
    /// Which names are taken is being learnt from the log.
    NamesUnknown = "NAMES_UNKNOWN",
    /// The log did not reach the position in time.
    ViewLagging = "VIEW_LAGGING",
    /// No view has the name.
    UnknownView = "UNKNOWN_VIEW",
    /// The view could not be opened.
    ViewAbsent = "VIEW_ABSENT",
    /// Too many questions at once.
    Busy = "BUSY",
    /// A checkpoint could not be signed or kept.
    NotSigned = "NOT_SIGNED",
    /// No group has the name.
    UnknownGroup = "UNKNOWN_GROUP",
    /// A group of the name has other settings.
    GroupExists = "GROUP_EXISTS",
    /// No more groups may be made.
    TooManyGroups = "TOO_MANY_GROUPS",
    /// No more acknowledgements can be remembered of what was not looked at since a restart.
    TooFarAhead = "TOO_FAR_AHEAD",
    /// A group was at work on another history of the log.
    GroupStopped = "GROUP_STOPPED",
    /// What is kept of the groups cannot be read.
    GroupsUnreadable = "GROUPS_UNREADABLE",
    /// What a group has done could not be kept.
    GroupNotKept = "GROUP_NOT_KEPT",
    /// A resume token of another archive.
    TokenOfAnotherLog = "TOKEN_OF_ANOTHER_LOG",
    /// A resume token of another filter.
    TokenOfAnotherFilter = "TOKEN_OF_ANOTHER_FILTER",
    /// A resume token of a feed that judges otherwise.
    TokenOfAnotherMode = "TOKEN_OF_ANOTHER_MODE",
    /// A resume token of records that this archive does not hold.
    TokenOfAFork = "TOKEN_OF_A_FORK",
}

/// A request that cannot be taken as it is, before anything below was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A field whose value is not allowed.
    #[error("{path}: {problem}")]
    Field {
        /// The path of the field.
        path: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A filter that cannot be read.
    #[error("{path}: {problem}")]
    Filter {
        /// The path of the field.
        path: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// A field that has more than a bound allows.
    #[error("{path}: {problem}")]
    TooLarge {
        /// The path of the field.
        path: String,
        /// How much there is, the limit, and what to do.
        problem: String,
        /// How much there is.
        actual: u64,
        /// How much there may be.
        limit: u64,
    },
    /// `wait_for` asks for followers or witnesses.
    #[error("wait_for {0} needs a follower, and this server has none; use DURABLE")]
    NoFollower(&'static str),
    /// A view that there is not.
    #[error("`{name}` is no view; the views are: {}", known.join(", "))]
    UnknownView {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: Vec<&'static str>,
    },
}

impl RequestError {
    /// A field whose value is not allowed.
    pub fn field(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Field {
            path: path.into(),
            problem: problem.into(),
        }
    }

    /// A field that has more than a bound allows; `problem` says it in words, with both numbers.
    pub fn too_large(
        path: impl Into<String>,
        problem: impl Into<String>,
        actual: usize,
        limit: usize,
    ) -> Self {
        Self::TooLarge {
            path: path.into(),
            problem: problem.into(),
            actual: actual as u64,
            limit: limit as u64,
        }
    }
}

impl From<RequestError> for Status {
    fn from(error: RequestError) -> Self {
        let message = error.to_string();
        match error {
            RequestError::Field { path, problem } => {
                answer(Code::InvalidArgument, Reason::InvalidField, message).field(&path, &problem)
            }
            RequestError::Filter { path, problem } => {
                answer(Code::InvalidArgument, Reason::InvalidFilter, message).field(&path, &problem)
            }
            RequestError::TooLarge {
                path,
                problem,
                actual,
                limit,
            } => answer(Code::InvalidArgument, Reason::TooLarge, message)
                .with("limit", limit)
                .with("actual", actual)
                .field(&path, &problem),
            RequestError::UnknownView { .. } => answer(Code::NotFound, Reason::UnknownView, message),
            RequestError::NoFollower(_) => answer(Code::FailedPrecondition, Reason::NoFollower, message),
        }
        .status()
    }
}

/// The bytes of a request are not its message.
pub fn undecodable(error: &prost::DecodeError) -> Status {
    let message =
        format!("the request cannot be decoded ({error}); send the message that the service declares");
    answer(Code::InvalidArgument, Reason::Undecodable, message).status()
}

/// A request that did not arrive. Where it is larger than the server takes, the transport says OUT_OF_RANGE and nothing
/// else, since it looks no further than the length; every such answer of ours has details.
pub fn received(status: Status) -> Status {
    if status.code() == Code::OutOfRange && status.details().is_empty() {
        let message = format!(
            "the request exceeds the limit of {} bytes; send less at a time",
            super::raw::REQUEST_BYTES_MAX
        );
        return answer(Code::InvalidArgument, Reason::TooLarge, message)
            .with("limit", super::raw::REQUEST_BYTES_MAX.to_string())
            .status();
    }
    status
}

/// An append that was not made.
pub fn append(error: &AppendError) -> Status {
    let message = error.to_string();
    match error {
        AppendError::Refused(violations) => refused(violations),
        AppendError::Closed(cause) => closed(cause),
        AppendError::Unknown { request_id, .. } => {
            let id = request_id.as_ref().map(|id| hex::encode(id.as_bytes()));
            answer(Code::Unknown, Reason::FateUnknown, message)
                .with("request_id", id.unwrap_or_default())
                .status()
        }
        AppendError::Read(error) => read(error),
    }
}

/// Records that could not be read.
pub fn read(error: &ReadError) -> Status {
    let message = error.to_string();
    match error {
        ReadError::Damaged {
            position,
            expected,
            found,
        } => answer(Code::DataLoss, Reason::Damaged, message)
            .with("position", position)
            .with("expected", expected)
            .with("found", found),
        ReadError::BeyondTail { position, tail } => answer(Code::OutOfRange, Reason::BeyondTail, message)
            .with("position", position)
            .with("tail", tail),
        ReadError::NotPassed { tail, clock, .. } | ReadError::BeginsLater { tail, clock, .. } => {
            answer(Code::OutOfRange, Reason::TimeNotPassed, message)
                .with("clock", clock)
                .with("tail", tail)
        }
        ReadError::Learning => answer(Code::Unavailable, Reason::NamesUnknown, message).retry(),
        ReadError::Io { .. } => {
            tracing::error!(%error, "a read failed");
            answer(Code::Internal, Reason::ReadFailed, message)
        }
    }
    .status()
}

/// A call for a consumer group that was not answered.
pub fn group(error: &GroupError) -> Status {
    let message = error.to_string();
    match error {
        GroupError::Start(error) => subscribe(error),
        GroupError::Read(error) => read(error),
        GroupError::Unknown(name) => answer(Code::NotFound, Reason::UnknownGroup, message)
            .with("group", name)
            .status(),
        GroupError::Exists(name, _) => answer(Code::AlreadyExists, Reason::GroupExists, message)
            .with("group", name)
            .status(),
        GroupError::TooMany => answer(Code::ResourceExhausted, Reason::TooManyGroups, message).status(),
        GroupError::TooFarAhead => answer(Code::ResourceExhausted, Reason::TooFarAhead, message).status(),
        GroupError::Stopped { name, .. } => answer(Code::FailedPrecondition, Reason::GroupStopped, message)
            .with("group", name)
            .status(),
        GroupError::Unreadable(_) => answer(Code::DataLoss, Reason::GroupsUnreadable, message).status(),
        GroupError::NotKept(_) => {
            tracing::error!(%error, "a group");
            answer(Code::Internal, Reason::GroupNotKept, message).status()
        }
        GroupError::Draining => answer(Code::Unavailable, Reason::Draining, message)
            .retry()
            .status(),
    }
}

/// A checkpoint that was not signed.
pub fn sign(error: &SignError) -> Status {
    let message = error.to_string();
    match error {
        SignError::Read(error) => read(error),
        SignError::Damaged(found) => answer(Code::DataLoss, Reason::ReadOnly, message)
            .with("found", found)
            .status(),
        SignError::NoKey => answer(Code::FailedPrecondition, Reason::NotSigned, message).status(),
        SignError::Write(_) => {
            tracing::error!(%error, "a checkpoint was not signed");
            answer(Code::Internal, Reason::NotSigned, message).status()
        }
    }
}

/// A check that was not made.
pub fn fixity(error: &FixityError) -> Status {
    let message = error.to_string();
    match error {
        FixityError::Busy => answer(Code::ResourceExhausted, Reason::Busy, message)
            .retry()
            .status(),
        FixityError::Failed(_) => {
            tracing::error!(%error, "a verification failed");
            answer(Code::Internal, Reason::ReadFailed, message).status()
        }
    }
}

/// A question that was not answered.
pub fn query(error: &QueryError) -> Status {
    let message = error.to_string();
    match error {
        QueryError::Read(error) => read(error),
        QueryError::Token(problem) => answer(Code::InvalidArgument, Reason::InvalidPageToken, message)
            .field("page_token", problem)
            .status(),
        QueryError::Lagging { wanted, tail, .. } => answer(Code::Unavailable, Reason::ViewLagging, message)
            .with("position", wanted)
            .with("tail", tail)
            .retry()
            .status(),
        QueryError::Busy { .. } => answer(Code::ResourceExhausted, Reason::Busy, message)
            .retry()
            .status(),
        QueryError::NoWords => answer(Code::InvalidArgument, Reason::InvalidField, message.clone())
            .field("order", &message)
            .status(),
        QueryError::Words { words, limit } => {
            answer(Code::InvalidArgument, Reason::TooLarge, message.clone())
                .field("order", &message)
                .with("actual", words)
                .with("limit", limit)
                .status()
        }
        QueryError::Groups { limit } => answer(Code::InvalidArgument, Reason::TooLarge, message.clone())
            .field("by", &message)
            .with("limit", limit)
            .status(),
    }
}

/// A call of a web page whose origin is not allowed.
pub(super) fn foreign_page(origin: &str) -> Status {
    let message = format!("pages of {origin} may not call; allow them with --web-origins {origin}");
    answer(Code::PermissionDenied, Reason::ForeignPage, message).status()
}

/// A view that could not be opened, or is not open yet.
pub fn no_view(name: &str) -> Status {
    let message = format!(
        "the view `{name}` is not open, and the daemon's log says why; every question looks at every record until it is"
    );
    answer(Code::FailedPrecondition, Reason::ViewAbsent, message).status()
}

/// An entry that was not answered.
pub fn entry(error: &EntryError) -> Status {
    let message = error.to_string();
    match error {
        EntryError::Unknown(_) => answer(Code::NotFound, Reason::UnknownEntry, message).status(),
        EntryError::Ambiguous { candidates, .. } => {
            let keys: Vec<String> = candidates.iter().map(ToString::to_string).collect();
            answer(Code::InvalidArgument, Reason::AmbiguousKey, message)
                .with("candidates", keys.join("\n"))
                .status()
        }
        EntryError::Revision { newest, .. } => answer(Code::NotFound, Reason::UnknownRevision, message)
            .with("newest", newest)
            .status(),
        EntryError::Read(error) => read(error),
        EntryError::Scan(error) => query(error),
    }
}

/// A subscription that did not begin.
pub fn subscribe(error: &SubscribeError) -> Status {
    let message = error.to_string();
    match error {
        SubscribeError::Token(TokenError::Unreadable) => {
            answer(Code::InvalidArgument, Reason::InvalidResumeToken, message)
                .field("from.resume_token", "not a token that this server made")
                .status()
        }
        SubscribeError::Token(TokenError::OtherLog(origin)) => {
            answer(Code::FailedPrecondition, Reason::TokenOfAnotherLog, message)
                .with("origin", origin)
                .status()
        }
        SubscribeError::Token(TokenError::OtherFilter(filter)) => {
            answer(Code::FailedPrecondition, Reason::TokenOfAnotherFilter, message)
                .with("filter", filter)
                .status()
        }
        SubscribeError::Token(TokenError::OtherMode { was_records_only }) => {
            answer(Code::FailedPrecondition, Reason::TokenOfAnotherMode, message)
                .with("records_only", was_records_only)
                .status()
        }
        SubscribeError::Token(TokenError::Forked { position, .. }) => {
            answer(Code::FailedPrecondition, Reason::TokenOfAFork, message)
                .with("position", position)
                .status()
        }
        SubscribeError::Read(error) => read(error),
        SubscribeError::Draining => answer(Code::Unavailable, Reason::Draining, message)
            .retry()
            .status(),
    }
}

fn closed(cause: &Closed) -> Status {
    let message = cause.to_string();
    match cause {
        Closed::Failed(_) => answer(Code::FailedPrecondition, Reason::AppendsClosed, message),
        Closed::DiskFull { free, needed } => answer(Code::ResourceExhausted, Reason::DiskFull, message)
            .with("free_bytes", free)
            .with("needed_bytes", needed),
        Closed::Clock { clock, known, .. } => {
            answer(Code::FailedPrecondition, Reason::ClockNotConfirmed, message)
                .with("clock", clock)
                .with("known", known)
        }
        Closed::Damaged { position, what } => answer(Code::DataLoss, Reason::ReadOnly, message)
            .with("position", position)
            .with("found", what),
        Closed::Draining => answer(Code::Unavailable, Reason::Draining, message).retry(),
    }
    .status()
}

/// What was read before an erasure is not sent after it.
pub fn erased_meanwhile() -> Status {
    let text =
        "something was erased while this was being read; read again from the first record that is missing";
    answer(Code::Aborted, Reason::ErasedMeanwhile, text.to_owned()).status()
}

/// What a broken rule is on the wire.
fn rule(rule: &Rule) -> (Code, Reason) {
    match rule {
        Rule::Invalid(_) => (Code::InvalidArgument, Reason::InvalidField),
        Rule::Name(_) => (Code::InvalidArgument, Reason::InvalidName),
        Rule::TooLarge { .. } => (Code::InvalidArgument, Reason::TooLarge),
        Rule::Empty => (Code::InvalidArgument, Reason::EmptyBatch),
        Rule::RequestIdReused { .. } => (Code::InvalidArgument, Reason::RequestIdReused),
        Rule::Door { .. } => (Code::InvalidArgument, Reason::WrongService),
        Rule::Unknown(_) => (Code::NotFound, Reason::UnknownEntry),
        Rule::Exists { .. } => (Code::AlreadyExists, Reason::EntryExists),
        Rule::Retracted { .. } => (Code::FailedPrecondition, Reason::EntryRetracted),
        Rule::Erased { .. } => (Code::FailedPrecondition, Reason::EntryErased),
        Rule::PartlyErased { .. } => (Code::FailedPrecondition, Reason::EntryPartlyErased),
        Rule::AlreadySo { .. } => (Code::FailedPrecondition, Reason::AlreadySo),
        Rule::NotSo { .. } => (Code::FailedPrecondition, Reason::NotSo),
        Rule::Held { .. } => (Code::FailedPrecondition, Reason::EntryHeld),
        Rule::Revision { .. } => (Code::Aborted, Reason::RevisionConflict),
        Rule::Newest { .. } => (Code::Aborted, Reason::EntryChanged),
        Rule::Tail { .. } => (Code::Aborted, Reason::TailConflict),
        Rule::Match { .. } => (Code::Aborted, Reason::MatchConflict),
    }
}

/// What a program needs besides the sentence.
fn metadata(broken: &Rule) -> Vec<(&'static str, String)> {
    match broken {
        Rule::TooLarge { limit, actual, .. } => {
            vec![("limit", limit.to_string()), ("actual", actual.to_string())]
        }
        Rule::Exists { entry, position }
        | Rule::Retracted { entry, position }
        | Rule::Erased { entry, position }
        | Rule::AlreadySo { entry, position, .. }
        | Rule::Held { entry, position } => {
            vec![("entry", entry.to_string()), ("position", position.to_string())]
        }
        Rule::Unknown(entry) | Rule::NotSo { entry, .. } => vec![("entry", entry.to_string())],
        Rule::PartlyErased { entry, revision } => {
            vec![("entry", entry.to_string()), ("revision", revision.to_string())]
        }
        Rule::Revision {
            entry,
            expected,
            actual,
        } => vec![
            ("entry", entry.to_string()),
            ("expected", expected.to_string()),
            ("actual", actual.to_string()),
        ],
        Rule::Newest {
            entry,
            expected,
            actual,
        } => vec![
            ("entry", entry.to_string()),
            ("expected", expected.to_string()),
            ("actual", actual.to_string()),
        ],
        Rule::Tail { expected, actual } => {
            vec![("expected", expected.to_string()), ("actual", actual.to_string())]
        }
        Rule::Match { position, .. } | Rule::RequestIdReused { position } => {
            vec![("position", position.to_string())]
        }
        Rule::Invalid(_) | Rule::Name(_) | Rule::Empty | Rule::Door { .. } => Vec::new(),
    }
}

/// Which of several codes an answer has: first what can never succeed as it was sent.
fn rank(code: Code) -> u8 {
    match code {
        Code::InvalidArgument => 0,
        Code::NotFound => 1,
        Code::AlreadyExists => 2,
        Code::FailedPrecondition => 3,
        _ => 4,
    }
}

/// A refused batch: the gravest rule decides the code, all are in the details.
fn refused(violations: &[Violation]) -> Status {
    let gravest = violations
        .iter()
        .min_by_key(|violation| rank(rule(&violation.rule).0));
    let Some(gravest) = gravest else {
        return answer(
            Code::Internal,
            Reason::InvalidField,
            "the batch was refused".to_owned(),
        )
        .status();
    };
    let (code, reason) = rule(&gravest.rule);
    let message = match violations.len() {
        1 => gravest.to_string(),
        count => format!("{gravest} (and {} more)", count - 1),
    };
    let mut answer = answer(code, reason, message)
        .with("violations", violations.len())
        .with("path", gravest.path());
    for (name, value) in metadata(&gravest.rule) {
        answer = answer.with(name, value);
    }
    for violation in violations {
        answer = answer.violation(violation);
    }
    answer.status()
}

/// An answer in the making.
struct Answer {
    code: Code,
    reason: Reason,
    message: String,
    metadata: HashMap<String, String>,
    details: ErrorDetails,
    bytes: usize,
}

fn answer(code: Code, reason: Reason, message: String) -> Answer {
    let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
    Answer {
        bytes: message.len() + 256,
        code,
        reason,
        message,
        metadata: HashMap::new(),
        details: ErrorDetails::new(),
    }
}

impl Answer {
    fn with(mut self, name: &str, value: impl ToString) -> Self {
        let value: String = value.to_string().chars().take(MESSAGE_CHARS_MAX).collect();
        self.bytes += name.len() + value.len() + 8;
        self.metadata.insert(name.to_owned(), value);
        self
    }

    fn field(mut self, path: &str, problem: &str) -> Self {
        if self.fits(path.len() + problem.len()) {
            self.details.add_bad_request_violation(path, problem);
        }
        self
    }

    fn violation(mut self, violation: &Violation) -> Self {
        let (code, reason) = rule(&violation.rule);
        let (path, text) = (violation.path(), violation.rule.to_string());
        if !self.fits(path.len() + text.len() + reason.word().len()) {
            return self;
        }
        if code == Code::InvalidArgument {
            self.details.add_bad_request_violation(path, text);
        } else {
            self.details
                .add_precondition_failure_violation(reason.word(), path, text);
        }
        self
    }

    /// Whether so many bytes more may go into the details; if so they are counted.
    fn fits(&mut self, bytes: usize) -> bool {
        let bytes = self.bytes + bytes + 16;
        let fits = bytes <= DETAILS_BYTES_MAX;
        if fits {
            self.bytes = bytes;
        }
        fits
    }

    fn retry(mut self) -> Self {
        self.details.set_retry_info(Some(RETRY_AFTER));
        self
    }

    fn status(mut self) -> Status {
        self.details
            .set_error_info(self.reason.word(), DOMAIN, self.metadata);
        Status::with_error_details(self.code, self.message, self.details)
    }
}

#[cfg(test)]
mod tests;

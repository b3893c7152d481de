//! Appending until the fate of a batch is known.
//!
//! A batch with a name can be sent again: where the first one was written, the server answers its receipts. So that it is never
//! sent without need, whatever says that nothing was written, or why nothing ever will be, is handed on at once.

use super::retry::{Backoff, Retry, is_lost, is_lost_on_the_way};
use super::{Client, reason};
use crate::rpc::proto::{AppendRequest, AppendResponse};
use bytes::Bytes;
use tonic::{Code, Status};

/// The bytes of a name that is given to a batch.
const NAME_BYTES: usize = 16;
/// Refusals that the server gives before it looks whether it has the batch.
const UNSEEN: [&str; 2] = ["APPENDS_CLOSED", "CLOCK_NOT_CONFIRMED"];

/// Why [`Client::append_until_known`] has no receipts.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Nothing was written: the server said so, or none was reached.
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    /// An attempt may have been written, and the server could not be asked in time. The same batch with this request id is
    /// recorded once, whenever it is sent.
    #[error(
        "whether the batch was written is not known: {}; send it again with the request id {}",
        last.message(),
        hex::encode(request_id)
    )]
    FateUnknown {
        /// The name of the batch.
        request_id: Bytes,
        /// What the last attempt ended with.
        last: Box<Status>,
    },
}

impl AppendError {
    /// What the last attempt ended with.
    pub fn status(&self) -> &Status {
        match self {
            Self::Refused(status) | Self::FateUnknown { last: status, .. } => status,
        }
    }
}

impl Client {
    /// Appends one batch, and sends it again where an answer was lost or the server is away, until its fate is known. A batch
    /// without a `request_id` is given one, so that it is recorded once however often it is sent.
    ///
    /// # Errors
    /// [`AppendError`]. To send a batch again later, after a crash too, give it a `request_id` and keep that first.
    ///
    /// ```no_run
    /// use chancery::client::{AppendError, Client, Retry};
    /// use chancery::record::Act;
    /// use chancery::record::codec::{Content, encode_content};
    /// use chancery::rpc::proto::{AppendRecord, AppendRequest};
    ///
    /// # async fn example(client: &Client) -> Result<(), AppendError> {
    /// let record = AppendRecord {
    ///     act: Act::Create.number(),
    ///     series: "desk".into(),
    ///     payload: vec![encode_content(Content { title: "Talks resumed".into(), ..Content::default() })],
    ///     ..AppendRecord::default()
    /// };
    /// let request = AppendRequest { records: vec![record], ..AppendRequest::default() };
    /// let response = client.append_until_known(request, Retry::default()).await?;
    /// println!("recorded at position {}", response.receipts[0].position);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn append_until_known(
        &self,
        mut request: AppendRequest,
        retry: Retry,
    ) -> Result<AppendResponse, AppendError> {
        name(&mut request).map_err(|status| AppendError::Refused(Box::new(status)))?;
        let mut backoff = Backoff::new(retry);
        let mut may_be_written = false;
        loop {
            let status = match self.append(request.clone()).await {
                Ok(response) => return Ok(response),
                Err(status) => status,
            };
            may_be_written |= leaves_open(&status);
            let wait = is_worth_sending_again(&status)
                .then(|| backoff.wait_after(&status))
                .flatten();
            let Some(wait) = wait else {
                return Err(ended(status, may_be_written, request.request_id));
            };
            tokio::time::sleep(wait).await;
        }
    }
}

/// Gives the batch a name by chance where it has none.
fn name(request: &mut AppendRequest) -> Result<(), Status> {
    if request.request_id.is_empty() {
        let mut name = [0; NAME_BYTES];
        getrandom::fill(&mut name).map_err(|error| {
            Status::internal(format!(
                "the system gives no random bytes for a request id: {error}"
            ))
        })?;
        request.request_id = Bytes::copy_from_slice(&name);
    }
    Ok(())
}

/// Whether a batch may have been written although its call failed: the connection was lost on the way, the server says that it does
/// not know, or somebody in between has answered, since the server gives a reason.
fn leaves_open(status: &Status) -> bool {
    match is_lost(status) {
        true => is_lost_on_the_way(status),
        false => status.code() == Code::Unknown || reason(status).is_none(),
    }
}

/// Whether the fate of a batch is open, or the server may take it a moment later.
fn is_worth_sending_again(status: &Status) -> bool {
    is_lost(status) || matches!(status.code(), Code::Unavailable | Code::Unknown)
}

fn ended(status: Status, may_be_written: bool, request_id: Bytes) -> AppendError {
    if may_be_written && !settles(&status) {
        return AppendError::FateUnknown {
            request_id,
            last: Box::new(status),
        };
    }
    AppendError::Refused(Box::new(status))
}

/// Whether a refusal says of an earlier attempt too that it was not written: the server looked for the batch and judged it. The server
/// names a reason; whoever stands between says nothing of the batch.
fn settles(status: &Status) -> bool {
    let is_judged = matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
    );
    !is_lost(status) && is_judged && reason(status).is_some_and(|reason| !UNSEEN.contains(&reason.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_named_once() {
        let mut request = AppendRequest::default();
        name(&mut request).unwrap();
        assert_eq!(request.request_id.len(), NAME_BYTES);
        let named = request.clone();
        name(&mut request).unwrap();
        assert_eq!(request, named);
    }

    #[test]
    fn what_somebody_in_between_answers_says_nothing_of_the_batch() {
        use tonic_types::{ErrorDetails, StatusExt};
        assert!(leaves_open(&Status::unavailable("bad gateway")));
        assert!(leaves_open(&Status::unknown("the sync failed")));
        let details = ErrorDetails::with_error_info("DRAINING", "chancery", []);
        let draining = Status::with_error_details(Code::Unavailable, "draining", details);
        assert!(!leaves_open(&draining));
    }

    #[test]
    fn a_known_fate_is_handed_on() {
        use tonic_types::{ErrorDetails, StatusExt};
        let check = |status: Status, may_be_written, is_open| {
            let error = ended(status, may_be_written, Bytes::from_static(b"name"));
            let says_open = matches!(error, AppendError::FateUnknown { .. });
            assert_eq!(says_open, is_open, "{error}");
        };
        check(Status::unavailable("draining"), false, false);
        check(Status::unavailable("draining"), true, true);
        let details = ErrorDetails::with_error_info("REVISION_CONFLICT", "chancery", []);
        let conflict = Status::with_error_details(Code::Aborted, "another revision", details);
        check(conflict, true, false);
        // Nobody who has seen the batch says nothing more.
        check(Status::aborted("lost on the way"), true, true);
        check(Status::data_loss("read only"), true, true);
        check(Status::resource_exhausted("disk full"), true, true);
    }
}

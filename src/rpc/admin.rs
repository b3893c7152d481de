//! `Admin`: what an operator or an archivist does to the archive as a whole.

use super::status::RequestError;
use super::{Core, convert, erasure, peer, proto, status};
use crate::derive::{RULES, countries};
use crate::log::{Appended, BATCH_BYTES_MAX, BATCH_RECORDS_MAX, Batch, Door, Draft, Receipt, audit};
use crate::record::codec::{self, Payload, Statement};
use crate::record::{Act, EntryKey, Position, Principal, Reason, Revision, leaf, name};
use bytes::Bytes;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The version of the payload that this program knows.
const PAYLOAD_FORMAT: u32 = 1;

/// Answers `Admin`.
pub struct Admin(pub Arc<Core>);

#[tonic::async_trait]
impl proto::admin_server::Admin for Admin {
    async fn get_server_info(
        &self,
        _: Request<proto::GetServerInfoRequest>,
    ) -> Result<Response<proto::GetServerInfoResponse>, Status> {
        Ok(Response::new(proto::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            origin: self.0.log.origin().to_owned(),
            payload_format: PAYLOAD_FORMAT,
            leaf_format: number(leaf::FORMAT),
            limits: Some(proto::Limits {
                batch_records_max: number(BATCH_RECORDS_MAX as u64),
                batch_bytes_max: number(BATCH_BYTES_MAX as u64),
                payload_bytes_max: number(codec::PAYLOAD_BYTES_MAX as u64),
                key_bytes_max: number(name::KEY_BYTES_MAX as u64),
                participants_max: codec::PARTICIPANTS_MAX,
            }),
            started: self.0.started.nanos(),
            derivation: countries().version().to_owned(),
            rules: RULES,
        }))
    }

    async fn hold(
        &self,
        request: Request<proto::HoldRequest>,
    ) -> Result<Response<proto::HoldResponse>, Status> {
        let peer = peer::principal(request.extensions()).await;
        let request = request.into_inner();
        let order = Order {
            act: Act::Hold,
            entry: convert::entry_key(request.entry, "entry")?,
            authority: request.authority,
            explanation: request.explanation,
            reason: request.reason,
            request_id: request.request_id,
            claimed_principal: request.claimed_principal,
            peer,
            expected_revision: request.expected_revision,
        };
        let receipt = Some(self.carry_out(order).await?);
        Ok(Response::new(proto::HoldResponse { receipt }))
    }

    async fn release(
        &self,
        request: Request<proto::ReleaseRequest>,
    ) -> Result<Response<proto::ReleaseResponse>, Status> {
        let peer = peer::principal(request.extensions()).await;
        let request = request.into_inner();
        let order = Order {
            act: Act::Release,
            entry: convert::entry_key(request.entry, "entry")?,
            authority: request.authority,
            explanation: request.explanation,
            reason: request.reason,
            request_id: request.request_id,
            claimed_principal: request.claimed_principal,
            peer,
            expected_revision: request.expected_revision,
        };
        let receipt = Some(self.carry_out(order).await?);
        Ok(Response::new(proto::ReleaseResponse { receipt }))
    }

    async fn erase(
        &self,
        request: Request<proto::EraseRequest>,
    ) -> Result<Response<proto::EraseResponse>, Status> {
        let peer = peer::principal(request.extensions()).await;
        let answer = erasure::erase(&self.0, peer, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn get_erasure(
        &self,
        request: Request<proto::GetErasureRequest>,
    ) -> Result<Response<proto::GetErasureResponse>, Status> {
        let answer = erasure::get(&self.0, request.get_ref()).await?;
        Ok(Response::new(answer))
    }

    async fn confirm_clock(
        &self,
        request: Request<proto::ConfirmClockRequest>,
    ) -> Result<Response<proto::ConfirmClockResponse>, Status> {
        let peer = peer::principal(request.extensions()).await;
        let authority = request.into_inner().authority;
        check_authority(&authority)?;
        let confirmed = self.0.log.confirm_clock(&authority, peer).await;
        let position = confirmed.map_err(|error| status::append(&error))?;
        Ok(Response::new(proto::ConfirmClockResponse {
            position: position.map(Position::get),
            clock: self.0.log.now().nanos(),
        }))
    }

    async fn record_import(
        &self,
        request: Request<proto::RecordImportRequest>,
    ) -> Result<Response<proto::RecordImportResponse>, Status> {
        let peer = peer::principal(request.extensions()).await;
        let request = request.into_inner();
        check_import(&request, self.0.log.tail())?;
        let batch = Batch {
            records: vec![audit::draft("import", None, &import_details(&request))],
            request_id: convert::request_id(request.request_id).map_err(named("request_id"))?,
            expected_tail: None,
            fail_if_match: None,
            validate_only: false,
            principal: convert::principal(&request.claimed_principal, &peer)
                .map_err(named("claimed_principal"))?,
            door: Door::System,
        };
        let appended = self.0.log.append(batch).await;
        let receipt = first(appended.map_err(|error| status::append(&error))?)?;
        Ok(Response::new(proto::RecordImportResponse {
            position: receipt.position.get(),
        }))
    }

    async fn drain(&self, _: Request<proto::DrainRequest>) -> Result<Response<proto::DrainResponse>, Status> {
        self.0.log.drain();
        let tail = self.0.log.tail().get();
        self.0.stop.notify_one();
        Ok(Response::new(proto::DrainResponse { tail }))
    }
}

/// A HOLD or RELEASE as it was sent.
struct Order {
    act: Act,
    entry: EntryKey,
    authority: String,
    explanation: String,
    reason: String,
    request_id: Bytes,
    claimed_principal: String,
    peer: Principal,
    expected_revision: Option<u64>,
}

impl Admin {
    async fn carry_out(&self, order: Order) -> Result<proto::Receipt, Status> {
        check_authority(&order.authority)?;
        let principal =
            convert::principal(&order.claimed_principal, &order.peer).map_err(named("claimed_principal"))?;
        let payload = Payload {
            statement: Some(Statement {
                explanation: order.explanation,
                authority: order.authority.clone(),
                ..Statement::default()
            }),
            ..Payload::default()
        };
        let reason = Reason::new(&order.reason).map_err(named("reason"))?;
        let draft = Draft {
            expected_revision: order.expected_revision.map(Revision::new),
            ..draft(order.act, &order.entry, &payload, reason)
        };
        // One batch: a crash leaves both or neither, and a retry of one that was lost writes both.
        let authority = [("authority", order.authority)];
        let beside = audit::draft(order.act.word(), Some(&order.entry), &authority);
        let batch = Batch {
            records: vec![draft, beside],
            request_id: convert::request_id(order.request_id).map_err(named("request_id"))?,
            expected_tail: None,
            fail_if_match: None,
            validate_only: false,
            principal,
            door: Door::Admin,
        };
        let appended = self.0.log.append(batch).await;
        let receipt = first(appended.map_err(|error| status::append(&error))?)?;
        Ok(convert::receipt(&receipt))
    }
}

/// A name that is not of its form, as an error of the field at a path.
pub(super) fn named(path: &'static str) -> impl Fn(name::NameError) -> RequestError {
    move |error| RequestError::field(path, error.to_string())
}

/// Whether an import wrote something, and its numbers are what an import's are.
fn check_import(request: &proto::RecordImportRequest, tail: Position) -> Result<(), RequestError> {
    let refuse = |path: &str, problem: String| Err(RequestError::field(path, problem));
    let counts = [
        request.recorded,
        request.amended,
        request.duplicates,
        request.rejected,
    ];
    let sum = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let (first, last) = (request.first_position, request.last_position);
    if request.importer.trim().is_empty() {
        return refuse("importer", "missing; say which program imported".into());
    }
    if request.recorded == 0 && request.amended == 0 {
        let problem = "recorded and amended are 0; only an import that wrote something is written down";
        return refuse("recorded", problem.into());
    }
    if request.read != sum {
        let problem = format!(
            "{} is not the sum {sum} of the four counts; count each row once",
            request.read
        );
        return refuse("read", problem);
    }
    if last >= tail.get() {
        let problem = format!("{last} is not written, the tail is {tail}; give the position of a receipt");
        return refuse("last_position", problem);
    }
    if first > last {
        let problem = format!("{first} is above last_position {last}; give the lowest position first");
        return refuse("first_position", problem);
    }
    Ok(())
}

fn import_details(request: &proto::RecordImportRequest) -> Vec<(&'static str, String)> {
    let texts = [("importer", &request.importer), ("version", &request.version)];
    let files = request.files.iter().map(|file| ("file", file));
    let numbers = [
        ("read", request.read),
        ("recorded", request.recorded),
        ("amended", request.amended),
        ("duplicates", request.duplicates),
        ("rejected", request.rejected),
        ("first_position", request.first_position),
        ("last_position", request.last_position),
    ];
    let texts = texts.into_iter().chain(files);
    let texts = texts.map(|(name, text)| (name, text.clone()));
    texts
        .chain(numbers.map(|(name, number)| (name, number.to_string())))
        .collect()
}

pub(super) fn check_authority(authority: &str) -> Result<(), RequestError> {
    if authority.trim().is_empty() {
        let problem = "missing; say on whose decision, law or order this is done";
        return Err(RequestError::field("authority", problem));
    }
    Ok(())
}

fn draft(act: Act, entry: &EntryKey, payload: &Payload, reason: Reason) -> Draft {
    Draft {
        act,
        kind: None,
        series: entry.series.clone(),
        key: Some(entry.key.clone()),
        payload: codec::encode_payload(payload),
        expected_revision: None,
        reason,
        relation: None,
        erased: None,
    }
}

fn first(appended: Appended) -> Result<Receipt, Status> {
    let missing = || Status::internal("the log answered no receipt");
    appended.receipts.into_iter().next().ok_or_else(missing)
}

fn number(bound: u64) -> u32 {
    u32::try_from(bound).unwrap_or(u32::MAX)
}

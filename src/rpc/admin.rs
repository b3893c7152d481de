//! `Admin`: what an operator or an archivist does to the archive as a whole.

use super::status::RequestError;
use super::{Core, convert, proto, status};
use crate::derive::countries;
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
        }))
    }

    async fn hold(
        &self,
        request: Request<proto::HoldRequest>,
    ) -> Result<Response<proto::HoldResponse>, Status> {
        let request = request.into_inner();
        let order = Order {
            act: Act::Hold,
            entry: convert::entry_key(request.entry, "entry")?,
            authority: request.authority,
            explanation: request.explanation,
            reason: request.reason,
            request_id: request.request_id,
            claimed_principal: request.claimed_principal,
            expected_revision: request.expected_revision,
        };
        let receipt = Some(self.carry_out(order).await?);
        Ok(Response::new(proto::HoldResponse { receipt }))
    }

    async fn release(
        &self,
        request: Request<proto::ReleaseRequest>,
    ) -> Result<Response<proto::ReleaseResponse>, Status> {
        let request = request.into_inner();
        let order = Order {
            act: Act::Release,
            entry: convert::entry_key(request.entry, "entry")?,
            authority: request.authority,
            explanation: request.explanation,
            reason: request.reason,
            request_id: request.request_id,
            claimed_principal: request.claimed_principal,
            expected_revision: request.expected_revision,
        };
        let receipt = Some(self.carry_out(order).await?);
        Ok(Response::new(proto::ReleaseResponse { receipt }))
    }

    async fn confirm_clock(
        &self,
        request: Request<proto::ConfirmClockRequest>,
    ) -> Result<Response<proto::ConfirmClockResponse>, Status> {
        let authority = request.into_inner().authority;
        check_authority(&authority)?;
        let confirmed = self.0.log.confirm_clock(&authority, Principal::anonymous()).await;
        let position = confirmed.map_err(|error| status::append(&error))?;
        Ok(Response::new(proto::ConfirmClockResponse {
            position: position.map(Position::get),
            clock: self.0.log.now().nanos(),
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
    expected_revision: Option<u64>,
}

impl Admin {
    async fn carry_out(&self, order: Order) -> Result<proto::Receipt, Status> {
        check_authority(&order.authority)?;
        let named = |path: &str, error: name::NameError| RequestError::field(path, error.to_string());
        let principal = convert::principal(&order.claimed_principal)
            .map_err(|error| named("claimed_principal", error))?;
        let payload = Payload {
            statement: Some(Statement {
                explanation: order.explanation,
                authority: order.authority.clone(),
                ..Statement::default()
            }),
            ..Payload::default()
        };
        let reason = Reason::new(&order.reason).map_err(|error| named("reason", error))?;
        let draft = Draft {
            expected_revision: order.expected_revision.map(Revision::new),
            ..draft(order.act, &order.entry, &payload, reason)
        };
        // One batch: a crash leaves both or neither, and a retry of one that was lost writes both.
        let authority = [("authority", order.authority)];
        let beside = audit::draft(order.act.word(), Some(&order.entry), &authority);
        let batch = Batch {
            records: vec![draft, beside],
            request_id: convert::request_id(order.request_id).map_err(|error| named("request_id", error))?,
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

fn check_authority(authority: &str) -> Result<(), RequestError> {
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

//! `Admin.Erase` and `Admin.GetErasure`: what the law takes out, and the certificate that it is gone.

use super::admin::{check_authority, named};
use super::status::RequestError;
use super::{Core, blocking, convert, proto, status};
use crate::log::Receipt;
use crate::log::erasure::{ErasureState, Order, Ordered, PRIMARY};
use crate::record::{EntryKey, Position, Principal, Reason, Revision};
use crate::view::links;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tonic::Status;

/// Carries an order out, or says what it would do.
pub(super) async fn erase(
    core: &Arc<Core>,
    peer: Principal,
    request: proto::EraseRequest,
) -> Result<proto::EraseResponse, Status> {
    let dry_run = request.dry_run;
    let order = order(peer, request)?;
    let ordered = core.log.erase(&order).await;
    let ordered = ordered.map_err(|error| status::append(&error))?;
    let linked = match dry_run {
        true => linked(core, &order.entry, &ordered).await?,
        false => Vec::new(),
    };
    let [replacement, receipt] = receipts(&order, &ordered.appended.receipts);
    let erasing = ordered.scope.erasing;
    Ok(proto::EraseResponse {
        receipt: receipt.map(convert::receipt),
        replacement: replacement.map(convert::receipt),
        revisions: Some(range(erasing.from, erasing.to)),
        positions: ordered.scope.targets.iter().map(|target| target.get()).collect(),
        linked,
        copies: vec![proto::ErasureCopy {
            name: PRIMARY.to_owned(),
            complete: 0,
        }],
    })
}

fn order(peer: Principal, request: proto::EraseRequest) -> Result<Order, Status> {
    check_authority(&request.authority)?;
    let entry = convert::entry_key(request.entry, "entry")?;
    let replacement = convert::payload(request.replacement)
        .map_err(|rule| RequestError::field("replacement", rule.to_string()))?;
    let reason = Reason::new(&request.reason).map_err(named("reason"))?;
    let principal = convert::principal(&request.claimed_principal, &peer);
    let revision = Revision::new;
    Ok(Order {
        entry,
        revisions: request
            .revisions
            .map(|range| (revision(range.from), revision(range.to))),
        authority: request.authority,
        explanation: request.explanation,
        reason,
        expected_revision: request.expected_revision.map(Revision::new),
        replacement: (!replacement.is_empty()).then_some(replacement),
        request_id: convert::request_id(request.request_id).map_err(named("request_id"))?,
        principal: principal.map_err(named("claimed_principal"))?,
        validate_only: request.dry_run,
    })
}

/// The receipts of the replacement, where there is one, and of the ERASE.
fn receipts<'a>(order: &Order, all: &'a [Receipt]) -> [Option<&'a Receipt>; 2] {
    match order.replacement {
        Some(_) => [all.first(), all.get(1)],
        None => [None, all.first()],
    }
}

/// The entries that this one is linked to, and those that are linked to it.
async fn linked(
    core: &Arc<Core>,
    entry: &EntryKey,
    ordered: &Ordered,
) -> Result<Vec<proto::LinkedEntry>, Status> {
    let own = ordered.scope.state.links.iter().map(|link| proto::LinkedEntry {
        entry: Some(wire(&link.other)),
        r#type: link.relation.into(),
        incoming: false,
        position: link.position.get(),
    });
    let mut all: Vec<_> = own.collect();
    let (core, entry) = (Arc::clone(core), entry.clone());
    let scan = move || links::incoming(&core.log, &entry, &AtomicBool::new(false));
    let incoming = blocking(scan, status::read).await?;
    all.extend(incoming.into_iter().map(|link| proto::LinkedEntry {
        entry: Some(wire(&link.entry)),
        r#type: link.relation.into(),
        incoming: true,
        position: link.position.get(),
    }));
    Ok(all)
}

/// How an erasure stands.
pub(super) async fn get(
    core: &Arc<Core>,
    request: &proto::GetErasureRequest,
) -> Result<proto::GetErasureResponse, Status> {
    let position = Position::new(request.position);
    let log = core.log.clone();
    let state = blocking(move || log.erasure(position), status::read).await?;
    let Some(state) = state else {
        let problem = format!(
            "the record at {position} orders no erasure; give the position of an ERASE, as its receipt has it"
        );
        return Err(RequestError::field("position", problem).into());
    };
    let (log, asked) = (core.log.clone(), state.clone());
    let certificate = blocking(move || log.certificate(&asked), status::sign).await?;
    Ok(answer(core, state, certificate))
}

fn answer(core: &Core, state: ErasureState, certificate: Option<String>) -> proto::GetErasureResponse {
    let fault = match state.complete {
        Some(_) => None,
        None => core.log.erasure_fault(),
    };
    let (from, to) = state.revisions;
    proto::GetErasureResponse {
        position: state.erasure.position.get(),
        entry: Some(wire(&state.erasure.entry)),
        revisions: Some(range(from, to)),
        positions: state.erasure.targets.iter().map(|target| target.get()).collect(),
        recorded: state.recorded.nanos(),
        copies: vec![proto::ErasureCopy {
            name: PRIMARY.to_owned(),
            complete: state.complete.map_or(0, |(time, _)| time.nanos()),
        }],
        certificate: certificate.unwrap_or_default(),
        fault: fault.unwrap_or_default(),
    }
}

fn range(from: Revision, to: Revision) -> crate::record::codec::RevisionRange {
    crate::record::codec::RevisionRange {
        from: from.get(),
        to: to.get(),
    }
}

fn wire(entry: &EntryKey) -> proto::EntryKey {
    proto::EntryKey {
        series: entry.series.to_string(),
        key: entry.key.to_string(),
    }
}

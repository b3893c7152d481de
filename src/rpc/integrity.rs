//! `Integrity`: signed checkpoints, and proofs that lead to them.

use super::proto::verify_response::Step;
use super::status::RequestError;
use super::{Core, blocking, peer, proto, status};
use crate::log::fixity::{Finding, FixityError, Report};
use crate::log::{AppendError, Closed, Columns, Log, ReadError, SignError};
use crate::merkle::Signed;
use crate::record::codec::{Exact, Span};
use crate::record::{Hash, Position, Principal, leaf_hash};
use bytes::Bytes;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Answers `Integrity`.
pub struct Integrity(pub Arc<Core>);

#[tonic::async_trait]
impl proto::integrity_server::Integrity for Integrity {
    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        let log = &self.0.log;
        let size = request.into_inner().min_size.map(Position::new);
        let signed = log.signed(size.unwrap_or_else(|| log.tail())).await;
        let signed = signed.map_err(|error| status::sign(&error))?;
        let key = log
            .verifier_key()
            .ok_or_else(|| status::sign(&SignError::NoKey))?;
        Ok(Response::new(proto::GetCheckpointResponse {
            checkpoint: Some(checkpoint(&signed)),
            verifier_key: key.to_string(),
        }))
    }

    async fn prove_inclusion(
        &self,
        request: Request<proto::ProveInclusionRequest>,
    ) -> Result<Response<proto::ProveInclusionResponse>, Status> {
        let log = self.0.log.clone();
        let request = request.into_inner();
        let (position, size) = (request.position, request.size);
        if let Some(size) = size.filter(|size| *size <= position) {
            let problem = format!(
                "a tree of {size} records does not hold position {position}; give a larger size, or none"
            );
            return Err(RequestError::field("size", problem).into());
        }
        let tail = log.tail();
        let position = Position::new(position);
        if position >= tail {
            return Err(status::read(&ReadError::BeyondTail { position, tail }));
        }
        let (size, signed) = within(&log, size, position.next()).await?;
        let job = move || inclusion(&log, position, size, signed.as_deref(), request.exact);
        Ok(Response::new(blocking(job, status::read).await?))
    }

    type VerifyStream = ReceiverStream<Result<proto::VerifyResponse, Status>>;

    async fn verify(
        &self,
        request: Request<proto::VerifyRequest>,
    ) -> Result<Response<Self::VerifyStream>, Status> {
        let peer = peer::principal(request.extensions()).await;
        let (steps, taken) = mpsc::channel(STEPS_WAITING_MAX);
        tokio::spawn(verify(Arc::clone(&self.0), peer, steps));
        Ok(Response::new(ReceiverStream::new(taken)))
    }

    async fn prove_consistency(
        &self,
        request: Request<proto::ProveConsistencyRequest>,
    ) -> Result<Response<proto::ProveConsistencyResponse>, Status> {
        let log = self.0.log.clone();
        let request = request.into_inner();
        let first = request.first;
        if let Some(second) = request.second.filter(|second| *second < first) {
            let problem = format!(
                "a log of {first} records cannot have grown to one of {second}; give the smaller size first"
            );
            return Err(RequestError::field("second", problem).into());
        }
        let first = Position::new(first);
        let (second, signed) = within(&log, request.second, log.tail().max(first)).await?;
        let job = move || consistency(&log, first, second, signed.as_deref());
        Ok(Response::new(blocking(job, status::read).await?))
    }
}

/// Steps that wait for the caller to take them.
const STEPS_WAITING_MAX: usize = 4;
/// How often the caller is told how far a verification is.
const TOLD_EVERY: Duration = Duration::from_millis(500);

type Steps = mpsc::Sender<Result<proto::VerifyResponse, Status>>;

/// Verifies, tells the caller on the way, and writes down what came of it. Ends early where the caller goes away.
async fn verify(core: Arc<Core>, principal: Principal, steps: Steps) {
    let (log, telling) = (core.log.clone(), steps.clone());
    let draining = core.draining.subscribe();
    let mut told = Instant::now();
    let checking = tokio::task::spawn_blocking(move || {
        log.verify(&mut |progress| {
            if telling.is_closed() || *draining.borrow() {
                return ControlFlow::Break(());
            }
            if told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                // Who is slow to read is told the next time.
                let _ = telling.try_send(Ok(step(Step::Progress(proto::VerifyProgress {
                    bytes: progress.bytes,
                    bytes_total: progress.bytes_total,
                    records: progress.records,
                }))));
            }
            ControlFlow::Continue(())
        })
    });
    let lost = |_| FixityError::Failed("a thread was lost".into());
    let last = match checking.await.map_err(lost).flatten() {
        Ok(found) => {
            let audit = core.log.checked(&found, principal).await;
            Ok(step(Step::Report(report(&found, audit.ok()))))
        }
        Err(_) if *core.draining.borrow() => Err(status::append(&AppendError::Closed(Closed::Draining))),
        Err(error) => Err(status::fixity(&error)),
    };
    // Where the caller went away nobody is told.
    let _ = steps.send(last).await;
}

fn step(step: Step) -> proto::VerifyResponse {
    proto::VerifyResponse { step: Some(step) }
}

fn report(report: &Report, audit: Option<Position>) -> proto::VerifyReport {
    let root = report.root.as_ref().and_then(|root| hex::decode(root).ok());
    let finding = |found: &Finding| proto::Finding {
        kind: found.kind.word(),
        from: found.from,
        until: found.until,
        file: found.file.clone().unwrap_or_default(),
        offset: found.offset,
        what: found.what.clone(),
    };
    proto::VerifyReport {
        records: report.records,
        chunks: report.chunks,
        segments: report.segments,
        root: root.unwrap_or_default().into(),
        checkpoint: report.checkpoint,
        findings: report.findings.iter().map(finding).collect(),
        findings_total: report.findings_total,
        lost: report
            .lost
            .iter()
            .map(|(from, to)| Span { from: *from, to: *to })
            .collect(),
        audit: audit.map(Position::get),
    }
}

fn inclusion(
    log: &Log,
    position: Position,
    size: Position,
    signed: Option<&Signed>,
    exact_too: bool,
) -> Result<proto::ProveInclusionResponse, ReadError> {
    let path = log.prove_inclusion(position, size)?;
    let (hash, exact) = if exact_too {
        let exact = exact(log, position)?;
        (leaf_hash(&exact.leaf), Some(exact))
    } else {
        (log.leaf_hash(position)?, None)
    };
    Ok(proto::ProveInclusionResponse {
        position: position.get(),
        size: size.get(),
        leaf_hash: wire(&hash),
        path: path.iter().map(wire).collect(),
        checkpoint: signed.map(checkpoint),
        exact,
    })
}

/// The record's bytes.
fn exact(log: &Log, position: Position) -> Result<Exact, ReadError> {
    let runs = log.fetch(&[position], Columns::All)?;
    let record = runs.iter().flat_map(|run| run.iter()).next();
    let record = record.ok_or(ReadError::BeyondTail {
        position,
        tail: log.tail(),
    })?;
    Ok(Exact {
        leaf: Bytes::copy_from_slice(record.leaf),
        payload: Bytes::copy_from_slice(record.payload),
        salt: Bytes::copy_from_slice(record.salt),
    })
}

fn consistency(
    log: &Log,
    first: Position,
    second: Position,
    signed: Option<&Signed>,
) -> Result<proto::ProveConsistencyResponse, ReadError> {
    let path = log.prove_consistency(first, second)?;
    Ok(proto::ProveConsistencyResponse {
        first: first.get(),
        second: second.get(),
        path: path.iter().map(wire).collect(),
        checkpoint: signed.map(checkpoint),
        first_root: wire(&log.root_at(first)?),
    })
}

/// The size of the tree to prove in: the one asked for, or that of a checkpoint that covers the first `needed` records.
async fn within(
    log: &Log,
    asked: Option<u64>,
    needed: Position,
) -> Result<(Position, Option<Arc<Signed>>), Status> {
    if let Some(size) = asked {
        return Ok((Position::new(size), None));
    }
    let signed = log.signed(needed).await.map_err(|error| status::sign(&error))?;
    Ok((Position::new(signed.checkpoint.size), Some(signed)))
}

fn checkpoint(signed: &Signed) -> proto::Checkpoint {
    proto::Checkpoint {
        note: signed.note.clone(),
        size: signed.checkpoint.size,
        root: wire(&signed.checkpoint.root),
    }
}

fn wire(hash: &Hash) -> Bytes {
    Bytes::copy_from_slice(hash)
}

//! `Integrity`: signed checkpoints, and proofs that lead to them.

use super::status::RequestError;
use super::{Core, blocking, proto, status};
use crate::log::{Columns, Log, ReadError, SignError};
use crate::merkle::Signed;
use crate::record::codec::Exact;
use crate::record::{Hash, Position, leaf_hash};
use bytes::Bytes;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Answers `Integrity`.
pub struct Integrity(pub Arc<Core>);

#[tonic::async_trait]
impl proto::integrity_server::Integrity for Integrity {
    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        let log = self.0.log.clone();
        let size = request.into_inner().min_size.map(Position::new);
        let job = move || {
            let signed = log.checkpoint(size.unwrap_or_else(|| log.tail()))?;
            let key = log.verifier_key().ok_or(SignError::NoKey)?;
            Ok(proto::GetCheckpointResponse {
                checkpoint: Some(checkpoint(&signed)),
                verifier_key: key.to_string(),
            })
        };
        Ok(Response::new(blocking(job, status::sign).await?))
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
        Ok(Response::new(
            blocking(move || inclusion(&log, &request), status::sign).await?,
        ))
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
        Ok(Response::new(
            blocking(move || consistency(&log, &request), status::sign).await?,
        ))
    }
}

fn inclusion(
    log: &Log,
    request: &proto::ProveInclusionRequest,
) -> Result<proto::ProveInclusionResponse, SignError> {
    let position = Position::new(request.position);
    let tail = log.tail();
    if position >= tail {
        return Err(ReadError::BeyondTail { position, tail }.into());
    }
    let (size, signed) = within(log, request.size, position.next())?;
    let path = log.prove_inclusion(position, size)?;
    let (hash, exact) = if request.exact {
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
        checkpoint: signed.as_deref().map(checkpoint),
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
    request: &proto::ProveConsistencyRequest,
) -> Result<proto::ProveConsistencyResponse, SignError> {
    let first = Position::new(request.first);
    let (second, signed) = within(log, request.second, log.tail().max(first))?;
    let path = log.prove_consistency(first, second)?;
    Ok(proto::ProveConsistencyResponse {
        first: first.get(),
        second: second.get(),
        path: path.iter().map(wire).collect(),
        checkpoint: signed.as_deref().map(checkpoint),
    })
}

/// The size of the tree to prove in: the one asked for, or that of a checkpoint that covers the first `needed` records.
fn within(
    log: &Log,
    asked: Option<u64>,
    needed: Position,
) -> Result<(Position, Option<Arc<Signed>>), SignError> {
    if let Some(size) = asked {
        return Ok((Position::new(size), None));
    }
    let signed = log.checkpoint(needed)?;
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

//! The files of the tlog-tiles layout, made from the log on request.

use super::{AGAIN, FOREVER, HttpError, NOT_KEPT, Port};
use crate::log::{Columns, Log, ReadError, ReadLimit, Run};
use crate::merkle::tile::{Kind, Tile, push_entry, push_payload};
use crate::merkle::{SUBTREE, Signed};
use crate::record::Position;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How much of a bundle is read and sent at a time: its payloads may have 256 MiB.
const STEP: ReadLimit = ReadLimit {
    records: 256,
    bytes: 1 << 20,
};
const BYTES: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";

/// The newest checkpoint.
pub async fn checkpoint(State(port): State<Port>) -> Result<Response, HttpError> {
    let signed = newest(&port)?;
    let headers = [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, AGAIN)];
    Ok((headers, signed.note.clone()).into_response())
}

/// The public key, for convenience: who trusts it from here trusts this port.
pub async fn key(State(port): State<Port>) -> Result<Response, HttpError> {
    let key = port.log.verifier_key().ok_or(HttpError::Unsigned)?;
    let headers = [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, AGAIN)];
    Ok((headers, format!("{key}\n")).into_response())
}

/// The checkpoint that bounds what is shown.
pub fn newest(port: &Port) -> Result<Arc<Signed>, HttpError> {
    port.log.newest_checkpoint().ok_or(HttpError::Unsigned)
}

/// A file of the layout.
pub async fn tile(port: Port, tile: Tile) -> Result<Response, HttpError> {
    if !tile.is_within(newest(&port)?.checkpoint.size) {
        return Err(HttpError::NotFound(tile.to_string()));
    }
    let (body, kept) = match tile.kind {
        Kind::Hashes(level) => {
            let log = port.log.clone();
            let hashes = reading(&port.room, move || log.tile(level, tile.index, tile.width)).await?;
            (Body::from(hashes.concat()), FOREVER)
        }
        Kind::Entries => {
            let log = port.log.clone();
            let bundle = reading(&port.room, move || entries(&log, tile)).await?;
            (Body::from(bundle), FOREVER)
        }
        Kind::Payloads => (payloads(port, tile), NOT_KEPT),
    };
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, kept)], body).into_response())
}

/// Runs `job` where blocking is allowed, once there is room for it. The job holds its place and not the request: where its
/// client hangs up, the request is gone at once and the job still runs.
async fn reading<T: Send + 'static>(
    room: &Arc<Semaphore>,
    job: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, HttpError> {
    let place = Arc::clone(room).acquire_owned().await;
    let place = place.map_err(|_| HttpError::Lost)?;
    let read = tokio::task::spawn_blocking(move || {
        let _place = place;
        job()
    });
    Ok(read.await.map_err(|_| HttpError::Lost)??)
}

/// The positions of a bundle.
fn range(tile: Tile) -> (Position, Position) {
    let first = Position::new(tile.index * SUBTREE);
    (first, first.plus(tile.width.into()))
}

fn entries(log: &Log, tile: Tile) -> Result<Vec<u8>, ReadError> {
    let (mut at, until) = range(tile);
    let mut bundle = Vec::new();
    while at < until {
        for run in log.read(at, until, STEP, Columns::Leaves)? {
            let run = run.slice(at, until);
            for record in run.iter() {
                // A leaf has at most 4 KiB.
                push_entry(&mut bundle, record.leaf).map_err(|error| ReadError::Damaged {
                    position: record.position,
                    expected: "a leaf".into(),
                    found: error.to_string(),
                })?;
            }
            at = run.end();
        }
    }
    Ok(bundle)
}

/// The payloads of a bundle, read while they are sent. A read that fails cuts the answer off, which its reader sees.
fn payloads(port: Port, tile: Tile) -> Body {
    let (first, until) = range(tile);
    let steps = futures::stream::try_unfold((port, first), move |(port, at)| async move {
        if at >= until {
            return Ok::<_, HttpError>(None);
        }
        let log = port.log.clone();
        let runs = reading(&port.room, move || log.read(at, until, STEP, Columns::All)).await?;
        let next = runs.last().map_or(until, Run::end).min(until);
        let mut bundle = Vec::new();
        for run in runs {
            for record in run.slice(at, until).iter() {
                push_payload(&mut bundle, record.salt, record.payload);
            }
        }
        Ok(Some((Bytes::from(bundle), (port, next))))
    });
    Body::from_stream(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_client_that_hangs_up_makes_room_only_once_its_job_has_ended() {
        let room = Arc::new(Semaphore::new(1));
        let (begin, begun) = oneshot::channel();
        let (end, ended) = mpsc::channel();
        let mut asked = Box::pin(reading(&room, move || {
            begin.send(()).unwrap();
            // The test lets it go, or is over.
            let _ = ended.recv();
            Ok(())
        }));
        tokio::select! {
            _ = &mut asked => panic!("the job has not ended"),
            begun = begun => begun.unwrap(),
        }
        drop(asked);
        assert_eq!(room.available_permits(), 0, "the job is still running");
        end.send(()).unwrap();
        assert!(room.acquire().await.is_ok());
    }
}

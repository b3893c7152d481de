//! The files of the tlog-tiles layout, made from the log on request.

use super::{AGAIN, FOREVER, HttpError, NOT_KEPT, Port};
use crate::log::{Columns, Log, ReadError, ReadLimit};
use crate::merkle::tile::{Kind, Tile, push_entry, push_payload};
use crate::merkle::{SUBTREE, Signed};
use crate::record::Position;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// How much of a bundle is read and sent at a time: its payloads may have 256 MiB.
const STEP: ReadLimit = ReadLimit {
    records: 256,
    bytes: 1 << 20,
};
/// The most bytes that are sent as one: a connection is given its time for each, which is a lowest rate.
const PIECE_BYTES_MAX: usize = 256 << 10;
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

/// How many records are shown: those that are signed for, and of them what is there. An archive that has lost its end has
/// signed for more.
pub fn shown(port: &Port) -> Result<u64, HttpError> {
    Ok(newest(port)?.checkpoint.size.min(port.log.tail().get()))
}

/// A file of the layout.
pub async fn tile(port: Port, tile: Tile) -> Result<Response, HttpError> {
    if !tile.is_within(shown(&port)?) {
        return Err(HttpError::NotFound(tile.to_string()));
    }
    let (body, length, kept) = match tile.kind {
        Kind::Hashes(level) => {
            let hashes = reading(&port, move |log| log.tile(level, tile.index, tile.width)).await?;
            (Body::from(hashes.concat()), None, FOREVER)
        }
        Kind::Entries => {
            let bundle = reading(&port, move |log| entries(log, tile)).await?;
            let length = bundle.len();
            let pieces = pieces(bundle.into()).map(Ok::<_, Infallible>);
            let body = Body::from_stream(futures::stream::iter(pieces));
            (body, Some(length), FOREVER)
        }
        Kind::Payloads => (payloads(port, tile).await?, None, NOT_KEPT),
    };
    let mut response = ([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, kept)], body).into_response();
    // A body in pieces does not say how long it is.
    let length = length.map(|length| (CONTENT_LENGTH, length.into()));
    response.headers_mut().extend(length);
    Ok(response)
}

/// Cuts bytes into pieces that a client has the time for.
fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(PIECE_BYTES_MAX));
        (!piece.is_empty()).then_some(piece)
    })
}

/// Has the log read where blocking is allowed, once there is room for it.
async fn reading<T: Send + 'static>(
    port: &Port,
    read: impl FnOnce(&Log) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, HttpError> {
    let log = port.log.clone();
    in_room(&port.room, move || {
        read(&log).map_err(|error| refused(&log, error))
    })
    .await?
}

/// Runs `job` where blocking is allowed, once there is room for it. The job holds its place and not the request: where its
/// client hangs up, the request is gone at once and the job still runs.
async fn in_room<T: Send + 'static>(
    room: &Arc<Semaphore>,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HttpError> {
    let place = Arc::clone(room).acquire_owned().await;
    let place = place.map_err(|_| HttpError::Lost)?;
    let job = tokio::task::spawn_blocking(move || {
        let _place = place;
        job()
    });
    job.await.map_err(|_| HttpError::Lost)
}

/// What a read that failed is answered with. That an archive has lost records its start has said; whoever asks for them is
/// no reason to say it again.
fn refused(log: &Log, error: ReadError) -> HttpError {
    match error {
        ReadError::Damaged { position, .. } if log.status().root.is_none() => HttpError::Gone(position),
        error => HttpError::Read(error),
    }
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

/// The payloads of a bundle, read while they are sent, but for the first of them, without which there is no answer. A later
/// read that fails cuts the answer off, which its reader sees.
async fn payloads(port: Port, tile: Tile) -> Result<Body, HttpError> {
    let (first, until) = range(tile);
    let (begin, next) = some_payloads(&port, first, until).await?;
    let more = futures::stream::try_unfold((port, next), move |(port, at)| async move {
        if at >= until {
            return Ok::<_, HttpError>(None);
        }
        let (bundle, next) = some_payloads(&port, at, until).await?;
        Ok(Some((bundle, (port, next))))
    });
    let begin = futures::stream::once(std::future::ready(Ok(begin)));
    let steps = begin.chain(more);
    let pieces = steps.map_ok(|step| futures::stream::iter(pieces(step).map(Ok::<_, HttpError>)));
    Ok(Body::from_stream(pieces.try_flatten()))
}

/// The payloads from a position on that are read at a time, and the position after them.
async fn some_payloads(port: &Port, at: Position, until: Position) -> Result<(Bytes, Position), HttpError> {
    reading(port, move |log| {
        let (mut next, mut bundle) = (at, Vec::new());
        while next < until && bundle.len() < STEP.bytes {
            for run in log.read(next, until, STEP, Columns::All)? {
                let run = run.slice(next, until);
                for record in run.iter() {
                    push_payload(&mut bundle, record.salt, record.payload);
                }
                next = run.end();
            }
        }
        Ok((bundle.into(), next))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tokio::sync::oneshot;

    #[test]
    fn bytes_are_sent_in_pieces_that_a_client_has_the_time_for() {
        for length in [0, 1, PIECE_BYTES_MAX, PIECE_BYTES_MAX + 1, 3 * PIECE_BYTES_MAX] {
            let bytes = Bytes::from(vec![7; length]);
            let cut: Vec<Bytes> = pieces(bytes.clone()).collect();
            assert!(
                cut.iter()
                    .all(|piece| (1..=PIECE_BYTES_MAX).contains(&piece.len()))
            );
            assert_eq!(cut.concat(), bytes);
        }
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_makes_room_only_once_its_job_has_ended() {
        let room = Arc::new(Semaphore::new(1));
        let (begin, begun) = oneshot::channel();
        let (end, ended) = mpsc::channel();
        let mut asked = Box::pin(in_room(&room, move || {
            begin.send(()).unwrap();
            // The test lets it go, or is over.
            let _ = ended.recv();
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

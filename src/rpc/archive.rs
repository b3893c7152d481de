//! `Archive`: append, read, look at one entry.

use super::raw::{RawCall, RawStream};
use super::status::RequestError;
use super::{Core, blocking, convert, peer, proto, status, wire};
use crate::alert;
use crate::filter::Filter;
use crate::log::{AppendError, Appended, Closed, Door, Log, ReadError};
use crate::record::{Position, Principal, Recorded, Revision};
use crate::view::ahead::{Ahead, Cancel, Readers, Source};
use crate::view::{EntryError, EntryRef, Matcher, Mode, Parts, Plan, Reader, Selection, entry};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use std::sync::Arc;
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

/// Requests of one stream that are taken up together, at most.
const STREAM_CHUNK: usize = 512;
/// Bytes of requests after which no more are taken up together.
const STREAM_CHUNK_BYTES: usize = 2 * 1024 * 1024;
/// Chunks of one stream under way at a time: one is committed while the next is made ready.
const STREAM_CHUNKS: usize = 2;

/// Answers `Archive`.
pub struct Archive(pub Arc<Core>);

#[tonic::async_trait]
impl proto::archive_server::Archive for Archive {
    async fn append(
        &self,
        request: Request<proto::AppendRequest>,
    ) -> Result<Response<proto::AppendResponse>, Status> {
        let peer = peer::principal(request.extensions()).await;
        let batch = convert::batch(request.into_inner(), Door::Archive, &peer)?;
        let appended = self.0.log.append(batch).await;
        let appended = appended.map_err(|error| status::append(&error))?;
        Ok(Response::new(convert::appended(appended)))
    }

    type AppendStreamStream = BoxStream<'static, Result<proto::AppendStreamResponse, Status>>;

    async fn append_stream(
        &self,
        request: Request<Streaming<proto::AppendRequest>>,
    ) -> Result<Response<Self::AppendStreamStream>, Status> {
        let log = self.0.log.clone();
        let peer = peer::principal(request.extensions()).await;
        let taking = Taking {
            requests: request.into_inner(),
            draining: self.0.draining.subscribe(),
            is_over: false,
        };
        let chunks = futures::stream::unfold(taking, |mut taking| async move {
            Some((taking.next_chunk().await?, taking))
        });
        let answers = chunks
            .map(move |chunk| answer_chunk(log.clone(), peer.clone(), chunk))
            .buffered(STREAM_CHUNKS)
            .flat_map(futures::stream::iter);
        Ok(Response::new(answers.boxed()))
    }

    type ReadStream = BoxStream<'static, Result<proto::ReadResponse, Status>>;

    async fn read(&self, _: Request<proto::ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        Err(Status::unimplemented(ENCODED))
    }

    async fn get_entry(
        &self,
        request: Request<proto::GetEntryRequest>,
    ) -> Result<Response<proto::GetEntryResponse>, Status> {
        let request = request.into_inner();
        let name = convert::entry_ref(request.entry)?;
        let (name, as_of) = whole_name(&self.0, name, request.as_of).await?;
        let log = self.0.log.clone();
        // An entry may be reported in many documents.
        let cancel = Cancel::default();
        let cancelled = cancel.flag();
        let job = move || {
            let as_of = convert::as_of(&log, as_of.as_ref())?;
            let found = entry::find(&log, &name, as_of)?;
            let revision = request.revision.map(Revision::new);
            let mut answer = entry::answer(&log, &found, as_of, revision, &cancelled)?;
            if request.suggestions {
                answer.suggested = answer.suggestions();
            }
            Ok((answer, as_of))
        };
        let (answer, as_of) = blocking(job, status::entry).await?;
        Ok(Response::new(proto::GetEntryResponse {
            entry: Some(convert::entry(&answer, request.exact, true)),
            view_position: as_of.get(),
        }))
    }

    type GetHistoryStream = BoxStream<'static, Result<proto::GetHistoryResponse, Status>>;

    async fn get_history(
        &self,
        _: Request<proto::GetHistoryRequest>,
    ) -> Result<Response<Self::GetHistoryStream>, Status> {
        Err(Status::unimplemented(ENCODED))
    }

    async fn get_status(
        &self,
        _: Request<proto::GetStatusRequest>,
    ) -> Result<Response<proto::GetStatusResponse>, Status> {
        let core = Arc::clone(&self.0);
        let job = move || Ok(core.log.status());
        let now = blocking(job, status::read).await?;
        let checked = self.0.log.last_checked();
        let span = |(from, to): &(Position, Position)| crate::record::codec::Span {
            from: from.get(),
            to: to.get(),
        };
        Ok(Response::new(proto::GetStatusResponse {
            origin: now.origin,
            tail: now.tail.get(),
            durable: now.tail.get(),
            root: now
                .root
                .map(|root| Bytes::copy_from_slice(&root))
                .unwrap_or_default(),
            last_recorded: now.last_recorded.nanos(),
            appending: now.closed.is_none(),
            refusal: now.closed.map(|closed| closed.to_string()).unwrap_or_default(),
            entries: now.entries,
            journal_bytes: now.journal_bytes,
            sled_bytes: now.hot_bytes,
            hot_through: now.hot_through.get(),
            sled_fault: now.hot_fault.unwrap_or_default(),
            possibly_acknowledged: now.possibly_acknowledged.iter().map(span).collect(),
            subscribers: self.0.hub.subscribers(),
            epoch: now.epoch,
            sealed_through: now.sealed.through.get(),
            sealed_bytes: now.sealed.bytes,
            seal_fault: now.seal_fault.unwrap_or_default(),
            indexed: now.indexed,
            last_checked: checked.map_or(0, |checked| checked.at.nanos()),
            check_findings: checked.map_or(0, |checked| checked.findings),
            erasures_pending: now.erasures_pending.iter().map(|at| at.get()).collect(),
            erasure_fault: now.erasure_fault.unwrap_or_default(),
            alerts: self.0.alerts.now().into_iter().map(alert_status).collect(),
            erasure_wait: now.erasure_waits.map(|waiting| proto::ErasureWait {
                records: waiting.records,
                view: waiting.holder.map_or("", |holder| holder.view).to_owned(),
                rebuilding: waiting.holder.is_some_and(|holder| holder.is_made_anew),
                behind: waiting.behind,
            }),
            groups_fault: self
                .0
                .groups
                .check()
                .err()
                .map_or_else(String::new, |why| why.to_string()),
        }))
    }
}

fn alert_status(now: alert::Now) -> proto::AlertStatus {
    proto::AlertStatus {
        name: now.name,
        position: now.position.map(Position::get),
        lag: now.lag,
        last_success: now.last_success.map_or(0, Recorded::nanos),
        failures: now.failures,
        last_error: now.last_error,
        stopped: now.stands == alert::Stands::Stopped,
        waits_for: now.waits_for,
    }
}

/// Said by the generated code of calls that [`super::raw`] answers: nobody is ever told.
pub(super) const ENCODED: &str = "this call is answered with encoded messages";

/// The entry by its whole name, and the point that is spoken of: the beginning of a key is looked up by a scan of the
/// records below that point, in its turn. What is answered then must speak of the same point.
pub(super) async fn whole_name(
    core: &Core,
    name: EntryRef,
    as_of: Option<proto::AsOf>,
) -> Result<(EntryRef, Option<proto::AsOf>), Status> {
    let EntryRef::Prefix(prefix) = name else {
        return Ok((name, as_of));
    };
    let log = core.log.clone();
    let as_of = blocking(move || convert::as_of(&log, as_of.as_ref()), status::read).await?;
    let entry = core.scanner.whole_key(prefix, as_of).await;
    let entry = entry.map_err(|error| status::entry(&error))?;
    let at = Some(proto::as_of::At::Position(as_of.get()));
    Ok((EntryRef::Key(entry), Some(proto::AsOf { at })))
}

/// Takes requests from a stream of appends.
struct Taking {
    requests: Streaming<proto::AppendRequest>,
    draining: watch::Receiver<bool>,
    is_over: bool,
}

impl Taking {
    /// The next request, and those that have arrived behind it. A server that is stopping takes no more: the stream
    /// ends with DRAINING behind the answers to what was taken, so that a client who is silent does not hold it up.
    async fn next_chunk(&mut self) -> Option<Vec<StreamRequest>> {
        if self.is_over {
            return None;
        }
        let first = tokio::select! {
            biased;
            // An order and a lost sender both mean that the server is stopping.
            _ = self.draining.wait_for(|draining| *draining) => {
                self.is_over = true;
                return Some(vec![Err(status::append(&AppendError::Closed(Closed::Draining)))]);
            }
            request = self.requests.next() => request?,
        };
        let mut bytes = request_bytes(&first);
        let mut chunk = vec![first];
        while chunk.len() < STREAM_CHUNK && bytes < STREAM_CHUNK_BYTES {
            let Some(Some(request)) = self.requests.next().now_or_never() else {
                break;
            };
            bytes += request_bytes(&request);
            chunk.push(request);
        }
        Some(chunk)
    }
}

fn request_bytes(request: &StreamRequest) -> usize {
    let records = request.iter().flat_map(|request| &request.records);
    let payloads = records.flat_map(|record| &record.payload);
    payloads.map(|payload| payload.len() + 128).sum()
}

type StreamRequest = Result<proto::AppendRequest, Status>;
type StreamAnswer = Result<proto::AppendStreamResponse, Status>;

/// Appends what has arrived together: the batches are queued in order, so that one commit takes all of them.
async fn answer_chunk(log: Log, peer: Principal, chunk: Vec<StreamRequest>) -> Vec<StreamAnswer> {
    let mut batches = Vec::with_capacity(chunk.len());
    // What is not queued is answered already; what is queued is answered in its turn.
    let mut answers: Vec<(Bytes, Option<Status>)> = Vec::with_capacity(chunk.len());
    let mut broken = None;
    for request in chunk {
        match request {
            Ok(request) => {
                let request_id = request.request_id.clone();
                let batch = convert::batch(request, Door::Archive, &peer).map(|batch| batches.push(batch));
                answers.push((request_id, batch.err()));
            }
            Err(status) => broken = Some(Err(status::received(status))),
        }
    }
    let mut appended = log.append_many(batches).await.into_iter();
    let answer = |(request_id, refused): (Bytes, Option<Status>)| {
        let result = match refused {
            Some(status) => Err(status),
            None => match appended.next() {
                Some(appended) => appended.map_err(|error| status::append(&error)),
                None => Err(Status::internal(
                    "the log answered fewer batches than it was given",
                )),
            },
        };
        Ok(stream_answer(request_id, result))
    };
    answers.into_iter().map(answer).chain(broken).collect()
}

fn stream_answer(request_id: Bytes, result: Result<Appended, Status>) -> proto::AppendStreamResponse {
    let result = match result {
        Ok(appended) => proto::append_stream_response::Result::Response(convert::appended(appended)),
        Err(status) => proto::append_stream_response::Result::Refusal(convert::refusal(&status)),
    };
    proto::AppendStreamResponse {
        request_id,
        result: Some(result),
    }
}

impl RawCall<proto::ReadRequest> for Archive {
    fn call(
        self: Arc<Self>,
        request: Request<proto::ReadRequest>,
    ) -> BoxFuture<'static, Result<RawStream, Status>> {
        Box::pin(async move {
            let request = request.into_inner();
            let parts = convert::parts("parts", request.parts)?;
            let filter = convert::filter(&request.filter)?;
            let log = self.0.log.clone();
            let tail = log.tail();
            let as_of = request.as_of;
            let as_of = blocking(move || convert::as_of(&log, as_of.as_ref()), status::read).await?;
            let widened = self.0.scanner.widened(filter, as_of).await;
            let filter = widened.map_err(|error| status::query(&error))?.filter;
            let limit = Some(request.limit).filter(|limit| *limit > 0);
            let plan = plan(request, tail, as_of)?;
            let source = Messages {
                log: self.0.log.clone(),
                reader: reader(&self.0, filter, parts, plan, limit),
                encode: Box::new(move |selection| wire::read_response(selection, parts, tail)),
                sent: false,
            };
            Ok(stream(source, &self.0.readers))
        })
    }
}

impl RawCall<proto::GetHistoryRequest> for Archive {
    fn call(
        self: Arc<Self>,
        request: Request<proto::GetHistoryRequest>,
    ) -> BoxFuture<'static, Result<RawStream, Status>> {
        Box::pin(async move {
            let request = request.into_inner();
            let parts = convert::parts("parts", request.parts)?;
            let name = convert::entry_ref(request.entry)?;
            let (name, as_of) = whole_name(&self.0, name, request.as_of).await?;
            let log = self.0.log.clone();
            let job = move || {
                let as_of = convert::as_of(&log, as_of.as_ref())?;
                let found = entry::find(&log, &name, as_of)?;
                let positions = log.history(&found, as_of)?;
                if positions.is_empty() {
                    return Err(EntryError::Unknown(found.to_string()));
                }
                Ok(positions)
            };
            let positions = blocking(job, status::entry).await?;
            let source = Messages {
                log: self.0.log.clone(),
                reader: reader(&self.0, Filter::all(), parts, Plan::Positions(positions), None),
                encode: Box::new(move |selection| wire::history_response(selection, parts)),
                sent: false,
            };
            Ok(stream(source, &self.0.readers))
        })
    }
}

fn reader(core: &Core, filter: Filter, parts: Parts, plan: Plan, limit: Option<u64>) -> Reader {
    let log = core.log.clone();
    let matcher = Matcher::new(log.clone(), filter, Mode::Records);
    Reader::new(log, matcher, parts.columns(), parts.weight(), plan, limit).among(&core.readers)
}

/// Reads and encodes messages, at least one.
struct Messages {
    log: Log,
    reader: Reader,
    encode: Box<dyn Fn(&Selection) -> Bytes + Send>,
    sent: bool,
}

impl Source for Messages {
    /// A message, and how many erasures there were before it was read.
    type Item = (u64, Bytes);

    fn cancel(&mut self) -> Cancel {
        self.reader.cancel()
    }

    fn step(&mut self, bytes: usize) -> Result<Option<(u64, Bytes)>, ReadError> {
        let erasures = self.log.erasures();
        let at = self.reader.next_position();
        let selection = match self.reader.step(bytes)? {
            Some(selection) => selection,
            // A read of nothing still answers the tail and how far it looked.
            None if !self.sent => Selection::nothing(at, at),
            None => return Ok(None),
        };
        self.sent = true;
        Ok(Some((erasures, (self.encode)(&selection))))
    }
}

fn stream(source: Messages, readers: &Readers) -> RawStream {
    let log = source.log.clone();
    let begin = (Ahead::new(source, readers), log);
    let messages = futures::stream::try_unfold(begin, |(mut ahead, log)| async move {
        let next = ahead.next().await.map_err(|error| status::read(&error))?;
        match next {
            // It was read ahead of a reader who is slow, and may hold what was erased since.
            Some((erasures, _)) if erasures < log.erasures() => Err(status::erased_meanwhile()),
            next => Ok(next.map(|(_, message)| (message, (ahead, log)))),
        }
    });
    messages.boxed()
}

fn plan(request: proto::ReadRequest, tail: Position, as_of: Position) -> Result<Plan, Status> {
    if !request.positions.is_empty() {
        return positions(request, tail, as_of);
    }
    let within = |position: Option<u64>, absent: Position| match position.map(Position::new) {
        Some(position) if position > tail => Err(status::read(&ReadError::BeyondTail { position, tail })),
        Some(position) => Ok(position.min(as_of)),
        None => Ok(absent),
    };
    if request.backward {
        return Ok(Plan::Backward {
            from: within(request.from, as_of)?,
            until: within(request.until, Position::START)?,
        });
    }
    Ok(Plan::Forward {
        from: within(request.from, Position::START)?,
        until: within(request.until, as_of)?,
    })
}

fn positions(request: proto::ReadRequest, tail: Position, as_of: Position) -> Result<Plan, Status> {
    let positions = &request.positions;
    if request.from.is_some() || request.until.is_some() || request.backward {
        let problem = "given beside from, until or backward; give either a range or positions";
        return Err(RequestError::field("positions", problem).into());
    }
    if positions.len() > convert::POSITIONS_MAX {
        let problem = format!(
            "{} positions exceed the limit of {}; ask several times",
            positions.len(),
            convert::POSITIONS_MAX
        );
        return Err(
            RequestError::too_large("positions", problem, positions.len(), convert::POSITIONS_MAX).into(),
        );
    }
    if let Some(at) = positions.windows(2).position(|pair| pair[0] >= pair[1]) {
        let path = format!("positions[{}]", at + 1);
        return Err(RequestError::field(path, "not above the one before; sort them, each once").into());
    }
    if let Some(position) = positions.last().map(|last| Position::new(*last))
        && position >= tail
    {
        return Err(status::read(&ReadError::BeyondTail { position, tail }));
    }
    let held = positions.iter().map(|position| Position::new(*position));
    Ok(Plan::Positions(
        held.filter(|position| *position < as_of).collect(),
    ))
}

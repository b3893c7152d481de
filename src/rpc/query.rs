//! `Query`: questions about entries.

use super::archive::ENCODED;
use super::raw::{RawCall, RawStream};
use super::status::RequestError;
use super::{
    Core, aggregate, authorities, blocking, convert, drafted, found_words, likened, proto, status, suggested,
    wire,
};
use crate::derive::Basis;
use crate::filter::{Asked, Filter};
use crate::log::Log;
use crate::record::Position;
use crate::view::aggregate::{Aggregated, Asked as Grouping};
use crate::view::authorities::Widened;
use crate::view::likeness::{Collapse, Likened};
use crate::view::series::SeriesCounts;
use crate::view::{EntryAnswer, Order, Search};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Entries a page where the request does not say.
const PAGE_SIZE: u32 = 50;
/// The most entries a page.
const PAGE_SIZE_MAX: u32 = 1_000;

/// How often a page is made where something is erased each time.
const MADE_MAX: usize = 4;

/// Answers `Query`.
pub struct Query(pub Arc<Core>);

/// A page that is made and not sent yet.
pub(super) struct Made {
    pub message: Bytes,
    /// How many entries it has.
    pub entries: u64,
    /// The token of the next page; empty on the last.
    pub next: String,
    /// How many erasures there were before it was made.
    erasures: u64,
}

impl Made {
    /// Whether nothing was erased since that may be in it.
    pub(super) fn stands(&self, log: &Log) -> bool {
        self.erasures == log.erasures()
    }
}

impl Query {
    async fn as_of(&self, as_of: Option<proto::AsOf>, min_position: u64) -> Result<Position, Status> {
        let reached = self.0.scanner.reach(Position::new(min_position)).await;
        reached.map_err(|error| status::query(&error))?;
        let log = self.0.log.clone();
        blocking(move || convert::as_of(&log, as_of.as_ref()), status::read).await
    }

    async fn widened(&self, filter: Filter, as_of: Position) -> Result<Widened, Status> {
        let widened = self.0.scanner.widened(filter, as_of).await;
        widened.map_err(|error| status::query(&error))
    }

    /// A page of a search, of the archive as it is when it is answered.
    ///
    /// # Errors
    /// ABORTED where one erasure follows the other.
    pub(super) async fn page(&self, request: &proto::SearchRequest) -> Result<Made, Status> {
        for _ in 0..MADE_MAX {
            let made = self.make(request.clone()).await?;
            if made.stands(&self.0.log) {
                return Ok(made);
            }
        }
        Err(status::erased_meanwhile())
    }

    async fn make(&self, request: proto::SearchRequest) -> Result<Made, Status> {
        let erasures = self.0.log.erasures();
        let filter = convert::filter(&request.filter)?;
        let (order, page_size) = (order(request.order)?, page_size(request.page_size)? as usize);
        let leave_out = likened::collapse(request.collapse)?;
        let is_said = request.as_of.is_some_and(|as_of| as_of.at.is_some());
        let as_of = self.as_of(request.as_of, request.min_position).await?;
        let search = Search {
            filter: filter.clone(),
            as_of: is_said.then_some(as_of),
            order,
            ascending: request.ascending,
            page_size,
            collapse: leave_out,
            records_only: request.records_only,
            excerpts: request.excerpts,
            unannotated: request.unannotated,
        };
        let token = Some(request.page_token.as_str()).filter(|token| !token.is_empty());
        let with_derived = !request.records_only;
        let write = move |entry: &EntryAnswer, out: &mut Vec<u8>| wire::put_found(out, entry, with_derived);
        let page = self.0.scanner.search(search, token, Box::new(write)).await;
        let page = page.map_err(|error| status::query(&error))?;
        let mut notes = filter.notes(Asked::Entries);
        if request.unannotated {
            notes.push("leaves documents out that an event is reported in".to_owned());
        }
        notes.extend(page.actors);
        notes.extend(erased_note(page.erased, &filter));
        if page.total == 0 {
            notes.extend(self.0.scanner.near(filter.clone()).await);
        }
        let likened = (leave_out != Collapse::None).then_some(page.likened);
        notes.extend(likened.map(|likened| likened::note(likened, leave_out)));
        notes.extend(found_words::notes(&filter, order, request.excerpts, page.total));
        let next = page.next.unwrap_or_default();
        let beside = proto::SearchResponse {
            entries: Vec::new(),
            next_page_token: next.clone(),
            view_position: page.as_of.get(),
            total: page.total,
            notes,
            likened: likened.map(likened::wire),
            excerpts: page.excerpts.into_iter().map(found_words::wire).collect(),
        };
        Ok(Made {
            message: wire::search_response(&page.entries, &beside),
            entries: page.count,
            next,
            erasures,
        })
    }

    async fn aggregated(
        &self,
        filter: Filter,
        as_of: Position,
        grouping: Grouping,
        leave_out: Collapse,
    ) -> Result<(Aggregated, Likened, Vec<String>), Status> {
        let mut notes = filter.group_notes(&aggregate::fields(&grouping), grouping.measure.as_deref());
        let counted = self
            .0
            .scanner
            .aggregate(filter.clone(), as_of, grouping, leave_out)
            .await;
        let (answer, counted) = counted.map_err(|error| status::query(&error))?;
        notes.extend(counted.actors);
        notes.extend(erased_note(counted.erased, &filter));
        if answer.entries == 0 {
            notes.extend(self.0.scanner.near(filter.without_suggestions()).await);
        } else {
            notes.push(likened::note(counted.likened, leave_out));
        }
        Ok((answer, counted.likened, notes))
    }
}

#[tonic::async_trait]
impl proto::query_server::Query for Query {
    async fn search(
        &self,
        _: Request<proto::SearchRequest>,
    ) -> Result<Response<proto::SearchResponse>, Status> {
        Err(Status::unimplemented(ENCODED))
    }

    type SearchPagesStream = BoxStream<'static, Result<proto::SearchResponse, Status>>;

    async fn search_pages(
        &self,
        _: Request<proto::SearchPagesRequest>,
    ) -> Result<Response<Self::SearchPagesStream>, Status> {
        Err(Status::unimplemented(ENCODED))
    }

    async fn count(
        &self,
        request: Request<proto::CountRequest>,
    ) -> Result<Response<proto::CountResponse>, Status> {
        let request = request.into_inner();
        let filter = convert::filter(&request.filter)?;
        let leave_out = likened::collapse(request.collapse)?;
        let as_of = self.as_of(request.as_of, request.min_position).await?;
        let mut notes = filter.notes(Asked::Count);
        let counted = self.0.scanner.count(filter.clone(), as_of, leave_out).await;
        let counted = counted.map_err(|error| status::query(&error))?;
        notes.extend(counted.actors);
        notes.extend(erased_note(counted.erased, &filter));
        if counted.count == 0 {
            notes.extend(self.0.scanner.near(filter).await);
        } else {
            notes.push(likened::note(counted.likened, leave_out));
        }
        Ok(Response::new(proto::CountResponse {
            count: counted.count,
            view_position: as_of.get(),
            notes,
            likened: Some(likened::wire(counted.likened)),
        }))
    }

    async fn explain(
        &self,
        request: Request<proto::ExplainRequest>,
    ) -> Result<Response<proto::ExplainResponse>, Status> {
        let request = request.into_inner();
        let filter = convert::filter(&request.filter)?;
        let as_of = self.as_of(request.as_of, 0).await?;
        let widened = self.widened(filter.clone(), as_of).await?;
        let explained = self.0.scanner.explain(widened.filter, as_of).await;
        let (way, scanned) = explained.map_err(|error| status::query(&error))?;
        Ok(Response::new(proto::ExplainResponse {
            canonical: filter.canonical().to_owned(),
            canonical_sha256: hex::encode(filter.sha256()),
            tree: filter.tree(),
            plan: way.word().to_owned(),
            records_scanned: scanned,
            notes: (filter.notes(Asked::Entries).into_iter())
                .chain(filter.suggested_note())
                .chain(widened.notes)
                .collect(),
            view_position: as_of.get(),
        }))
    }

    async fn list_series(
        &self,
        request: Request<proto::ListSeriesRequest>,
    ) -> Result<Response<proto::ListSeriesResponse>, Status> {
        let as_of = self.as_of(request.into_inner().as_of, 0).await?;
        let all = self.0.scanner.series(as_of).await;
        let all = all.map_err(|error| status::query(&error))?;
        Ok(Response::new(proto::ListSeriesResponse {
            series: all.iter().map(|(name, counts)| series(name, counts)).collect(),
            view_position: as_of.get(),
        }))
    }

    type AggregateStream = BoxStream<'static, Result<proto::AggregateResponse, Status>>;

    async fn aggregate(
        &self,
        request: Request<proto::AggregateRequest>,
    ) -> Result<Response<Self::AggregateStream>, Status> {
        let request = request.into_inner();
        let filter = convert::filter(&request.filter)?;
        let grouping = aggregate::asked(&request.by, &request.measure, &filter)?;
        let is_by_count = aggregate::is_by_count(request.order)?;
        let leave_out = likened::collapse(request.collapse)?;
        let as_of = self.as_of(request.as_of, request.min_position).await?;
        let (mut answer, likened, notes) = self.aggregated(filter, as_of, grouping, leave_out).await?;
        if is_by_count {
            aggregate::by_count(&mut answer.groups);
        }
        let limit = match request.limit {
            0 => usize::MAX,
            limit => limit as usize,
        };
        let first = proto::AggregateResponse {
            view_position: as_of.get(),
            notes,
            likened: Some(likened::wire(likened)),
            ..proto::AggregateResponse::default()
        };
        let messages = aggregate::messages(answer, limit, first);
        Ok(Response::new(stream::iter(messages).map(Ok).boxed()))
    }

    async fn suggest(
        &self,
        request: Request<proto::SuggestRequest>,
    ) -> Result<Response<proto::SuggestResponse>, Status> {
        let request = request.into_inner();
        let answered = tokio::task::spawn_blocking(move || suggested::answer(&request)).await;
        let answered = answered.map_err(|lost| Status::internal(format!("the call broke off: {lost}")))?;
        Ok(Response::new(answered?))
    }

    async fn draft_events(
        &self,
        request: Request<proto::DraftEventsRequest>,
    ) -> Result<Response<proto::DraftEventsResponse>, Status> {
        drafted::answer(&self.0, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn resolve_actor(
        &self,
        request: Request<proto::ResolveActorRequest>,
    ) -> Result<Response<proto::ResolveActorResponse>, Status> {
        let request = request.into_inner();
        let asked = authorities::asked(&request.name)?;
        let as_of = self.as_of(request.as_of, 0).await?;
        let found = self.0.scanner.named(asked.clone(), as_of).await;
        let found = found.map_err(|error| status::query(&error))?;
        Ok(Response::new(authorities::answer(&found, &asked, as_of)))
    }

    async fn list_values(
        &self,
        request: Request<proto::ListValuesRequest>,
    ) -> Result<Response<proto::ListValuesResponse>, Status> {
        let request = request.into_inner();
        let limit = aggregate::values_limit(request.limit)?;
        let leave_out = likened::collapse(request.collapse)?;
        let filter = convert::filter(&request.filter)?;
        let grouping = Grouping {
            by: vec![aggregate::dimension("field", &request.field)?],
            measure: None,
            basis: filter.basis().min(Basis::Derived),
        };
        let as_of = self.as_of(request.as_of, request.min_position).await?;
        let (mut answer, likened, notes) = self.aggregated(filter, as_of, grouping, leave_out).await?;
        aggregate::by_count(&mut answer.groups);
        let total = answer.groups.len() as u64;
        answer.groups.truncate(limit);
        let value = |mut group: crate::view::aggregate::Group| proto::ValueCount {
            value: group.values.pop().unwrap_or_default(),
            count: group.tally.count,
        };
        Ok(Response::new(proto::ListValuesResponse {
            values: answer.groups.into_iter().map(value).collect(),
            total,
            entries: answer.entries,
            without: answer.without,
            view_position: as_of.get(),
            notes,
            likened: Some(likened::wire(likened)),
        }))
    }
}

impl RawCall<proto::SearchRequest> for Query {
    fn call(
        self: Arc<Self>,
        request: Request<proto::SearchRequest>,
    ) -> BoxFuture<'static, Result<RawStream, Status>> {
        Box::pin(async move {
            let page = self.page(request.get_ref()).await?;
            Ok(stream::once(std::future::ready(Ok(page.message))).boxed())
        })
    }
}

fn series(name: &str, counts: &SeriesCounts) -> proto::Series {
    let kind = |(kind, entries): (&crate::record::Kind, &u64)| proto::KindCount {
        kind: kind.number(),
        entries: *entries,
    };
    proto::Series {
        name: name.to_owned(),
        entries: counts.entries,
        records: counts.records,
        retracted: counts.retracted,
        kinds: counts.kinds.iter().map(kind).collect(),
        first_recorded: counts.first_recorded.nanos(),
        last_recorded: counts.last_recorded.nanos(),
    }
}

fn order(number: i32) -> Result<Order, RequestError> {
    match proto::Order::try_from(number) {
        Ok(proto::Order::Unspecified | proto::Order::Newest) => Ok(Order::Newest),
        Ok(proto::Order::Occurred) => Ok(Order::Occurred),
        Ok(proto::Order::Relevance) => Ok(Order::Relevance),
        Err(_) => Err(convert::unknown_number("order", number)),
    }
}

/// Entries a page, where so many are asked for.
pub(super) fn page_size(size: u32) -> Result<u32, RequestError> {
    match size {
        0 => Ok(PAGE_SIZE),
        size if size <= PAGE_SIZE_MAX => Ok(size),
        size => Err(RequestError::too_large(
            "page_size",
            format!("{size} exceeds the limit of {PAGE_SIZE_MAX}; ask for more pages instead"),
            size as usize,
            PAGE_SIZE_MAX as usize,
        )),
    }
}

/// What an answer lacks; of a filter that has superseded contents too, each of them by itself.
fn erased_note(erased: u64, filter: &Filter) -> Option<String> {
    match (erased, filter.names_superseded()) {
        (0, _) => None,
        (1, false) => Some("1 entry has lost its content by law and is not in the answer".to_owned()),
        (many, false) => Some(format!(
            "{many} entries have lost their content by law and are not in the answer"
        )),
        (1, true) => Some("1 revision has lost its content by law and is not in the answer".to_owned()),
        (many, true) => Some(format!(
            "{many} revisions have lost their content by law and are not in the answer"
        )),
    }
}

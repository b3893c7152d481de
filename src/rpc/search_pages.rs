//! `Query.SearchPages`: the pages of a search, one behind the other.
//!
//! Each is what `Query.Search` answers to the token of the one before. While one is sent the next is made, so that neither disk nor
//! network waits for the other; a page that something was erased under meanwhile is made again. So many are made ahead and not sent
//! at a time, in all streams together: beyond that a stream makes its page when it is asked for it, and holds no more memory than a
//! call of `Search` does.

use super::proto;
use super::query::{Made, Query, page_size};
use super::raw::{RawCall, RawStream};
use futures::FutureExt;
use futures::StreamExt;
use futures::future::{BoxFuture, RemoteHandle};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Status};

/// Pages that are made and not asked for, at a time. Each has some 3 MB at most.
const AHEAD_MAX: usize = 16;

/// Answers `SearchPages`.
pub(super) struct SearchPages {
    query: Arc<Query>,
    ahead: Arc<Semaphore>,
}

impl SearchPages {
    /// Answers by what `query` answers a single page by.
    pub fn new(query: Arc<Query>) -> Self {
        Self {
            query,
            ahead: Arc::new(Semaphore::new(AHEAD_MAX)),
        }
    }
}

impl RawCall<proto::SearchPagesRequest> for SearchPages {
    fn call(
        self: Arc<Self>,
        request: Request<proto::SearchPagesRequest>,
    ) -> BoxFuture<'static, Result<RawStream, Status>> {
        Box::pin(async move {
            let request = request.into_inner();
            let search = request.search.unwrap_or_default();
            let mut pages = Pages {
                query: Arc::clone(&self.query),
                ahead: Arc::clone(&self.ahead),
                left: Some(request.limit).filter(|limit| *limit > 0).unwrap_or(u64::MAX),
                page_size: page_size(search.page_size)?,
                search,
                next: None,
                is_over: false,
            };
            // What is wrong with the question is the answer, and not the end of one.
            let first = pages.page().await?;
            let rest = futures::stream::try_unfold(pages, |mut pages| async move {
                if pages.is_over {
                    return Ok(None);
                }
                Ok(Some((pages.page().await?.message, pages)))
            });
            let first = futures::stream::once(std::future::ready(Ok(first.message)));
            Ok(first.chain(rest).boxed())
        })
    }
}

/// A page, and the right to have it ready before it is asked for.
type Ready = (Result<Made, Status>, OwnedSemaphorePermit);

/// Where a stream of pages stands.
struct Pages {
    query: Arc<Query>,
    ahead: Arc<Semaphore>,
    /// The search for the next page.
    search: proto::SearchRequest,
    /// Entries a page.
    page_size: u32,
    /// How many entries may still be answered.
    left: u64,
    /// The next page, where it is made already; dropping it ends that.
    next: Option<RemoteHandle<Ready>>,
    is_over: bool,
}

impl Pages {
    /// The next page; then begins with the one after it.
    async fn page(&mut self) -> Result<Made, Status> {
        let ready = match self.next.take() {
            // One that could not be made then is made when it is asked for.
            Some(next) => next.await.0.ok().filter(|made| made.stands(&self.query.0.log)),
            None => None,
        };
        let made = match ready {
            Some(made) => made,
            None => self.query.page(&self.asked()).await?,
        };
        self.left = self.left.saturating_sub(made.entries);
        self.search.page_token.clone_from(&made.next);
        // The token says it.
        (self.search.as_of, self.search.min_position) = (None, 0);
        self.is_over = made.next.is_empty() || self.left == 0;
        if !self.is_over {
            self.begin();
        }
        Ok(made)
    }

    /// Begins with the next page, where not too many are made ahead.
    fn begin(&mut self) {
        let Ok(permit) = Arc::clone(&self.ahead).try_acquire_owned() else {
            return;
        };
        let (query, search) = (Arc::clone(&self.query), self.asked());
        let made = async move { (query.page(&search).await, permit) };
        let (task, handle) = made.remote_handle();
        tokio::spawn(task);
        self.next = Some(handle);
    }

    /// The search, for no more entries than are wanted.
    fn asked(&self) -> proto::SearchRequest {
        let left = u32::try_from(self.left).unwrap_or(u32::MAX);
        proto::SearchRequest {
            page_size: self.page_size.min(left),
            ..self.search.clone()
        }
    }
}

//! Searches of many pages.

use super::retry::{Backoff, Retry, may_heal};
use super::{Client, proto};
use futures::Stream;
use std::time::Duration;
use tonic::{Status, Streaming};

/// How long a search whose connection was lost tries to go on.
const GO_ON_WITHIN: Duration = Duration::from_secs(10);

impl Client {
    /// The pages of a search, from the one that the request asks for to the last, or until they have `limit` entries. All speak of
    /// the same position. The server makes the next one while this one is used. Where the connection is lost behind the first page,
    /// another one goes on behind the last that came; only where none is to be had for ten seconds is that the end.
    ///
    /// # Errors
    /// The server's status; nothing follows it.
    ///
    /// ```no_run
    /// use chancery::rpc::proto::SearchRequest;
    /// use futures::TryStreamExt;
    ///
    /// # async fn example(client: &chancery::client::Client) -> Result<(), tonic::Status> {
    /// let request = SearchRequest { filter: "title : friendship".into(), ..SearchRequest::default() };
    /// let mut pages = std::pin::pin!(client.pages(request, None));
    /// while let Some(page) = pages.try_next().await? {
    ///     println!("{} of {} entries", page.entries.len(), page.total);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pages(
        &self,
        request: proto::SearchRequest,
        limit: Option<u64>,
    ) -> impl Stream<Item = Result<proto::SearchResponse, Status>> + Send + use<> {
        let begin = Pages {
            client: self.clone(),
            request,
            left: limit,
            stream: None,
            backoff: None,
            is_over: limit == Some(0),
        };
        futures::stream::try_unfold(begin, |mut pages| async move {
            let page = pages.next().await?;
            Ok(page.map(|page| (page, pages)))
        })
    }
}

/// Where a search stands.
struct Pages {
    client: Client,
    /// The search for what is behind the pages that were received.
    request: proto::SearchRequest,
    /// How many entries are still wanted; `None` for all.
    left: Option<u64>,
    /// The call under way.
    stream: Option<Streaming<proto::SearchResponse>>,
    /// When to try again; `None` before the first page, which shows that the question can be answered.
    backoff: Option<Backoff>,
    is_over: bool,
}

impl Pages {
    async fn next(&mut self) -> Result<Option<proto::SearchResponse>, Status> {
        if self.is_over {
            return Ok(None);
        }
        let page = loop {
            match self.received().await {
                Ok(page) => break page,
                Err(status) => {
                    self.stream = None;
                    let backoff = self.backoff.as_mut().filter(|_| may_heal(&status));
                    let wait = backoff.and_then(|backoff| backoff.wait_after(&status));
                    tokio::time::sleep(wait.ok_or(status)?).await;
                }
            }
        };
        let retry = Retry {
            within: GO_ON_WITHIN,
            ..Retry::default()
        };
        self.backoff = Some(Backoff::new(retry));
        let entries = page.entries.len() as u64;
        self.left = self.left.map(|left| left.saturating_sub(entries));
        self.is_over = page.next_page_token.is_empty() || self.left == Some(0);
        self.request.page_token.clone_from(&page.next_page_token);
        // The token says it.
        (self.request.as_of, self.request.min_position) = (None, 0);
        Ok(Some(page))
    }

    async fn received(&mut self) -> Result<proto::SearchResponse, Status> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.call().await?,
        };
        let page = self.stream.insert(stream).message().await?;
        page.ok_or_else(|| Status::internal("the server ended the answer before its last page"))
    }

    async fn call(&self) -> Result<Streaming<proto::SearchResponse>, Status> {
        let request = proto::SearchPagesRequest {
            search: Some(self.request.clone()),
            limit: self.left.unwrap_or_default(),
        };
        Ok(self.client.query().search_pages(request).await?.into_inner())
    }
}

//! `Views`: how the views stand, and having them made anew.

use super::status::{self, RequestError};
use super::{Core, proto};
use crate::view::search::standing::{Doing, Standing};
use futures::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};

/// How often a watcher is told.
const TOLD_EVERY: Duration = Duration::from_millis(500);
/// The one view there is.
const SEARCH: &str = "search";

/// Answers `Views`.
pub struct Views(pub Arc<Core>);

impl Views {
    fn named(&self, name: &str) -> Result<proto::View, Status> {
        if name == SEARCH {
            Ok(search(&self.0))
        } else {
            Err(RequestError::UnknownView(name.to_owned()).into())
        }
    }
}

#[tonic::async_trait]
impl proto::views_server::Views for Views {
    async fn list_views(
        &self,
        _: Request<proto::ListViewsRequest>,
    ) -> Result<Response<proto::ListViewsResponse>, Status> {
        Ok(Response::new(proto::ListViewsResponse {
            views: vec![search(&self.0)],
        }))
    }

    async fn get_view(
        &self,
        request: Request<proto::GetViewRequest>,
    ) -> Result<Response<proto::View>, Status> {
        self.named(&request.into_inner().name).map(Response::new)
    }

    async fn rebuild_view(
        &self,
        request: Request<proto::RebuildViewRequest>,
    ) -> Result<Response<proto::View>, Status> {
        let name = request.into_inner().name;
        let view = self.named(&name)?;
        let search = self.0.scanner.view().ok_or_else(|| status::no_view(&name))?;
        if view.state() != proto::ViewState::Rebuilding {
            search.rebuild();
        }
        self.named(&name).map(Response::new)
    }

    type WatchViewStream = BoxStream<'static, Result<proto::View, Status>>;

    async fn watch_view(
        &self,
        request: Request<proto::WatchViewRequest>,
    ) -> Result<Response<Self::WatchViewStream>, Status> {
        self.named(&request.into_inner().name)?;
        let core = Arc::clone(&self.0);
        let told = stream::unfold(Some(core), |core| async move {
            let core = core?;
            let view = search(&core);
            if is_settled(&view) || *core.draining.borrow() {
                return Some((Ok(view), None));
            }
            tokio::time::sleep(TOLD_EVERY).await;
            Some((Ok(view), Some(core)))
        });
        Ok(Response::new(told.boxed()))
    }
}

fn is_settled(view: &proto::View) -> bool {
    match view.state() {
        proto::ViewState::Rebuilding | proto::ViewState::CatchingUp => false,
        proto::ViewState::Following | proto::ViewState::Absent | proto::ViewState::Unspecified => true,
    }
}

fn search(core: &Core) -> proto::View {
    let tail = core.log.tail();
    let name = SEARCH.to_owned();
    let Some(search) = core.scanner.view() else {
        return proto::View {
            name,
            tail: tail.get(),
            state: proto::ViewState::Absent.into(),
            ..proto::View::default()
        };
    };
    let Standing {
        version,
        through,
        doing,
        bytes,
        files,
        records_s,
        left,
        rebuilds,
    } = search.standing(tail);
    let (state, rebuilt_position) = match doing {
        Doing::Following => (proto::ViewState::Following, None),
        Doing::CatchingUp => (proto::ViewState::CatchingUp, None),
        Doing::Rebuilding(through) => (proto::ViewState::Rebuilding, Some(through.get())),
    };
    proto::View {
        name,
        version,
        view_position: through.get(),
        // It may have grown since, and the view with it.
        tail: tail.max(through).get(),
        state: state.into(),
        bytes,
        files: files as u64,
        rebuilt_position,
        records_s,
        seconds_left: left.map(|left| left.as_secs_f64()),
        rebuilds,
    }
}

//! `Views`: how the views stand, and having them made anew.

use super::status::{self, RequestError};
use super::{Core, proto};
use crate::view::runner::standing::{Doing, Standing};
use futures::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};

/// How often a watcher is told.
const TOLD_EVERY: Duration = Duration::from_millis(500);

/// Answers `Views`.
pub struct Views(pub Arc<Core>);

impl Views {
    fn named(&self, name: &str) -> Result<proto::View, Status> {
        let mut names = self.0.views.names();
        match names.find(|known| *known == name) {
            Some(name) => Ok(view(&self.0, name)),
            None => {
                let known = self.0.views.names().collect();
                let name = name.to_owned();
                Err(RequestError::UnknownView { name, known }.into())
            }
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
            views: self.0.views.names().map(|name| view(&self.0, name)).collect(),
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
        if view.state() != proto::ViewState::Rebuilding && !self.0.views.rebuild(&name) {
            return Err(status::no_view(&name));
        }
        self.named(&name).map(Response::new)
    }

    type WatchViewStream = BoxStream<'static, Result<proto::View, Status>>;

    async fn watch_view(
        &self,
        request: Request<proto::WatchViewRequest>,
    ) -> Result<Response<Self::WatchViewStream>, Status> {
        let name = request.into_inner().name;
        self.named(&name)?;
        let told = stream::unfold(Some((Arc::clone(&self.0), name)), |next| async move {
            let (core, name) = next?;
            let view = view(&core, &name);
            if is_settled(&view) || *core.draining.borrow() {
                return Some((Ok(view), None));
            }
            tokio::time::sleep(TOLD_EVERY).await;
            Some((Ok(view), Some((core, name))))
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

fn view(core: &Core, name: &str) -> proto::View {
    let tail = core.log.tail();
    let standing = core.views.standing(name, tail);
    let name = name.to_owned();
    let Some(standing) = standing else {
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
        anew,
    } = standing;
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
        anew_because: anew.unwrap_or_default(),
    }
}

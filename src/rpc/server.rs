//! Puts the services on a listener, and takes them off it.

use super::admin::Admin;
use super::archive::Archive;
use super::integrity::Integrity;
use super::peer::{Connection, Sockets};
use super::proto::admin_server::AdminServer;
use super::proto::archive_server::ArchiveServer;
use super::proto::integrity_server::IntegrityServer;
use super::proto::query_server::QueryServer;
use super::proto::subscriptions_server::SubscriptionsServer;
use super::proto::views_server::ViewsServer;
use super::query::Query;
use super::raw::{REQUEST_BYTES_MAX, WithRaw};
use super::search_pages::SearchPages;
use super::subscriptions::Subscriptions;
use super::views::Views;
use super::web::{self, Pages};
use super::{Core, proto};
use crate::record::codec::DESCRIPTOR;
use futures::TryStreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::service::{InterceptorLayer, Routes};
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;
use tonic_web::GrpcWebLayer;

/// Bytes that a client may send before the server has taken them: of one call, and of a connection.
const WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Bounds of the server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Calls under way at a time on one connection.
    pub streams_max: u32,
    /// How often a silent connection is asked whether it is still there.
    pub keepalive: Duration,
    /// The origins of web pages that may call, as browsers write them.
    pub web_origins: Vec<String>,
}

/// Why the services could not be put on the listener.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptor of the protos is not one.
    #[error("the reflection service could not be made")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// Connections could not be served.
    #[error("the gRPC server ended")]
    Transport(#[from] tonic::transport::Error),
}

/// The services of a core, with health and reflection.
///
/// # Errors
/// [`ServeError::Reflection`].
pub async fn services(core: &Arc<Core>) -> Result<(Routes, HealthReporter), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    set_serving(&health, true).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTOR)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let services = Routes::new(health_service)
        .add_service(reflection)
        .add_service(archive(core))
        .add_service(query(core))
        .add_service(subscriptions(core))
        .add_service(views(core))
        .add_service(integrity(core))
        .add_service(admin(core));
    Ok((services, health))
}

/// Serves until `shutdown`, and then until the calls under way have ended: gRPC over HTTP/2, and gRPC-Web over either HTTP.
/// The sockets tell who calls.
///
/// # Errors
/// [`ServeError::Transport`].
pub async fn serve(
    services: Routes,
    options: &Options,
    (listener, sockets): (TcpListener, Arc<Sockets>),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    // Without it answers to small calls wait some 40 ms for the client's delayed acknowledgement. The builder's own
    // setting does not reach a listener that it did not bind.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let incoming = incoming.map_ok(move |stream| Connection::new(stream, &sockets));
    let mut server = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(options.streams_max)
        .http2_keepalive_interval(Some(options.keepalive))
        .accept_http1(true)
        .layer(web::cors(&options.web_origins))
        .layer(GrpcWebLayer::new())
        // Within: what it refuses is translated too.
        .layer(InterceptorLayer::new(Pages::of(&options.web_origins)));
    let served = server.add_routes(services);
    served.serve_with_incoming_shutdown(incoming, shutdown).await?;
    Ok(())
}

/// Says of every service whether it serves.
pub async fn set_serving(health: &HealthReporter, serving: bool) {
    let status = if serving {
        tonic_health::ServingStatus::Serving
    } else {
        tonic_health::ServingStatus::NotServing
    };
    for service in [
        "",
        "chancery.v1.Archive",
        "chancery.v1.Query",
        "chancery.v1.Subscriptions",
        "chancery.v1.Views",
        "chancery.v1.Integrity",
        "chancery.v1.Admin",
    ] {
        health.set_service_status(service, status).await;
    }
}

fn archive(core: &Arc<Core>) -> WithRaw<ArchiveServer<Archive>> {
    let calls = Arc::new(Archive(Arc::clone(core)));
    let generated = ArchiveServer::from_arc(Arc::clone(&calls)).max_decoding_message_size(REQUEST_BYTES_MAX);
    WithRaw::new(generated)
        .route::<proto::ReadRequest, _>("/chancery.v1.Archive/Read", Arc::clone(&calls))
        .route::<proto::GetHistoryRequest, _>("/chancery.v1.Archive/GetHistory", calls)
}

fn query(core: &Arc<Core>) -> WithRaw<QueryServer<Query>> {
    let calls = Arc::new(Query(Arc::clone(core)));
    let generated = QueryServer::from_arc(Arc::clone(&calls)).max_decoding_message_size(REQUEST_BYTES_MAX);
    let pages = Arc::new(SearchPages::new(Arc::clone(&calls)));
    WithRaw::new(generated)
        .route::<proto::SearchRequest, _>("/chancery.v1.Query/Search", calls)
        .route::<proto::SearchPagesRequest, _>("/chancery.v1.Query/SearchPages", pages)
}

fn views(core: &Arc<Core>) -> WithRaw<ViewsServer<Views>> {
    let generated = ViewsServer::new(Views(Arc::clone(core)));
    WithRaw::new(generated.max_decoding_message_size(REQUEST_BYTES_MAX))
}

fn integrity(core: &Arc<Core>) -> WithRaw<IntegrityServer<Integrity>> {
    let generated = IntegrityServer::new(Integrity(Arc::clone(core)));
    WithRaw::new(generated.max_decoding_message_size(REQUEST_BYTES_MAX))
}

fn admin(core: &Arc<Core>) -> WithRaw<AdminServer<Admin>> {
    let generated = AdminServer::new(Admin(Arc::clone(core)));
    WithRaw::new(generated.max_decoding_message_size(REQUEST_BYTES_MAX))
}

fn subscriptions(core: &Arc<Core>) -> WithRaw<SubscriptionsServer<Subscriptions>> {
    let calls = Arc::new(Subscriptions(Arc::clone(core)));
    WithRaw::new(SubscriptionsServer::from_arc(Arc::clone(&calls)))
        .route::<proto::SubscribeRequest, _>("/chancery.v1.Subscriptions/Subscribe", calls)
}

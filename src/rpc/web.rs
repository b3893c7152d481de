//! Which web pages may call.
//!
//! gRPC-Web lets a browser call the services ([`super::server`] has it translated). A browser says with each call from which page
//! it comes, in its `Origin`; programs have none. A call over loopback is recorded under the name of the machine's user, and any
//! page that this user looks at could make one: so a call with an origin is refused unless the settings name it.

use super::status;
use http::{HeaderName, HeaderValue, Method, header};
use std::sync::Arc;
use std::time::Duration;
use tonic::service::Interceptor;
use tonic::{Request, Status};
use tower_http::cors::CorsLayer;

/// How long a browser may keep what it was told of an origin.
const TOLD_FOR: Duration = Duration::from_secs(3_600);
/// What is sent with a call of gRPC-Web, besides what every page may send.
const SENT: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    HeaderName::from_static("x-grpc-web"),
    HeaderName::from_static("x-user-agent"),
    HeaderName::from_static("grpc-timeout"),
];
/// What a page may read of an answer.
const READ: [HeaderName; 3] = [
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
];

/// Tells browsers what pages of these origins may send and read; those of others are told nothing, and block the call.
pub(super) fn cors(origins: &[String]) -> CorsLayer {
    // What is no header's value is no origin that a browser could send.
    let origins = origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_methods([Method::POST])
        .allow_headers(SENT)
        .expose_headers(READ)
        .max_age(TOLD_FOR)
}

/// Refuses what comes from pages of other origins, whatever their browser makes of the answer.
#[derive(Clone)]
pub(super) struct Pages {
    /// As browsers write them.
    allowed: Arc<[String]>,
}

impl Pages {
    pub fn of(origins: &[String]) -> Self {
        Self {
            allowed: origins.into(),
        }
    }
}

impl Interceptor for Pages {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(origin) = request.metadata().get(header::ORIGIN.as_str()) else {
            return Ok(request);
        };
        let is_allowed = self
            .allowed
            .iter()
            .any(|allowed| allowed.as_bytes() == origin.as_encoded_bytes());
        if is_allowed {
            return Ok(request);
        }
        Err(status::foreign_page(origin.to_str().unwrap_or("that origin")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_a_page_is_refused_unless_its_origin_is_named_and_a_program_has_none() {
        let mut pages = Pages::of(&["https://desk.example".to_owned()]);
        let from = |origin: &'static str| {
            let mut request = Request::new(());
            request.metadata_mut().insert("origin", origin.parse().unwrap());
            request
        };
        assert!(pages.call(Request::new(())).is_ok());
        assert!(pages.call(from("https://desk.example")).is_ok());
        let refused = pages.call(from("https://desk.example.evil")).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
        assert!(refused.message().contains("--web-origins"), "{refused:?}");
        assert!(Pages::of(&[]).call(from("https://desk.example")).is_err());
        assert!(pages.call(from("null")).is_err());
    }
}

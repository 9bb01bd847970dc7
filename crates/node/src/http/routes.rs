//! Which path answers what.

use super::{ErrorBody, Served, exposition};
use axum::{
    Router,
    extract::State,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;

type Server = Arc<dyn Served>;

/// Every path of the door. `/v1/kv`, `/v1/batch`, `/v1/scan` and `/v1/cluster` will stand here.
pub(super) fn router(served: Server) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(served)
}

/// The process runs and this thread answers.
async fn live() -> Response {
    json(r#"{"status":"live"}"#)
}

/// A layout is installed and a quorum of the owners of every slot answers.
async fn ready(State(served): State<Server>) -> Response {
    match served.ready() {
        Ok(()) => json(r#"{"status":"ready"}"#),
        Err(reason) => ErrorBody::rejected("not_ready", reason).with_status(StatusCode::SERVICE_UNAVAILABLE),
    }
}

async fn metrics(State(served): State<Server>) -> Response {
    match exposition::encode(served.families()) {
        Ok(text) => ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written");
            ErrorBody::rejected("internal", "the metrics cannot be written")
                .with_status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

async fn no_such_path(uri: Uri) -> Response {
    ErrorBody::rejected("not_found", format!("there is nothing at {}", uri.path()))
        .with_status(StatusCode::NOT_FOUND)
}

async fn no_such_method(method: Method, uri: Uri) -> Response {
    let mut response =
        ErrorBody::rejected("method_not_allowed", format!("{} does not take {method}", uri.path()))
            .with_status(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn json(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}

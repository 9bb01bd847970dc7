//! The one error body of the HTTP door.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Says what went wrong and whether anything was changed.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct ErrorBody {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// `no`, `maybe` or `yes`.
    pub applied: String,
    /// How many answers were needed, if that is what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<u8>,
    /// How many came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acked: Option<u8>,
    /// Names this answer, in the header `x-request-id` too.
    pub request_id: String,
}

impl ErrorBody {
    /// Nothing was changed.
    pub fn rejected(code: &str, message: impl Into<String>) -> ErrorBody {
        ErrorBody {
            code: code.to_owned(),
            message: message.into(),
            applied: "no".to_owned(),
            required: None,
            acked: None,
            request_id: request_id(),
        }
    }

    /// As a response.
    pub fn with_status(self, status: StatusCode) -> Response {
        let json = serde_json::to_string(&self).expect("strings and numbers are JSON");
        let id = HeaderValue::from_str(&self.request_id).expect("an id is hex digits");
        let mut response = (status, json).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("x-request-id", id);
        response
    }
}

/// Unique over processes: random digits of this one, then a count.
fn request_id() -> String {
    static PROCESS: OnceLock<u32> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(1);
    // Ids are for reading logs; without a random source the process id has to do.
    let process = PROCESS.get_or_init(|| getrandom::u32().unwrap_or_else(|_| std::process::id()));
    format!("{process:08x}{:08x}", COUNT.fetch_add(1, Ordering::Relaxed))
}

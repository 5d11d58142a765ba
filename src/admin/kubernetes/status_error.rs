//! Errors of the admin API, as `Status` objects of the Kubernetes API.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

/// An error in answer to a request.
#[derive(Debug)]
pub(in crate::admin) struct StatusError {
    status: StatusCode,
    reason: &'static str,
    message: String,
}

impl StatusError {
    pub(in crate::admin) fn not_found(message: impl Into<String>) -> Self {
        StatusError {
            status: StatusCode::NOT_FOUND,
            reason: "NotFound",
            message: message.into(),
        }
    }

    pub(in crate::admin) fn method_not_allowed(message: impl Into<String>) -> Self {
        StatusError {
            status: StatusCode::METHOD_NOT_ALLOWED,
            reason: "MethodNotAllowed",
            message: message.into(),
        }
    }

    pub(in crate::admin) fn bad_request(message: impl Into<String>) -> Self {
        StatusError {
            status: StatusCode::BAD_REQUEST,
            reason: "BadRequest",
            message: message.into(),
        }
    }

    pub(in crate::admin) fn forbidden(message: impl Into<String>) -> Self {
        StatusError {
            status: StatusCode::FORBIDDEN,
            reason: "Forbidden",
            message: message.into(),
        }
    }
}

impl IntoResponse for StatusError {
    fn into_response(self) -> Response {
        let body = json!({
            "apiVersion": "v1",
            "kind": "Status",
            "metadata": {},
            "status": "Failure",
            "reason": self.reason,
            "message": self.message,
            "code": self.status.as_u16(),
        });
        (self.status, Json(body)).into_response()
    }
}

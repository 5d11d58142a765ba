//! Changes to every response: by authorization servers, the cookies of a renewed session, and then by the policy of the listener
//! (ClientTrafficPolicy `headers.lateResponseHeaders`).

use crate::context::RequestContext;
use crate::filter::headers::ResponseFields;
use gatefold_dataplane::filter::header_modifier::Headers;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use pingora_http::ResponseHeader;

/// Changes a complete response of a backend or of gatefold itself. Informational responses stay as they are.
pub(crate) fn change(response: &mut ResponseHeader, context: &RequestContext) {
    let response = &mut ResponseFields(response);
    for edit in &context.auth_response {
        edit.apply(response);
    }
    let cookies = context.client.cookies();
    if !cookies.is_empty() {
        for field in cookies {
            response.append(&SET_COOKIE, field);
        }
        // A shared cache must not give one user's session to others.
        response.set(&CACHE_CONTROL, &HeaderValue::from_static("no-store"));
    }
    if let Some(traffic) = &context.client_traffic {
        traffic.response_headers.apply(response);
    }
}

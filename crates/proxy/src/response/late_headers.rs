//! Changes to every response: by authorization servers, and then by the policy of the listener (ClientTrafficPolicy
//! `headers.lateResponseHeaders`).

use crate::context::RequestContext;
use crate::filter::headers::ResponseFields;
use pingora_http::ResponseHeader;

/// Changes a complete response of a backend or of gatefold itself. Informational responses stay as they are.
pub(crate) fn change(response: &mut ResponseHeader, context: &RequestContext) {
    for edit in &context.auth_response {
        edit.apply(&mut ResponseFields(response));
    }
    if let Some(traffic) = &context.client_traffic {
        traffic
            .response_headers
            .apply(&mut ResponseFields(response));
    }
}

//! Changes to responses by the policy of the listener (ClientTrafficPolicy `headers.lateResponseHeaders`).

use crate::context::RequestContext;
use crate::filter::headers::ResponseFields;
use pingora_http::ResponseHeader;

/// Changes a complete response of a backend or of gatefold itself. Informational responses stay as they are.
pub(crate) fn change(response: &mut ResponseHeader, context: &RequestContext) {
    if let Some(traffic) = &context.client_traffic {
        traffic
            .response_headers
            .apply(&mut ResponseFields(response));
    }
}

//! What the backend learns of the client's certificate: `X-Forwarded-Client-Cert`.

use crate::filter::headers::RequestFields;
use gatefold_dataplane::client_traffic::forwarded_client_cert::{
    FORWARDED_CLIENT_CERT, ForwardedClientCert,
};
use gatefold_dataplane::filter::header_modifier::Headers;
use gatefold_listen::Connection;
use http::{HeaderName, HeaderValue};
use pingora_http::RequestHeader;

/// What happens to the header in a request.
#[derive(Debug, Default)]
pub(crate) struct ClientCertHeader {
    keeps_sent: bool,
    element: Option<HeaderValue>,
}

impl ClientCertHeader {
    /// Decides for the requests of a connection. A certificate that can't be read counts as none.
    pub(crate) fn of(rule: ForwardedClientCert, connection: &Connection) -> Self {
        let certificate = connection.client_certificate();
        match rule.added() {
            None => ClientCertHeader {
                keeps_sent: rule.keeps(certificate.is_some()),
                element: None,
            },
            Some(details) => {
                let element = certificate.and_then(|it| it.element(details));
                ClientCertHeader {
                    keeps_sent: rule.keeps(element.is_some()),
                    element,
                }
            }
        }
    }

    /// Whether nothing is added.
    pub(crate) fn is_empty(&self) -> bool {
        self.element.is_none()
    }

    /// Takes the header from the names that are removed if it is kept. Names that a backend may take for it are never kept.
    pub(crate) fn keep(&self, removed: &mut Vec<HeaderName>) {
        if self.keeps_sent {
            removed.retain(|name| *name != FORWARDED_CLIENT_CERT);
        }
    }

    /// Appends the element to what is left of the header. Several fields are one list (RFC 9110, section 5.3).
    pub(crate) fn add(self, request: &mut RequestHeader) {
        let Some(element) = self.element else {
            return;
        };
        let sent = request.headers.get_all(&FORWARDED_CLIENT_CERT).iter();
        let all: Vec<&[u8]> = sent.chain([&element]).map(HeaderValue::as_bytes).collect();
        let list = HeaderValue::from_bytes(&all.join(&b","[..]));
        // Parts of valid values are valid.
        let list = list.unwrap_or(element);
        RequestFields(request).set(&FORWARDED_CLIENT_CERT, &list);
    }
}

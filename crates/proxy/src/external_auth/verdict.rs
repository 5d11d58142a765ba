//! What an authorization server has decided.

use super::RequestFields;
use crate::response::reason::AnswerReason;
use ::http::{HeaderMap, HeaderName};
use gatefold_dataplane::filter::answer::FilterAnswer;
use gatefold_dataplane::filter::external_auth::{AuthProtocol, CopiedHeaders};
use gatefold_dataplane::filter::header_modifier::{HeaderAction, refusal};
use pingora_http::RequestHeader;

/// By which a server that is asked over HTTP removes headers of the request, as in Envoy.
const HEADERS_TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// The decision of a server.
pub(super) enum Verdict<'f> {
    /// The request passes, with these changes.
    Allowed(Changes<'f>),
    /// The client gets this answer.
    Denied(Box<FilterAnswer>),
}

/// How a request is changed that passes.
pub(super) enum Changes<'f> {
    /// Headers are replaced by those of an answer over HTTP. Without an answer (`None`), those of the client
    /// are only removed.
    Copied(&'f CopiedHeaders, Option<HeaderMap>),
}

impl<'f> Verdict<'f> {
    /// Lets a request pass although there is no answer. What an answer would have set can't be forged nevertheless.
    pub(super) fn allowed_without_answer(protocol: &'f AuthProtocol) -> Self {
        Verdict::Allowed(match protocol {
            AuthProtocol::Http(http) => Changes::Copied(&http.copied, None),
        })
    }
}

impl Changes<'_> {
    /// Changes a request. Returns the names of the headers that are set.
    ///
    /// # Errors
    /// If the result can't be forwarded.
    pub(super) fn apply(
        self,
        request: &mut RequestHeader,
    ) -> Result<Vec<HeaderName>, AnswerReason> {
        match self {
            Changes::Copied(copied, answer) => {
                for name in answer.iter().flat_map(to_remove) {
                    request.remove_header(&name);
                }
                let mut set = copied.copy(answer.as_ref(), &mut RequestFields(request));
                set.retain(|name| *name != HEADERS_TO_REMOVE);
                request.remove_header(&HEADERS_TO_REMOVE);
                Ok(set)
            }
        }
    }
}

/// Returns the headers that an answer over HTTP removes from the request.
fn to_remove(answer: &HeaderMap) -> Vec<HeaderName> {
    let lists = answer.get_all(HEADERS_TO_REMOVE).into_iter();
    let names = lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    let names = names.filter(|name| refusal(name, HeaderAction::Remove).is_none());
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_removes_headers_of_the_request_but_none_of_the_connection() {
        let mut answer = HeaderMap::new();
        let list = "cookie, x-secret ,host, content-length,a b,";
        answer.insert(HEADERS_TO_REMOVE, list.parse().expect("a value"));
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        for name in ["Cookie", "X-Secret", "Host", "Content-Length", "X-Other"] {
            request.insert_header(name, "1").expect("a header");
        }
        let changes = Changes::Copied(&CopiedHeaders::All, Some(answer));
        assert!(changes.apply(&mut request).expect("a request").is_empty());
        let mut left: Vec<&str> = request.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-other"]);
    }
}

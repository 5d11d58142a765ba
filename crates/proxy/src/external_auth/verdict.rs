//! What an authorization server has decided.

use super::header_edit::HeaderEdit;
use super::query;
use crate::filter::headers::RequestFields;
use crate::filter::security;
use crate::response::reason::AnswerReason;
use ::http::{HeaderMap, HeaderName, StatusCode};
use gatefold_dataplane::filter::answer::FilterAnswer;
use gatefold_dataplane::filter::external_auth::{AuthProtocol, CopiedHeaders};
use gatefold_dataplane::filter::header_modifier::{HeaderAction, refusal};
use gatefold_dataplane::filter::security::forward_header::are_confusable;
use pingora_http::RequestHeader;

/// By which a server that is asked over HTTP removes headers of the request, as in Envoy.
const HEADERS_TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// The decision of a server.
pub(super) enum Verdict<'f> {
    /// The request passes, with these changes.
    Allowed(Changes<'f>),
    /// The client gets this answer.
    Denied(Box<FilterAnswer>),
    /// The server says that it has failed.
    Failed(Box<Failure>),
}

/// What a server says of its own failure.
pub(super) struct Failure {
    /// The status that the client gets. `None` for that of the settings.
    pub status: Option<StatusCode>,
    /// What the client gets, but for the status.
    pub answer: FilterAnswer,
}

/// How a request is changed that passes.
pub(super) enum Changes<'f> {
    /// Headers are replaced by those of an answer over HTTP. Without an answer (`None`), those of the client
    /// are only removed.
    Copied(&'f CopiedHeaders, Option<HeaderMap>),
    /// What an answer over gRPC demands.
    Demanded(Box<OkChanges>),
}

/// Changes that a server demands over gRPC (`OkHttpResponse`).
#[derive(Default)]
pub(super) struct OkChanges {
    /// To the headers of the request.
    pub headers: Vec<HeaderEdit>,
    /// The headers that are removed from the request.
    pub remove: Vec<HeaderName>,
    /// The parameters of the query that are set.
    pub set_parameters: Vec<(String, String)>,
    /// The names of the parameters that are removed from the query.
    pub remove_parameters: Vec<String>,
    /// To the headers of the response.
    pub response: Vec<HeaderEdit>,
}

/// What is left to do after a request has been changed.
pub(super) struct Applied {
    /// The names of the headers that have been set.
    pub set: Vec<HeaderName>,
    /// Changes to the headers of the response.
    pub response: Vec<HeaderEdit>,
}

impl<'f> Changes<'f> {
    /// Returns how a request is changed that passes although there is no answer. What an answer over HTTP would have set can't be
    /// forged nevertheless; over gRPC, only the server knows what it would have set.
    pub(super) fn without_answer(protocol: &'f AuthProtocol) -> Self {
        match protocol {
            AuthProtocol::Http(http) => Changes::Copied(&http.copied, None),
            AuthProtocol::Grpc(_) => Changes::Demanded(Box::default()),
        }
    }
}

impl Changes<'_> {
    /// Changes a request.
    ///
    /// # Errors
    /// If the result can't be forwarded.
    pub(super) fn apply(self, request: &mut RequestHeader) -> Result<Applied, AnswerReason> {
        match self {
            Changes::Copied(copied, answer) => {
                for name in answer.iter().flat_map(to_remove) {
                    remove(&name, &[], request);
                }
                let mut set = copied.copy(answer.as_ref(), &mut RequestFields(request));
                set.retain(|name| *name != HEADERS_TO_REMOVE);
                request.remove_header(&HEADERS_TO_REMOVE);
                let response = Vec::new();
                Ok(Applied { set, response })
            }
            Changes::Demanded(changes) => changes.apply(request),
        }
    }
}

impl OkChanges {
    /// Changes a request, in the order of Envoy: removals come last.
    fn apply(self, request: &mut RequestHeader) -> Result<Applied, AnswerReason> {
        for edit in &self.headers {
            edit.apply(&mut RequestFields(request));
        }
        let set: Vec<HeaderName> = self.headers.into_iter().map(|edit| edit.name).collect();
        for name in &self.remove {
            remove(name, &set, request);
        }
        if !self.set_parameters.is_empty() || !self.remove_parameters.is_empty() {
            let query = request.uri.query().unwrap_or_default();
            let query = query::edited(query, &self.set_parameters, &self.remove_parameters);
            security::set_query(request, &query)?;
        }
        Ok(Applied {
            set: set
                .into_iter()
                .filter(|name| !self.remove.contains(name))
                .collect(),
            response: self.response,
        })
    }
}

/// Removes a header, and what a backend may take for it unless the server has set it.
fn remove(name: &HeaderName, set: &[HeaderName], request: &mut RequestHeader) {
    let alike = request.headers.keys();
    let alike = alike.filter(|other| are_confusable(name, other) && !set.contains(other));
    let alike: Vec<HeaderName> = alike.cloned().collect();
    for name in alike.iter().chain([name]) {
        request.remove_header(name);
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
    use super::super::header_edit::EditAction;
    use super::*;

    #[test]
    fn answer_removes_headers_of_the_request_but_none_of_the_connection() {
        let mut answer = HeaderMap::new();
        let list = "cookie, x-secret ,host, content-length,a b,";
        answer.insert(HEADERS_TO_REMOVE, list.parse().expect("a value"));
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        for name in [
            "Cookie",
            "X-Secret",
            "X_Secret",
            "Host",
            "Content-Length",
            "X-Other",
        ] {
            request.insert_header(name, "1").expect("a header");
        }
        let changes = Changes::Copied(&CopiedHeaders::All, Some(answer));
        let applied = changes.apply(&mut request).expect("a request");
        assert_eq!(applied.set, <[HeaderName; 0]>::default());
        let mut left: Vec<&str> = request.headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-other"]);
    }

    #[test]
    fn what_looks_like_a_removed_header_is_removed_unless_the_server_has_set_it() {
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        for name in ["X-Role", "X_Role", "X_User"] {
            request.insert_header(name, "forged").expect("a header");
        }
        let name = HeaderName::from_static;
        let changes = OkChanges {
            headers: vec![HeaderEdit {
                action: EditAction::Set,
                name: name("x-user"),
                value: ::http::HeaderValue::from_static("alice"),
            }],
            remove: vec![name("x-role"), name("x_user")],
            ..OkChanges::default()
        };
        let applied = changes.apply(&mut request).expect("a request");
        assert_eq!(applied.set, ["x-user"]);
        let left: Vec<&HeaderName> = request.headers.keys().collect();
        assert_eq!(left, ["x-user"]);
    }
}

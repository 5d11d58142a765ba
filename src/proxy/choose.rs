use super::answer::Answer;
use super::context::RequestContext;
use super::request;
use crate::dataplane::backend::Target;
use crate::dataplane::request::RequestView;
use crate::dataplane::{Action, Snapshot};
use crate::listen::Connection;
use pingora_http::RequestHeader;

/// Finds a request's rule, backend and endpoint, or what to answer instead.
pub(super) fn choose(
    snapshot: &Snapshot,
    connection: &Connection,
    header: &RequestHeader,
    context: &mut RequestContext,
) -> Result<(), Answer> {
    let host = request::host(header)?;
    let port = snapshot
        .ports
        .get(&connection.socket())
        .ok_or(Answer::NO_ROUTE)?;
    let listener = port.listeners.find(&host).ok_or(Answer::NO_ROUTE)?;
    let view = RequestView {
        host: &host,
        method: &header.method,
        path: header.uri.path(),
        query: header.uri.query(),
        headers: &header.headers,
    };
    let rule = listener.router.route(&view).ok_or(Answer::NO_ROUTE)?;
    context.rule = Some(rule.clone());
    let split = match &rule.action {
        Action::Forward(split) => split,
        Action::Refuse(status) => return Err(Answer::refused(*status)),
    };
    let place = split.pick_place();
    context.backend = Some(place);
    match split.get(place).map(|backend| &backend.target) {
        Some(Target::Endpoints(endpoints)) => {
            context.endpoint = Some(endpoints.next());
            Ok(())
        }
        Some(Target::NoEndpoints) => Err(Answer::NO_ENDPOINTS),
        Some(Target::Invalid) => Err(Answer::INVALID_BACKEND),
        None => Err(Answer::INTERNAL),
    }
}

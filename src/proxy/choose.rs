use super::answer::Answer;
use super::context::RequestContext;
use super::request;
use crate::dataplane::{Action, Listener, Rule, Snapshot};
use crate::listen::Connection;
use pingora_http::RequestHeader;
use std::sync::Arc;

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
    let rule = find_rule(listener, &host, header).ok_or(Answer::NO_ROUTE)?;
    context.rule = Some(rule.clone());
    let _split = match &rule.action {
        Action::Forward(split) => split,
        Action::Refuse(status) => return Err(Answer::refused(*status)),
    };
    Ok(())
}

fn find_rule<'l>(
    _listener: &'l Listener,
    _host: &str,
    _header: &RequestHeader,
) -> Option<&'l Arc<Rule>> {
    None
}

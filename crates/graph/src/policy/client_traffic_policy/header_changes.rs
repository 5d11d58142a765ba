//! `headers.earlyRequestHeaders` and `headers.lateResponseHeaders`.

use super::shortfall::Shortfall;
use super::text_pattern::{self, Case};
use crate::route::unsendable;
use gatefold_dataplane::client_traffic::header_change::HeaderChange;
use gatefold_dataplane::filter::header_modifier::{self, HeaderAction, HeaderModifier};
use gatefold_dataplane::text_pattern::TextPattern;
use gatefold_diagnostic::Pointer;
use gatefold_manifest::api::{self, ExtendedHTTPHeaderFilter, HTTPHeader, StringMatch};
use http::header::{HOST, HeaderName, HeaderValue};

/// Reads changes to headers, and collects those that can't be made.
pub(super) struct HeaderChangeReader<'p> {
    pub shortfalls: &'p mut Vec<Shortfall>,
}

impl HeaderChangeReader<'_> {
    /// Returns the changes to requests. `Host` can't be among them: the listener of the request is already known.
    pub fn of_requests(&mut self, filter: &ExtendedHTTPHeaderFilter) -> HeaderChange {
        let at = Pointer::spec().key("headers").key("earlyRequestHeaders");
        let sets_host = filter.set.iter().flatten();
        let index = sets_host.into_iter().position(|it| is_host(&it.name));
        if let Some(index) = index {
            let message = "`Host` can't be changed before routing: its listener is already known";
            self.refuse(at.key("set").index(index), message.to_owned());
        }
        self.read(filter, &at)
    }

    /// Returns the changes to responses.
    pub fn of_responses(&mut self, filter: &ExtendedHTTPHeaderFilter) -> HeaderChange {
        let at = Pointer::spec().key("headers").key("lateResponseHeaders");
        self.read(filter, &at)
    }

    fn read(&mut self, filter: &ExtendedHTTPHeaderFilter, at: &Pointer) -> HeaderChange {
        let ExtendedHTTPHeaderFilter {
            set,
            add,
            add_if_absent,
            remove,
            remove_on_match,
        } = filter;
        let names = remove.iter().flatten().enumerate();
        let names = names.filter_map(|(index, name)| {
            self.name(name, HeaderAction::Remove, &at.key("remove").index(index))
        });
        let remove = names.collect();
        let patterns = remove_on_match.iter().flatten().enumerate();
        let patterns = patterns
            .filter_map(|(index, it)| self.pattern(it, &at.key("removeOnMatch").index(index)));
        let remove_matching = patterns.collect();
        HeaderChange {
            modifier: HeaderModifier {
                set: self.headers(set.as_deref(), HeaderAction::Set, &at.key("set")),
                add: self.headers(add.as_deref(), HeaderAction::Add, &at.key("add")),
                remove,
            },
            add_if_absent: self.headers(
                add_if_absent.as_deref(),
                HeaderAction::Add,
                &at.key("addIfAbsent"),
            ),
            remove_matching,
        }
    }

    fn headers(
        &mut self,
        headers: Option<&[HTTPHeader]>,
        action: HeaderAction,
        at: &Pointer,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let headers = headers.unwrap_or_default().iter().enumerate();
        let headers = headers.filter_map(|(index, header)| {
            let at = at.index(index);
            let value = header_modifier::value(&header.value);
            if value.is_none() {
                self.refuse(at.key("value"), unsendable(&header.name, &header.value));
            }
            Some((self.name(&header.name, action, &at)?, value?))
        });
        headers.collect()
    }

    fn name(
        &mut self,
        name: &api::HeaderName,
        action: HeaderAction,
        at: &Pointer,
    ) -> Option<HeaderName> {
        // The decoder has checked the name.
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        match header_modifier::refusal(&name, action) {
            Some(why) => {
                self.refuse(at.clone(), why);
                None
            }
            None => Some(name),
        }
    }

    fn pattern(&mut self, pattern: &StringMatch, at: &Pointer) -> Option<TextPattern> {
        let read = text_pattern::read(pattern, Case::Lower);
        read.map_err(|why| self.refuse(at.key("value"), why)).ok()
    }

    fn refuse(&mut self, pointer: Pointer, message: String) {
        self.shortfalls.push(Shortfall::invalid(pointer, message));
    }
}

fn is_host(name: &api::HeaderName) -> bool {
    name.as_str().eq_ignore_ascii_case(HOST.as_str())
}

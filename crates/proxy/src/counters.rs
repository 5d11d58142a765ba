//! The metrics of requests.

use crate::response::reason::AnswerReason;
use crate::striped::Striped;
use http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// The metrics of requests. Counting costs one addition, since every counter is looked up in advance.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    inner: Arc<RequestCounters>,
}

#[derive(Debug, Default)]
struct RequestCounters {
    /// By the first digit of the status. Index 0 counts requests without an answer, because the client was gone.
    requests: [Counter<u64, Striped>; 6],
    connect_failures: Counter,
    retries: Counter,
    mirrored: [Counter; 7],
    /// Requests that may be forged by another site, and others.
    csrf_observed: [Counter; 2],
    /// By the reason of an answer of the proxy itself. Such an answer costs a lookup.
    answers: Family<AnswerReasonLabel, Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AnswerReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// The outcome of a copy of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mirrored {
    /// The mirror has responded, with any status.
    Answered,
    /// The mirror couldn't be reached, or closed the connection.
    Failed,
    /// The mirror took too long.
    TimedOut,
    /// The mirror read the body more slowly than the backend did, and the backlog exceeded its limit.
    TooSlow,
    /// The request ended before its body did.
    Aborted,
    /// Too many copies were in flight.
    TooMany,
    /// The mirror had no endpoint.
    NoEndpoint,
}

const OUTCOMES: [&str; 7] = [
    "answered",
    "failed",
    "timeout",
    "too_slow",
    "aborted",
    "too_many",
    "no_endpoint",
];

/// The second one would be denied if `csrf` were enforced.
const CSRF_RESULTS: [&str; 2] = ["valid", "invalid"];

const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

impl Counters {
    /// Creates counters and adds them to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let requests = Family::<ClassLabel, Counter<u64, Striped>>::default();
        let mirrored = Family::<OutcomeLabel, Counter>::default();
        let csrf_observed = Family::<ResultLabel, Counter>::default();
        let inner = RequestCounters {
            requests: CLASSES.map(|class| requests.get_or_create_owned(&ClassLabel { class })),
            connect_failures: Counter::default(),
            retries: Counter::default(),
            mirrored: OUTCOMES
                .map(|outcome| mirrored.get_or_create_owned(&OutcomeLabel { outcome })),
            csrf_observed: CSRF_RESULTS
                .map(|result| csrf_observed.get_or_create_owned(&ResultLabel { result })),
            answers: Family::default(),
        };
        for reason in AnswerReason::words() {
            inner
                .answers
                .get_or_create_owned(&AnswerReasonLabel { reason });
        }
        registry.register(
            "gatefold_answers",
            "Requests that the gateway answered itself, by reason",
            inner.answers.clone(),
        );
        registry.register(
            "gatefold_requests",
            "Requests by the class of the status they were answered with",
            requests,
        );
        registry.register(
            "gatefold_connect_failures",
            "Connections to endpoints that couldn't be made",
            inner.connect_failures.clone(),
        );
        registry.register(
            "gatefold_retries",
            "Retries of requests at another endpoint or over a new connection",
            inner.retries.clone(),
        );
        registry.register(
            "gatefold_mirrored_requests",
            "Copies of requests (RequestMirror) by outcome",
            mirrored,
        );
        registry.register(
            "gatefold_csrf_observed_requests",
            "Requests that csrf has only observed, by result",
            csrf_observed,
        );
        Counters {
            inner: Arc::new(inner),
        }
    }

    /// Returns the number of requests answered with a class of status: its first digit, or 0 for requests without an answer.
    pub fn requests(&self, class: usize) -> u64 {
        self.inner.requests.get(class).map_or(0, Counter::get)
    }

    pub(crate) fn request(&self, status: Option<StatusCode>) {
        let class = status.map_or(0, |status| usize::from(status.as_u16() / 100));
        if let Some(counter) = self.inner.requests.get(class) {
            counter.inc();
        }
    }

    /// Counts an answer of the proxy itself.
    pub(crate) fn answer(&self, reason: AnswerReason) {
        let reason = reason.word();
        let counter = self
            .inner
            .answers
            .get_or_create(&AnswerReasonLabel { reason });
        counter.inc();
    }

    pub(crate) fn connect_failure(&self) {
        self.inner.connect_failures.inc();
    }

    pub(crate) fn mirrored(&self, outcome: Mirrored) {
        if let Some(counter) = self.inner.mirrored.get(outcome as usize) {
            counter.inc();
        }
    }

    /// Returns the number of copies with this outcome.
    #[cfg(test)]
    pub(crate) fn mirrored_so_far(&self, outcome: Mirrored) -> u64 {
        let counter = self.inner.mirrored.get(outcome as usize);
        counter.map_or(0, Counter::get)
    }

    /// Counts a request that `csrf` has only observed.
    pub(crate) fn csrf_observed(&self, is_forged: bool) {
        let [valid, invalid] = &self.inner.csrf_observed;
        if is_forged { invalid } else { valid }.inc();
    }

    pub(crate) fn retry(&self) {
        self.inner.retries.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn registry_shows_requests_by_class_and_answers_by_reason() {
        let mut registry = Registry::default();
        let counters = Counters::register(&mut registry);
        counters.request(Some(StatusCode::NOT_FOUND));
        counters.request(None);
        counters.answer(AnswerReason::NoRoute);
        counters.answer(AnswerReason::NoRoute);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        assert!(
            text.contains(r#"gatefold_requests_total{class="4xx"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"gatefold_requests_total{class="none"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"gatefold_answers_total{reason="no_route"} 2"#),
            "{text}"
        );
        let series = text.matches("gatefold_answers_total{").count();
        let words: HashSet<&str> = AnswerReason::words().collect();
        assert_eq!(series, words.len(), "{text}");
        assert_eq!(
            words.len(),
            AnswerReason::words().count(),
            "a word is repeated"
        );
        let documented = include_str!("../../../docs/metrics.md");
        for word in words {
            assert!(
                documented.contains(&format!("`{word}`")),
                "docs/metrics.md lacks {word}"
            );
        }
    }
}

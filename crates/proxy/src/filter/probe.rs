//! A filter for tests of the phases. It stands for filters that ask another server, which no filter here does yet.
//!
//! A test writes it as a `RequestHeaderModifier` that sets `x-probe` to the name of its behaviour.

use bytes::Bytes;
use gatefold_dataplane::filter::answer::{FilterAnswer, ResponsePhase};
use gatefold_dataplane::filter::header_modifier::HeaderModifier;
use gatefold_dataplane::filter::{Filter, FilterStep};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

const NAME: HeaderName = HeaderName::from_static("x-probe");

/// The behaviours of the filter. Each one waits before it decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Waits in both phases, then continues.
    Continue,
    /// Answers requests.
    AnswerRequest,
    /// Answers instead of a backend's response.
    AnswerResponse,
    /// Never decides on a request.
    Hang,
}

const NAMES: [(&str, Probe); 4] = [
    ("continue", Probe::Continue),
    ("answer-request", Probe::AnswerRequest),
    ("answer-response", Probe::AnswerResponse),
    ("hang", Probe::Hang),
];

/// Returns the filter that stands for a probe.
pub(crate) fn filter(probe: Probe) -> Filter {
    let (name, _) = NAMES.iter().find(|(_, it)| *it == probe).expect("a name");
    Filter::RequestHeaderModifier(HeaderModifier {
        set: vec![(NAME, HeaderValue::from_static(name))],
        ..HeaderModifier::default()
    })
}

/// Returns the probe that a filter stands for.
pub(crate) fn of(filter: &Filter) -> Option<Probe> {
    let Filter::RequestHeaderModifier(modifier) = filter else {
        return None;
    };
    let (_, value) = modifier.set.iter().find(|(name, _)| *name == NAME)?;
    let (_, probe) = NAMES.iter().find(|(name, _)| value == name)?;
    Some(*probe)
}

impl Probe {
    pub(crate) fn on_request(self) -> FilterStep {
        match self {
            Probe::Continue | Probe::AnswerRequest | Probe::Hang => FilterStep::Wait,
            Probe::AnswerResponse => FilterStep::Continue,
        }
    }

    pub(crate) async fn wait_request(self) -> FilterStep {
        tokio::task::yield_now().await;
        match self {
            Probe::Continue | Probe::AnswerResponse => FilterStep::Continue,
            Probe::AnswerRequest => answer("answered the request"),
            Probe::Hang => std::future::pending().await,
        }
    }

    pub(crate) fn on_response(self) -> FilterStep {
        match self {
            Probe::Continue | Probe::AnswerResponse => FilterStep::Wait,
            Probe::AnswerRequest | Probe::Hang => FilterStep::Continue,
        }
    }

    pub(crate) async fn wait_response(self) -> FilterStep {
        tokio::task::yield_now().await;
        match self {
            Probe::AnswerResponse => answer("answered the response"),
            Probe::Continue | Probe::AnswerRequest | Probe::Hang => FilterStep::Continue,
        }
    }
}

fn answer(body: &'static str) -> FilterStep {
    let mut headers = HeaderMap::new();
    headers.insert("x-answered", HeaderValue::from_static("yes"));
    FilterStep::Answer(Box::new(FilterAnswer {
        status: StatusCode::FORBIDDEN,
        headers,
        body: Bytes::from_static(body.as_bytes()),
        response_phase: ResponsePhase::Skip,
    }))
}

//! Histograms of durations, for `/metrics`.

use gatefold_dataplane::durations::{BOUNDS, Durations, Observed};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;

/// The name of the routes or backends that share a histogram.
const OTHER: &str = "other";

/// Adds the histograms to a registry.
pub fn register_durations(registry: &mut Registry, durations: Durations) {
    registry.register_collector(Box::new(DurationCollector(durations)));
}

#[derive(Debug)]
struct DurationCollector(Durations);

impl Collector for DurationCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let (routes, other) = self.0.routes.observed();
        let other = other.map(|it| ([("kind", OTHER), ("route", OTHER)], it));
        let labelled = routes
            .iter()
            .map(|((kind, route), observed)| ([("kind", *kind), ("route", &**route)], *observed));
        family(
            &mut encoder,
            (
                "gatefold_route_request_duration",
                "Time from the beginning of a request to its end, by route",
            ),
            labelled.chain(other),
        )?;
        let (backends, other) = self.0.backends.observed();
        let other = other.map(|it| ([("backend", OTHER)], it));
        let labelled = backends
            .iter()
            .map(|(backend, observed)| ([("backend", &**backend)], *observed));
        family(
            &mut encoder,
            (
                "gatefold_backend_response_duration",
                "Time from the choice of an endpoint to the header of its response, by backend",
            ),
            labelled.chain(other),
        )
    }
}

fn family<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder,
    (name, help): (&str, &str),
    histograms: impl Iterator<Item = (L, Observed)>,
) -> fmt::Result {
    let mut metric =
        encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for (labels, observed) in histograms {
        let bounds = BOUNDS.iter().map(|bound| bound.as_secs_f64());
        let bounds = bounds.chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(observed.buckets).collect();
        let count = observed.buckets.iter().sum();
        let mut metric = metric.encode_family(&labels)?;
        metric.encode_histogram::<NoLabelSet>(observed.sum.as_secs_f64(), count, &buckets, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn histograms_have_cumulative_buckets_and_the_labels_of_what_they_measure() {
        let durations = Durations::default();
        let route = durations
            .routes
            .histogram(&("HTTPRoute", "shop/web".into()));
        let backend = durations.backends.histogram(&"shop/web:80".into());
        route.observe(Duration::from_millis(3));
        route.observe(Duration::from_secs(60));
        backend.observe(Duration::from_millis(2));
        let mut registry = Registry::default();
        register_durations(&mut registry, durations);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        for line in [
            "# TYPE gatefold_route_request_duration_seconds histogram",
            r#"gatefold_route_request_duration_seconds_bucket{le="0.001",kind="HTTPRoute",route="shop/web"} 0"#,
            r#"gatefold_route_request_duration_seconds_bucket{le="0.005",kind="HTTPRoute",route="shop/web"} 1"#,
            r#"gatefold_route_request_duration_seconds_bucket{le="10.0",kind="HTTPRoute",route="shop/web"} 1"#,
            r#"gatefold_route_request_duration_seconds_bucket{le="+Inf",kind="HTTPRoute",route="shop/web"} 2"#,
            r#"gatefold_route_request_duration_seconds_count{kind="HTTPRoute",route="shop/web"} 2"#,
            r#"gatefold_route_request_duration_seconds_sum{kind="HTTPRoute",route="shop/web"} 60.003"#,
            r#"gatefold_backend_response_duration_seconds_count{backend="shop/web:80"} 1"#,
        ] {
            assert!(text.contains(line), "`{line}` is missing in\n{text}");
        }
        drop((route, backend));
    }

    #[test]
    fn the_histograms_of_what_is_gone_are_left_out() {
        let durations = Durations::default();
        drop(durations.backends.histogram(&"shop/web:80".into()));
        let mut registry = Registry::default();
        register_durations(&mut registry, durations);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        assert!(!text.contains("shop/web"), "{text}");
    }
}

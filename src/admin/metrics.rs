//! Metrics about the configuration and its reloads, for `/metrics`.
//!
//! In: the [`Published`] configuration. Out: Prometheus metrics. The values are read when they are requested, so
//! nothing has to update them.

use crate::reload::{Generations, Outcome, Published, Reloads, SocketsState};
use arc_swap::ArcSwap;
use gatefold_diagnostic::Severity;
use gatefold_graph::stand_in::StandIns;
use gatefold_manifest::Kind;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The label of a sample.
type SampleLabel = [(&'static str, &'static str); 1];

/// Adds the metrics about the configuration to a registry.
pub fn register(registry: &mut Registry, published: Arc<ArcSwap<Published>>) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    registry.register(
        "gatefold_build",
        "The version of gatefold",
        Info::new(version),
    );
    registry.register_collector(Box::new(Configuration(published)));
}

/// Reads the metrics from the published configuration.
struct Configuration(Arc<ArcSwap<Published>>);

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Configuration")
    }
}

impl Collector for Configuration {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let published = self.0.load();
        reloads(&mut encoder, &published.reloads)?;
        generations(&mut encoder, &published.generations)?;
        family(
            &mut encoder,
            (
                "gatefold_listeners",
                "Listeners of Gateways by the state of their sockets",
            ),
            listeners(&published).map(gauge),
        )?;
        family(
            &mut encoder,
            (
                "gatefold_diagnostics",
                "Diagnostics about the manifests by severity",
            ),
            severities(&published).map(gauge),
        )?;
        family(
            &mut encoder,
            (
                "gatefold_stand_ins",
                "Objects that the manifests lack and that stand-ins replace, for development",
            ),
            stand_ins(&published).map(gauge),
        )?;
        let objects = Kind::ALL.iter().map(|kind| {
            let count = published.loaded.resources.objects(*kind).len();
            gauge(([("kind", kind.name())], count as u64))
        });
        family(
            &mut encoder,
            ("gatefold_objects", "Objects in force by kind"),
            objects,
        )
    }
}

fn reloads(encoder: &mut DescriptorEncoder, reloads: &Reloads) -> fmt::Result {
    let counted = [
        (Outcome::Success, reloads.succeeded),
        (Outcome::Partial, reloads.partial),
        (Outcome::Failed, reloads.failed),
    ];
    family(
        encoder,
        ("gatefold_config_reloads", "Reloads by their outcome"),
        counted.map(|(outcome, count)| ([("result", outcome.as_str())], ConstCounter::new(count))),
    )?;
    single(
        encoder,
        (
            "gatefold_config_last_reload_successful",
            "Whether the most recent reload put the whole configuration into force",
        ),
        f64::from(u8::from(reloads.last_succeeded())),
    )?;
    single(
        encoder,
        (
            "gatefold_config_last_reload_success_timestamp_seconds",
            "When a reload last put the whole configuration into force, in seconds since 1970",
        ),
        seconds(reloads.last_success),
    )?;
    let durations = encoder.encode_descriptor(
        "gatefold_config_reload_duration_seconds",
        "Time from scanning the files until the new configuration is in force",
        None,
        reloads.durations.metric_type(),
    )?;
    reloads.durations.encode(durations)
}

fn generations(encoder: &mut DescriptorEncoder, generations: &Generations) -> fmt::Result {
    family(
        encoder,
        (
            "gatefold_config_generation",
            "Generations of the configuration by state",
        ),
        [
            ([("state", "seen")], generations.seen),
            ([("state", "applied")], generations.applied),
            ([("state", "failed")], generations.failed.unwrap_or(0)),
        ]
        .map(gauge),
    )
}

fn stand_ins(published: &Published) -> impl Iterator<Item = (SampleLabel, u64)> {
    let StandIns {
        echo, certificates, ..
    } = &published.found.stand_ins;
    let certificates = certificates.as_ref().map_or(0, |it| it.pairs.len());
    let counts = [("echo", echo.len()), ("certificate", certificates)];
    counts
        .into_iter()
        .map(|(kind, count)| ([("kind", kind)], count as u64))
}

fn gauge((label, value): (SampleLabel, u64)) -> (SampleLabel, ConstGauge<i64>) {
    (
        label,
        ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)),
    )
}

fn seconds(time: Option<SystemTime>) -> f64 {
    let since = time.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0.0, |since| since.as_secs_f64())
}

fn listeners(published: &Published) -> [(SampleLabel, u64); 3] {
    use SocketsState::{Failed, Listening, Rejected};
    [Listening, Failed, Rejected].map(|state| {
        let listeners = published.listeners.iter();
        let found = listeners.filter(|listener| listener.sockets() == state);
        ([("state", state.as_str())], found.count() as u64)
    })
}

fn severities(published: &Published) -> [(SampleLabel, u64); 3] {
    [Severity::Error, Severity::Warning, Severity::Info].map(|severity| {
        let found = published
            .diagnostics
            .iter()
            .filter(|one| one.severity == severity);
        ([("severity", severity.as_str())], found.count() as u64)
    })
}

/// Encodes a metric with one sample for each label.
fn family<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder,
    (name, help): (&str, &str),
    samples: impl IntoIterator<Item = (SampleLabel, M)>,
) -> fmt::Result {
    let mut samples = samples.into_iter().peekable();
    let Some((_, first)) = samples.peek() else {
        return Ok(());
    };
    let mut metric = encoder.encode_descriptor(name, help, None, first.metric_type())?;
    for (label, value) in samples {
        value.encode(metric.encode_family(&label)?)?;
    }
    Ok(())
}

fn single(encoder: &mut DescriptorEncoder, (name, help): (&str, &str), value: f64) -> fmt::Result {
    let gauge = ConstGauge::<f64>::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(published: Published) -> String {
        let mut registry = Registry::default();
        register(&mut registry, Arc::new(ArcSwap::from_pointee(published)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        text
    }

    #[test]
    fn metrics_show_the_published_configuration() {
        let mut published = Published::default();
        published.generations.seen = 3;
        published.reloads.succeeded = 2;
        published.reloads.partial = 1;
        published.reloads.durations.observe(0.03);
        let text = text(published);
        for line in [
            r#"gatefold_config_reloads_total{result="success"} 2"#,
            r#"gatefold_config_reloads_total{result="partial"} 1"#,
            r#"gatefold_config_reloads_total{result="failed"} 0"#,
            r#"gatefold_config_generation{state="seen"} 3"#,
            "gatefold_config_last_reload_successful 1",
            "gatefold_config_last_reload_success_timestamp_seconds 0",
            r#"gatefold_config_reload_duration_seconds_bucket{le="0.02"} 0"#,
            r#"gatefold_config_reload_duration_seconds_bucket{le="0.05"} 1"#,
            r#"gatefold_listeners{state="listening"} 0"#,
            r#"gatefold_objects{kind="HTTPRoute"} 0"#,
            "gatefold_build_info{version=",
        ] {
            assert!(text.contains(line), "`{line}` is missing in\n{text}");
        }
    }
}

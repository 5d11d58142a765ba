//! Parameters of GatewayClasses and Gateways: the EnvoyProxies that their `parametersRef` names.
//!
//! In: a reference. Out: what the EnvoyProxy configures, or why it can't be used. Each EnvoyProxy is read and reported once,
//! however many Gateways use it. One that nothing refers to isn't read.

mod access_log;

pub use access_log::AccessLogNode;

use crate::Build;
use crate::reference::NamedObjects as _;
use crate::reported_object::ReportedObject as _;
use access_log::{AccessLogBuilder, LogFiles};
use gatefold_diagnostic::{Code, Diagnostic};
use gatefold_manifest::api::{
    ENVOY_GATEWAY_GROUP, EnvoyProxy, FieldEffect, Gateway, NamespacedName, SetField,
};
use gatefold_manifest::{Kind, Resources};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The access logs that an EnvoyProxy configures; none if empty. `None` if those of the command line are in force.
pub type AccessLogs = Option<Arc<[AccessLogNode]>>;

/// The EnvoyProxies that are in use, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct EnvoyProxyNodes {
    access_logs: BTreeMap<NamespacedName, AccessLogs>,
    files: LogFiles,
}

/// A `parametersRef`.
#[derive(Clone, Copy)]
pub(crate) struct ParametersReference<'r> {
    pub(crate) group: &'r str,
    pub(crate) kind: &'r str,
    /// `None` for an object without a namespace.
    pub(crate) namespace: Option<&'r str>,
    pub(crate) name: &'r str,
}

/// Why a `parametersRef` can't be used.
pub(crate) struct UnusableParameters {
    /// The reason, as a sentence that begins with the reference.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: String,
}

impl ParametersReference<'_> {
    /// Returns what the referenced EnvoyProxy configures.
    ///
    /// # Errors
    /// If gatefold doesn't read the kind, or the object isn't in force.
    pub(crate) fn resolve(self, build: &mut Build<'_>) -> Result<AccessLogs, UnusableParameters> {
        let (kind, name) = (self.kind, self.name);
        if self.group != ENVOY_GATEWAY_GROUP || kind != Kind::EnvoyProxy.name() {
            return Err(UnusableParameters {
                message: format!(
                    "parametersRef names {kind} `{name}`, but gatefold reads only EnvoyProxies"
                ),
                help: "remove `parametersRef`; gatefold is configured by its command line"
                    .to_owned(),
            });
        }
        let Some(namespace) = self.namespace else {
            return Err(UnusableParameters {
                message: format!("parametersRef names the EnvoyProxy `{name}` without a namespace"),
                help: "add `namespace`".to_owned(),
            });
        };
        let key = NamespacedName::new(namespace, name);
        if let Some(known) = build.envoy_proxies.access_logs.get(&key) {
            return Ok(known.clone());
        }
        let Some(proxy) = build.resources.envoy_proxies.get(&key).cloned() else {
            return Err(missing(&key, build.resources));
        };
        let logs = read(&key, &proxy, build);
        build.envoy_proxies.access_logs.insert(key, logs.clone());
        Ok(logs)
    }
}

fn missing(key: &NamespacedName, resources: &Resources) -> UnusableParameters {
    let message = match resources.refused(Kind::EnvoyProxy, key) {
        Some(refused) => format!("parametersRef names an EnvoyProxy that can't be used: {refused}"),
        None => format!("parametersRef names the EnvoyProxy `{key}`, which isn't in the folder"),
    };
    let similar = resources.envoy_proxies.suggest(key);
    UnusableParameters {
        message,
        help: similar.unwrap_or_else(|| "add the EnvoyProxy, or remove `parametersRef`".to_owned()),
    }
}

/// Returns the access logs of a Gateway: those of its own EnvoyProxy, or else of its class's. The class reports its own problems.
///
/// # Errors
/// If the Gateway's own `parametersRef` can't be used.
pub(crate) fn of_gateway(
    gateway: &Gateway,
    build: &mut Build<'_>,
) -> Result<AccessLogs, UnusableParameters> {
    let infrastructure = gateway.spec.infrastructure.as_ref();
    if let Some(own) = infrastructure.and_then(|it| it.parameters_ref.as_ref()) {
        let reference = ParametersReference {
            group: &own.group,
            kind: &own.kind,
            namespace: Some(&gateway.meta.namespace),
            name: &own.name,
        };
        return reference.resolve(build);
    }
    let classes = &build.resources.gateway_classes;
    let class = classes.get(&gateway.spec.gateway_class_name);
    let Some(of_class) = class.and_then(|class| class.spec.parameters_ref.as_ref()) else {
        return Ok(None);
    };
    let reference = ParametersReference {
        group: &of_class.group,
        kind: &of_class.kind,
        namespace: of_class.namespace.as_deref(),
        name: &of_class.name,
    };
    Ok(reference.resolve(build).unwrap_or_default())
}

/// Reads an EnvoyProxy, and reports what is wrong with it and what isn't served.
fn read(key: &NamespacedName, proxy: &EnvoyProxy, build: &mut Build<'_>) -> AccessLogs {
    let before = build.envoy_proxies_before.access_logs.get(key);
    let mut builder = AccessLogBuilder {
        proxy,
        folder: build.environment.access_log_dir.as_deref(),
        files: &mut build.envoy_proxies.files,
        unserved: Vec::new(),
        findings: Vec::new(),
        warnings: Vec::new(),
    };
    let logs = builder.build(before.cloned().flatten());
    let AccessLogBuilder {
        unserved,
        findings,
        warnings,
        ..
    } = builder;
    build.diagnostics.extend(findings);
    build.diagnostics.extend(warnings);
    build.diagnostics.extend(report_unserved(proxy, unserved));
    logs
}

/// Returns the finding about what an EnvoyProxy sets and gatefold doesn't serve. `None` if it serves everything.
fn report_unserved(
    proxy: &EnvoyProxy,
    in_access_log: Vec<access_log::Unserved>,
) -> Option<Diagnostic> {
    let of_field = |set: &SetField| match set.field.effect {
        FieldEffect::Ignored(instead) => Some((set.pointer.clone(), instead)),
        FieldEffect::Served(_) | FieldEffect::Guards(_) | FieldEffect::Closes => None,
    };
    let fields = proxy.spec.unserved.iter().filter_map(of_field);
    let all: Vec<_> = fields.chain(in_access_log).collect();
    let (first, _) = all.first()?;
    let names: Vec<String> = all.iter().map(|(it, _)| format!("`{it}`")).collect();
    let message = format!(
        "gatefold doesn't serve {} of EnvoyProxy `{}`",
        names.join(", "),
        proxy.key()
    );
    let found = proxy.finding(Code::UnservedParameters, first.clone(), message);
    Some(all.iter().fold(found, |found, (pointer, instead)| {
        found.note(format!("`{pointer}`: {instead}"))
    }))
}

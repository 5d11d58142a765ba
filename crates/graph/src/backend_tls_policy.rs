//! BackendTLSPolicies: which Services are connected to in TLS, and whom to trust there.

use super::condition::{Condition, Problem, Reason};
use super::{Build, ca_certificates, names_in, suggest};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::Resources;
use gatefold_manifest::api::{
    BackendTLSPolicy, ConfigMap, LocalObjectReference, LocalPolicyTargetReferenceWithSectionName,
    NamespacedName, PreciseHostname, SubjectAltName,
};
use rustls_pki_types::{CertificateDer, ServerName};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A BackendTLSPolicy.
#[derive(Debug)]
pub struct BackendTlsPolicyNode {
    /// The object.
    pub resource: Arc<BackendTLSPolicy>,
    /// The Gateways of ours that it matters to, with their controllers' names: those with routes to a Service
    /// that it is for.
    pub gateways: BTreeMap<NamespacedName, String>,
    /// Its conditions, the same for every Gateway.
    pub conditions: Vec<Condition>,
}

/// Whether a Service's port is connected to in TLS.
#[derive(Clone, Debug, PartialEq)]
pub enum BackendTlsNode {
    /// No policy is for it: plain text.
    Plain,
    /// In TLS.
    Tls(Arc<BackendTlsSettings>),
    /// A policy is for it, but can't be followed: nothing is sent.
    Refused,
}

/// How TLS is spoken to a Service.
#[derive(Debug, PartialEq)]
pub struct BackendTlsSettings {
    /// The name that is asked for.
    pub hostname: PreciseHostname,
    /// Who may have signed certificates.
    pub authorities: AuthoritiesNode,
    /// The names of which a certificate must have one; the hostname when empty.
    pub names: Vec<SubjectAltName>,
}

/// Who may sign certificates.
#[derive(Debug, PartialEq, Eq)]
pub enum AuthoritiesNode {
    /// Those that the system trusts; never empty.
    System(Arc<[CertificateDer<'static>]>),
    /// These; never empty.
    Listed(Vec<CertificateDer<'static>>),
}

/// A Service, or one of its ports by name.
type Target<'a> = (&'a str, &'a str, Option<&'a str>);

/// All policies, so that a Service's is found however many there are.
#[derive(Default)]
pub(super) struct Policies<'a> {
    nodes: BTreeMap<NamespacedName, BackendTlsPolicyNode>,
    /// What prevails, by namespace, Service and port.
    in_force: HashMap<Target<'a>, BackendTlsNode>,
}

impl<'a> Policies<'a> {
    /// For a Service's port. A policy for just this port goes before one for the whole Service (GEP-713: the more
    /// specific one).
    pub fn of(&self, service: &NamespacedName, port: &str) -> BackendTlsNode {
        let (namespace, name) = (&*service.namespace, &*service.name);
        let own = self.in_force.get(&(namespace, name, Some(port)));
        let found = own.or_else(|| self.in_force.get(&(namespace, name, None)));
        found.cloned().unwrap_or(BackendTlsNode::Plain)
    }

    /// The policies, each with the Gateways that it matters to.
    pub fn finish(
        self,
        gateways: &HashMap<&NamespacedName, BTreeMap<NamespacedName, String>>,
    ) -> BTreeMap<NamespacedName, BackendTlsPolicyNode> {
        let mut nodes = self.nodes;
        for (key, node) in &mut nodes {
            for target in node.resource.spec.target_refs.iter().filter(is_service) {
                let service = NamespacedName::new(&*key.namespace, &*target.name);
                let found = gateways.get(&service).into_iter().flatten();
                node.gateways
                    .extend(found.map(|(key, name)| (key.clone(), name.clone())));
            }
        }
        nodes
    }
}

fn is_service(target: &&LocalPolicyTargetReferenceWithSectionName) -> bool {
    target.group.is_empty() && target.kind == "Service"
}

/// Reads the policies, the oldest first: of those for the same target it prevails (API:
/// `BackendTLSPolicySpec.targetRefs`), whether it can be followed or not.
pub(super) fn read<'a>(resources: &'a Resources, build: &mut Build<'a>) -> Policies<'a> {
    let mut by_age: Vec<&'a Arc<BackendTLSPolicy>> =
        resources.backend_tls_policies.values().collect();
    by_age.sort_by_cached_key(|policy| policy.age());
    let mut policies = Policies::default();
    let mut owners: HashMap<Target<'a>, &'a BackendTLSPolicy> = HashMap::new();
    for policy in by_age {
        let (settings, mut accepted, unresolved) = settings(policy, build);
        for (index, target) in policy.spec.target_refs.iter().enumerate() {
            let pointer = Pointer::spec().key("targetRefs").index(index);
            if !check_target(policy, target, &pointer, build) {
                continue;
            }
            let section = target.section_name.as_ref().map(|name| name.as_str());
            let key = (&*policy.meta.namespace, &*target.name, section);
            if let Some(older) = owners.get(&key) {
                let problem = conflict(policy, older, &pointer, build);
                accepted.insert(0, problem);
                continue;
            }
            owners.insert(key, policy);
            policies.in_force.insert(key, settings.clone());
        }
        let conditions = vec![
            Condition::accepted(&accepted, "the policy is accepted"),
            Condition::resolved_refs(&unresolved),
        ];
        let node = BackendTlsPolicyNode {
            resource: policy.clone(),
            gateways: BTreeMap::new(),
            conditions,
        };
        policies.nodes.insert(policy.key(), node);
    }
    policies
}

/// What the policy asks for, what stands against accepting it, and which references lead nowhere.
fn settings(
    policy: &BackendTLSPolicy,
    build: &mut Build<'_>,
) -> (BackendTlsNode, Vec<Problem>, Vec<Problem>) {
    let validation = &policy.spec.validation;
    if !policy.spec.options.is_empty() {
        let message = "gatefold has no TLS options; these aren't used";
        let pointer = Pointer::spec().key("options");
        let found = finding(policy, Code::UnsupportedField, pointer, message);
        build.diagnostics.push(found);
    }
    let mut refused = Vec::new();
    let mut unresolved = Vec::new();
    let authorities = match &validation.well_known_ca_certificates {
        Some(set) => well_known(policy, set, &mut refused, build),
        None => listed(policy, &mut unresolved, build),
    };
    if authorities.is_none() && refused.is_empty() {
        let messages = Problem::messages(&unresolved);
        refused.push(Problem::new(Reason::NoValidCACertificate, messages));
    }
    // A name of digits only is a hostname to the API, and none to TLS.
    let hostname = validation.hostname.as_str();
    if ServerName::try_from(hostname).is_err() {
        let message = format!("`{hostname}` can't be a server name in TLS");
        let pointer = Pointer::spec().key("validation").key("hostname");
        let found = finding(policy, Code::InvalidBackendTls, pointer, &message);
        build.diagnostics.push(found);
        refused.push(Problem::new(Reason::Invalid, message));
    }
    let node = match authorities {
        Some(authorities) if refused.is_empty() => {
            BackendTlsNode::Tls(Arc::new(BackendTlsSettings {
                hostname: validation.hostname.clone(),
                authorities,
                names: validation.subject_alt_names.clone(),
            }))
        }
        _ => BackendTlsNode::Refused,
    };
    (node, refused, unresolved)
}

fn well_known(
    policy: &BackendTLSPolicy,
    set: &str,
    refused: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Option<AuthoritiesNode> {
    let (reason, message) = match (set, &build.environment.system_authorities) {
        ("System", Some(found)) if !found.is_empty() => {
            return Some(AuthoritiesNode::System(found.clone()));
        }
        ("System", _) => (
            Reason::NoValidCACertificate,
            "this system has no CA certificates (package ca-certificates)".to_owned(),
        ),
        _ => (
            Reason::Invalid,
            format!("gatefold knows no set of CA certificates `{set}`; `System` is one"),
        ),
    };
    let pointer = Pointer::spec()
        .key("validation")
        .key("wellKnownCACertificates");
    let found = finding(policy, Code::InvalidBackendTls, pointer, &message);
    build.diagnostics.push(found.caption(NOTHING_IS_SENT));
    refused.push(Problem::new(reason, message));
    None
}

const NOTHING_IS_SENT: &str = "requests to these backends answer 500";

fn listed(
    policy: &BackendTLSPolicy,
    unresolved: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Option<AuthoritiesNode> {
    let references = &policy.spec.validation.ca_certificate_refs;
    let list = Pointer::spec().key("validation").key("caCertificateRefs");
    let mut authorities = Vec::new();
    for (index, reference) in references.iter().enumerate() {
        let pointer = list.index(index);
        match config_map(policy, reference, &pointer, build) {
            Ok(found) => authorities.extend(bundle(policy, found, &pointer, unresolved, build)),
            Err((reason, found)) => {
                unresolved.push(Problem::new(reason, found.message.clone()));
                build.diagnostics.push(*found);
            }
        }
    }
    (!authorities.is_empty()).then_some(AuthoritiesNode::Listed(authorities))
}

/// The ConfigMap that a reference resolves to.
fn config_map<'a>(
    policy: &BackendTLSPolicy,
    reference: &LocalObjectReference,
    pointer: &Pointer,
    build: &Build<'a>,
) -> Result<&'a ConfigMap, (Reason, Box<Diagnostic>)> {
    if !reference.group.is_empty() || reference.kind != "ConfigMap" {
        let message = format!(
            "CA certificates in a {} (group `{}`) aren't supported; a ConfigMap is",
            reference.kind, reference.group
        );
        let code = Code::UnsupportedCertificateKind;
        let found = finding(policy, code, pointer.clone(), &message);
        return Err((Reason::InvalidKind, Box::new(found)));
    }
    let namespace = &*policy.meta.namespace;
    let key = NamespacedName::new(namespace, &*reference.name);
    let config_maps = &build.resources.config_maps;
    let Some(config_map) = config_maps.get(&key) else {
        let message = format!("ConfigMap {key} isn't in the folder");
        let pointer = pointer.key("name");
        let mut found = finding(policy, Code::CertificateNotFound, pointer, &message);
        found.help = suggest(&reference.name, names_in(config_maps, namespace));
        return Err((Reason::InvalidCACertificateRef, Box::new(found)));
    };
    Ok(config_map)
}

/// The ConfigMap's certificates, or the last good ones: no backend is trusted that wasn't trusted before.
fn bundle(
    policy: &BackendTLSPolicy,
    config_map: &ConfigMap,
    pointer: &Pointer,
    unresolved: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Vec<CertificateDer<'static>> {
    let loaded = build.load_authorities(config_map);
    if let Some(problem) = loaded.problem {
        let key = config_map.key();
        let message = format!("ConfigMap {key} can't be used: {}", problem.why);
        unresolved.push(Problem::new(
            Reason::InvalidCACertificateRef,
            problem.message(&message),
        ));
        let place = config_map.place(super::name_pointer());
        let found = finding(policy, Code::InvalidCertificate, pointer.clone(), &message);
        let mut found = found.label(place, "the ConfigMap");
        found.notes.extend(problem.note);
        build.diagnostics.push(found);
    }
    let authorities = loaded.in_force.unwrap_or_default();
    for warning in ca_certificates::warnings(&authorities) {
        let message = format!("ConfigMap {}: {warning}", config_map.key());
        let place = config_map.place(super::name_pointer());
        let code = Code::UnverifiableAuthority;
        let found = finding(policy, code, pointer.clone(), &message);
        build.diagnostics.push(found.label(place, "the ConfigMap"));
    }
    authorities.to_vec()
}

/// Whether the target can have a policy of ours. One that isn't there may come yet.
fn check_target(
    policy: &BackendTLSPolicy,
    target: &LocalPolicyTargetReferenceWithSectionName,
    pointer: &Pointer,
    build: &mut Build<'_>,
) -> bool {
    let services = &build.resources.services;
    let namespace = &*policy.meta.namespace;
    let key = NamespacedName::new(namespace, &*target.name);
    let found = if !is_service(&target) {
        let (kind, group) = (&target.kind, &target.group);
        let message = format!(
            "a policy for a {kind} (group `{group}`) isn't supported; one for a Service is"
        );
        finding(policy, Code::PolicyTarget, pointer.clone(), &message)
    } else if let Some(service) = services.get(&key) {
        let ports = &service.spec.ports;
        let section = target.section_name.as_ref().map(|name| name.as_str());
        if section.is_none_or(|name| ports.iter().any(|port| port.name == name)) {
            return true;
        }
        let name = section.unwrap_or_default();
        let message = format!("Service {key} has no port named `{name}`");
        let pointer = pointer.key("sectionName");
        let mut found = finding(policy, Code::PolicyTarget, pointer, &message);
        found.help = suggest(name, ports.iter().map(|port| port.name.as_str()));
        found
    } else {
        let message = format!("Service {key} isn't in the folder");
        let mut found = finding(policy, Code::PolicyTarget, pointer.key("name"), &message);
        found.help = suggest(&target.name, names_in(services, namespace));
        found
    };
    build.diagnostics.push(found);
    is_service(&target)
}

fn conflict(
    policy: &BackendTLSPolicy,
    older: &BackendTLSPolicy,
    pointer: &Pointer,
    build: &mut Build<'_>,
) -> Problem {
    let message = format!("BackendTLSPolicy {} is for the same target", older.key());
    let found = finding(policy, Code::PolicyConflict, pointer.clone(), &message);
    let place = older.place(super::name_pointer());
    let found = found.label(place, "the older one, or the first by name, is followed");
    build.diagnostics.push(found);
    Problem::new(Reason::Conflicted, message)
}

fn finding(policy: &BackendTLSPolicy, code: Code, pointer: Pointer, message: &str) -> Diagnostic {
    Diagnostic::new(code, policy.place(pointer), message).about(policy.id())
}

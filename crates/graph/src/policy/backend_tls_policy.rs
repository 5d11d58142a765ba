//! BackendTLSPolicies: the Services to connect to in TLS, and the certificates to trust there.
//!
//! In: the policies of the folder. Out: the TLS settings in force for each port of a Service, and a node for each policy with
//! its conditions and ancestors. A policy that can't be followed still applies: its Services get no requests.

use super::Ancestors;
use super::attachment::{Prevailing, by_precedence};
use super::backend_tls::{AuthoritiesNode, BackendTlsNode, BackendTlsSettings};
use super::target::{self, NoTarget, TargetedObject, TargetedPart};
use crate::certificate::{self, CertificateReference};
use crate::condition::{Condition, Problem, Reason};
use crate::reference::{Reference, ReferenceField, ReferenceScope, UnresolvedReference};
use crate::reported_object::ReportedObject;
use crate::{Build, name_pointer};
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{
    BackendTLSPolicy, ConfigMapFields, LocalPolicyTargetReferenceWithSectionName, NamespacedName,
    PolicyTargetKind, SectionName,
};
use rustls_pki_types::ServerName;
use std::collections::BTreeMap;
use std::sync::Arc;

const CA_CERTIFICATE_REFS: ReferenceField = ReferenceField {
    role: "a CA certificate",
    supported: "a ConfigMap",
    scope: ReferenceScope::Local,
    unsupported_kind: (Code::UnsupportedCertificateKind, Reason::InvalidKind),
    not_found: (Code::CertificateNotFound, Reason::InvalidCACertificateRef),
};

/// A BackendTLSPolicy.
#[derive(Debug)]
pub struct BackendTlsPolicyNode {
    /// The object.
    pub resource: Arc<BackendTLSPolicy>,
    /// Its ancestors: the Gateways with routes to a Service that it targets, with the names of their controllers.
    pub gateways: BTreeMap<NamespacedName, String>,
    /// Its conditions, the same for every Gateway.
    pub conditions: Vec<Condition>,
}

/// All policies, and the settings in force.
#[derive(Default)]
pub(crate) struct BackendTlsPolicies<'a> {
    policies: Vec<AttachedPolicy<'a>>,
    in_force: Prevailing<(&'a BackendTLSPolicy, PolicySettings)>,
}

/// The settings of a policy.
#[derive(Clone)]
struct PolicySettings {
    node: BackendTlsNode,
    /// The settings for built-in echo backends, with the development CA. `None` without `--dev-certificates`.
    for_echo: Option<Arc<BackendTlsSettings>>,
}

/// A policy with its targets and its conditions.
struct AttachedPolicy<'a> {
    policy: &'a Arc<BackendTLSPolicy>,
    targets: Vec<TargetedObject>,
    conditions: Vec<Condition>,
}

impl BackendTlsPolicies<'_> {
    /// Returns the settings for a port of a Service, by the port's name.
    pub fn of(&self, service: &NamespacedName, port: &str) -> BackendTlsNode {
        let found = self.settings(service, port);
        found.map_or(BackendTlsNode::Plain, |found| found.node.clone())
    }

    /// Returns the settings for a built-in echo backend that serves a port of a Service. The development CA takes the place of the
    /// policy's authorities; the names are verified as the policy demands.
    pub fn of_echo(&self, service: &NamespacedName, port: &str) -> BackendTlsNode {
        match self.settings(service, port) {
            Some(PolicySettings {
                for_echo: Some(settings),
                ..
            }) => BackendTlsNode::Tls(settings.clone()),
            found => found.map_or(BackendTlsNode::Plain, |found| found.node.clone()),
        }
    }

    /// Returns the names that the certificate of a built-in echo backend needs. `None` if it answers in plain text.
    pub fn certificate_names(&self, service: &NamespacedName, port: &str) -> Option<Arc<[String]>> {
        let settings = self.settings(service, port)?.for_echo.as_ref()?;
        if settings.names.is_empty() {
            return Some([settings.hostname.as_str().to_owned()].into());
        }
        let names = settings.names.iter().filter_map(|name| {
            let hostname = name.hostname.as_ref().map(|it| it.as_str().to_owned());
            name.uri.clone().or(hostname)
        });
        Some(names.collect())
    }

    /// Returns the name of a policy for a single port of a Service, if there is one.
    pub fn for_single_port(&self, service: &NamespacedName) -> Option<NamespacedName> {
        let attached = self.in_force.get(PolicyTargetKind::Service, service)?;
        let mut policies = attached.sections.values().flatten();
        policies.next().map(|(policy, _)| policy.key())
    }

    fn settings(&self, service: &NamespacedName, port: &str) -> Option<&PolicySettings> {
        let kind = PolicyTargetKind::Service;
        let found = self.in_force.in_force(kind, service, port);
        found.map(|(_, settings)| settings)
    }

    /// Returns a node for each policy, with its ancestors.
    pub fn finish(
        self,
        ancestors: &Ancestors<'_>,
    ) -> BTreeMap<NamespacedName, BackendTlsPolicyNode> {
        let nodes = self.policies.into_iter().map(|attached| {
            let targets = attached.targets.iter();
            let node = BackendTlsPolicyNode {
                resource: attached.policy.clone(),
                gateways: targets.flat_map(|target| ancestors.of(target)).collect(),
                conditions: attached.conditions,
            };
            (attached.policy.key(), node)
        });
        nodes.collect()
    }
}

/// Reads the policies and attaches them to their targets. A policy that can't be followed prevails in the same way as one that
/// can.
pub(crate) fn read<'a>(build: &mut Build<'a>) -> BackendTlsPolicies<'a> {
    let mut read = BackendTlsPolicies::default();
    for policy in by_precedence(build.resources.backend_tls_policies.values()) {
        let mut accepted = Vec::new();
        let mut unresolved = Vec::new();
        let settings = settings(policy, &mut accepted, &mut unresolved, build);
        let targets = targets(policy, build);
        for (pointer, target) in &targets {
            let attached = read.in_force.attach(target, (policy, settings.clone()));
            if let Err((older, _)) = attached {
                accepted.insert(0, conflict(policy, older, pointer, build));
            }
        }
        read.policies.push(AttachedPolicy {
            policy,
            targets: targets.into_iter().map(|(_, target)| target).collect(),
            conditions: vec![
                Condition::accepted(&accepted, "the policy is accepted"),
                Condition::resolved_refs(&unresolved),
            ],
        });
    }
    read
}

/// Returns the settings of a policy. Reasons against accepting it go to `refused`, references that can't be resolved to
/// `unresolved`.
fn settings(
    policy: &BackendTLSPolicy,
    refused: &mut Vec<Problem>,
    unresolved: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> PolicySettings {
    let validation = &policy.spec.validation;
    if !policy.spec.options.is_empty() {
        let message = "gatefold has no TLS options; these aren't used".to_owned();
        let pointer = Pointer::spec().key("options");
        let found = policy.finding(Code::UnsupportedField, pointer, message);
        build.diagnostics.push(found);
    }
    let authorities = match &validation.well_known_ca_certificates {
        Some(set) => well_known(policy, set, refused, build),
        None => listed(policy, unresolved, build),
    };
    let dev_authority = build.environment.stand_ins.certificates.as_ref();
    let dev_authority = dev_authority.map(|it| it.authority.clone());
    let has_problems = !refused.is_empty() || !unresolved.is_empty();
    if authorities.is_none() && refused.is_empty() && (dev_authority.is_none() || has_problems) {
        let message = Problem::messages(unresolved);
        refused.push(Problem::new(Reason::NoValidCACertificate, message));
    }
    refused.extend(invalid_server_name(policy, build));
    let with = |authorities: AuthoritiesNode| {
        Arc::new(BackendTlsSettings {
            hostname: validation.hostname.clone(),
            authorities,
            names: validation.subject_alt_names.clone(),
        })
    };
    let is_accepted = refused.is_empty();
    PolicySettings {
        node: match authorities {
            Some(authorities) if is_accepted => BackendTlsNode::Tls(with(authorities)),
            _ => BackendTlsNode::Refused,
        },
        for_echo: dev_authority
            .filter(|_| is_accepted)
            .map(|authority| with(AuthoritiesNode::Listed(vec![authority]))),
    }
}

/// Reports a hostname that isn't a server name: a name of digits only is a hostname in the API, but not in TLS.
fn invalid_server_name(policy: &BackendTLSPolicy, build: &mut Build<'_>) -> Option<Problem> {
    let hostname = policy.spec.validation.hostname.as_str();
    if ServerName::try_from(hostname).is_ok() {
        return None;
    }
    let message = format!("`{hostname}` can't be a server name in TLS");
    let pointer = Pointer::spec().key("validation").key("hostname");
    let found = policy.finding(Code::InvalidBackendTls, pointer, message.clone());
    build.diagnostics.push(found);
    Some(Problem::new(Reason::Invalid, message))
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
            format!("gatefold has no set of CA certificates `{set}`; use `System`"),
        ),
    };
    let pointer = Pointer::spec()
        .key("validation")
        .key("wellKnownCACertificates");
    let found = policy.finding(Code::InvalidBackendTls, pointer, message.clone());
    let found = found.caption("requests to these backends answer 500");
    build.diagnostics.push(found);
    refused.push(Problem::new(reason, message));
    None
}

fn listed(
    policy: &BackendTLSPolicy,
    unresolved: &mut Vec<Problem>,
    build: &mut Build<'_>,
) -> Option<AuthoritiesNode> {
    let list = Pointer::spec().key("validation").key("caCertificateRefs");
    let references = policy.spec.validation.ca_certificate_refs.iter();
    let references = references.enumerate().map(|(index, reference)| {
        let pointer = list.index(index);
        CertificateReference {
            subject: policy,
            field: &CA_CERTIFICATE_REFS,
            reference: reference.into(),
            pointer,
        }
    });
    let references: Vec<CertificateReference<'_>> = references
        .filter(|reference| !stands_in(reference, build))
        .collect();
    let authorities = certificate::authorities(references.into_iter(), unresolved, build);
    (!authorities.is_empty()).then_some(AuthoritiesNode::Listed(authorities))
}

/// Whether the development CA takes the place of a ConfigMap that isn't in the folder. Reports it.
fn stands_in(at: &CertificateReference<'_>, build: &mut Build<'_>) -> bool {
    let referrer = at.subject.referrer();
    let is_missing = build.environment.stand_ins.certificates.is_some()
        && matches!(
            build.resolve::<ConfigMapFields>(referrer, at.reference),
            Err(UnresolvedReference::NotFound(_))
        );
    if is_missing {
        let message = format!(
            "ConfigMap {} isn't in the folder; the development CA takes its place for built-in echo backends",
            at.reference.key(referrer)
        );
        let finding = at.finding(Code::AuthorityStandIn, message);
        build
            .diagnostics
            .push(finding.caption("nothing is sent to other backends"));
    }
    is_missing
}

/// Returns the targets of a policy, with the places of their references.
fn targets(policy: &BackendTLSPolicy, build: &mut Build<'_>) -> Vec<(Pointer, TargetedObject)> {
    let mut targets = Vec::new();
    for (index, reference) in policy.spec.target_refs.iter().enumerate() {
        let pointer = Pointer::spec().key("targetRefs").index(index);
        let target = target(policy, reference, &pointer, build);
        targets.extend(target.map(|target| (pointer, target)));
    }
    targets
}

/// Resolves a target. A Service or a port that isn't in the folder is reported and targeted anyway, because it may be added
/// later.
fn target(
    policy: &BackendTLSPolicy,
    reference: &LocalPolicyTargetReferenceWithSectionName,
    pointer: &Pointer,
    build: &mut Build<'_>,
) -> Option<TargetedObject> {
    const SERVICE: PolicyTargetKind = PolicyTargetKind::Service;
    let section = reference.section_name.as_ref().map(SectionName::as_str);
    let reference = Reference {
        group: &reference.group,
        kind: &reference.kind,
        namespace: None,
        name: &reference.name,
    };
    if !reference.names(SERVICE.kind()) {
        let Reference { group, kind, .. } = reference;
        let message = format!(
            "a policy for a {kind} (group `{group}`) isn't supported; use one for a Service"
        );
        warn_of_target(policy, pointer.clone(), message, None, build);
        return None;
    }
    match target::by_name(policy.referrer(), SERVICE, reference, section, build) {
        Ok(target) => {
            if let TargetedPart::Unknown { name, help } = &target.part {
                let message = format!("Service {} has no port named `{name}`", target.key);
                let pointer = pointer.key("sectionName");
                warn_of_target(policy, pointer, message, help.clone(), build);
            }
            Some(target)
        }
        Err(NoTarget::NotFound {
            target,
            missing,
            objects,
        }) => {
            let (message, help) = missing.or_suggest((SERVICE.kind(), &target.key), || {
                objects.suggest(&target.key)
            });
            warn_of_target(policy, pointer.key("name"), message, help, build);
            Some(target)
        }
        // The reference has neither a namespace nor a selector.
        Err(NoTarget::NotPermitted { .. } | NoTarget::NoneSelected) => None,
    }
}

fn warn_of_target(
    policy: &BackendTLSPolicy,
    pointer: Pointer,
    message: String,
    help: Option<String>,
    build: &mut Build<'_>,
) {
    let mut finding = policy.finding(Code::PolicyTarget, pointer, message);
    finding.help = help;
    build.diagnostics.push(finding);
}

fn conflict(
    policy: &BackendTLSPolicy,
    older: &BackendTLSPolicy,
    pointer: &Pointer,
    build: &mut Build<'_>,
) -> Problem {
    let message = format!("BackendTLSPolicy {} has the same target", older.key());
    let found = policy.finding(Code::PolicyConflict, pointer.clone(), message.clone());
    let place = older.place(name_pointer());
    let found = found.label(
        place,
        "this one prevails: it is older, or the first by name",
    );
    build.diagnostics.push(found);
    Problem::new(Reason::Conflicted, message)
}

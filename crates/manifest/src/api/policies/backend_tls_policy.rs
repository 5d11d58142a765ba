//! BackendTLSPolicy.

use crate::Decoder;
use crate::api::{
    Hostname, LocalObjectReference, Object, PreciseHostname, SectionName, check_union,
    check_unique, choice, object, refuse, rule,
};
use gatefold_diagnostic::yaml::Node;
use std::collections::BTreeMap;

/// How TLS connections to Services are made.
pub type BackendTLSPolicy = Object<BackendTLSPolicySpec>;

object! {
    /// `BackendTLSPolicy.spec`.
    pub closed BackendTLSPolicySpec checked by BackendTLSPolicySpec::check {
        /// The targets: Services of the policy's namespace.
        "targetRefs" => target_refs: Vec<LocalPolicyTargetReferenceWithSectionName> [1..=16],
        /// How the certificates of the targets are validated.
        "validation" => validation: BackendTLSPolicyValidation,
        /// Implementation-specific options; gatefold has none.
        "options" => options: BTreeMap<String, String> [0..=16],
    }
}

impl BackendTLSPolicySpec {
    /// Checks that references to the same target name different sections.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let all = self
            .target_refs
            .iter()
            .map(|it| Some((it.whole(), &it.section_name)));
        let what = "the target appears twice, with the same `sectionName`";
        check_unique(node, "targetRefs", all, what, decoder);
        let mut ways = BTreeMap::new();
        for target in &self.target_refs {
            let named = target.section_name.is_some();
            if *ways.entry(target.whole()).or_insert(named) != named {
                let why = "references to the same target must all have a `sectionName`";
                return refuse(node, "targetRefs", why, decoder);
            }
        }
    }
}

object! {
    /// A reference to a target of a policy.
    pub closed LocalPolicyTargetReferenceWithSectionName {
        /// The target's API group; empty is the core group.
        "group" => group: String where rule::group,
        /// The target's kind.
        "kind" => kind: String where rule::kind,
        /// The target's name. Its namespace is that of the policy.
        "name" => name: String where rule::object_name,
        /// The name of a section of the target, for a Service that of a port; absent for the whole target.
        "sectionName" => section_name: Option<SectionName>,
    }
}

impl LocalPolicyTargetReferenceWithSectionName {
    fn whole(&self) -> (&str, &str, &str) {
        (&self.group, &self.kind, &self.name)
    }
}

object! {
    /// How the certificate of a backend is validated.
    pub closed BackendTLSPolicyValidation checked by BackendTLSPolicyValidation::check {
        /// The trusted authorities.
        "caCertificateRefs" => ca_certificate_refs: Vec<LocalObjectReference> [0..=8],
        /// The name of a set of trusted authorities: `System`.
        "wellKnownCACertificates" => well_known_ca_certificates: Option<String> where rule::well_known_certificates,
        /// The server name that is sent (SNI). The certificate must have it unless `subjectAltNames` is set.
        "hostname" => hostname: PreciseHostname,
        /// Names of which the certificate must have at least one.
        "subjectAltNames" => subject_alt_names: Vec<SubjectAltName> [0..=5],
    }
}

impl BackendTLSPolicyValidation {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let well_known = self.well_known_ca_certificates.is_some();
        let listed = !self.ca_certificate_refs.is_empty();
        if !listed && !well_known {
            let why = "either this field or `wellKnownCACertificates` is required";
            refuse(node, "caCertificateRefs", why, decoder);
        }
        if listed && well_known {
            let why = "isn't allowed together with `caCertificateRefs`";
            refuse(node, "wellKnownCACertificates", why, decoder);
        }
    }
}

object! {
    /// A name in a certificate.
    pub closed SubjectAltName checked by SubjectAltName::check {
        /// The type of the name.
        "type" => kind: SubjectAltNameType,
        /// The DNS name, with `Hostname`.
        "hostname" => hostname: Option<Hostname>,
        /// The URI, with `URI`.
        "uri" => uri: Option<String> where rule::absolute_uri [1..=253],
    }
}

impl SubjectAltName {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let wanted = match self.kind {
            SubjectAltNameType::Hostname => "hostname",
            SubjectAltNameType::Uri => "uri",
        };
        let fields = [
            ("hostname", self.hostname.is_some()),
            ("uri", self.uri.is_some()),
        ];
        let with = format!("type {}", self.kind.as_str());
        check_union(&with, wanted, &fields, node, decoder);
    }
}

choice! {
    /// The type of a name in a certificate.
    pub SubjectAltNameType {
        /// A DNS name.
        Hostname,
        /// A URI, such as a SPIFFE ID.
        Uri = "URI",
    }
}

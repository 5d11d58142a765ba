use super::{
    Hostname, LocalObjectReference, Object, PreciseHostname, SectionName, check_unique, choice,
    object, refuse, rule,
};
use crate::Decoder;
use gatefold_diagnostic::yaml::Node;
use std::collections::BTreeMap;

/// How Services are connected to in TLS.
pub type BackendTLSPolicy = Object<BackendTLSPolicySpec>;

object! {
    /// `BackendTLSPolicy.spec`.
    pub closed BackendTLSPolicySpec checked by BackendTLSPolicySpec::check {
        /// What it is for: Services of its namespace.
        "targetRefs" => target_refs: Vec<LocalPolicyTargetReferenceWithSectionName> [1..=16],
        /// What their certificates must be like.
        "validation" => validation: BackendTLSPolicyValidation,
        /// Options of implementations; gatefold has none.
        "options" => options: BTreeMap<String, String> [0..=16],
    }
}

impl BackendTLSPolicySpec {
    /// References to one target must tell its sections apart.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let all = self
            .target_refs
            .iter()
            .map(|it| Some((it.whole(), &it.section_name)));
        let what = "the target stands twice, with the same `sectionName`";
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
    /// What a policy is for.
    pub closed LocalPolicyTargetReferenceWithSectionName {
        /// The target's API group; empty is the core group.
        "group" => group: String where rule::group,
        /// The target's kind.
        "kind" => kind: String where rule::kind,
        /// The target's name; its namespace is the policy's.
        "name" => name: String where rule::object_name,
        /// A part of the target, for a Service one of its ports by name; the whole of it when absent.
        "sectionName" => section_name: Option<SectionName>,
    }
}

impl LocalPolicyTargetReferenceWithSectionName {
    fn whole(&self) -> (&str, &str, &str) {
        (&self.group, &self.kind, &self.name)
    }
}

object! {
    /// What a backend's certificate must be like.
    pub closed BackendTLSPolicyValidation checked by BackendTLSPolicyValidation::check {
        /// Who may have signed it.
        "caCertificateRefs" => ca_certificate_refs: Vec<LocalObjectReference> [0..=8],
        /// Who may have signed it, by the name of a set: `System`.
        "wellKnownCACertificates" => well_known_ca_certificates: Option<String> where rule::well_known_certificates,
        /// The name that is asked for (SNI), and that the certificate must have unless other names are listed.
        "hostname" => hostname: PreciseHostname,
        /// The names of which the certificate must have one.
        "subjectAltNames" => subject_alt_names: Vec<SubjectAltName> [0..=5],
    }
}

impl BackendTLSPolicyValidation {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let named = self.well_known_ca_certificates.is_some();
        match (self.ca_certificate_refs.is_empty(), named) {
            (true, true) | (false, false) => {}
            (true, false) => {
                let why = "either this or `wellKnownCACertificates` must say who is trusted";
                refuse(node, "caCertificateRefs", why, decoder);
            }
            (false, true) => {
                let why = "must not stand beside `caCertificateRefs`";
                refuse(node, "wellKnownCACertificates", why, decoder);
            }
        }
    }
}

object! {
    /// A name in a certificate.
    pub closed SubjectAltName checked by SubjectAltName::check {
        /// What sort of name.
        "type" => kind: SubjectAltNameType,
        /// The DNS name, with `Hostname`.
        "hostname" => hostname: Option<Hostname>,
        /// The URI, with `URI`.
        "uri" => uri: Option<String> where rule::absolute_uri [1..=253],
    }
}

impl SubjectAltName {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let (hostname, uri) = match self.kind {
            SubjectAltNameType::Hostname => (true, false),
            SubjectAltNameType::Uri => (false, true),
        };
        for (field, wanted, there) in [
            ("hostname", hostname, self.hostname.is_some()),
            ("uri", uri, self.uri.is_some()),
        ] {
            match (wanted, there) {
                (true, true) | (false, false) => {}
                (true, false) => {
                    let why = format!("type {} needs it", self.kind.as_str());
                    refuse(node, field, &why, decoder);
                }
                (false, true) => {
                    let why = format!("doesn't go with type {}", self.kind.as_str());
                    refuse(node, field, &why, decoder);
                }
            }
        }
    }
}

choice! {
    /// What sort of name stands in a certificate.
    pub SubjectAltNameType {
        /// A DNS name.
        Hostname,
        /// A URI, such as a SPIFFE ID.
        Uri = "URI",
    }
}

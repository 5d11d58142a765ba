//! What a Gateway asks of the clients of its HTTPS listeners (API: `GatewayTLSConfig.frontend`).

use crate::certificate::ca_certificates;
use crate::condition::{Condition, ConditionType, Problem, Reason};
use crate::reference::reference_grant::{Referent, Referrer, missing_grant};
use crate::{Build, names_in, suggest};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{
    ConfigMap, FrontendTLSConfig, FrontendTLSValidation, FrontendValidationModeType, GATEWAY_GROUP,
    Gateway, NamespacedName, ObjectReference,
};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How client certificates are checked.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientValidation {
    /// Who may have signed them; never empty.
    pub authorities: Vec<CertificateDer<'static>>,
    /// What happens to a client without a valid one.
    pub mode: FrontendValidationModeType,
}

/// What was asked for, as far as it can be done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolved {
    /// Nothing when no reference leads to a certificate.
    pub validation: Option<Arc<ClientValidation>>,
    /// What is wrong with references.
    pub problems: Vec<Problem>,
}

impl Resolved {
    /// Whether clients without a valid certificate aren't served.
    pub fn refuses_clients(&self) -> bool {
        let validation = self.validation.as_ref();
        validation.is_none_or(|it| it.mode == FrontendValidationModeType::AllowValidOnly)
    }
}

/// `spec.tls.frontend` of a Gateway, resolved.
#[derive(Debug, Default)]
pub(crate) struct Frontend {
    default: Option<Resolved>,
    per_port: BTreeMap<u16, Option<Resolved>>,
}

impl Frontend {
    /// Follows the references of a Gateway.
    pub fn resolve(gateway: &Gateway, build: &mut Build<'_>) -> Self {
        let Some(spec) = frontend(gateway) else {
            return Frontend::default();
        };
        let pointer = Pointer::spec().key("tls").key("frontend");
        let mut asked = |validation: &Option<FrontendTLSValidation>, pointer: Pointer| {
            let validation = validation.as_ref()?;
            let mut references = References {
                gateway,
                pointer: pointer.key("validation").key("caCertificateRefs"),
                build,
            };
            Some(references.resolve(validation))
        };
        let default = asked(&spec.default.validation, pointer.key("default"));
        let ports = spec.per_port.iter().enumerate();
        let per_port = ports.map(|(index, own)| {
            let pointer = pointer.key("perPort").index(index).key("tls");
            (own.port.get(), asked(&own.tls.validation, pointer))
        });
        Frontend {
            default,
            per_port: per_port.collect(),
        }
    }

    /// What holds for HTTPS listeners on a port: the port's own, else the default.
    pub fn of_port(&self, port: u16) -> Option<&Resolved> {
        self.per_port.get(&port).unwrap_or(&self.default).as_ref()
    }
}

/// Says that clients are let in whatever they show (API: `GatewayConditionInsecureFrontendValidationMode`).
pub(crate) fn insecure_mode(gateway: &Gateway) -> Option<Condition> {
    let spec = frontend(gateway)?;
    let ports = spec.per_port.iter().map(|own| &own.tls);
    let mut all = ports
        .chain([&spec.default])
        .filter_map(|tls| tls.validation.as_ref());
    let insecure = all.any(|own| own.mode == FrontendValidationModeType::AllowInsecureFallback);
    insecure.then(|| {
        Condition::holds(
            ConditionType::InsecureFrontendValidationMode,
            Reason::ConfigurationChanged,
            "with mode AllowInsecureFallback clients are served whether their certificates are valid or not",
        )
    })
}

fn frontend(gateway: &Gateway) -> Option<&FrontendTLSConfig> {
    gateway.spec.tls.as_ref()?.frontend.as_ref()
}

/// A list of `caCertificateRefs`.
struct References<'b, 'a> {
    gateway: &'b Gateway,
    pointer: Pointer,
    build: &'b mut Build<'a>,
}

impl<'a> References<'_, 'a> {
    fn resolve(&mut self, validation: &FrontendTLSValidation) -> Resolved {
        let mut authorities = Vec::new();
        let mut problems = Vec::new();
        for (index, reference) in validation.ca_certificate_refs.iter().enumerate() {
            let pointer = self.pointer.index(index);
            match self.config_map(reference, &pointer) {
                Ok(found) => authorities.extend(self.load(found, &pointer, &mut problems)),
                Err(problem) => problems.push(problem),
            }
        }
        Resolved {
            validation: (!authorities.is_empty()).then(|| {
                Arc::new(ClientValidation {
                    authorities,
                    mode: validation.mode,
                })
            }),
            problems,
        }
    }

    /// The ConfigMap that a reference resolves to.
    fn config_map(
        &mut self,
        reference: &ObjectReference,
        pointer: &Pointer,
    ) -> Result<&'a ConfigMap, Problem> {
        if !reference.group.is_empty() || reference.kind != "ConfigMap" {
            let message = format!(
                "CA certificates in a {} (group `{}`) aren't supported; a ConfigMap is",
                reference.kind, reference.group
            );
            let found = self.finding(Code::UnsupportedCertificateKind, pointer, &message);
            self.build.diagnostics.push(found);
            return Err(Problem::new(Reason::InvalidCACertificateKind, message));
        }
        let own = &self.gateway.meta.namespace;
        let namespace = reference.namespace.as_deref().unwrap_or(own);
        let key = NamespacedName::new(namespace, reference.name.as_str());
        self.check_grant(&key, pointer)?;
        let resources = self.build.resources;
        match resources.config_maps.get(&key) {
            Some(config_map) => Ok(config_map),
            None => {
                let message = format!("ConfigMap {key} isn't in the folder");
                let known = names_in(&resources.config_maps, namespace);
                let help = suggest(&reference.name, known);
                let pointer = pointer.key("name");
                let mut found = self.finding(Code::CertificateNotFound, &pointer, &message);
                found.help = help;
                self.build.diagnostics.push(found);
                Err(Problem::new(Reason::InvalidCACertificateRef, message))
            }
        }
    }

    /// Whether Gateways of this namespace may use the ConfigMap (API: `ReferenceGrant`).
    fn check_grant(&mut self, key: &NamespacedName, pointer: &Pointer) -> Result<(), Problem> {
        let own = &self.gateway.meta.namespace;
        let from = Referrer {
            group: GATEWAY_GROUP,
            kind: "Gateway",
            namespace: own,
        };
        let to = Referent {
            group: "",
            kind: "ConfigMap",
            namespace: &key.namespace,
            name: &key.name,
        };
        if self.build.grants.permit(from, to) {
            return Ok(());
        }
        let message = format!(
            "no ReferenceGrant permits Gateways of namespace `{own}` to use ConfigMap {key}"
        );
        let help = missing_grant(from, to);
        let found = self.finding(Code::ReferenceNotPermitted, pointer, &message);
        self.build.diagnostics.push(found.help(help));
        Err(Problem::new(Reason::RefNotPermitted, message))
    }

    /// The ConfigMap's certificates, or the last good ones: no client is admitted that wasn't admitted before.
    fn load(
        &mut self,
        config_map: &ConfigMap,
        pointer: &Pointer,
        problems: &mut Vec<Problem>,
    ) -> Vec<CertificateDer<'static>> {
        let loaded = self.build.load_authorities(config_map);
        if let Some(problem) = loaded.problem {
            let key = config_map.key();
            let message = format!("ConfigMap {key} can't be used: {}", problem.why);
            problems.push(Problem::new(
                Reason::InvalidCACertificateRef,
                problem.message(&message),
            ));
            let place = config_map.place(crate::name_pointer());
            let found = self.finding(Code::InvalidCertificate, pointer, &message);
            let mut found = found.label(place, "the ConfigMap");
            found.notes.extend(problem.note);
            self.build.diagnostics.push(found);
        }
        let authorities = loaded.in_force.unwrap_or_default();
        for warning in ca_certificates::warnings(&authorities) {
            let message = format!("ConfigMap {}: {warning}", config_map.key());
            let place = config_map.place(crate::name_pointer());
            let found = self.finding(Code::UnverifiableAuthority, pointer, &message);
            self.build
                .diagnostics
                .push(found.label(place, "the ConfigMap"));
        }
        authorities.to_vec()
    }

    fn finding(&self, code: Code, pointer: &Pointer, message: &str) -> Diagnostic {
        let found = Diagnostic::new(code, self.gateway.place(pointer.clone()), message);
        found.about(self.gateway.id())
    }
}

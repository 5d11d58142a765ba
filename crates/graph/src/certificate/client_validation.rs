//! The validation of client certificates by HTTPS listeners of a Gateway (API: `GatewayTLSConfig.frontend`). That of a
//! ClientTrafficPolicy replaces it.

use super::{CertificateReference, authorities};
use crate::Build;
use crate::condition::{Condition, ConditionType, Problem, Reason};
use crate::reference::{ReferenceField, ReferenceScope};
use gatefold_dataplane::client_validation::{ClientMode, ClientRequirements};
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{
    FrontendTLSConfig, FrontendTLSValidation, FrontendValidationModeType, Gateway, NamespacedName,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const CA_CERTIFICATE_REFS: ReferenceField = ReferenceField {
    role: "a CA certificate",
    supported: "a ConfigMap",
    scope: ReferenceScope::AnyNamespace,
    unsupported_kind: (
        Code::UnsupportedCertificateKind,
        Reason::InvalidCACertificateKind,
    ),
    not_found: (Code::CertificateNotFound, Reason::InvalidCACertificateRef),
};

/// How client certificates are validated.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientValidationNode {
    /// The object that says so.
    pub source: ValidationSource,
    /// What is required of clients. A handshake can be made with it.
    pub requirements: ClientRequirements,
}

/// The object that says how client certificates are validated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidationSource {
    /// The Gateway of the listener.
    Gateway,
    /// A ClientTrafficPolicy.
    Policy(NamespacedName),
}

/// A validation with its references resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResolvedValidation {
    /// `None` if no reference resolves to a CA certificate.
    pub validation: Option<Arc<ClientValidationNode>>,
    /// Problems with references.
    pub problems: Vec<Problem>,
}

impl ResolvedValidation {
    /// Whether clients without a valid certificate are refused.
    pub fn refuses_clients(&self) -> bool {
        let validation = self.validation.as_ref();
        validation.is_none_or(|it| it.requirements.refuse_clients())
    }
}

/// `spec.tls.frontend` of a Gateway, resolved.
#[derive(Debug, Default)]
pub(crate) struct Frontend {
    default: Option<ResolvedValidation>,
    per_port: BTreeMap<u16, Option<ResolvedValidation>>,
}

impl Frontend {
    /// Resolves the references of a Gateway.
    pub fn resolve(gateway: &Gateway, build: &mut Build<'_>) -> Self {
        let Some(spec) = frontend(gateway) else {
            return Frontend::default();
        };
        let pointer = Pointer::spec().key("tls").key("frontend");
        let mut resolved = |validation: &Option<FrontendTLSValidation>, pointer: Pointer| {
            let list = pointer.key("validation").key("caCertificateRefs");
            let validation = validation.as_ref()?;
            Some(resolve(gateway, validation, &list, build))
        };
        let default = resolved(&spec.default.validation, pointer.key("default"));
        let ports = spec.per_port.iter().enumerate();
        let per_port = ports.map(|(index, own)| {
            let pointer = pointer.key("perPort").index(index).key("tls");
            (own.port.get(), resolved(&own.tls.validation, pointer))
        });
        Frontend {
            default,
            per_port: per_port.collect(),
        }
    }

    /// Returns the validation for HTTPS listeners on a port: that of the port, or else the default.
    pub fn of_port(&self, port: u16) -> Option<&ResolvedValidation> {
        self.per_port.get(&port).unwrap_or(&self.default).as_ref()
    }
}

/// Reports that clients are admitted without a valid certificate (API: `GatewayConditionInsecureFrontendValidationMode`).
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

/// Resolves `validation` of a Gateway; `list` is the place of its `caCertificateRefs`.
fn resolve(
    gateway: &Gateway,
    validation: &FrontendTLSValidation,
    list: &Pointer,
    build: &mut Build<'_>,
) -> ResolvedValidation {
    let mut problems = Vec::new();
    let references = validation.ca_certificate_refs.iter().enumerate();
    let references = references.map(|(index, reference)| CertificateReference {
        subject: gateway,
        field: &CA_CERTIFICATE_REFS,
        reference: reference.into(),
        pointer: list.index(index),
    });
    let authorities = authorities(references, &mut problems, build);
    let validation = (!authorities.is_empty()).then(|| {
        Arc::new(ClientValidationNode {
            source: ValidationSource::Gateway,
            requirements: ClientRequirements {
                mode: mode(validation.mode),
                authorities,
                ..ClientRequirements::default()
            },
        })
    });
    ResolvedValidation {
        validation,
        problems,
    }
}

fn mode(mode: FrontendValidationModeType) -> ClientMode {
    match mode {
        FrontendValidationModeType::AllowValidOnly => ClientMode::RequireAndVerify,
        FrontendValidationModeType::AllowInsecureFallback => ClientMode::Request,
    }
}

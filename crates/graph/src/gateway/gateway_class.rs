//! GatewayClasses: which of them gatefold serves, and which features their status lists.

use crate::Build;
use crate::condition::{Condition, ConditionType, Reason};
use crate::environment::Environment;
use crate::parameters::ParametersReference;
use gatefold_diagnostic::{Code, Diagnostic, Pointer, Severity};
use gatefold_manifest::api::{Gateway, GatewayClass, NamespacedName};
use gatefold_manifest::{Kind, RefusedObject, Resources};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The controller name of Gateways whose class isn't in the folder.
const DEFAULT_CONTROLLER_NAME: &str = "gatefold.dev/gateway-controller";

/// The features that a class's status lists, ordered by name (API: `supportedFeatures`). A feature is listed only if the
/// conformance tests that require it pass.
pub const SUPPORTED_FEATURES: &[&str] = &[
    "BackendTLSPolicy",
    "BackendTLSPolicySANValidation",
    "GRPCRoute",
    "GRPCRouteNamedRouteRule",
    "GRPCRouteRequestHeaderModifier",
    "Gateway",
    "GatewayAddressEmpty",
    "GatewayBackendClientCertificate",
    "GatewayFrontendClientCertificateValidation",
    "GatewayFrontendClientCertificateValidationInsecureFallback",
    "GatewayHTTPListenerIsolation",
    "GatewayHTTPSListenerDetectMisdirectedRequests",
    "GatewayInfrastructure",
    "GatewayPort8080",
    "GatewayRouteHostnameIntersectionPrecedence",
    "GatewayStaticAddresses",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteBackendURLRewrite",
    "HTTPRouteCORS",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteRetryCodes",
    "HTTPRouteRetryConnectionError",
    "HTTPRouteSchemeRedirect",
    "ListenerSet",
    "ReferenceGrant",
];

/// GatewayClasses by name.
pub type GatewayClassNodes = BTreeMap<String, GatewayClassNode>;

/// A GatewayClass.
#[derive(Debug)]
pub struct GatewayClassNode {
    /// The object.
    pub resource: Arc<GatewayClass>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
}

/// Builds the classes that gatefold serves: those with the configured controller name, or all of them if none is
/// configured.
pub(crate) fn build(build: &mut Build<'_>) -> GatewayClassNodes {
    let resources = build.resources;
    let wanted = build.environment.controller_name.as_deref();
    let mut nodes = GatewayClassNodes::new();
    for (name, class) in resources.gateway_classes.iter() {
        if wanted.is_some_and(|wanted| wanted != class.spec.controller_name.as_str()) {
            continue;
        }
        let node = GatewayClassNode {
            resource: class.clone(),
            conditions: vec![accepted(class, build), supported_version()],
        };
        nodes.insert(name.clone(), node);
    }
    nodes
}

/// Returns the names under which gatefold reports statuses: the configured controller name, or those of all classes if
/// none is configured.
pub(crate) fn controller_names(
    resources: &Resources,
    environment: &Environment,
) -> BTreeSet<String> {
    match &environment.controller_name {
        Some(name) => BTreeSet::from([name.clone()]),
        None => {
            let classes = resources.gateway_classes.values();
            let names = classes.map(|class| class.spec.controller_name.as_str().to_owned());
            names.chain([DEFAULT_CONTROLLER_NAME.to_owned()]).collect()
        }
    }
}

/// A class whose parameters can't be used isn't accepted. Its Gateways are served nevertheless: the parameters of a class mostly
/// configure how a data plane is deployed, and gatefold deploys none.
fn accepted(class: &GatewayClass, build: &mut Build<'_>) -> Condition {
    let unusable = class.spec.parameters_ref.as_ref().and_then(|parameters| {
        let reference = ParametersReference {
            group: &parameters.group,
            kind: &parameters.kind,
            namespace: parameters.namespace.as_deref(),
            name: &parameters.name,
        };
        reference.resolve(build).err()
    });
    let Some(unusable) = unusable else {
        return Condition::holds(
            ConditionType::Accepted,
            Reason::Accepted,
            "gatefold serves this class",
        );
    };
    let message = format!("{}; its Gateways are served without it", unusable.message);
    let place = class.place(Pointer::spec().key("parametersRef"));
    let mut finding = Diagnostic::new(Code::UnsupportedParameters, place, message.clone())
        .about(class.id())
        .help(unusable.help);
    finding.severity = Severity::Warning;
    build.diagnostics.push(finding);
    Condition::fails(ConditionType::Accepted, Reason::InvalidParameters, message)
}

fn supported_version() -> Condition {
    Condition::holds(
        ConditionType::SupportedVersion,
        Reason::SupportedVersion,
        "gatefold reads Gateway API v1.7",
    )
}

/// Whether gatefold serves a Gateway, given `--controller-name`.
pub fn serves(gateway: &Gateway, resources: &Resources, controller_name: Option<&str>) -> bool {
    let class = controller_in(gateway, resources);
    controller_name.is_none_or(|ours| class == Some(ours))
}

/// Returns the controller name under which a Gateway is served, or `None` if another controller serves it.
pub(super) fn controller_of(gateway: &Gateway, build: &mut Build<'_>) -> Option<String> {
    let class_name = &gateway.spec.gateway_class_name;
    let class = build.resources.gateway_classes.get(class_name);
    match (class, &build.environment.controller_name) {
        (Some(class), Some(ours)) if class.spec.controller_name.as_str() != ours => None,
        (Some(class), _) => Some(class.spec.controller_name.as_str().to_owned()),
        (None, Some(_)) => {
            // A class that isn't in the folder is another controller's, but this one may be gatefold's.
            let refused = refused_class(class_name, build).map(ToString::to_string);
            if let Some(refused) = refused {
                let message = format!("{refused}; the Gateway isn't served");
                let finding = unknown_class(gateway, message);
                build.diagnostics.push(Diagnostic {
                    severity: Severity::Warning,
                    ..finding
                });
            }
            None
        }
        (None, None) => {
            let finding = match refused_class(class_name, build) {
                Some(refused) => {
                    unknown_class(gateway, format!("{refused}; the Gateway is served"))
                }
                None => {
                    let message = format!(
                        "GatewayClass `{class_name}` isn't in the folder; the Gateway is served"
                    );
                    let known = build.resources.gateway_classes.keys();
                    Diagnostic {
                        help: crate::suggest(class_name, known.map(String::as_str)),
                        ..unknown_class(gateway, message)
                    }
                }
            };
            build.diagnostics.push(finding);
            Some(DEFAULT_CONTROLLER_NAME.to_owned())
        }
    }
}

fn refused_class<'a>(name: &str, build: &Build<'a>) -> Option<&'a RefusedObject> {
    let key = NamespacedName::new("", name);
    build.resources.refused(Kind::GatewayClass, &key)
}

fn unknown_class(gateway: &Gateway, message: String) -> Diagnostic {
    let place = gateway.place(Pointer::spec().key("gatewayClassName"));
    Diagnostic::new(Code::UnknownGatewayClass, place, message).about(gateway.id())
}

/// Returns the controller name of a Gateway's class, if the class is in the folder.
pub(crate) fn controller_in<'r>(gateway: &Gateway, resources: &'r Resources) -> Option<&'r str> {
    let class = resources
        .gateway_classes
        .get(&gateway.spec.gateway_class_name)?;
    Some(class.spec.controller_name.as_str())
}

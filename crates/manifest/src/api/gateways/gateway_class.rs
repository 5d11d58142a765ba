//! GatewayClass.

use crate::api::{GatewayController, Object, object, rule};

/// A class of Gateways that one controller serves.
pub type GatewayClass = Object<GatewayClassSpec>;

object! {
    /// `GatewayClass.spec`.
    pub closed GatewayClassSpec {
        /// The controller of the Gateways of this class.
        "controllerName" => controller_name: GatewayController,
        /// A reference to an object with parameters: an EnvoyProxy.
        "parametersRef" => parameters_ref: Option<ParametersReference>,
        /// A description for people, at most 64 characters.
        "description" => description: Option<String> [0..=64],
    }
}

object! {
    /// A reference to an object with parameters for a class.
    pub closed ParametersReference {
        /// The API group.
        "group" => group: String where rule::group,
        /// The kind.
        "kind" => kind: String where rule::kind,
        /// The name.
        "name" => name: String where rule::object_name,
        /// The namespace; absent for cluster-scoped kinds.
        "namespace" => namespace: Option<String> where rule::namespace,
    }
}

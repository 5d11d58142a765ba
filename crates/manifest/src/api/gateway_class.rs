use super::{GatewayController, Object, object, rule};

/// Who serves the Gateways that name it.
pub type GatewayClass = Object<GatewayClassSpec>;

object! {
    /// `GatewayClass.spec`.
    pub closed GatewayClassSpec {
        /// Who reconciles Gateways of this class.
        "controllerName" => controller_name: GatewayController,
        /// Parameters in another object; none is supported.
        "parametersRef" => parameters_ref: Option<ParametersReference>,
        /// Words for people, at most 64 characters.
        "description" => description: Option<String> [0..=64],
    }
}

object! {
    /// An object with parameters for a class.
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

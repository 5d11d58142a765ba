use super::{GatewayController, Object, object};

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
        "description" => description: Option<String>,
    }
}

object! {
    /// An object with parameters for a class.
    pub closed ParametersReference {
        /// The API group.
        "group" => group: String,
        /// The kind.
        "kind" => kind: String,
        /// The name.
        "name" => name: String,
        /// The namespace; absent for cluster-scoped kinds.
        "namespace" => namespace: Option<String>,
    }
}

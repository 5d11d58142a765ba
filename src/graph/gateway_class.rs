use super::condition::Condition;
use crate::manifest::api::GatewayClass;
use std::sync::Arc;

/// A GatewayClass.
#[derive(Debug)]
pub struct GatewayClassNode {
    /// The object.
    pub resource: Arc<GatewayClass>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
}

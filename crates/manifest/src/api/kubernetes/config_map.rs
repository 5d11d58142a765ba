//! ConfigMap.

use crate::api::{Object, object};
use std::collections::BTreeMap;

/// A ConfigMap, which holds certificates of authorities.
pub type ConfigMap = Object<ConfigMapFields>;

object! {
    /// The fields of a ConfigMap that gatefold uses.
    pub open ConfigMapFields {
        /// Values.
        "data" => data: BTreeMap<String, String>,
    }
}

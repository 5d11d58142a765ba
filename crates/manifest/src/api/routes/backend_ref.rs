//! Backends of rules.

use crate::api::{BackendObjectReference, PortNumber, check_backend_port, object, rule};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::Node;

/// A filter of a kind of routes.
pub(crate) trait RouteFilter: Decode {
    /// Checks the filters of a rule or of a backend together.
    fn check_list(filters: &[Self], node: &Node, decoder: &mut Decoder);
}

/// A backend of a rule, with its share of the traffic and its filters.
#[derive(Clone, Debug, PartialEq)]
pub struct BackendRef<F> {
    /// The backend.
    pub backend: BackendObjectReference,
    /// Its share of the traffic, relative to the sum of all weights of the rule; 0 to 1,000,000.
    pub weight: u32,
    /// Filters for requests to this backend.
    pub filters: Vec<F>,
}

object! {
    /// The fields of [`BackendRef`] as in YAML, where the reference is inline.
    pub closed BackendRefFields<F: RouteFilter> checked by check_backend_ref {
        /// See [`BackendObjectReference`].
        "group" => group: String where rule::group = String::new(),
        /// See [`BackendObjectReference`].
        "kind" => kind: String where rule::kind = "Service".to_owned(),
        /// See [`BackendObjectReference`].
        "name" => name: String where rule::object_name,
        /// See [`BackendObjectReference`].
        "namespace" => namespace: Option<String> where rule::namespace,
        /// See [`BackendObjectReference`].
        "port" => port: Option<PortNumber>,
        /// 0 to 1,000,000.
        "weight" => weight: Weight = Weight(1),
        /// See [`BackendRef`].
        "filters" => filters: Vec<F> [0..=16],
    }
}

fn check_backend_ref<F: RouteFilter>(
    fields: &BackendRefFields<F>,
    node: &Node,
    decoder: &mut Decoder,
) {
    // `BackendObjectReference` has the same rule, but is inline here.
    check_backend_port(&fields.group, &fields.kind, fields.port, node, decoder);
    F::check_list(&fields.filters, node, decoder);
}

impl<F: RouteFilter> Decode for BackendRef<F> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let fields = BackendRefFields::decode(node, decoder)?;
        Some(BackendRef {
            backend: BackendObjectReference {
                group: fields.group,
                kind: fields.kind,
                name: fields.name,
                namespace: fields.namespace,
                port: fields.port,
            },
            weight: fields.weight.0,
            filters: fields.filters,
        })
    }
}

/// The weight of a backend, 0 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(pub u32);

impl Decode for Weight {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let number = i64::decode(node, decoder)?;
        match u32::try_from(number) {
            Ok(weight @ 0..=1_000_000) => Some(Weight(weight)),
            _ => {
                decoder.invalid(node, format_args!("{number} isn't within 0 to 1000000"));
                None
            }
        }
    }
}

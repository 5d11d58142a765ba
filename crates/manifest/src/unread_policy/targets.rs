//! Decodes the targets of a policy: `targetRef`, `targetRefs` and `targetSelectors` (GEP-713, Envoy Gateway), and Istio's
//! `selector`.

use super::protection::ISTIO;
use crate::api::{
    ENVOY_GATEWAY_GROUP, GATEWAY_GROUP, PolicyTarget, PolicyTargetChoice, PolicyTargetKind,
    PolicyTargetNamespaces, PolicyTargetReference, PolicyTargetSelector,
};
use crate::decode::unknown_kind::is_other_gateway_kind;
use crate::decode::{Decode, Decoder};
use crate::kind::{Kind, split_api_version};
use gatefold_diagnostic::Code;
use gatefold_diagnostic::nearest;
use gatefold_diagnostic::yaml::{Node, Value};

/// Envoy Gateway's policies. Each of them requires a target.
const ENVOY_GATEWAY_KINDS: [&str; 5] = [
    "BackendTrafficPolicy",
    "ClientTrafficPolicy",
    "EnvoyExtensionPolicy",
    "EnvoyPatchPolicy",
    "SecurityPolicy",
];
/// The policies of the Gateway API that gatefold reads.
const GATEWAY_API_KINDS: [&str; 1] = [Kind::BackendTLSPolicy.name()];
/// Istio's policies for proxies.
const ISTIO_KINDS: [&str; 2] = ["AuthorizationPolicy", "RequestAuthentication"];
/// Istio applies the policies of this namespace to all namespaces.
const ISTIO_ROOT_NAMESPACE: &str = "istio-system";
/// The labels with which Istio's policies select the proxies of one Gateway.
const ISTIO_GATEWAY_LABELS: [&str; 2] = [
    "gateway.networking.k8s.io/gateway-name",
    "istio.io/gateway-name",
];

/// The policy kind that was probably meant. `None` if the kind isn't a misspelled known policy.
pub(super) fn meant(group: &str, kind: &str) -> Option<&'static str> {
    let known: &[&'static str] = match group {
        ENVOY_GATEWAY_GROUP => &ENVOY_GATEWAY_KINDS,
        ISTIO => &ISTIO_KINDS,
        GATEWAY_GROUP if !is_other_gateway_kind(group, kind) => &GATEWAY_API_KINDS,
        _ => return None,
    };
    if known.contains(&kind) {
        None
    } else {
        nearest(kind, known)
    }
}

/// Whether an object of an unknown kind is a policy for a kind that gatefold serves. Other objects have a `targetRef` as
/// well: that of a VerticalPodAutoscaler names a Deployment.
pub(super) fn is_policy(group: &str, kind: &str, spec: Option<&Node>) -> bool {
    let known = (group == ENVOY_GATEWAY_GROUP && ENVOY_GATEWAY_KINDS.contains(&kind))
        || (group == ISTIO && ISTIO_KINDS.contains(&kind));
    known || spec.is_some_and(|spec| entries(spec).any(of_gateway_api))
}

/// All entries of all fields that name targets.
fn entries(spec: &Node) -> impl Iterator<Item = &Node> {
    let lists = ["targetRefs", "targetSelectors"];
    let listed = lists.into_iter().filter_map(|list| spec.field(list));
    let listed = listed.flat_map(|list| match &list.value {
        Value::Sequence(items) => items.as_slice(),
        _ => &[],
    });
    spec.field("targetRef").into_iter().chain(listed)
}

fn of_gateway_api(entry: &Node) -> bool {
    match target_kind(entry) {
        TargetKind::Served(_) | TargetKind::Misspelled(..) => true,
        TargetKind::Other | TargetKind::Missing => group(entry) == Some(GATEWAY_GROUP),
    }
}

/// The kind of the objects that an entry targets.
enum TargetKind {
    Served(PolicyTargetKind),
    /// Probably this kind, because a field is misspelled.
    Misspelled(PolicyTargetKind, MisspelledField),
    /// A kind that gatefold doesn't serve.
    Other,
    Missing,
}

/// The misspelled field of an entry.
enum MisspelledField {
    Kind,
    Group,
}

fn target_kind(entry: &Node) -> TargetKind {
    let Some(word) = entry.field("kind").and_then(Node::as_str) else {
        return TargetKind::Missing;
    };
    let group = group(entry);
    let known = PolicyTargetKind::ALL
        .into_iter()
        .find(|it| it.as_str() == word);
    match known {
        Some(kind) if group.is_none_or(|group| is_group_of(kind, group)) => {
            TargetKind::Served(kind)
        }
        // Other groups may have kinds with the same name.
        Some(kind) if group.is_some_and(|group| is_misspelled_group(kind, group)) => {
            TargetKind::Misspelled(kind, MisspelledField::Group)
        }
        Some(_) => TargetKind::Other,
        None if is_other_gateway_kind(GATEWAY_GROUP, word) => TargetKind::Other,
        None => misspelled_kind(word, group).map_or(TargetKind::Other, |kind| {
            TargetKind::Misspelled(kind, MisspelledField::Kind)
        }),
    }
}

fn is_group_of(kind: PolicyTargetKind, group: &str) -> bool {
    group == kind.kind().group() || (kind == PolicyTargetKind::Service && group == "core")
}

/// Whether a group was probably meant to be that of a kind: it is the group of another kind of targets, or similar to the
/// right one.
fn is_misspelled_group(kind: PolicyTargetKind, group: &str) -> bool {
    let mut kinds = PolicyTargetKind::ALL.into_iter();
    kinds.any(|it| is_group_of(it, group)) || nearest(group, &[kind.kind().group()]).is_some()
}

/// The kind that was probably meant. Without the right group, only a difference in case counts as a typing error.
fn misspelled_kind(word: &str, group: Option<&str>) -> Option<PolicyTargetKind> {
    let mut kinds = PolicyTargetKind::ALL.into_iter();
    if let Some(kind) = kinds.find(|it| it.as_str().eq_ignore_ascii_case(word)) {
        return group
            .is_none_or(|group| is_group_of(kind, group))
            .then_some(kind);
    }
    let of_group = PolicyTargetKind::ALL.into_iter();
    let of_group = of_group.filter(|it| group.is_some_and(|group| is_group_of(*it, group)));
    let names: Vec<&str> = of_group.map(PolicyTargetKind::as_str).collect();
    let nearest = nearest(word, &names)?;
    PolicyTargetKind::ALL
        .into_iter()
        .find(|it| it.as_str() == nearest)
}

/// The API group of an entry's objects. Some vendors write `apiVersion` instead.
fn group(entry: &Node) -> Option<&str> {
    if let Some(group) = entry.field("group") {
        return group.as_str();
    }
    let version = entry.field("apiVersion")?.as_str()?;
    Some(split_api_version(version).0)
}

/// Decodes the targets of kinds that gatefold serves. Problems are reported to the decoder, and the other targets are
/// returned.
pub(super) fn read(
    (group, kind): (&str, &str),
    namespace: &str,
    spec: &Node,
    decoder: &mut Decoder,
) -> Vec<PolicyTarget> {
    let mut targets = Vec::new();
    if let Some((key, node)) = spec.entry("targetRef").filter(is_there) {
        decoder.within_key(key, |decoder| {
            targets.extend(reference(node, decoder));
            Some(())
        });
    }
    list(spec, "targetRefs", reference, &mut targets, decoder);
    list(spec, "targetSelectors", selector, &mut targets, decoder);
    let fields = ["targetRef", "targetRefs", "targetSelectors"];
    let named = fields
        .into_iter()
        .any(|field| spec.entry(field).filter(is_there).is_some());
    if named {
        return targets;
    }
    if group == ISTIO {
        targets.extend(selected_by_istio(namespace, spec, decoder));
    } else {
        let message =
            format!("`spec.targetRefs` is required, but missing: {kind} requires a target");
        let span = decoder.span_of(spec).clone();
        decoder.report(Code::MissingField, &span, message);
    }
    targets
}

/// Whether a field is set. An empty list counts as absent.
fn is_there((_, node): &(&gatefold_diagnostic::yaml::Key, &Node)) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Sequence(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Mapping(_) => true,
    }
}

fn list(
    spec: &Node,
    field: &str,
    read: fn(&Node, &mut Decoder) -> Option<PolicyTarget>,
    targets: &mut Vec<PolicyTarget>,
    decoder: &mut Decoder,
) {
    let Some((key, node)) = spec.entry(field).filter(is_there) else {
        return;
    };
    decoder.within_key(key, |decoder| {
        let Value::Sequence(items) = &node.value else {
            decoder.wrong_type(node, "a list");
            return None;
        };
        for (index, item) in items.iter().enumerate() {
            targets.extend(decoder.within(index, |decoder| read(item, decoder)));
        }
        Some(())
    });
}

fn served_kind(node: &Node, decoder: &mut Decoder) -> Option<PolicyTargetKind> {
    if !matches!(node.value, Value::Mapping(_)) {
        decoder.wrong_type(node, "a mapping");
        return None;
    }
    match target_kind(node) {
        TargetKind::Served(kind) => Some(kind),
        TargetKind::Misspelled(kind, field) => {
            report_misspelled(node, kind, &field, decoder);
            Some(kind)
        }
        TargetKind::Other => None,
        TargetKind::Missing => {
            let pointer = decoder.pointer().key("kind");
            let message = format!("`{pointer}` is required, but missing");
            decoder.report(Code::MissingField, &node.span, message);
            None
        }
    }
}

/// Reports a misspelled field as an error, because the policy's own controller would refuse the policy.
fn report_misspelled(
    node: &Node,
    kind: PolicyTargetKind,
    field: &MisspelledField,
    decoder: &mut Decoder,
) {
    let (field, help) = match field {
        MisspelledField::Kind => ("kind", format!("did you mean `{}`?", kind.as_str())),
        MisspelledField::Group => {
            let field = match node.field("group") {
                Some(_) => "group",
                None => "apiVersion",
            };
            let help = match kind.kind().group() {
                "" => format!("{} belongs to the core group: `group: ''`", kind.as_str()),
                group => format!("{} belongs to the group `{group}`", kind.as_str()),
            };
            (field, help)
        }
    };
    let Some((key, value)) = node.entry(field) else {
        return;
    };
    decoder.within_key(key, |decoder| {
        let word = value.as_str().unwrap_or_default();
        let found = decoder.invalid(value, format!("`{word}` isn't a {field} of a target"));
        found.help = Some(help);
        Some(())
    });
}

fn reference(node: &Node, decoder: &mut Decoder) -> Option<PolicyTarget> {
    let kind = served_kind(node, decoder)?;
    let reference = PolicyTargetReference::decode(node, decoder)?;
    Some(PolicyTarget {
        kind,
        choice: PolicyTargetChoice::Name {
            namespace: reference.namespace,
            name: reference.name,
        },
        section: reference.section_name.map(|name| name.to_string()),
        pointer: decoder.pointer(),
    })
}

fn selector(node: &Node, decoder: &mut Decoder) -> Option<PolicyTarget> {
    let kind = served_kind(node, decoder)?;
    let selector = PolicyTargetSelector::decode(node, decoder)?;
    let section = selector.section_name.as_ref().map(ToString::to_string);
    Some(PolicyTarget {
        kind,
        section,
        choice: selector.choice(),
        pointer: decoder.pointer(),
    })
}

/// Istio selects proxies by the labels of their Pods, and the Pods of a Gateway have a label with its name. A policy without
/// a selector applies to all proxies of its namespace. Other labels select workloads, whose own proxies enforce the policy.
fn selected_by_istio(namespace: &str, spec: &Node, decoder: &Decoder) -> Option<PolicyTarget> {
    let labels = spec
        .field("selector")
        .and_then(|selector| selector.field("matchLabels"))
        .filter(|labels| matches!(&labels.value, Value::Mapping(entries) if !entries.is_empty()));
    let choice = match labels {
        Some(labels) => {
            let mut names = ISTIO_GATEWAY_LABELS.iter();
            let name = names.find_map(|label| labels.field(label)?.as_str())?;
            PolicyTargetChoice::Name {
                namespace: None,
                name: name.to_owned(),
            }
        }
        None => PolicyTargetChoice::Controller {
            controller: "istio.io/gateway-controller",
            class: "istio",
            namespaces: if namespace == ISTIO_ROOT_NAMESPACE {
                PolicyTargetNamespaces::All
            } else {
                PolicyTargetNamespaces::Same
            },
        },
    };
    Some(PolicyTarget {
        kind: PolicyTargetKind::Gateway,
        choice,
        section: None,
        pointer: match spec.field("selector") {
            Some(_) => decoder.pointer().key("selector"),
            None => decoder.pointer(),
        },
    })
}

//! What a policy attaches to (GEP-713): objects by name, or by their labels.

use super::{LabelSelector, LabelSelectorRequirement, SectionName, choice, object, refuse, rule};
use crate::Decoder;
use gatefold_diagnostic::Pointer;
use gatefold_diagnostic::yaml::Node;
use std::collections::BTreeMap;

/// One entry of a policy's `targetRefs` or `targetSelectors`, or its `targetRef`.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyTarget {
    /// The kind of the targeted objects.
    pub kind: PolicyTargetKind,
    /// Which objects of that kind.
    pub choice: PolicyTargetChoice,
    /// A part of each object, by name: a listener, a rule of a route, a port of a Service. The whole object if absent.
    pub section: Option<String>,
    /// Where the entry stands in the policy.
    pub pointer: Pointer,
}

/// The kinds of objects that policies target and gatefold serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyTargetKind {
    /// A Gateway; its sections are listeners.
    Gateway,
    /// A ListenerSet; its sections are listeners.
    ListenerSet,
    /// An HTTPRoute; its sections are rules.
    HttpRoute,
    /// A Service; its sections are ports.
    Service,
}

impl PolicyTargetKind {
    /// The kind as a manifest spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            PolicyTargetKind::Gateway => "Gateway",
            PolicyTargetKind::ListenerSet => "ListenerSet",
            PolicyTargetKind::HttpRoute => "HTTPRoute",
            PolicyTargetKind::Service => "Service",
        }
    }

    /// What a section of such an object is called.
    pub fn section(self) -> &'static str {
        match self {
            PolicyTargetKind::Gateway | PolicyTargetKind::ListenerSet => "listener",
            PolicyTargetKind::HttpRoute => "rule",
            PolicyTargetKind::Service => "port",
        }
    }
}

/// Which objects of a kind a policy targets.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyTargetChoice {
    /// The object with this name.
    Name {
        /// The namespace; the policy's own if absent.
        namespace: Option<String>,
        /// The name.
        name: String,
    },
    /// The objects with these labels; every object if the selector is empty.
    Labels {
        /// The labels.
        selector: LabelSelector,
        /// Where to look for the objects.
        namespaces: PolicyTargetNamespaces,
    },
    /// The Gateways of another implementation, which would enforce the policy for all of them.
    Controller {
        /// The implementation's `controllerName`.
        controller: &'static str,
        /// The GatewayClass that the implementation installs under this name.
        class: &'static str,
        /// Where to look for the Gateways.
        namespaces: PolicyTargetNamespaces,
    },
}

/// The namespaces in which a policy looks for its targets.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyTargetNamespaces {
    /// The policy's own.
    Same,
    /// All of them.
    All,
    /// Those with these labels.
    Selector(LabelSelector),
}

object! {
    /// An entry of `targetRefs`. Vendors add fields of their own.
    pub open PolicyTargetReference {
        /// The namespace; the policy's own if absent.
        "namespace" => namespace: Option<String> where rule::namespace,
        /// The name.
        "name" => name: String where rule::object_name,
        /// A part of the object, by name.
        "sectionName" => section_name: Option<SectionName>,
    }
}

object! {
    /// An entry of Envoy Gateway's `targetSelectors`.
    pub open PolicyTargetSelector {
        /// Labels with their values.
        "matchLabels" => match_labels: BTreeMap<String, String>,
        /// Conditions on labels.
        "matchExpressions" => match_expressions: Vec<LabelSelectorRequirement>,
        /// Where to look for objects; in the policy's own namespace if absent.
        "namespaces" => namespaces: Option<PolicyTargetSelectorNamespaces>,
        /// A part of each object, by name.
        "sectionName" => section_name: Option<SectionName>,
    }
}

object! {
    /// The namespaces of a [`PolicyTargetSelector`].
    pub closed PolicyTargetSelectorNamespaces checked by PolicyTargetSelectorNamespaces::check {
        /// How they are chosen.
        "from" => from: PolicyTargetNamespacesFrom = PolicyTargetNamespacesFrom::Same,
        /// Their labels, with `from: Selector`.
        "selector" => selector: Option<LabelSelector>,
    }
}

choice! {
    /// How the namespaces of a [`PolicyTargetSelector`] are chosen.
    pub PolicyTargetNamespacesFrom {
        /// The policy's own.
        Same,
        /// All of them.
        All,
        /// By labels.
        Selector,
    }
}

impl PolicyTargetSelectorNamespaces {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.from == PolicyTargetNamespacesFrom::Selector && self.selector.is_none() {
            refuse(node, "selector", "`from: Selector` needs it", decoder);
        }
    }
}

impl PolicyTargetSelector {
    /// The objects that it chooses.
    pub fn choice(self) -> PolicyTargetChoice {
        let namespaces = match self.namespaces {
            None => PolicyTargetNamespaces::Same,
            Some(namespaces) => match namespaces.from {
                PolicyTargetNamespacesFrom::Same => PolicyTargetNamespaces::Same,
                PolicyTargetNamespacesFrom::All => PolicyTargetNamespaces::All,
                PolicyTargetNamespacesFrom::Selector => {
                    PolicyTargetNamespaces::Selector(namespaces.selector.unwrap_or_default())
                }
            },
        };
        PolicyTargetChoice::Labels {
            selector: LabelSelector {
                match_labels: self.match_labels,
                match_expressions: self.match_expressions,
            },
            namespaces,
        }
    }
}

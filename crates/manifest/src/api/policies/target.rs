//! Targets of policies (GEP-713): objects chosen by name or by labels.

use crate::Decoder;
use crate::api::{
    LabelSelector, LabelSelectorRequirement, SectionName, choice, object, refuse, rule,
};
use crate::kind::Kind;
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
    /// The name of a section of each object: a listener, a rule of a route, a port of a Service. `None` targets the whole
    /// object.
    pub section: Option<String>,
    /// The position of the entry in the policy.
    pub pointer: Pointer,
}

/// The kinds of objects that policies target and gatefold serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyTargetKind {
    /// A Gateway; its sections are listeners.
    Gateway,
    /// A ListenerSet; its sections are listeners.
    ListenerSet,
    /// A route; its sections are rules.
    Route(RouteTargetKind),
    /// A Service; its sections are ports.
    Service,
}

/// The kinds of routes that policies target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteTargetKind {
    /// An HTTPRoute.
    Http,
    /// A GRPCRoute.
    Grpc,
}

impl PolicyTargetKind {
    /// All kinds of targets.
    pub(crate) const ALL: [PolicyTargetKind; 5] = [
        PolicyTargetKind::Gateway,
        PolicyTargetKind::ListenerSet,
        PolicyTargetKind::Route(RouteTargetKind::Http),
        PolicyTargetKind::Route(RouteTargetKind::Grpc),
        PolicyTargetKind::Service,
    ];

    /// The kind in the table of kinds.
    pub fn kind(self) -> Kind {
        match self {
            PolicyTargetKind::Gateway => Kind::Gateway,
            PolicyTargetKind::ListenerSet => Kind::ListenerSet,
            PolicyTargetKind::Route(RouteTargetKind::Http) => Kind::HTTPRoute,
            PolicyTargetKind::Route(RouteTargetKind::Grpc) => Kind::GRPCRoute,
            PolicyTargetKind::Service => Kind::Service,
        }
    }

    /// The name of the kind in a manifest.
    pub fn as_str(self) -> &'static str {
        self.kind().name()
    }

    /// The kind of the object's sections.
    pub fn sections(self) -> PolicyTargetSection {
        match self {
            PolicyTargetKind::Gateway | PolicyTargetKind::ListenerSet => {
                PolicyTargetSection::Listener
            }
            PolicyTargetKind::Route(_) => PolicyTargetSection::Rule,
            PolicyTargetKind::Service => PolicyTargetSection::Port,
        }
    }
}

/// The sections of objects that policies target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyTargetSection {
    /// A listener of a Gateway or a ListenerSet.
    Listener,
    /// A rule of a route of any kind.
    Rule,
    /// A port of a Service.
    Port,
}

impl PolicyTargetSection {
    /// The word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            PolicyTargetSection::Listener => "listener",
            PolicyTargetSection::Rule => "rule",
            PolicyTargetSection::Port => "port",
        }
    }
}

/// Which objects of a kind a policy targets.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyTargetChoice {
    /// The object with this name.
    Name {
        /// The namespace. `None` is the policy's own namespace.
        namespace: Option<String>,
        /// The name.
        name: String,
    },
    /// The objects with these labels. An empty selector matches every object.
    Labels {
        /// The labels.
        selector: LabelSelector,
        /// The namespaces of the objects.
        namespaces: PolicyTargetNamespaces,
    },
    /// The Gateways of another implementation, which would enforce the policy for all of them.
    Controller {
        /// The implementation's `controllerName`.
        controller: &'static str,
        /// The GatewayClass that the implementation installs under this name.
        class: &'static str,
        /// The namespaces of the Gateways.
        namespaces: PolicyTargetNamespaces,
    },
}

/// The namespaces in which a policy selects its targets.
#[derive(Clone, Debug, PartialEq)]
pub enum PolicyTargetNamespaces {
    /// The policy's own namespace.
    Same,
    /// All namespaces.
    All,
    /// The namespaces with these labels.
    Selector(LabelSelector),
}

object! {
    /// An entry of `targetRefs`. Vendors add more fields.
    pub open PolicyTargetReference {
        /// The namespace; absent for the policy's own namespace.
        "namespace" => namespace: Option<String> where rule::namespace,
        /// The name.
        "name" => name: String where rule::object_name,
        /// The name of a section of the object.
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
        /// The namespaces of the objects; absent for the policy's own namespace.
        "namespaces" => namespaces: Option<PolicyTargetSelectorNamespaces>,
        /// The name of a section of each object.
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
        /// The policy's own namespace.
        Same,
        /// All namespaces.
        All,
        /// By labels.
        Selector,
    }
}

impl PolicyTargetSelectorNamespaces {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if self.from == PolicyTargetNamespacesFrom::Selector && self.selector.is_none() {
            refuse(
                node,
                "selector",
                "is required with `from: Selector`",
                decoder,
            );
        }
    }
}

impl PolicyTargetSelector {
    /// Converts the selector into a choice of objects.
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

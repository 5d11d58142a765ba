//! Compiles rules, their backends and their mirrors.
//!
//! In: the rules of the graph, and the rules of the previous snapshot, whose counters continue. Out: rules that the proxy
//! serves. A rule that can't be compiled as written answers 500; a backend without its filters or its TLS gets no request.

use super::backend_tls::{BackendTlsCache, Identities};
use super::filter::{external_auth, filters};
use super::routes::CompileMatch;
use super::timeouts::{retry, timeouts};
use gatefold_dataplane::backend::{Backend, BackendTarget, EndpointSet, Split};
use gatefold_dataplane::durations::Durations;
use gatefold_dataplane::filter::external_auth::ExternalAuth;
use gatefold_dataplane::filter::{Filter, Filters};
use gatefold_dataplane::{Action, Rule, RuleId};
use gatefold_graph::policy::backend_tls::BackendTlsNode;
use gatefold_graph::policy::security_policy::SecurityNode;
use gatefold_graph::route::{BackendNode, ExternalAuthNode, FilterNode, RuleNode, TargetNode};
use gatefold_graph::{Graph, ServicePortKey};
use hashbrown::HashMap;
use http::StatusCode;
use std::sync::Arc;

/// Compiles rules. The endpoints of a Service's port are compiled once and shared by all rules that use the port.
#[derive(Default)]
pub(super) struct Backends {
    durations: Durations,
    tls: BackendTlsCache,
    targets: HashMap<ServicePortKey, SharedTarget>,
    /// `extAuth` of the policies of this graph, by the addresses of their nodes, which live as long as they are in here.
    ext_auth: HashMap<usize, CompiledExtAuth>,
}

/// `extAuth` of a policy. `None` if it can't be compiled as demanded.
type CompiledExtAuth = (Arc<ExternalAuthNode>, Option<Arc<ExternalAuth>>);

/// The compiled target of all references to a Service's port.
struct SharedTarget {
    node: TargetNode,
    compiled: BackendTarget,
}

impl Backends {
    pub(super) fn new(durations: Durations) -> Self {
        Backends {
            durations,
            ..Backends::default()
        }
    }

    /// Begins with the next graph. Returns whether compiled rules of the previous graph can be reused if their nodes are the
    /// same.
    pub(super) fn begin(&mut self, graph: &Graph, identities: &Identities<'_>) -> bool {
        self.ext_auth.clear();
        self.durations.routes.forget_unused();
        self.durations.backends.forget_unused();
        self.targets
            .retain(|service, _| graph.has_service_port(service));
        let same = self.tls.begin(identities);
        if !same {
            // Backends are shown other certificates, so compile every target again. The counters continue.
            for target in self.targets.values_mut() {
                target.node = TargetNode::Invalid;
            }
        }
        same
    }

    /// The TLS settings of backends.
    pub(super) fn tls(&mut self) -> &mut BackendTlsCache {
        &mut self.tls
    }

    /// Compiles a rule and its backends, with what a SecurityPolicy demands. Its counters continue those of the rule `before`: if they restarted at each reload,
    /// the first backend would get more than its share.
    pub(super) fn rule<M: CompileMatch>(
        &mut self,
        id: RuleId,
        (node, security): (&RuleNode<M>, Option<&SecurityNode>),
        before: Option<&Rule>,
    ) -> Rule {
        let prefix = node.matches.first().map_or("/", CompileMatch::prefix);
        let filters = self.rule_filters((node, security), prefix, before);
        let action = match filters {
            Some(_) if !node.refused => self.action(node, prefix, before),
            _ => Action::Refuse(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let durations = self
            .durations
            .routes
            .histogram(&(id.kind, id.route.clone()));
        Rule {
            id,
            filters: filters.unwrap_or_default(),
            timeouts: timeouts(node.timeouts.as_ref()),
            retry: node.retry.as_ref().map(|it| Box::new(retry(it))),
            durations,
            action,
        }
    }

    fn action<M>(&mut self, node: &RuleNode<M>, prefix: &str, before: Option<&Rule>) -> Action {
        let redirects = |filter: &FilterNode| matches!(filter, FilterNode::RequestRedirect(_));
        if node.filters.iter().any(redirects) {
            return Action::AnsweredByFilters;
        }
        let backends = node.backends.iter();
        let backends = backends.map(|one| {
            let backend = self.backend(one, prefix, before);
            (one.weight, backend)
        });
        let backends = backends.collect();
        let served = before.and_then(split_of).map_or(0, Split::served);
        // A rule without a backend of positive weight answers 500 (API: `HTTPRouteRule.backendRefs`).
        match Split::new(backends, served) {
            Some(split) => Action::Forward(split),
            None => Action::Refuse(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    fn backend(&mut self, node: &BackendNode, prefix: &str, before: Option<&Rule>) -> Backend {
        let name = node.name.clone();
        let target = self.target(&node.target);
        let filters = self.filters(&node.filters, prefix, before);
        Backend {
            durations: self.durations.backends.histogram(&name),
            name,
            target: match filters {
                Some(_) => target,
                // The backend must not get requests without the requested changes.
                None => BackendTarget::Invalid,
            },
            filters: filters.unwrap_or_default(),
        }
    }

    /// Compiles the filters of a rule, and adds those of a SecurityPolicy.
    fn rule_filters<M>(
        &mut self,
        (node, security): (&RuleNode<M>, Option<&SecurityNode>),
        prefix: &str,
        before: Option<&Rule>,
    ) -> Option<Filters> {
        let mut filters = self.filter_list(&node.filters, prefix, before)?;
        match security {
            Some(SecurityNode::Filters(security)) => {
                security.own.add_to(&mut filters);
                if let Some(node) = &security.ext_auth {
                    filters.push(Filter::ExternalAuth(self.ext_auth(node)?));
                }
            }
            Some(SecurityNode::Refused(_)) => return None,
            None => {}
        }
        Some(Filters::new(filters))
    }

    /// Compiles `extAuth` of a policy, once for all rules that it protects. `None` if a server can't be asked as demanded.
    fn ext_auth(&mut self, node: &Arc<ExternalAuthNode>) -> Option<Arc<ExternalAuth>> {
        let address = Arc::as_ptr(node).addr();
        if let Some((_, compiled)) = self.ext_auth.get(&address) {
            return compiled.clone();
        }
        let compiled = external_auth(node, |target| self.target(target)).map(Arc::new);
        self.ext_auth
            .insert(address, (node.clone(), compiled.clone()));
        compiled
    }

    /// Compiles the filters of a backend, including the mirrors.
    fn filters(
        &mut self,
        nodes: &[FilterNode],
        prefix: &str,
        before: Option<&Rule>,
    ) -> Option<Filters> {
        self.filter_list(nodes, prefix, before).map(Filters::new)
    }

    fn filter_list(
        &mut self,
        nodes: &[FilterNode],
        prefix: &str,
        before: Option<&Rule>,
    ) -> Option<Vec<Filter>> {
        let served = |mirror: &str| before.map_or(0, |rule| mirrored(rule, mirror));
        filters(nodes, prefix, |target| self.target(target), served)
    }

    fn target(&mut self, node: &TargetNode) -> BackendTarget {
        let TargetNode::Service { service, .. } = node else {
            return BackendTarget::Invalid;
        };
        let shared = self.targets.get(service);
        if let Some(same) = shared.filter(|shared| shared.node == *node) {
            return same.compiled.clone();
        }
        let served = shared.and_then(|shared| Some(shared.compiled.endpoints()?.served()));
        let compiled = self.endpoints(node, served.unwrap_or(0));
        let compiled = compiled.unwrap_or(BackendTarget::Invalid);
        let shared = SharedTarget {
            node: node.clone(),
            compiled: compiled.clone(),
        };
        self.targets.insert(service.clone(), shared);
        compiled
    }

    /// Compiles the endpoints of a target. `None` if the required TLS isn't possible.
    fn endpoints(&mut self, node: &TargetNode, served: u64) -> Option<BackendTarget> {
        let TargetNode::Service {
            endpoints,
            version,
            tls,
            ..
        } = node
        else {
            return None;
        };
        let tls = match tls {
            BackendTlsNode::Plain => None,
            BackendTlsNode::Tls(settings) => Some(self.tls.prepare(settings)?),
            BackendTlsNode::Refused => return None,
        };
        let Some(endpoints) = EndpointSet::new(*version, endpoints, served) else {
            return Some(BackendTarget::NoEndpoints);
        };
        Some(BackendTarget::Endpoints(Arc::new(match tls {
            Some(tls) => endpoints.in_tls(tls),
            None => endpoints,
        })))
    }
}

fn split_of(rule: &Rule) -> Option<&Split> {
    match &rule.action {
        Action::Forward(split) => Some(split),
        Action::AnsweredByFilters | Action::Refuse(_) => None,
    }
}

/// Returns the number of requests of a rule that a mirror has counted.
fn mirrored(rule: &Rule, name: &str) -> u64 {
    let backends = split_of(rule).into_iter().flat_map(Split::backends);
    let filters = backends.map(|(_, backend)| &backend.filters);
    let all = std::iter::once(&rule.filters).chain(filters);
    let mut mirrors = all.flat_map(Filters::mirrors);
    mirrors
        .find(|mirror| *mirror.name == *name)
        .map_or(0, |mirror| mirror.share.served())
}

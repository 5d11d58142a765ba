use super::backend_tls::BackendTlsCache;
use super::filter::{filters, redirect};
use super::timeouts::{retry, timeouts};
use crate::dataplane::backend::{Backend, Endpoints, Split, Target};
use crate::dataplane::filter::Filters;
use crate::dataplane::filter::request_mirror::{RequestMirror, Share};
use crate::dataplane::{Action, Rule, Snapshot};
use crate::graph::backend_tls_policy::BackendTlsNode;
use crate::graph::http_route::{BackendNode, FilterNode, RuleNode, TargetNode};
use crate::manifest::api::{HTTPRouteMatch, NamespacedName};
use hashbrown::HashMap;
use http::StatusCode;
use std::sync::Arc;

/// How far the counters of a snapshot are, so that the next one goes on there: were they to begin anew at
/// each reload, the first backend would get more than its share.
#[derive(Default)]
pub(super) struct Served {
    /// By route and rule.
    splits: HashMap<(Arc<str>, usize), u64>,
    /// By what a backend is called.
    endpoints: HashMap<Arc<str>, u64>,
    /// By route, rule and what the mirror is called.
    mirrors: HashMap<(Arc<str>, usize, Arc<str>), u64>,
}

impl Served {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let mut served = Served::default();
        let listeners = snapshot
            .ports
            .values()
            .flat_map(|port| port.listeners.values());
        for rule in listeners.flat_map(|listener| listener.router.rules()) {
            let Action::Forward(split) = &rule.action else {
                continue;
            };
            served.note_mirrors(rule, &rule.filters);
            let key = (rule.route.clone(), rule.index);
            served.splits.insert(key, split.served());
            for (_, backend) in split.backends() {
                served.note_mirrors(rule, &backend.filters);
                if let Target::Endpoints(endpoints) = &backend.target {
                    let name = backend.name.clone();
                    served.endpoints.insert(name, endpoints.served());
                }
            }
        }
        served
    }

    fn note_mirrors(&mut self, rule: &Rule, filters: &Filters) {
        for mirror in &filters.mirrors {
            let key = (rule.route.clone(), rule.index, mirror.name.clone());
            self.mirrors.insert(key, mirror.share.served());
        }
    }
}

/// The endpoints of each Service's port, once for all rules that use it.
pub(super) struct Backends<'s> {
    served: &'s Served,
    tls: BackendTlsCache,
    shared: HashMap<(NamespacedName, u16), Target>,
}

impl<'s> Backends<'s> {
    pub(super) fn new(served: &'s Served, tls: BackendTlsCache) -> Self {
        Backends {
            served,
            tls,
            shared: HashMap::new(),
        }
    }

    /// A rule with its backends.
    pub(super) fn rule(&mut self, route: &Arc<str>, index: usize, node: &RuleNode) -> Rule {
        let filters = self.filters(route, index, &node.filters, &node.matches);
        let action = match filters {
            Some(_) if !node.refused => self.action(route, index, node),
            _ => Action::Refuse(StatusCode::INTERNAL_SERVER_ERROR),
        };
        Rule {
            route: route.clone(),
            index,
            filters: filters.unwrap_or_default(),
            timeouts: timeouts(node.timeouts.as_ref()),
            retry: node.retry.as_ref().map(|it| Box::new(retry(it))),
            action,
        }
    }

    fn action(&mut self, route: &Arc<str>, index: usize, node: &RuleNode) -> Action {
        if let Some(redirect) = redirect(&node.filters, &node.matches) {
            return Action::Redirect(redirect);
        }
        let backends = node.backends.iter();
        let backends = backends.map(|one| {
            let backend = self.backend(route, index, one, &node.matches);
            (one.weight, backend)
        });
        let backends = backends.collect();
        let served = self.served.splits.get(&(route.clone(), index));
        // Without a backend that can get traffic: 500 (API: `HTTPRouteRule.backendRefs`).
        match Split::new(backends, served.copied().unwrap_or(0)) {
            Some(split) => Action::Forward(split),
            None => Action::Refuse(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    fn backend(
        &mut self,
        route: &Arc<str>,
        index: usize,
        node: &BackendNode,
        matches: &[HTTPRouteMatch],
    ) -> Backend {
        let name: Arc<str> = node.name.as_str().into();
        let target = self.target(&name, &node.target);
        let filters = self.filters(route, index, &node.filters, matches);
        Backend {
            name,
            target: match filters {
                Some(_) => target,
                // It must get no request without the changes that were asked for.
                None => Target::Invalid,
            },
            filters: filters.unwrap_or_default(),
        }
    }

    /// The filters of a rule, or of a backend of it, with the mirrors.
    fn filters(
        &mut self,
        route: &Arc<str>,
        index: usize,
        nodes: &[FilterNode],
        matches: &[HTTPRouteMatch],
    ) -> Option<Filters> {
        let mut filters = filters(nodes, matches)?;
        for node in nodes {
            let FilterNode::RequestMirror(mirror) = node else {
                continue;
            };
            let name: Arc<str> = mirror.name.as_str().into();
            let key = (route.clone(), index, name.clone());
            let served = self.served.mirrors.get(&key).copied().unwrap_or(0);
            let (numerator, denominator) = mirror.share;
            filters.mirrors.push(RequestMirror {
                target: self.target(&name, &mirror.target),
                share: Share::new(numerator, denominator, served),
                name,
            });
        }
        Some(filters)
    }

    fn target(&mut self, name: &Arc<str>, node: &TargetNode) -> Target {
        let TargetNode::Service { service, .. } = node else {
            return Target::Invalid;
        };
        if let Some(shared) = self.shared.get(service) {
            return shared.clone();
        }
        let target = self.endpoints(name, node).unwrap_or(Target::Invalid);
        self.shared.insert(service.clone(), target.clone());
        target
    }

    /// Nothing when there is no way to speak to them.
    fn endpoints(&mut self, name: &Arc<str>, node: &TargetNode) -> Option<Target> {
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
        let served = self.served.endpoints.get(name).copied().unwrap_or(0);
        let Some(endpoints) = Endpoints::new(*version, endpoints, served) else {
            return Some(Target::NoEndpoints);
        };
        Some(Target::Endpoints(Arc::new(match tls {
            Some(tls) => endpoints.in_tls(tls),
            None => endpoints,
        })))
    }
}

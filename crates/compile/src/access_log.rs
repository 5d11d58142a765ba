//! Compiles access logs.

use gatefold_dataplane::access_log::{AccessLog, LineSinks};
use gatefold_graph::Graph;
use gatefold_graph::parameters::AccessLogNode;
use gatefold_manifest::api::NamespacedName;
use std::collections::HashMap;
use std::sync::Arc;

/// Compiles the access logs of one graph. Listeners with the same parameters share them.
pub(super) struct AccessLogCompiler<'s> {
    sinks: &'s LineSinks,
    /// By the address of the node, which the graph keeps.
    compiled: HashMap<*const AccessLogNode, Arc<[AccessLog]>>,
}

impl<'s> AccessLogCompiler<'s> {
    pub(super) fn new(sinks: &'s LineSinks) -> Self {
        AccessLogCompiler {
            sinks,
            compiled: HashMap::new(),
        }
    }

    /// Returns the access logs of a Gateway. `None` for those of the command line.
    pub(super) fn of_gateway(
        &mut self,
        graph: &Graph,
        gateway: &NamespacedName,
    ) -> Option<Arc<[AccessLog]>> {
        let nodes = graph.gateways.get(gateway)?.access_logs.as_ref()?;
        let sinks = self.sinks;
        let compile = || nodes.iter().map(|node| compile(node, sinks)).collect();
        let compiled = self.compiled.entry(nodes.as_ptr());
        Some(compiled.or_insert_with(compile).clone())
    }
}

fn compile(node: &AccessLogNode, sinks: &LineSinks) -> AccessLog {
    AccessLog {
        format: node.format.clone(),
        destination: node.destination.clone(),
        sink: sinks.sink(&node.destination),
    }
}

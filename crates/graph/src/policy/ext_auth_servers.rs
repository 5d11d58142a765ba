//! Reads which authorization servers `extAuth` of a SecurityPolicy names.
//!
//! In: the references of either protocol, and the policy that they belong to. Out: the servers with their endpoints, or the
//! problems for which nothing can be enforced.

use super::backend_tls::BackendTlsNode;
use super::ext_auth_settings::pointer;
use super::security_settings::{PolicyOwners, SettingsReader};
use crate::backend::{BackendReference, BackendReferences, auth_server};
use crate::condition::{Problem, Reason};
use crate::reference::Reference;
use crate::reported_object::ReportedObject;
use crate::route::{AuthServerNode, TargetNode};
use gatefold_dataplane::backend::HttpVersion;
use gatefold_diagnostic::Pointer;
use gatefold_manifest::api::{
    AuthBackendSettings, BackendObjectReference, ClusterBackendRef, ExtAuth, GRPCExtAuthService,
    HTTPExtAuthService, SecurityPolicy, SecurityPolicySpec,
};

/// The fields that name servers, of either protocol.
pub(super) struct ServerFields<'f> {
    protocol: &'static str,
    older: Option<&'f BackendObjectReference>,
    references: &'f [ClusterBackendRef],
    settings: Option<&'f AuthBackendSettings>,
    /// The version of HTTP that the servers must speak. `None` if the Service decides.
    version: Option<HttpVersion>,
}

impl<'f> From<&'f HTTPExtAuthService> for ServerFields<'f> {
    fn from(fields: &'f HTTPExtAuthService) -> Self {
        ServerFields {
            protocol: "http",
            older: fields.backend_ref.as_ref(),
            references: &fields.backend_refs,
            settings: fields.backend_settings.as_ref(),
            version: None,
        }
    }
}

impl<'f> From<&'f GRPCExtAuthService> for ServerFields<'f> {
    fn from(fields: &'f GRPCExtAuthService) -> Self {
        ServerFields {
            protocol: "grpc",
            older: fields.backend_ref.as_ref(),
            references: &fields.backend_refs,
            settings: fields.backend_settings.as_ref(),
            version: Some(HttpVersion::Http2),
        }
    }
}

impl SettingsReader<'_, '_> {
    /// Returns the `:authority` of questions over gRPC: that of the first server (`backendRefAuthority`).
    pub(super) fn authority(&self, fields: &ServerFields<'_>, owners: PolicyOwners<'_>) -> String {
        let owner = owners.of(has_servers);
        let references = fields.references.iter().map(|it| &it.backend);
        let first = references.chain(fields.older).next();
        first.map_or_else(String::new, |reference| {
            auth_server::authority(reference, owner.referrer())
        })
    }

    /// Resolves the references to servers.
    pub(super) fn auth_servers(
        &mut self,
        fields: &ServerFields<'_>,
        owners: PolicyOwners<'_>,
    ) -> Option<Vec<AuthServerNode>> {
        let owner = owners.of(has_servers);
        let at = pointer().key(fields.protocol);
        if let Some(settings) = fields.settings {
            self.warn_of_settings(owner, &settings.unserved);
        }
        let (list, older) = (at.key("backendRefs"), at.key("backendRef"));
        // Envoy Gateway ignores the older field if there is the newer one.
        let references = fields.references.iter().enumerate();
        let mut references: Vec<_> = references
            .map(|(index, it)| (&it.backend, it.weight, it.fallback, list.index(index)))
            .collect();
        if references.is_empty() {
            references.extend(fields.older.map(|it| (it, 1, false, older.clone())));
        }
        if references.is_empty() {
            let why = "the merged policy names no server".to_owned();
            self.report(owner, list, why);
            return None;
        }
        let problems = self.problems.len();
        let servers = references.iter().map(|(reference, weight, fallback, at)| {
            let (name, target) = self.auth_server(owner, reference, fields.version, at);
            AuthServerNode {
                name,
                target,
                weight: *weight,
                fallback: *fallback,
            }
        });
        let servers: Vec<AuthServerNode> = servers.collect();
        if servers.iter().all(|server| server.weight == 0) {
            let why = "all weights are 0, so no server would be asked".to_owned();
            self.report(owner, list, why);
        }
        (self.problems.len() == problems).then_some(servers)
    }

    /// Resolves a reference to a server. If there is a problem with it, it is reported.
    fn auth_server(
        &mut self,
        owner: &SecurityPolicy,
        reference: &BackendObjectReference,
        version: Option<HttpVersion>,
        at: &Pointer,
    ) -> (String, TargetNode) {
        let backend = BackendReference {
            subject: owner,
            reference,
            pointer: &|| at.clone(),
        };
        let mut references = BackendReferences::new(self.ports, version);
        let (name, target) = backend.resolve(&mut references, self.build);
        let BackendReferences {
            unresolved,
            findings,
            ..
        } = references;
        // The policy depends on the port, whether it can be used or not.
        let key = Reference::from(reference).key(owner.referrer());
        let port = (key, reference.port.map_or(0, |port| port.get()));
        if self.ports.has_looked_up(&port) {
            self.service_ports.push(port);
        }
        self.findings.extend(findings);
        let problems = unresolved.into_iter();
        // Envoy Gateway has one reason for all problems with a policy.
        let problems = problems.map(|it| Problem::new(Reason::Invalid, it.message));
        self.problems.extend(problems);
        if let Some(refusal) = auth_server::refusal(&target, &name, self.build) {
            self.report(owner, at.clone(), refusal);
        }
        if let TargetNode::Service {
            tls: BackendTlsNode::Refused,
            ..
        } = target
        {
            let why = format!("the BackendTLSPolicy of {name} can't be followed");
            self.report(owner, at.clone(), why);
        }
        (name, target)
    }
}

/// Whether a policy names servers.
fn has_servers(spec: &SecurityPolicySpec) -> bool {
    spec.ext_auth.as_ref().is_some_and(ExtAuth::has_servers)
}

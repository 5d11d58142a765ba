//! Resolves backend references of routes and policies (API: `BackendObjectReference`).
//!
//! In: a reference and the object that contains it. Out: its name for logs and its target. Problems become a
//! condition, for a route `ResolvedRefs`, and a diagnostic. A new kind of backend is an arm of [`BackendKind`] and a file.

mod app_protocol;
pub(crate) mod auth_server;
pub(crate) mod endpoints;
pub(crate) mod service;

use crate::Build;
use crate::condition::{Problem, Reason};
use crate::reference::{Reference, ReferenceField, ReferenceScope, UnresolvedReference};
use crate::reported_object::ReportedObject;
use crate::route::TargetNode;
use endpoints::{ServicePortKey, ServicePorts};
use gatefold_dataplane::backend::HttpVersion;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::Kind;
use gatefold_manifest::api::BackendObjectReference;

const BACKEND_REF: ReferenceField = ReferenceField {
    role: "a backend",
    supported: "a Service",
    scope: ReferenceScope::AnyNamespace,
    unsupported_kind: (Code::UnsupportedBackendKind, Reason::InvalidKind),
    not_found: (Code::BackendNotFound, Reason::BackendNotFound),
};

/// The kinds of objects that a backend reference can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BackendKind {
    Service,
}

impl BackendKind {
    const ALL: [BackendKind; 1] = [BackendKind::Service];

    /// Returns the kind that a reference names, if backends of this kind are supported.
    fn of(reference: Reference<'_>) -> Option<Self> {
        BackendKind::ALL.into_iter().find(|kind| match kind {
            BackendKind::Service => reference.names(Kind::Service),
        })
    }
}

/// The backend references of a route or a policy, as they are resolved.
pub(crate) struct BackendReferences<'s, 'a> {
    pub ports: &'s mut ServicePorts<'a>,
    /// The version of HTTP that every backend must support. `None` if the Service decides.
    pub version: Option<HttpVersion>,
    /// The ports of Services to which references resolve. A port may be in here twice.
    pub resolved: Vec<ServicePortKey>,
    /// Problems with the other references.
    pub unresolved: Vec<Problem>,
    /// What is to be reported about the references.
    pub findings: Vec<Diagnostic>,
}

impl<'s, 'a> BackendReferences<'s, 'a> {
    /// Begins without references.
    pub fn new(ports: &'s mut ServicePorts<'a>, version: Option<HttpVersion>) -> Self {
        BackendReferences {
            ports,
            version,
            resolved: Vec::new(),
            unresolved: Vec::new(),
            findings: Vec::new(),
        }
    }
}

/// A backend reference and its place.
pub(crate) struct BackendReference<'r> {
    /// The object that contains the reference.
    pub subject: &'r dyn ReportedObject,
    /// The reference.
    pub reference: &'r BackendObjectReference,
    /// Returns its place in the object. Needed only if there is a problem.
    pub pointer: &'r dyn Fn() -> Pointer,
}

/// Why a backend gets no requests.
struct BackendRefusal {
    problem: Problem,
    /// `None` if the problem is reported elsewhere.
    finding: Option<Box<Diagnostic>>,
}

impl BackendRefusal {
    fn new(reason: Reason, finding: Diagnostic) -> Self {
        BackendRefusal {
            problem: Problem::new(reason, finding.message.clone()),
            finding: Some(Box::new(finding)),
        }
    }
}

impl BackendReference<'_> {
    /// Returns the reference's name for logs (`namespace/name:port`) and its target. Problems go to `references`.
    pub fn resolve<'a>(
        &self,
        references: &mut BackendReferences<'_, 'a>,
        build: &Build<'a>,
    ) -> (String, TargetNode) {
        let reference = Reference::from(self.reference);
        let key = reference.key(self.subject.referrer());
        let name = match self.reference.port {
            Some(port) => format!("{key}:{port}"),
            None => key.to_string(),
        };
        let target = match BackendKind::of(reference) {
            Some(BackendKind::Service) => service::resolve(self, key, references, build),
            None => Err(self.unresolved(UnresolvedReference::UnsupportedKind)),
        };
        let target = target.unwrap_or_else(|refusal| {
            references.unresolved.push(refusal.problem);
            references.findings.extend(refusal.finding.map(|it| *it));
            TargetNode::Invalid
        });
        (name, target)
    }

    fn unresolved(&self, unresolved: UnresolvedReference<'_>) -> BackendRefusal {
        let reference = Reference::from(self.reference);
        let (problem, finding) =
            unresolved.report(&BACKEND_REF, self.subject, reference, (self.pointer)());
        BackendRefusal {
            problem,
            finding: Some(Box::new(finding)),
        }
    }

    fn finding(&self, code: Code, pointer: Pointer, message: String) -> Diagnostic {
        self.subject.finding(code, pointer, message)
    }
}

//! Reports references that resolve to nothing, as a condition's problem and as a diagnostic.

use super::UnresolvedReference;
use super::object_reference::Reference;
use super::reference_grant::missing_grant;
use crate::condition::{Problem, Reason};
use crate::reported_object::ReportedObject;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};

/// A field with references, and how problems with them are reported.
pub(crate) struct ReferenceField {
    /// The role of the object in messages, with its article: `a backend`.
    pub role: &'static str,
    /// The supported kind, with its article: `a Service`.
    pub supported: &'static str,
    /// Whether the field's references may name a namespace.
    pub scope: ReferenceScope,
    /// The diagnostic and the condition's reason for an unsupported kind.
    pub unsupported_kind: (Code, Reason),
    /// The diagnostic and the condition's reason for an object that isn't in the folder.
    pub not_found: (Code, Reason),
}

/// Whether references may name a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReferenceScope {
    /// They have no `namespace`.
    Local,
    /// They have an optional `namespace`.
    AnyNamespace,
}

impl UnresolvedReference<'_> {
    /// Reports a reference at `pointer` of `subject`.
    pub fn report(
        self,
        field: &ReferenceField,
        subject: &dyn ReportedObject,
        reference: Reference<'_>,
        pointer: Pointer,
    ) -> (Problem, Diagnostic) {
        let referrer = subject.referrer();
        let Reference { group, kind, .. } = reference;
        let key = reference.key(referrer);
        let (reason, diagnostic) = match self {
            UnresolvedReference::UnsupportedKind => {
                let (code, reason) = field.unsupported_kind;
                let message = format!(
                    "{} of kind `{kind}` (group `{group}`) isn't supported; use {}",
                    field.role, field.supported
                );
                (reason, subject.finding(code, pointer, message))
            }
            UnresolvedReference::NotPermitted => {
                let message = format!(
                    "no ReferenceGrant permits {}s of namespace `{}` to use {kind} {key}",
                    referrer.kind, referrer.namespace
                );
                let finding = subject.finding(Code::ReferenceNotPermitted, pointer, message);
                let help = missing_grant(referrer, reference.referent(referrer));
                (Reason::RefNotPermitted, finding.help(help))
            }
            UnresolvedReference::Refused(refused) => {
                let (code, reason) = field.not_found;
                let message = refused.to_string();
                (reason, subject.finding(code, pointer.key("name"), message))
            }
            UnresolvedReference::NotFound(objects) => {
                let (code, reason) = field.not_found;
                let message = format!("{kind} {key} isn't in the folder");
                let mut finding = subject.finding(code, pointer.key("name"), message);
                finding.help = objects.suggest(&key).or_else(|| {
                    let other = objects.other_namespace(&key);
                    let other = other.filter(|_| field.scope == ReferenceScope::AnyNamespace)?;
                    Some(format!(
                        "there is one in another namespace: add `namespace: {other}`"
                    ))
                });
                (reason, finding)
            }
        };
        (Problem::new(reason, diagnostic.message.clone()), diagnostic)
    }
}

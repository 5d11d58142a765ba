//! Diagnostics about files, folders and duplicate objects.

use super::file_text::unreadable;
use super::scan::FolderScan;
use crate::decode::name;
use crate::decode::not_a_manifest::{DocumentType, PassedOver};
use crate::kind::AnyObject;
use gatefold_diagnostic::{Code, Diagnostic, Place, Severity};
use std::collections::BTreeMap;

/// The diagnostic for an object that is defined twice; `first` is the place of the first definition.
pub(super) fn duplicate(object: &AnyObject, first: Place) -> Diagnostic {
    let place = Place::Field {
        document: object.document().clone(),
        pointer: name::pointer(),
    };
    let id = object.id();
    Diagnostic::new(
        Code::DuplicateObject,
        place,
        format!("{id} is defined twice"),
    )
    .about(id)
    .caption(if object.is_unread_policy() {
        "this one is used as well, so that its targets stay protected"
    } else {
        "this one isn't used"
    })
    .label(first, "first defined here")
}

/// The diagnostics for files and folders that couldn't be examined.
pub(super) fn of_scan(scan: &FolderScan) -> impl Iterator<Item = Diagnostic> {
    let failed = scan
        .unreadable
        .iter()
        .map(|(path, why)| unreadable(path, why).note("the last good content stays in force"));
    let dangling = scan.dangling.iter().map(|path| {
        let mut found = unreadable(path, "the target of the link doesn't exist");
        found.severity = Severity::Warning;
        found
    });
    failed.chain(dangling)
}

/// One diagnostic for all documents that aren't objects.
pub(super) fn passed_over(documents: &[PassedOver]) -> Option<Diagnostic> {
    let mut counts: BTreeMap<DocumentType, usize> = BTreeMap::new();
    for document in documents {
        *counts.entry(document.document_type).or_default() += 1;
    }
    let counted = counts.iter().map(|(it, count)| it.counted(*count));
    let types = counted.collect::<Vec<_>>().join(", ");
    let message = match documents.len() {
        0 => return None,
        1 => format!("skipped {types}, which isn't a manifest"),
        _ => format!("skipped {types}, which aren't manifests"),
    };
    let found = Diagnostic::new(Code::NotAManifest, Place::Nowhere, message);
    Some(found.help("`gatefold check --verbose` lists them"))
}

impl PassedOver {
    /// The diagnostic for this document alone.
    pub fn diagnostic(&self) -> Diagnostic {
        let message = match self.document_type {
            DocumentType::Other => {
                "not a manifest: it has neither `apiVersion` nor `kind`".to_owned()
            }
            known => format!("{}, not a manifest", known.with_article()),
        };
        Diagnostic::new(Code::NotAManifest, self.place.clone(), message)
    }
}

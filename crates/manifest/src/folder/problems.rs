//! Diagnostics about files, folders and duplicate objects.

use super::file_text::unreadable;
use super::scan::FolderScan;
use crate::decode::name;
use crate::kind::AnyObject;
use gatefold_diagnostic::{Code, Diagnostic, Place, Severity};

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

//! What is wrong with files and folders as such, whatever a manifest says.

use super::scan::{self, Fingerprints};
use crate::decode::name;
use crate::kind::AnyObject;
use gatefold_diagnostic::{Code, Diagnostic, Place, Severity};

/// That an object is defined twice; `first` is where.
pub(super) fn duplicate(object: &AnyObject, first: Place) -> Diagnostic {
    let name = name::pointer();
    let place = Place::Field {
        document: object.document().clone(),
        pointer: name,
    };
    let id = object.id();
    Diagnostic::new(
        Code::DuplicateObject,
        place,
        format!("{id} is defined twice"),
    )
    .about(id)
    .caption(if object.is_unread_policy() {
        "this one counts as well, so that what it protects isn't open"
    } else {
        "this one doesn't count"
    })
    .label(first, "first defined here")
}

/// What couldn't be looked at.
pub(super) fn of_folders(scan: &Fingerprints) -> impl Iterator<Item = Diagnostic> {
    let unreadable = scan.problems.iter().map(|(path, why)| {
        scan::unreadable(path, why).note("what was last good in it stays in force")
    });
    let dangling = scan.dangling.iter().map(|path| {
        let mut found = scan::unreadable(path, "the link leads nowhere");
        found.severity = Severity::Warning;
        found
    });
    unreadable.chain(dangling)
}

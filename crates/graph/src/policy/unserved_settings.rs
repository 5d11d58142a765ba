//! Settings of a SecurityPolicy that don't protect, and that gatefold doesn't serve: they are named, with what gatefold does instead.

use super::layered::describe;
use super::security_settings::SettingsReader;
use crate::reported_object::ReportedObject;
use gatefold_diagnostic::{Code, Pointer};
use gatefold_manifest::api::{FieldEffect, SecurityPolicy, SetField};

impl SettingsReader<'_, '_> {
    /// Names the fields of a table that are set.
    pub(super) fn warn_of_settings(&mut self, owner: &SecurityPolicy, unserved: &[SetField]) {
        let ignored = unserved.iter().map(|it| match it.field.effect {
            FieldEffect::Ignored(instead) => (it.pointer.clone(), instead),
            FieldEffect::Closes | FieldEffect::Served(_) | FieldEffect::Guards(_) => {
                (it.pointer.clone(), "it closes the targets")
            }
        });
        let ignored: Vec<(Pointer, &str)> = ignored.collect();
        self.warn_of_fields(owner, &ignored);
    }

    /// Names fields, each with what gatefold does instead.
    pub(super) fn warn_of_fields(&mut self, owner: &SecurityPolicy, ignored: &[(Pointer, &str)]) {
        let Some((first, _)) = ignored.first() else {
            return;
        };
        let names: Vec<String> = ignored.iter().map(|(it, _)| format!("`{it}`")).collect();
        let name = describe(owner);
        let message = format!("gatefold doesn't serve {} of {name}", names.join(", "));
        let found = owner.finding(Code::UnreadPolicy, first.clone(), message);
        let found = ignored.iter().fold(found, |found, (it, instead)| {
            found.note(format!("`{it}`: {instead}"))
        });
        self.findings.push(found);
        let warnings = ignored.iter();
        let warnings = warnings.map(|(it, instead)| format!("`{it}` isn't served: {instead}"));
        self.warnings.extend(warnings);
    }
}

//! The entries of Secrets.
//!
//! In: a Secret. Out: its entries as bytes. `stringData` takes precedence over `data`, as in a cluster.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatefold_manifest::api::{Secret, SecretText};
use std::collections::BTreeSet;

/// Returns an entry. `None` if there is none.
pub(crate) fn entry(secret: &Secret, name: &str) -> Option<Vec<u8>> {
    let fields = &secret.spec;
    if let Some(text) = fields.string_data.get(name) {
        return Some(text.expose().as_bytes().to_vec());
    }
    let encoded = fields.data.get(name).map(SecretText::expose)?;
    // Line breaks are ignored, as by Go's decoder, which a cluster uses. The loader has checked the rest.
    let compact: String = encoded
        .chars()
        .filter(|it| !matches!(it, '\r' | '\n'))
        .collect();
    STANDARD.decode(compact).ok()
}

/// Returns all entries, in the order of their names.
pub(super) fn entries(secret: &Secret) -> Vec<(String, Vec<u8>)> {
    let fields = &secret.spec;
    let names: BTreeSet<&String> = fields
        .data
        .keys()
        .chain(fields.string_data.keys())
        .collect();
    let entries = names
        .into_iter()
        .filter_map(|name| Some((name.clone(), entry(secret, name)?)));
    entries.collect()
}

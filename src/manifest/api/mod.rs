//! The kinds that gatefold reads, one file a kind, with the rules of the API on their fields.
//!
//! A value of one of these types has passed what an API server would check of its shape: types,
//! enumerations, patterns, lengths, ranges, required and unknown fields.

mod cluster;
mod filter;
mod gateway;
mod gateway_class;
mod http_route;
mod meta;
mod primitive;
mod reference;
mod reference_grant;
mod service;

pub use cluster::*;
pub use filter::*;
pub use gateway::*;
pub use gateway_class::*;
pub use http_route::*;
pub use meta::*;
pub use primitive::*;
pub use reference::*;
pub use reference_grant::*;
pub use service::*;

use super::schema::{choice, choice_text, object, read_field};

use super::decode::{Decoder, did_you_mean};
use super::node::Node;
use crate::diagnostic::{Code, Step};
use std::ops::RangeInclusive;

fn check_length(
    node: &Node,
    field: &'static str,
    length: usize,
    bounds: RangeInclusive<usize>,
    decoder: &mut Decoder,
) {
    if bounds.contains(&length) {
        return;
    }
    let span = node
        .entry(field)
        .map_or(node.span.clone(), |(key, _)| key.span.clone());
    let pointer = decoder.pointer().key(field);
    let (least, most) = (bounds.start(), bounds.end());
    decoder.report(
        Code::InvalidValue,
        &span,
        format!("`{pointer}` must have {least} to {most} elements, but has {length}"),
    );
}

fn read_choice<T: Copy>(
    node: &Node,
    all: &[T],
    text: fn(T) -> &'static str,
    decoder: &mut Decoder,
) -> Option<T> {
    let word = <String as super::Decode>::decode(node, decoder)?;
    if let Some(found) = all.iter().find(|value| text(**value) == word) {
        return Some(*found);
    }
    let known: Vec<&str> = all.iter().map(|value| text(*value)).collect();
    let help = did_you_mean(&word, &known);
    decoder
        .invalid(
            node,
            format_args!("`{word}` isn't one of {}", known.join(", ")),
        )
        .help = help;
    None
}

impl From<&'static str> for Step {
    fn from(key: &'static str) -> Self {
        Step::Key(key.into())
    }
}

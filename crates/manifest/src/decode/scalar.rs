//! Decodes texts, numbers and booleans.

use crate::decode::{Decode, Decoder};
use gatefold_diagnostic::yaml::{Node, Value};
use std::sync::Arc;

impl Decode for String {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::String(text) => Some(text.clone()),
            _ => {
                decoder.wrong_type(node, "a string");
                if let Value::Bool(_) | Value::Number(_) = node.value {
                    decoder.suggest("quote it to make it a string");
                }
                None
            }
        }
    }
}

impl Decode for Arc<str> {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        String::decode(node, decoder).map(Arc::from)
    }
}

impl Decode for bool {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => {
                decoder.wrong_type(node, "a boolean");
                None
            }
        }
    }
}

impl Decode for i64 {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let number = match &node.value {
            Value::Number(number) => number.as_i64(),
            _ => None,
        };
        if number.is_none() {
            decoder.wrong_type(node, "a whole number");
        }
        number
    }
}

impl Decode for i32 {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let number = i64::decode(node, decoder)?;
        let fits = i32::try_from(number).ok();
        if fits.is_none() {
            decoder.invalid(node, format_args!("{number} doesn't fit in 32 bits"));
        }
        fits
    }
}

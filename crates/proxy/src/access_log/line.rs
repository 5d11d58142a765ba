//! Lines: an entry in a format.

use super::entry::Entry;
use super::value::{self, Value};
use gatefold_dataplane::access_log::{Body, JsonField, LogFormat, Part, escape_json, escape_text};
use std::io::Write as _;

/// Writes the line of a request, without a line end. Values that have to be made, such as addresses and times, are made in `text`.
pub(super) fn write(format: &LogFormat, entry: &Entry<'_>, text: &mut Vec<u8>, line: &mut Vec<u8>) {
    match format.body() {
        Body::Text(template) => write_template(template, escape_text, entry, text, line),
        Body::Json(fields) => {
            line.push(b'{');
            for (index, field) in fields.iter().enumerate() {
                if index > 0 {
                    line.push(b',');
                }
                write_field(field, entry, text, line);
            }
            line.push(b'}');
        }
    }
}

fn write_field(field: &JsonField, entry: &Entry<'_>, text: &mut Vec<u8>, line: &mut Vec<u8>) {
    line.extend_from_slice(field.name.as_bytes());
    if let [Part::Operator(operator, limit)] = &*field.value {
        match value::of(operator, entry, text) {
            Value::Missing => line.extend_from_slice(b"null"),
            Value::Number(number) => write_number(number, line),
            Value::Text(text) => {
                line.push(b'"');
                escape_json(cut(text, *limit), line);
                line.push(b'"');
            }
        }
        return;
    }
    line.push(b'"');
    write_template(&field.value, escape_json, entry, text, line);
    line.push(b'"');
}

/// Writes literals and values. `escape` is that of the format.
fn write_template(
    template: &[Part],
    escape: fn(&[u8], &mut Vec<u8>),
    entry: &Entry<'_>,
    text: &mut Vec<u8>,
    line: &mut Vec<u8>,
) {
    for part in template {
        match part {
            Part::Literal(literal) => line.extend_from_slice(literal.as_bytes()),
            Part::Operator(operator, limit) => match value::of(operator, entry, text) {
                Value::Missing => line.push(b'-'),
                Value::Number(number) => write_number(number, line),
                Value::Text(text) => escape(cut(text, *limit), line),
            },
        }
    }
}

fn write_number(number: u64, line: &mut Vec<u8>) {
    // Writing to a vector can't fail.
    let _ = write!(line, "{number}");
}

/// Cuts a value to a number of bytes.
fn cut(text: &[u8], limit: Option<usize>) -> &[u8] {
    let limit = limit.unwrap_or(usize::MAX);
    text.get(..limit).unwrap_or(text)
}

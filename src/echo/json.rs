//! JSON in the format of Go's encoder.

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::io;

/// Encodes a value like Go's `json.MarshalIndent(value, "", " ")`: with one space per level, and with `<`, `>`, `&`,
/// U+2028 and U+2029 escaped in strings.
pub(super) fn marshal_indent(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(512);
    let formatter = GoFormatter(PrettyFormatter::with_indent(b" "));
    value.serialize(&mut Serializer::with_formatter(&mut out, formatter))?;
    Ok(out)
}

struct GoFormatter(PrettyFormatter<'static>);

/// Forwards calls to the pretty formatter.
macro_rules! forward {
    ($($name:ident($($argument:ident: $type:ty),*);)+) => {
        $(fn $name<W: ?Sized + io::Write>(&mut self, writer: &mut W $(, $argument: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $argument)*)
        })+
    };
}

impl Formatter for GoFormatter {
    forward! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = tail.chars();
            if let Some(character) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn marshalled(value: serde_json::Value) -> String {
        String::from_utf8(marshal_indent(&value).expect("JSON")).expect("UTF-8")
    }

    #[test]
    fn indents_each_level_by_one_space() {
        let text = marshalled(json!({"a": {"b": ["c"]}}));
        assert_eq!(
            text, "{\n \"a\": {\n  \"b\": [\n   \"c\"\n  ]\n }\n}",
            "Go writes each element on a separate line"
        );
    }

    #[test]
    fn empty_collections_stay_on_one_line() {
        assert_eq!(
            marshalled(json!({"a": {}, "b": []})),
            "{\n \"a\": {},\n \"b\": []\n}"
        );
    }

    #[test]
    fn escapes_characters_with_a_meaning_in_html() {
        assert_eq!(
            marshalled(json!("/get?a=1&b=<\u{2028}>\"\n")),
            r#""/get?a=1\u0026b=\u003c\u2028\u003e\"\n""#
        );
    }
}

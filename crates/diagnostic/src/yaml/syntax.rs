//! Explains the parser's errors in terms of the manifest.

use super::parse::DEPTH;
use crate::{Code, Diagnostic, Document, Place};
use granit_parser::ErrorKind;

/// Converts a parser error at `offset` of the document into a diagnostic.
pub(super) fn explain(document: &Document, offset: usize, kind: &ErrorKind) -> Diagnostic {
    let start = document.bytes.start + offset;
    let text = &document.source.text;
    let width = text
        .get(start..)
        .and_then(|rest| rest.chars().next())
        .map_or(0, char::len_utf8);
    let place = Place::Bytes {
        source: document.source.clone(),
        bytes: start..start + width,
    };
    let code = match kind {
        ErrorKind::RecursionLimitExceeded => Code::TooDeep,
        _ => Code::Syntax,
    };
    let mut diagnostic = Diagnostic::new(code, place, message(kind));
    diagnostic.help = help(kind).map(str::to_owned);
    diagnostic
}

/// The message for a document that is nested too deep.
pub(super) fn too_deep() -> String {
    format!("nested deeper than {DEPTH} levels")
}

fn message(kind: &ErrorKind) -> String {
    let text = match kind {
        ErrorKind::RecursionLimitExceeded => return too_deep(),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => "a tab can't be used to indent YAML",
        ErrorKind::MappingValueNotAllowed => "a `: ` isn't allowed here",
        ErrorKind::UnclosedQuotedScalar => "this quote is never closed",
        ErrorKind::UnclosedFlowCollection { open } => {
            return format!("`{open}` is never closed");
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            return format!("`{open}` is closed by `{close}`");
        }
        ErrorKind::MisplacedFlowCollectionEnd => "this bracket was never opened",
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            "this line isn't of the form `key: value`"
        }
        ErrorKind::ExpectedBlockMappingKey => {
            "a key is expected here; the indentation doesn't fit the lines before"
        }
        ErrorKind::ExpectedBlockSequenceEntry => {
            "a `- ` is expected here; the indentation doesn't fit the lines before"
        }
        ErrorKind::BlockSequenceEntryNotAllowed => "a `- ` isn't allowed here",
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => "text after a closing quote",
        ErrorKind::InvalidIndentation => "the indentation doesn't fit the lines before",
        ErrorKind::UnexpectedCharacter { character } => {
            return format!("`{}` can't begin a value", character.escape_default());
        }
        ErrorKind::UnknownQuotedScalarEscape => "an unknown escape in a quoted string",
        other => return format!("not valid YAML: {other}"),
    };
    text.to_owned()
}

fn help(kind: &ErrorKind) -> Option<&'static str> {
    let text = match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => "indent with spaces",
        ErrorKind::MappingValueNotAllowed => {
            "quote the value if the `:` belongs to it; otherwise check the indentation"
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            "is there a space after the `:`?"
        }
        ErrorKind::BlockSequenceEntryNotAllowed => "begin the list on its own line",
        ErrorKind::InvalidTrailingSingleQuotedScalar => {
            "write `''` for a single quote within single quotes"
        }
        ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            "write `\\\"` for a double quote within double quotes"
        }
        ErrorKind::UnexpectedCharacter { .. } => "quote the value",
        ErrorKind::UnknownQuotedScalarEscape => {
            "in double quotes write `\\\\` for a backslash, or use single quotes"
        }
        _ => return None,
    };
    Some(text)
}

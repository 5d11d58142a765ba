//! Formats of lines: text or JSON, with command operators.

use super::escape_json;
use super::operator::Operator;
use thiserror::Error;

/// The largest format in bytes. A longer one is a mistake.
const LONGEST: usize = 16 * 1024;

/// The format of the lines of an access log, parsed once.
#[derive(Clone, Debug, PartialEq)]
pub struct LogFormat {
    body: Body,
}

/// What a line consists of. The line end isn't part of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Text.
    Text(Template),
    /// A JSON object with these fields, in this order.
    Json(Box<[JsonField]>),
}

/// A field of a JSON object. The value of a single operator keeps its type: a number, or `null` without a value. Any other is a
/// string.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonField {
    /// The name, escaped, with its quotation marks and a colon.
    pub name: Box<str>,
    /// The value.
    pub value: Template,
}

/// Literals and operators, in order.
pub type Template = Box<[Part]>;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Copied as it is. In JSON it is escaped already.
    Literal(Box<str>),
    /// Evaluated for each request, and cut to this many bytes.
    Operator(Operator, Option<usize>),
}

/// Why a format can't be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{message}, at character {position} of the format")]
pub struct FormatError {
    /// The position in the text of the format, in characters from 1.
    pub position: usize,
    /// The name of the JSON field whose value it is. `None` in text.
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl LogFormat {
    /// Parses a text format. A line end at its end is dropped, since each request is a line anyway.
    ///
    /// # Errors
    /// If an operator is unknown or malformed.
    pub fn text(format: &str) -> Result<LogFormat, FormatError> {
        let format = format.strip_suffix('\n').unwrap_or(format);
        let template = template(format, Literals::Plain)?;
        Ok(LogFormat::of(Body::Text(template)))
    }

    /// Parses a JSON format: the names of the fields with the formats of their values.
    ///
    /// # Errors
    /// If an operator is unknown or malformed.
    pub fn json<'t>(
        fields: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Result<LogFormat, FormatError> {
        let fields = fields.into_iter().map(|(name, format)| {
            let value =
                template(format, Literals::EscapedForJson).map_err(|error| FormatError {
                    field: Some(name.to_owned()),
                    ..error
                })?;
            Ok(JsonField {
                name: format!("\"{}\":", escaped(name)).into(),
                value,
            })
        });
        let fields: Result<Box<[JsonField]>, FormatError> = fields.collect();
        Ok(LogFormat::of(Body::Json(fields?)))
    }

    pub(super) fn of(body: Body) -> LogFormat {
        LogFormat { body }
    }

    /// Returns what a line consists of.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Returns all operators, in order.
    pub fn operators(&self) -> impl Iterator<Item = &Operator> {
        let (text, fields): (&[Part], &[JsonField]) = match &self.body {
            Body::Text(template) => (template, &[]),
            Body::Json(fields) => (&[], fields),
        };
        let parts = text
            .iter()
            .chain(fields.iter().flat_map(|field| &field.value));
        parts.filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Operator(operator, _) => Some(operator),
        })
    }

    /// Returns the names of the operators that have a meaning in Envoy only, and yield `-`.
    pub fn meaningless(&self) -> impl Iterator<Item = &'static str> {
        self.operators().filter_map(|operator| match operator {
            Operator::Meaningless(name) => Some(*name),
            _ => None,
        })
    }

    /// Returns the names of the variables of gatefold's environment that a line contains.
    pub fn environment(&self) -> impl Iterator<Item = &str> {
        self.operators().filter_map(|operator| match operator {
            Operator::Environment(variable) => Some(&*variable.name),
            _ => None,
        })
    }

    /// Whether a line may contain trailers of the response.
    pub fn uses_trailers(&self) -> bool {
        self.operators()
            .any(|operator| matches!(operator, Operator::Trailer(_) | Operator::GrpcStatus(_)))
    }
}

/// How the literals of a template are kept.
#[derive(Clone, Copy)]
enum Literals {
    Plain,
    EscapedForJson,
}

fn template(format: &str, literals: Literals) -> Result<Template, FormatError> {
    if format.len() > LONGEST {
        let message = format!("the format is longer than {LONGEST} bytes");
        return Err(error(format, LONGEST, message));
    }
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(rest) = format.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(percent) = rest.find('%') else {
            literal.push_str(rest);
            break;
        };
        literal.push_str(rest.get(..percent).unwrap_or_default());
        let start = at + percent;
        let after = format.get(start + 1..).unwrap_or_default();
        if after.starts_with('%') {
            literal.push('%');
            at = start + 2;
            continue;
        }
        let command = Command::read(after).map_err(|message| error(format, start, message))?;
        let operator = Operator::parse(command.name, command.argument, command.limit)
            .map_err(|message| error(format, start, message))?;
        if !literal.is_empty() {
            parts.push(Part::Literal(kept(&literal, literals)));
            literal.clear();
        }
        parts.push(Part::Operator(operator, command.limit));
        at = start + 1 + command.length;
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(kept(&literal, literals)));
    }
    Ok(parts.into())
}

fn kept(literal: &str, literals: Literals) -> Box<str> {
    match literals {
        Literals::Plain => literal.into(),
        Literals::EscapedForJson => escaped(literal).into(),
    }
}

fn escaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    escape_json(text.as_bytes(), &mut bytes);
    // Escaping text gives text.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Returns the error at a byte of a format.
fn error(format: &str, at: usize, message: String) -> FormatError {
    let before = format.char_indices().take_while(|(index, _)| *index < at);
    FormatError {
        position: before.count() + 1,
        field: None,
        message,
    }
}

/// A command as written: `NAME(argument):limit%`.
struct Command<'f> {
    name: &'f str,
    argument: Option<&'f str>,
    limit: Option<usize>,
    /// Its length in bytes, with the `%` at its end.
    length: usize,
}

impl<'f> Command<'f> {
    /// Reads the command that follows a `%`.
    fn read(after: &'f str) -> Result<Command<'f>, String> {
        let is_name = |it: char| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_';
        let end = after.find(|it| !is_name(it)).unwrap_or(after.len());
        let (name, rest) = after.split_at(end);
        if name.is_empty() {
            return Err("`%` begins no operator; write `%%` for a percent sign".to_owned());
        }
        let (argument, rest) = match rest.strip_prefix('(') {
            Some(inside) => argument(inside)
                .map(|(argument, rest)| (Some(argument), rest))
                .ok_or_else(|| format!("`%{name}(` isn't closed by `)%`"))?,
            None => (None, rest),
        };
        let (limit, rest) = limit(rest).ok_or_else(|| match argument {
            Some(_) => format!("`%{name}(...)` doesn't end with `%` or a length such as `:10%`"),
            None => format!("`%{name}` doesn't end with `%`"),
        })?;
        Ok(Command {
            name,
            argument,
            limit,
            length: after.len() - rest.len(),
        })
    }
}

/// Splits at the first `)` that ends a command. The argument itself may contain `)` and `%`.
fn argument(inside: &str) -> Option<(&str, &str)> {
    let mut ends = inside.match_indices(')');
    ends.find_map(|(at, _)| {
        let rest = inside.get(at + 1..)?;
        limit(rest)?;
        Some((inside.get(..at)?, rest))
    })
}

/// Reads the end of a command: `%`, or `:10%` with a limit. Returns what follows.
fn limit(rest: &str) -> Option<(Option<usize>, &str)> {
    if let Some(rest) = rest.strip_prefix('%') {
        return Some((None, rest));
    }
    let (digits, rest) = rest.strip_prefix(':')?.split_once('%')?;
    let number = digits.bytes().all(|it| it.is_ascii_digit());
    let limit = number.then(|| digits.parse().ok())??;
    Some((Some(limit), rest))
}

#[cfg(test)]
mod tests;

//! Expressions such as `${NAME}` and `${NAME:=default}` in texts.
//!
//! In: a text, and values of variables. Out: the text with the values. The rules are those of Flux's package `envsubst`:
//! `$$` is a `$`, a `$` that isn't followed by `{` stays, and an empty variable has the default.

use super::function::{self, Function};

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
enum ExpressionPiece {
    Text(String),
    Expression(Expression),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
struct Expression {
    /// The expression as it is written.
    source: String,
    name: String,
    function: Function,
    arguments: Vec<Vec<ExpressionPiece>>,
}

/// An expression that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MalformedExpression {
    /// The beginning of the expression.
    pub source: String,
}

/// A text with the values of its variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Evaluated {
    /// The text. An expression whose variable isn't defined is unchanged.
    pub text: String,
    /// The names of the variables that aren't defined.
    pub undefined: Vec<String>,
}

/// The names of the variables in a text, each once.
pub(crate) fn variables_in(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, start) in text.match_indices("${") {
        let after = &text[at + start.len()..];
        let end = after.find(|next: char| !is_name_character(next));
        let name = &after[..end.unwrap_or(after.len())];
        if !name.is_empty() && after.contains('}') && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Evaluates a text. `missing` has the value for a variable that isn't defined, if it has one; its second argument is
/// whether the text ends there.
pub(super) fn evaluate<'v>(
    text: &str,
    value: &dyn Fn(&str) -> Option<&'v str>,
    missing: &mut dyn FnMut(&str, bool) -> Option<String>,
) -> Result<Evaluated, MalformedExpression> {
    let pieces = parse(text)?;
    let count = pieces.len();
    let mut evaluated = Evaluated::default();
    for (index, piece) in pieces.into_iter().enumerate() {
        let expression = match piece {
            ExpressionPiece::Text(text) => {
                evaluated.text.push_str(&text);
                continue;
            }
            ExpressionPiece::Expression(expression) => expression,
        };
        match expression.evaluate(value) {
            Ok(text) => evaluated.text.push_str(&text),
            Err(name) => match missing(&name, index + 1 == count) {
                Some(text) => evaluated.text.push_str(&text),
                None => {
                    evaluated.text.push_str(&expression.source);
                    evaluated.undefined.push(name);
                }
            },
        }
    }
    Ok(evaluated)
}

impl Expression {
    /// The value, or the name of a variable that isn't defined.
    fn evaluate<'v>(&self, value: &dyn Fn(&str) -> Option<&'v str>) -> Result<String, String> {
        let own = value(&self.name);
        if self.function == Function::Default {
            return match own.filter(|own| !own.is_empty()) {
                Some(own) => Ok(own.to_owned()),
                None => self.argument(0, value).map(Option::unwrap_or_default),
            };
        }
        let own = own.ok_or_else(|| self.name.clone())?;
        let first = self.argument(0, value)?;
        let second = self.argument(1, value)?;
        let (first, second) = (first.as_deref(), second.as_deref());
        Ok(function::apply(self.function, own, first, second))
    }

    fn argument<'v>(
        &self,
        index: usize,
        value: &dyn Fn(&str) -> Option<&'v str>,
    ) -> Result<Option<String>, String> {
        let Some(pieces) = self.arguments.get(index) else {
            return Ok(None);
        };
        let parts = pieces.iter().map(|piece| match piece {
            ExpressionPiece::Text(text) => Ok(text.clone()),
            ExpressionPiece::Expression(expression) => expression.evaluate(value),
        });
        parts.collect::<Result<String, String>>().map(Some)
    }
}

fn parse(text: &str) -> Result<Vec<ExpressionPiece>, MalformedExpression> {
    let mut reader = ExpressionReader { rest: text };
    let mut pieces = Vec::new();
    let mut plain = String::new();
    while let Some(at) = reader.rest.find('$') {
        plain.push_str(reader.advance(at));
        if reader.rest.starts_with("${") {
            if !plain.is_empty() {
                pieces.push(ExpressionPiece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(ExpressionPiece::Expression(reader.expression()?));
        } else {
            plain.push('$');
            let escape = reader.rest.starts_with("$$");
            reader.advance(if escape { 2 } else { 1 });
        }
    }
    plain.push_str(reader.rest);
    if !plain.is_empty() {
        pieces.push(ExpressionPiece::Text(plain));
    }
    Ok(pieces)
}

fn is_name_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The rest of a text while it is parsed.
struct ExpressionReader<'t> {
    rest: &'t str,
}

impl<'t> ExpressionReader<'t> {
    /// Skips some bytes and returns them. They end at the boundary of a character.
    fn advance(&mut self, bytes: usize) -> &'t str {
        let (skipped, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        skipped
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|next: char| !accept(next));
        self.advance(end.unwrap_or(self.rest.len()))
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest.starts_with(text);
        if found {
            self.advance(text.len());
        }
        found
    }

    /// Reads an expression, which begins with `${`.
    fn expression(&mut self) -> Result<Expression, MalformedExpression> {
        let all = self.rest;
        let malformed = || {
            let end = all.find('}').map_or(all.len(), |end| end + 1);
            let source: String = all[..end].chars().take(40).collect();
            MalformedExpression { source }
        };
        self.take("${");
        let measures = self.take("#");
        let name = self.take_while(is_name_character).to_owned();
        if name.is_empty() {
            return Err(malformed());
        }
        let function = if measures {
            Some(Function::Length)
        } else {
            self.function()
        };
        let function = function.ok_or_else(malformed)?;
        let arguments = self.arguments(function)?;
        if !self.take("}") {
            return Err(malformed());
        }
        let source = all[..all.len() - self.rest.len()].to_owned();
        Ok(Expression {
            source,
            name,
            function,
            arguments,
        })
    }

    fn function(&mut self) -> Option<Function> {
        if self.rest.starts_with('}') {
            return Some(Function::Value);
        }
        let mut all = function::OPERATORS.iter();
        let (_, function) = all.find(|(operator, _)| self.take(operator))?;
        Some(*function)
    }

    fn arguments(
        &mut self,
        function: Function,
    ) -> Result<Vec<Vec<ExpressionPiece>>, MalformedExpression> {
        let between = match function.arguments() {
            function::Arguments::None => return Ok(Vec::new()),
            function::Arguments::One => return Ok(vec![self.argument(&['}'])?]),
            function::Arguments::Separated(between) => between,
        };
        let mut arguments = vec![self.argument(&['}', between])?];
        let mut separator = [0; 4];
        if self.take(between.encode_utf8(&mut separator)) {
            arguments.push(self.argument(&['}'])?);
        }
        Ok(arguments)
    }

    /// Reads an argument up to one of some characters.
    fn argument(&mut self, ends: &[char]) -> Result<Vec<ExpressionPiece>, MalformedExpression> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        while let Some(next) = self.rest.chars().next() {
            if self.rest.starts_with("${") {
                if !plain.is_empty() {
                    pieces.push(ExpressionPiece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(ExpressionPiece::Expression(self.expression()?));
                continue;
            }
            if ends.contains(&next) {
                break;
            }
            let escapable = ends.contains(&'/') && next == '\\';
            let escaped = ['/', '\\'];
            let mut escaped = escaped.iter().filter(|_| escapable);
            if let Some(character) = escaped.find(|it| self.take(&format!("\\{it}"))) {
                plain.push(*character);
                continue;
            }
            plain.push(next);
            self.advance(next.len_utf8());
        }
        if !plain.is_empty() {
            pieces.push(ExpressionPiece::Text(plain));
        }
        Ok(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> Option<&'static str> {
        match name {
            "NAME" => Some("Example"),
            "HOST" => Some("a.b.example.com"),
            "EMPTY" => Some(""),
            _ => None,
        }
    }

    fn evaluated(text: &str) -> Evaluated {
        evaluate(text, &value, &mut |_, _| None).expect("it is well-formed")
    }

    #[test]
    fn expressions_have_the_values_that_flux_gives_them() {
        for (text, expected) in [
            ("a ${NAME} b", "a Example b"),
            ("${NAME}${NAME}", "ExampleExample"),
            ("${NONE:=x.y}", "x.y"),
            ("${NONE:-x}", "x"),
            ("${NONE=x}", "x"),
            ("${EMPTY:=x}", "x"),
            ("${EMPTY}", ""),
            ("${NAME:=x}", "Example"),
            ("${NONE:=}", ""),
            ("${NONE:=${NAME}-x}", "Example-x"),
            ("${NONE:=${OTHER:=y}}", "y"),
            ("$${NAME}", "${NAME}"),
            ("$NAME $ 5$", "$NAME $ 5$"),
            ("a$$b", "a$b"),
            ("${NAME,}", "example"),
            ("${NAME,,}", "example"),
            ("${NAME^^}", "EXAMPLE"),
            ("${#NAME}", "7"),
            ("${NAME:2}", "ample"),
            ("${NAME:2:3}", "amp"),
            ("${HOST/./-}", "a-b.example.com"),
            ("${HOST//./-}", "a-b-example-com"),
            ("${HOST//./}", "abexamplecom"),
            ("${HOST/#a/x}", "x.b.example.com"),
            ("${HOST/%com/org}", "a.b.example.org"),
            ("${HOST#*.}", "b.example.com"),
            ("${HOST##*.}", "com"),
            ("${HOST%.*}", "a.b.example"),
            ("${HOST%%.*}", "a"),
        ] {
            let found = evaluated(text);
            assert_eq!(found.text, expected, "{text}");
            assert_eq!(found.undefined, Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn undefined_variables_stay_and_are_named() {
        for text in ["a.${NONE}", "${NONE,,}", "${NONE:0:3}", "${EMPTY:=${NONE}}"] {
            let found = evaluated(text);
            assert_eq!(
                (&*found.text, found.undefined),
                (text, vec!["NONE".to_owned()])
            );
        }
    }

    #[test]
    fn malformed_expressions_are_named() {
        for text in ["${}", "${a", "${a b}", "${a[@]}", "${a-b}", "x ${a!}"] {
            let found = evaluate(text, &value, &mut |_, _| None);
            assert!(found.is_err(), "{text}: {found:?}");
        }
        let found = evaluate("x ${a[@]} y", &value, &mut |_, _| None).expect_err("malformed");
        assert_eq!(found.source, "${a[@]}");
    }

    #[test]
    fn the_names_of_variables_are_found() {
        assert_eq!(variables_in("a.${B_1:=c}.${D}.${D}"), ["B_1", "D"]);
        assert_eq!(variables_in("${} ${x}"), ["x"]);
        for text in ["", "$a", "${", "${a", "a{b}"] {
            assert!(variables_in(text).is_empty(), "{text}");
        }
    }
}

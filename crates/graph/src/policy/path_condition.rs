//! `operation.path` of a rule of `authorization`.

use crate::dead_escape::dead_escape;
use gatefold_dataplane::filter::security::path_condition::{PathCondition, PathTest};
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_dataplane::routing::matcher;
use gatefold_manifest::api::{AuthorizationPathMatch, PathMatchType};
use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{self, Ast, ClassBracketed, ClassSet, ClassSetItem};

/// Reads a condition, in the form that the paths of requests have.
///
/// # Errors
/// If no request can have such a path, or the expression can't be read or depends on the query. Contains the message.
pub(super) fn read(
    fields: &AuthorizationPathMatch,
    normalization: PathNormalization,
) -> Result<PathCondition, String> {
    let AuthorizationPathMatch {
        kind,
        value,
        invert,
    } = fields;
    let is_normalized = normalization == PathNormalization::On;
    let normal = || {
        if !value.starts_with('/') {
            return Err(format!("the path `{value}` doesn't begin with a slash"));
        }
        if is_normalized && value.contains("//") {
            return Err(format!(
                "the path `{value}` has adjacent slashes, which a ClientTrafficPolicy may merge or keep: write one"
            ));
        }
        let normal = normalization.normalize(value);
        let normal =
            normal.map_err(|error| format!("no request has the path `{value}`: {error}"))?;
        Ok(normalization.for_matching(&normal).into_owned())
    };
    Ok(PathCondition {
        test: match kind {
            PathMatchType::Exact => PathTest::Exact(normal()?.into()),
            PathMatchType::PathPrefix => PathTest::prefix(&normal()?),
            PathMatchType::RegularExpression => {
                PathTest::Expression(expression(value, is_normalized)?)
            }
        },
        is_inverted: *invert == Some(true),
    })
}

/// Envoy compares expressions with the path and the query. gatefold leaves the query out: an expression that contains one would
/// never match, and so never deny.
fn expression(text: &str, is_normalized: bool) -> Result<regex::Regex, String> {
    let parsed = Parser::new().parse(text);
    if parsed.is_ok_and(|ast| ast::visit(&ast, QuestionMarks(false)).unwrap_or(true)) {
        return Err(format!(
            "`{text}` contains a question mark, but expressions are compared with the path, without the query"
        ));
    }
    if let Some(digits) = dead_escape(text).filter(|_| is_normalized) {
        return Err(format!(
            "`%{digits}` in `{text}` matches nothing: paths are normalized first"
        ));
    }
    let compiled = matcher::pattern(text);
    compiled.map_err(|error| format!("`{text}` isn't a regular expression: {error}"))
}

/// Finds question marks that an expression asks for: as they are, or as a member of a class that isn't negated.
struct QuestionMarks(bool);

impl ast::Visitor for QuestionMarks {
    type Output = bool;
    type Err = ();

    fn finish(self) -> Result<bool, ()> {
        Ok(self.0)
    }

    fn visit_pre(&mut self, part: &Ast) -> Result<(), ()> {
        self.0 |= match part {
            Ast::Literal(literal) => literal.c == '?',
            Ast::ClassBracketed(class) => names_question_mark(class),
            _ => false,
        };
        Ok(())
    }
}

fn names_question_mark(class: &ClassBracketed) -> bool {
    !class.negated && set_names_question_mark(&class.kind)
}

fn set_names_question_mark(set: &ClassSet) -> bool {
    match set {
        ClassSet::Item(item) => item_names_question_mark(item),
        ClassSet::BinaryOp(both) => {
            set_names_question_mark(&both.lhs) || set_names_question_mark(&both.rhs)
        }
    }
}

fn item_names_question_mark(item: &ClassSetItem) -> bool {
    match item {
        ClassSetItem::Literal(literal) => literal.c == '?',
        ClassSetItem::Bracketed(class) => names_question_mark(class),
        ClassSetItem::Union(union) => union.items.iter().any(item_names_question_mark),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(kind: PathMatchType, value: &str) -> Result<PathCondition, String> {
        let fields = AuthorizationPathMatch {
            kind,
            value: value.to_owned(),
            invert: None,
        };
        read(&fields, PathNormalization::On)
    }

    #[test]
    fn paths_are_brought_into_the_form_of_requests() {
        for (kind, value, path) in [
            (PathMatchType::Exact, "/%61dmin", "/admin"),
            (
                PathMatchType::PathPrefix,
                "/a/../caf%c3%a9/",
                "/caf%C3%A9/x",
            ),
            (PathMatchType::RegularExpression, "/v[0-9]+/.*", "/v1/a"),
            (PathMatchType::RegularExpression, "/v[0-9]?/[^/?]+", "/v/a"),
            (PathMatchType::RegularExpression, "/a%2Fb", "/a%2Fb"),
        ] {
            let condition = condition(kind, value).expect("a condition");
            assert!(condition.matches(path), "{value}");
            assert!(!condition.matches("/other"), "{value}");
        }
    }

    #[test]
    fn what_would_never_match_is_refused() {
        for (kind, value) in [
            (PathMatchType::Exact, "admin"),
            (PathMatchType::PathPrefix, "/../admin"),
            (PathMatchType::RegularExpression, "/admin(\\?.*)?"),
            (PathMatchType::RegularExpression, "/admin[?].*"),
            (PathMatchType::RegularExpression, "/admin[/?].*"),
            (PathMatchType::RegularExpression, "/admin([[a-f][#?]].*)?"),
            (PathMatchType::RegularExpression, "/a\\x3Fb"),
            (PathMatchType::RegularExpression, "/files/.*%2f.*"),
            (PathMatchType::RegularExpression, "/%61dmin.*"),
            (PathMatchType::Exact, "/a//b"),
            (PathMatchType::RegularExpression, "("),
        ] {
            assert!(condition(kind, value).is_err(), "{value}");
        }
    }
}

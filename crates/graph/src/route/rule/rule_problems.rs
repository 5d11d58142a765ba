//! The rules of a route that can't be served as written, and the conditions that they cause.

use crate::condition::{Condition, ConditionType, Problem, Reason};
use std::fmt;

/// The refused rules of a route.
#[derive(Default)]
pub(crate) struct RuleProblems {
    /// The number of all rules of the route.
    pub rules: usize,
    /// The rules that are refused.
    pub refused: Vec<RefusedRule>,
}

/// A rule that can't be served as written.
pub(crate) struct RefusedRule {
    /// Its index in the route.
    pub index: usize,
    /// The answer to its requests, as messages call it.
    pub answer: &'static str,
    /// Why it is refused.
    pub problems: Vec<Problem>,
    /// The part of it that isn't even answered.
    pub left_out: LeftOut,
    /// The indexes of its matches that match every path because their own path is invalid.
    pub any_path: Vec<usize>,
}

/// The part of a refused rule whose requests aren't answered, because it is unknown which requests it is meant for.
pub(crate) enum LeftOut {
    /// The matches with these indexes. Mostly none.
    Matches(Vec<usize>),
    /// The whole rule.
    Rule,
}

impl RuleProblems {
    /// Returns `Accepted`, and `PartiallyInvalid` if some rules are refused, but not all (API:
    /// `RouteConditionPartiallyInvalid`).
    pub fn accepted(&self) -> Vec<Condition> {
        const ACCEPTED: ConditionType = ConditionType::Accepted;
        let accepted = Condition::holds(ACCEPTED, Reason::Accepted, "the route is accepted");
        let Some(first) = self.refused.first() else {
            return vec![accepted];
        };
        let first = first.problems.first();
        let reason = first.map_or(Reason::UnsupportedValue, |problem| problem.reason);
        let message = self.dropped();
        if self.refused.len() == self.rules {
            return vec![Condition::fails(ACCEPTED, reason, message)];
        }
        let partially = Condition::holds(ConditionType::PartiallyInvalid, reason, message);
        vec![accepted, partially]
    }

    /// Returns the message about refused rules. The API requires that it begins with "Dropped Rule".
    fn dropped(&self) -> String {
        let rules: Vec<String> = self.refused.iter().map(RefusedRule::to_string).collect();
        format!("Dropped Rule(s): {}", rules.join("; "))
    }
}

/// Describes how the requests of the rule are answered, and why.
impl fmt::Display for RefusedRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rules[{}] ", self.index)?;
        match &self.left_out {
            LeftOut::Rule => f.write_str("is left out, other rules receive its requests")?,
            LeftOut::Matches(indexes) => {
                write!(f, "answers {}", self.answer)?;
                for index in &self.any_path {
                    write!(f, ", matches[{index}] at every path")?;
                }
                for index in indexes {
                    write!(
                        f,
                        ", but matches[{index}] is left out, other rules receive its requests"
                    )?;
                }
            }
        }
        let why = self.problems.iter().map(|problem| &*problem.message);
        write!(f, ": {}", why.collect::<Vec<&str>>().join(", "))
    }
}

//! Problems, of which conditions are made.

use super::Reason;

/// A problem with an object: the reason for a condition, and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The reason for a condition.
    pub reason: Reason,
    /// The message for people.
    pub message: String,
}

impl Problem {
    /// Returns a problem with this reason and message.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Problem {
            reason,
            message: message.into(),
        }
    }

    /// Joins the messages of several problems, each once.
    pub(crate) fn messages(problems: &[Problem]) -> String {
        let mut messages: Vec<&str> = Vec::new();
        for problem in problems {
            if !messages.contains(&problem.message.as_str()) {
                messages.push(&problem.message);
            }
        }
        messages.join("; ")
    }
}

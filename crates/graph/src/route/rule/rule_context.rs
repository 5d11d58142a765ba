//! The state of building a rule.

use crate::Build;
use crate::backend::BackendReferences;
use crate::condition::{Problem, Reason};
use crate::route::object::RuleAt;
use gatefold_diagnostic::{Code, Diagnostic, Pointer};

/// The state of building a rule.
pub(crate) struct RuleContext<'c, 's, 'a> {
    pub at: RuleAt<'a>,
    /// The problems for which the rule is refused.
    pub refusals: Vec<Problem>,
    pub references: &'c mut BackendReferences<'s, 'a>,
    pub build: &'c mut Build<'a>,
}

impl RuleContext<'_, '_, '_> {
    /// Refuses the rule because of one of its fields.
    pub fn refuse(&mut self, code: Code, pointer: Pointer, message: String) {
        let finding = self.at.finding(code, pointer, message);
        let caption = format!("the rule answers {}", self.at.route.refusal());
        self.refuse_for(finding.caption(caption));
    }

    /// Refuses the rule because of this diagnostic.
    pub fn refuse_for(&mut self, finding: Diagnostic) {
        let message = finding.message.clone();
        self.refusals
            .push(Problem::new(Reason::UnsupportedValue, message));
        self.build.diagnostics.push(finding);
    }
}

//! Variables in manifests, as Flux substitutes them (`postBuild.substitute`).
//!
//! In: the tree of an object, and variables. Out: the tree with their values, and diagnostics for variables that aren't
//! defined. Never reads a file: the loader does ([decision](../../../../docs/decisions/kustomizations.md)).

mod expression;
mod function;
mod source;
mod tree;

pub(crate) use expression::variables_in;
pub(crate) use source::{SourceName, VariableSource, scalar_text};
pub(crate) use tree::TreeSubstitution;

use std::collections::BTreeMap;

/// Values of variables, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Adds a variable, or replaces its value. Line ends are removed, as Flux does.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.replace('\n', ""));
    }

    /// Adds the variables of a list.
    pub(crate) fn extend(&mut self, variables: &[(String, String)]) {
        for (name, value) in variables {
            self.set(name, value);
        }
    }

    /// Adds other variables, which take precedence.
    pub(crate) fn merge(&mut self, others: &Variables) {
        let others = others.0.iter();
        self.0
            .extend(others.map(|(name, value)| (name.clone(), value.clone())));
    }

    /// The value of a variable.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

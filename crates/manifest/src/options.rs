//! The options of a loader, which decide what the objects of a file are.

use crate::decode::name;
use crate::folder::{is_hidden, is_manifest};
use crate::kustomize::path_key;
use std::path::{Path, PathBuf};

/// How a loader reads the files. The default reads kustomizations, and substitutes no variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// `--namespace`: the namespace of objects that have none. `default` if `None`.
    pub namespace: Option<String>,
    /// `--no-kustomize`: kustomizations and Flux Kustomizations have no effect.
    pub no_kustomize: bool,
    /// `--overlay`: the folders of the overlays to use where several overlays have a base in common.
    pub overlays: Vec<PathBuf>,
    /// `--substitute`: the variables, and the files that define variables. A later one takes precedence.
    pub substitutions: Vec<Substitution>,
    /// Whether the variables of Flux Kustomizations are substituted: `postBuild.substitute`, and those ConfigMaps and
    /// Secrets of `postBuild.substituteFrom` that are in the folders and not encrypted.
    pub flux_substitutions: bool,
    /// Whether a variable in a hostname that isn't defined is replaced by a name for testing.
    pub stand_in_variables: bool,
}

/// A value of `--substitute`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Substitution {
    /// One variable.
    Variable {
        /// The name: a letter or `_`, followed by letters, digits and `_`.
        name: String,
        /// The value.
        value: String,
    },
    /// A file with variables: lines of the form `NAME=VALUE`, a ConfigMap, a Secret, or a mapping.
    File(PathBuf),
}

impl std::str::FromStr for Substitution {
    type Err = std::convert::Infallible;

    /// A text is a variable if a name stands before the first `=`, and the path of a file otherwise.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once('=') {
            Some((name, value)) if is_variable_name(name) => Substitution::Variable {
                name: name.to_owned(),
                value: value.to_owned(),
            },
            _ => Substitution::File(text.into()),
        })
    }
}

/// Parses the name of a namespace.
///
/// # Errors
/// Returns a message about the rule that the text breaks.
pub fn parse_namespace(text: &str) -> Result<String, String> {
    name::label(text).map(|()| text.to_owned())
}

/// Whether a text can be the name of a variable. Source: kustomize-controller of Flux.
pub(crate) fn is_variable_name(text: &str) -> bool {
    let mut characters = text.chars();
    let first = characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    first && characters.all(|next| next.is_ascii_alphanumeric() || next == '_')
}

/// The path that the loader uses for a file in one of the roots. `None` if the file isn't found in any of them.
fn loader_path(path: &Path, roots: &[PathBuf]) -> Option<PathBuf> {
    let key = path_key(path);
    let find = |root: &PathBuf| {
        let inside = key.strip_prefix(path_key(root)).ok()?;
        let mut names = inside.iter();
        let is_scanned = inside != Path::new("") && names.all(|name| !is_hidden(name));
        (is_scanned && is_manifest(path)).then(|| root.join(inside))
    };
    roots.iter().find_map(find)
}

impl LoadOptions {
    /// The files of `--substitute`.
    pub fn substitution_files(&self) -> impl Iterator<Item = &PathBuf> {
        self.substitutions.iter().filter_map(|one| match one {
            Substitution::File(path) => Some(path),
            Substitution::Variable { .. } => None,
        })
    }

    /// The folders and files to load and to watch: some roots, and the files of `--substitute` that aren't in them.
    pub fn watched_roots(&self, roots: &[PathBuf]) -> Vec<PathBuf> {
        let mut all = roots.to_vec();
        for path in self.substitution_files() {
            if !all.contains(path) && loader_path(path, roots).is_none() {
                all.push(path.clone());
            }
        }
        all
    }

    /// The same options, with the paths that the loader uses for the files of `--substitute`.
    pub(crate) fn with_loader_paths(mut self, roots: &[PathBuf]) -> Self {
        for substitution in &mut self.substitutions {
            if let Substitution::File(path) = substitution
                && let Some(known) = loader_path(path, roots)
            {
                *path = known;
            }
        }
        self
    }

    /// Whether variables are substituted.
    pub(crate) fn substitutes(&self) -> bool {
        !self.substitutions.is_empty() || self.flux_substitutions || self.stand_in_variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_substitution_is_a_variable_or_a_file() {
        let parse = |text: &str| text.parse::<Substitution>().expect("it never fails");
        let variable = |name: &str, value: &str| Substitution::Variable {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        assert_eq!(parse("A_1=b=c"), variable("A_1", "b=c"));
        assert_eq!(parse("A="), variable("A", ""));
        for path in ["vars.env", "./a=b.env", "1=2"] {
            assert_eq!(parse(path), Substitution::File(path.into()), "{path}");
        }
    }
}

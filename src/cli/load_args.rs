//! The flags that decide what the objects of a file are, shared by `run` and `check`.

use super::Error;
use clap::builder::FalseyValueParser;
use gatefold_manifest::{LoadOptions, Substitution, parse_namespace};
use std::path::PathBuf;

/// The flags that decide what the objects of a file are.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct LoadArgs {
    /// The namespace of objects that have none [default: default].
    #[arg(long, value_name = "NS", env = "GATEFOLD_DEFAULT_NAMESPACE", value_parser = parse_namespace)]
    namespace: Option<String>,
    /// Ignores kustomizations and Flux Kustomizations. By default gatefold uses their namespaces, and skips files that they
    /// use as patches.
    #[arg(long, env = "GATEFOLD_NO_KUSTOMIZE", value_parser = FalseyValueParser::new())]
    no_kustomize: bool,
    /// The folder of the overlay to serve if several overlays use the same base; may be given several times.
    #[arg(
        long,
        value_name = "PATH",
        env = "GATEFOLD_OVERLAY",
        value_delimiter = ','
    )]
    overlay: Vec<PathBuf>,
    /// Substitutes variables such as ${DOMAIN} in manifests, as Flux does: a variable, or a file with variables (lines of
    /// the form NAME=VALUE, a ConfigMap, a Secret, or a mapping). May be given several times.
    #[arg(long, value_name = "FILE|NAME=VALUE", env = "GATEFOLD_SUBSTITUTE")]
    substitute: Vec<Substitution>,
    /// Whether the variables of Flux Kustomizations are used, and stand-ins for undefined variables (`gatefold dev`).
    #[arg(skip)]
    is_development: bool,
}

impl LoadArgs {
    /// Sets what `gatefold dev` sets: the variables of Flux Kustomizations, and stand-ins for undefined ones in hostnames.
    pub(super) fn for_development(&mut self) {
        self.is_development = true;
    }

    /// The options for a loader.
    pub(super) fn options(&self) -> LoadOptions {
        LoadOptions {
            namespace: self.namespace.clone(),
            no_kustomize: self.no_kustomize,
            overlays: self.overlay.clone(),
            substitutions: self.substitute.clone(),
            flux_substitutions: self.is_development,
            stand_in_variables: self.is_development,
        }
    }

    /// Fails unless every file of `--substitute` can be read: a mistyped path is wrong usage.
    pub(super) fn must_exist(&self) -> Result<(), Error> {
        for path in self.options().substitution_files() {
            if let Err(error) = std::fs::File::open(path) {
                return Err(Error::Usage(format!(
                    "--substitute: can't read the file `{}`: {error}; a variable is written NAME=VALUE",
                    path.display()
                )));
            }
        }
        Ok(())
    }
}

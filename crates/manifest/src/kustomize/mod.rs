//! Kustomizations of kustomize and of Flux, as far as they decide what the objects of a file are.
//!
//! In: the facts of all files: kustomizations, Flux Kustomizations, and variables. Out: a [`KustomizePlan`], which has the
//! [`DecodeContext`] of each file and the diagnostics. Never changes an object otherwise: no patches, no prefixes, no
//! generators ([decision](../../../../docs/decisions/kustomizations.md)).
//!
//! - `kustomization` and `flux` read one of them;
//! - `tree` connects them, `overlay` finds which ones reach a file;
//! - `plan` decides, `report` explains the decisions.

mod context;
mod fact;
mod flux;
mod flux_variables;
mod kustomization;
mod overlay;
mod patch;
mod path;
mod plan;
mod report;
mod tree;

pub(crate) use context::{DecodeContext, FileRole};
pub(crate) use fact::Fact;
pub(crate) use flux::{FluxKustomization, GROUP as FLUX_GROUP};
pub(crate) use kustomization::{Kustomization, is_kustomization};
pub(crate) use path::key as path_key;
pub(crate) use plan::{KustomizePlan, PlannedFile};

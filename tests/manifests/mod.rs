//! Manifests: mistakes in them, their status, and their size.

mod bad_input;
mod foreign_status;
mod kustomize;
mod large_folder;
mod passed_over;
mod render;

//! The documents and the samples.

mod commands;
mod documentation;
mod samples;
mod walkthrough;

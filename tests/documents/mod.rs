//! The documents and the samples.

mod ci;
mod commands;
mod documentation;
mod samples;
mod walkthrough;

//! The documents and the samples.

mod documentation;
mod samples;
mod walkthrough;

//! The documents and the samples.

mod ci;
mod documentation;
mod samples;
mod walkthrough;

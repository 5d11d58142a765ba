//! Traffic that goes on while everything changes: no request fails, no connection is cut, no answer mixes two
//! configurations.
//!
//! Each test can fail by what it is there for: an answer carries the generation of the configuration that
//! it was made by, which is held against what had been written when.

mod broken_files;
mod generations;
mod listeners;
mod reloads;
mod shutdown;
mod streams;
mod upgrades;
mod websockets;

//! Continuous traffic while everything changes: no request fails, no connection is cut, no answer mixes two
//! configurations.
//!
//! Each answer contains the generation of the configuration that produced it. The tests compare it with the generations
//! that had been written at that time.

mod broken_files;
mod generations;
mod many_listeners;
mod reloads;
mod shutdown;
mod streams;
mod upgrades;
mod websockets;

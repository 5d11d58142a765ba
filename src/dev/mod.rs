//! The table that `gatefold dev` prints: which requests reach which route, with a curl line for each, and what is missing for
//! production.
//!
//! In: the configuration in force. Out: text. Prints nothing itself.

mod curl;
mod pattern;
mod production;
mod request;
mod table;

pub(crate) use curl::quote;
pub(crate) use production::missing_for_production;
pub(crate) use table::table;

//! Types and rules that several kinds share.

mod duration;
pub(super) mod field_check;
mod label_selector;
mod meta;
mod quantity;
mod recorded_status;
pub(super) mod reference;
pub(super) mod rule;
mod shared_text;
mod value;

pub use duration::*;
pub use label_selector::*;
pub use meta::*;
pub use quantity::*;
pub use recorded_status::*;
pub use reference::*;
pub(crate) use shared_text::shared_text;
pub use value::*;

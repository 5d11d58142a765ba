//! Access logs: what is written for each request, and where.
//!
//! In: formats with Envoy's command operators, from flags and manifests. Out: a [`LogFormat`], parsed once, and the
//! [`LineSink`] that takes its lines. The proxy evaluates the operators; `src/telemetry` writes the lines. Never here: requests,
//! files.

mod defaults;
mod escape;
mod format;
mod line_queue;
mod line_sink;
mod operator;
mod time_format;

pub use escape::{escape_json, escape_text};
pub use format::{Body, FormatError, JsonField, LogFormat, Part, Template};
pub use line_queue::{Batch, Importance, LineQueue};
pub use line_sink::{Destination, LineSink, LineSinks, NewSink};
pub use operator::{
    Address, AddressPart, EnvironmentVariable, Field, FieldChoice, GrpcStatusStyle, Operator,
    Precision, ServerNameChoice, TimePoint,
};
pub use time_format::TimeFormat;

use std::sync::Arc;

/// One access log: each request becomes one line in `format`, for `sink`.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// What a line contains.
    pub format: Arc<LogFormat>,
    /// Where it is written.
    pub destination: Destination,
    /// Takes the lines.
    pub sink: Arc<LineSink>,
}

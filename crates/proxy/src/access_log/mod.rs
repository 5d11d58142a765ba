//! Access logs: one line for each completed request.
//!
//! In: a completed request, and the logs of its listener or of the command line. Out: lines in the queues of their sinks, and an
//! event of the log. Only what a format contains is formatted, in memory that each thread keeps. Nothing here waits for a reader.

mod address;
mod entry;
mod event;
mod grpc_status;
mod line;
mod request_log;
mod response_flag;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use request_log::RequestLog;

use crate::context::RequestContext;
use entry::Entry;
use gatefold_dataplane::access_log::AccessLog;
use pingora_core::Error;
use pingora_proxy::Session;
use std::cell::RefCell;

/// A longer buffer isn't kept for the next line.
const KEPT: usize = 16 * 1024;

/// Memory that a thread keeps from line to line.
struct Buffers {
    line: Vec<u8>,
    text: Vec<u8>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = const { RefCell::new(Buffers { line: Vec::new(), text: Vec::new() }) };
}

/// Returns the state for a request's lines, if the command line enables an access log.
pub(crate) fn begin(default: Option<&AccessLog>) -> Option<Box<RequestLog>> {
    (default.is_some() || event::is_wanted()).then(Box::default)
}

/// Logs a completed request: in the logs of its listener, if a manifest configures them, or in those of the command line.
pub(crate) fn log(
    session: &mut Session,
    context: &RequestContext,
    error: Option<&Error>,
    default: Option<&AccessLog>,
) {
    let Some(state) = context.log.as_deref() else {
        return;
    };
    let logs = match &state.logs {
        Some(logs) => &**logs,
        None => {
            event::log(session, context, state);
            default.map_or(&[][..], std::slice::from_ref)
        }
    };
    if logs.is_empty() {
        return;
    }
    let without_body = session.is_body_empty();
    let session = &*session;
    let local = || session.server_addr()?.as_inet().copied();
    let entry = Entry {
        local: &local,
        ..Entry::of(session, context, state, error, without_body)
    };
    BUFFERS.with_borrow_mut(|Buffers { line, text }| {
        for log in logs {
            line.clear();
            line::write(&log.format, &entry, text, line);
            line.push(b'\n');
            log.sink.push(line);
        }
        line.clear();
        line.shrink_to(KEPT);
        text.clear();
        text.shrink_to(KEPT);
    });
}

//! A panic hook that logs panics.
//!
//! The standard library's hook writes to standard error itself and blocks on its reader, so that one panic could block a
//! thread that serves requests.

use super::write_line;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::thread;
use tracing::{Level, enabled, error};

/// Installs the hook. Each panic becomes one line of the log.
pub(super) fn log_panics() {
    panic::set_hook(Box::new(log));
}

fn log(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let message = panic.payload_as_str().unwrap_or("without a message");
    let place = match panic.location() {
        Some(place) => format!(" at {place}"),
        None => String::new(),
    };
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    if enabled!(Level::ERROR) {
        let backtrace = backtrace.as_ref().map(tracing::field::display);
        error!(thread, backtrace, "panicked{place}: {message}");
    } else {
        // A panic is a bug and is reported even if the log is turned off.
        write_line(format_args!("thread '{thread}' panicked{place}: {message}"));
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::{FlushOnDrop, Format, Logging};
    use std::io::{Read as _, Write as _, pipe};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    /// Set in the child process that panics.
    const IN_CHILD: &str = "GATEFOLD_TEST_OF_PANICS";

    /// Runs the test of this name in a child process.
    fn start(test: &str, stderr: Stdio) -> Child {
        let program = std::env::current_exe().expect("this program");
        let name = format!("telemetry::panics::tests::{test}");
        let mut command = Command::new(program);
        command.args([&name, "--exact", "--nocapture"]);
        command.env(IN_CHILD, "1").env("RUST_BACKTRACE", "0");
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(stderr).spawn().expect("the test starts")
    }

    fn is_child() -> bool {
        std::env::var_os(IN_CHILD).is_some()
    }

    /// Starts logging like the daemon, and panics in a thread.
    fn panic_in_a_thread() {
        let _last_lines = FlushOnDrop;
        let logging = Logging {
            format: Some(Format::Json),
            ..Logging::default()
        };
        logging.start().expect("logging starts");
        let panicking = std::thread::spawn(|| panic!("this is a test"));
        panicking.join().expect_err("the thread panics");
    }

    #[test]
    fn logs_a_panic_as_one_line() {
        if is_child() {
            return panic_in_a_thread();
        }
        let (mut reader, writer) = pipe().expect("a pipe");
        let mut child = start("logs_a_panic_as_one_line", writer.into());
        let mut log = String::new();
        reader.read_to_string(&mut log).expect("text");
        assert!(child.wait().expect("its end").success(), "{log}");
        let line = log.lines().find(|line| line.contains("this is a test"));
        let line = line.unwrap_or_else(|| panic!("no panic in {log}"));
        let json: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(json["level"], "ERROR");
        let message = json["message"].as_str().expect("a message");
        assert!(message.starts_with("panicked at src/telemetry/panics.rs:"));
    }

    #[test]
    fn a_panic_does_not_wait_for_the_reader_of_the_log() {
        if is_child() {
            return panic_in_a_thread();
        }
        let (_reader, mut writer) = pipe().expect("a pipe");
        rustix::io::ioctl_fionbio(&writer, true).expect("non-blocking");
        while writer.write(&[b'\n'; 4096]).is_ok() {}
        rustix::io::ioctl_fionbio(&writer, false).expect("blocking");
        let mut child = start(
            "a_panic_does_not_wait_for_the_reader_of_the_log",
            writer.into(),
        );
        let end = Instant::now() + Duration::from_secs(30);
        let ended = loop {
            match child.try_wait().expect("its state") {
                Some(ended) => break ended,
                None if Instant::now() > end => {
                    child.kill().expect("killed");
                    panic!("the panic waits for a reader");
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        assert!(ended.success(), "{ended}");
    }
}

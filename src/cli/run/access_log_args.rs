//! The flags of access logs, and of the header with the reason of an answer.

use crate::telemetry::access_log;
use gatefold_dataplane::access_log::{AccessLog, Destination, LineSinks, LogFormat};
use http::HeaderName;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use tracing::warn;

/// The header of `--reason-header` without a name.
const REASON: HeaderName = HeaderName::from_static("x-gatefold-reason");

/// The flags of access logs.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AccessLogArgs {
    /// Logs each request: as an event of the log (on), or as a line in the format json, text or your own, which contains Envoy's
    /// operators such as %START_TIME%.
    #[arg(
        long,
        value_name = "off|on|json|text|FORMAT",
        env = "GATEFOLD_ACCESS_LOG",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "on"
    )]
    access_log: Option<AccessLogFormat>,
    /// Appends the lines of the access log to a file [default: standard output]. Without a format, they are JSON.
    #[arg(long, value_name = "PATH", env = "GATEFOLD_ACCESS_LOG_FILE")]
    access_log_file: Option<PathBuf>,
    /// Adds a header with the reason, such as no_route, to answers of gatefold itself [default name: X-Gatefold-Reason].
    #[arg(
        long,
        value_name = "NAME",
        env = "GATEFOLD_REASON_HEADER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "on"
    )]
    reason_header: Option<ReasonHeader>,
}

/// A value of `--access-log`.
#[derive(Clone, Debug, PartialEq)]
enum AccessLogFormat {
    Off,
    /// Events of the log; with a file, lines of JSON.
    On,
    Lines(LogFormat),
}

impl AccessLogArgs {
    /// Whether requests are events of the log.
    pub(super) fn are_events(&self) -> bool {
        let on = self.access_log == Some(AccessLogFormat::On);
        on && self.access_log_file.is_none()
    }

    /// The header for the reason of an answer.
    pub(super) fn reason_header(&self) -> Option<HeaderName> {
        self.reason_header.as_ref()?.0.clone()
    }

    /// Opens the access log, if its lines aren't events.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub(super) fn open(&self, sinks: &LineSinks) -> Result<Option<AccessLog>, String> {
        let format = match (&self.access_log, &self.access_log_file) {
            (Some(AccessLogFormat::Off), _) | (None | Some(AccessLogFormat::On), None) => {
                return Ok(None);
            }
            (None | Some(AccessLogFormat::On), Some(_)) => LogFormat::default_json(),
            (Some(AccessLogFormat::Lines(format)), _) => format.clone(),
        };
        warn_of_meaningless(&format);
        let destination = match &self.access_log_file {
            Some(path) => destination(path),
            None => Destination::StandardOutput,
        };
        access_log::check(&destination)
            .map_err(|error| format!("--access-log-file: can't open {destination}: {error}"))?;
        let log = AccessLog {
            format: Arc::new(format),
            sink: sinks.sink(&destination),
            destination,
        };
        access_log::start_writers(sinks);
        Ok(Some(log))
    }
}

/// Returns the destination of a path. The process's own descriptors may be sockets, which can't be opened by these paths.
fn destination(path: &Path) -> Destination {
    match path.to_str() {
        Some("/dev/stdout") => Destination::StandardOutput,
        Some("/dev/stderr") => Destination::StandardError,
        _ => Destination::File(path.to_owned()),
    }
}

fn warn_of_meaningless(format: &LogFormat) {
    let names: BTreeSet<&str> = format.meaningless().collect();
    if !names.is_empty() {
        let names: Vec<String> = names.into_iter().map(|name| format!("%{name}%")).collect();
        warn!(
            operators = names.join(", "),
            "operators of --access-log have no meaning in gatefold, and yield `-`"
        );
    }
}

impl FromStr for AccessLogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match switch(text) {
            Some(true) => return Ok(AccessLogFormat::On),
            Some(false) => return Ok(AccessLogFormat::Off),
            None => {}
        }
        Ok(match text.to_ascii_lowercase().as_str() {
            "json" => AccessLogFormat::Lines(LogFormat::default_json()),
            "text" => AccessLogFormat::Lines(LogFormat::default_text()),
            _ if text.starts_with("{\"") => {
                let JsonFields(fields) = serde_json::from_str(text)
                    .map_err(|error| format!("it isn't a JSON object of formats: {error}"))?;
                let pairs = fields.iter().map(|(name, format)| (&**name, &**format));
                let format = LogFormat::json(pairs).map_err(|error| match &error.field {
                    Some(name) => format!("field `{name}`: {error}"),
                    None => error.to_string(),
                })?;
                AccessLogFormat::Lines(format)
            }
            _ if text.contains('%') => {
                let format = LogFormat::text(text).map_err(|error| error.to_string())?;
                AccessLogFormat::Lines(format)
            }
            _ => {
                return Err(
                    "it is neither off, on, json, text nor a format with operators such as %START_TIME%"
                        .to_owned(),
                );
            }
        })
    }
}

/// Reads a word that switches something on or off. `None` for any other text.
fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "" | "off" | "0" | "false" | "f" | "no" | "n" => Some(false),
        "on" | "1" | "true" | "t" | "yes" | "y" => Some(true),
        _ => None,
    }
}

/// The fields of a JSON format, in the order in which they are written.
struct JsonFields(Vec<(String, String)>);

impl<'de> Deserialize<'de> for JsonFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = JsonFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonFields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(JsonFields(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A value of `--reason-header`. `None` for no header.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ReasonHeader(Option<HeaderName>);

impl FromStr for ReasonHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        /// Headers with a meaning of their own in an answer.
        const TAKEN: [&str; 12] = [
            "connection",
            "content-length",
            "content-type",
            "date",
            "grpc-message",
            "grpc-status",
            "keep-alive",
            "server",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "www-authenticate",
        ];
        let name = match switch(text) {
            Some(false) => return Ok(ReasonHeader(None)),
            Some(true) => REASON,
            None => HeaderName::try_from(text)
                .map_err(|_| "it isn't the name of a header".to_owned())?,
        };
        if TAKEN.contains(&name.as_str()) {
            return Err("answers need this header for something else".to_owned());
        }
        Ok(ReasonHeader(Some(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(Debug, clap::Parser)]
    struct Alone {
        #[command(flatten)]
        args: AccessLogArgs,
        dir: Vec<String>,
    }

    fn args(flags: &[&str]) -> AccessLogArgs {
        Alone::parse_from([&["run"], flags].concat()).args
    }

    #[test]
    fn the_flag_without_a_value_enables_events_and_takes_no_folder() {
        let alone = Alone::parse_from(["run", "--access-log", "folder"]);
        assert!(alone.args.are_events());
        assert_eq!(alone.dir, ["folder"]);
        assert!(!args(&[]).are_events());
        assert!(!args(&["--access-log=off"]).are_events());
    }

    #[test]
    fn a_file_gets_lines_instead_of_events() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        let file = format!("--access-log-file={}", path.display());
        for (flags, lines) in [
            (&["--access-log", &*file][..], true),
            (&[&*file], true),
            (&["--access-log=text"], true),
            (&["--access-log=off", &*file], false),
            (&["--access-log"], false),
            (&[], false),
        ] {
            let args = args(flags);
            let log = args.open(&LineSinks::default()).expect("opened");
            assert_eq!(log.is_some(), lines, "{flags:?}");
            assert!(!(lines && args.are_events()), "{flags:?}");
        }
        let nowhere = format!("--access-log-file={}/a/b", path.display());
        let error = args(&[&nowhere]).open(&LineSinks::default());
        assert!(error.is_err_and(|error| error.contains("can't open")));
    }

    #[test]
    fn formats_are_checked() {
        let parse = AccessLogFormat::from_str;
        assert_eq!(parse("TRUE"), Ok(AccessLogFormat::On));
        assert_eq!(parse(""), Ok(AccessLogFormat::Off));
        let json = LogFormat::json([("b", "%DURATION%"), ("a", "x")]).expect("valid");
        assert_eq!(
            parse(r#"{"b": "%DURATION%", "a": "x"}"#),
            Ok(AccessLogFormat::Lines(json))
        );
        for (wrong, message) in [
            ("jsno", "neither off"),
            ("%NOTHING%", "at character 1"),
            (r#"{"a": "%NOTHING%"}"#, "field `a`"),
            (r#"{"a": 1}"#, "JSON object of formats"),
        ] {
            let error = parse(wrong).expect_err(wrong);
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn the_header_of_the_reason_has_a_name_that_answers_do_not_need() {
        assert_eq!(args(&["--reason-header"]).reason_header(), Some(REASON));
        assert_eq!(args(&[]).reason_header(), None);
        let own = args(&["--reason-header=X-Why"]).reason_header();
        assert_eq!(own.expect("a name"), "x-why");
        for wrong in ["Content-Length", "a b"] {
            assert!(ReasonHeader::from_str(wrong).is_err(), "{wrong}");
        }
    }
}

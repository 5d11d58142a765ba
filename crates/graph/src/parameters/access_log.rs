//! `EnvoyProxy.spec.telemetry.accessLog`.
//!
//! In: the settings of an EnvoyProxy. Out: formats and destinations. A setting with an invalid format isn't used, nor is a sink
//! whose file isn't allowed; if the EnvoyProxy had access logs before, they stay in force. A manifest can only name standard output, standard error, and files below a folder of
//! the command line.

use super::AccessLogs;
use crate::reported_object::ReportedObject as _;
use gatefold_dataplane::access_log::{Destination, FormatError, LogFormat};
use gatefold_diagnostic::{Code, Diagnostic, Pointer};
use gatefold_manifest::api::{
    EnvoyProxy, ProxyAccessLogFormat, ProxyAccessLogFormatType, ProxyAccessLogSetting,
    ProxyAccessLogSink, ProxyAccessLogSinkType, ProxyAccessLogType,
};
use std::collections::BTreeSet;
use std::path::{Component, Path};
use std::sync::Arc;

/// The maximum number of files that manifests may name. Each has a thread and a queue.
const MOST_FILES: usize = 64;

/// An access log.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLogNode {
    /// The format of its lines.
    pub format: Arc<LogFormat>,
    /// Where they are written.
    pub destination: Destination,
}

/// The files that manifests name.
pub(super) type LogFiles = BTreeSet<Destination>;

/// A field that isn't served, with what gatefold does instead.
pub(super) type Unserved = (Pointer, &'static str);

/// Builds the access logs of an EnvoyProxy.
pub(super) struct AccessLogBuilder<'b> {
    pub(super) proxy: &'b EnvoyProxy,
    /// The folder in which manifests may name files.
    pub(super) folder: Option<&'b Path>,
    /// The files of all EnvoyProxies so far.
    pub(super) files: &'b mut LogFiles,
    /// What isn't served.
    pub(super) unserved: Vec<Unserved>,
    /// What is wrong. A mistake keeps the previous access logs in force.
    pub(super) findings: Vec<Diagnostic>,
    /// What else is worth knowing.
    pub(super) warnings: Vec<Diagnostic>,
}

impl AccessLogBuilder<'_> {
    /// Builds the access logs. `before` are those of the previous graph.
    pub(super) fn build(&mut self, before: AccessLogs) -> AccessLogs {
        let proxy = self.proxy;
        let spec = proxy.spec.access_log.as_ref()?;
        if spec.disable == Some(true) {
            return Some(Arc::default());
        }
        let Some(settings) = &spec.settings else {
            return Some(Arc::new([AccessLogNode {
                format: Arc::new(LogFormat::default_json()),
                destination: Destination::StandardOutput,
            }]));
        };
        let at = Pointer::spec()
            .key("telemetry")
            .key("accessLog")
            .key("settings");
        let settings = settings.iter().enumerate();
        let logs: Vec<AccessLogNode> = settings
            .flat_map(|(index, setting)| self.setting(setting, &at.index(index)))
            .collect();
        self.report_meaningless(&logs);
        match before {
            Some(before) if !self.findings.is_empty() => {
                let kept = "the previous access logs stay in force until this is corrected";
                self.findings
                    .iter_mut()
                    .for_each(|it| it.notes.push(kept.to_owned()));
                Some(before)
            }
            _ => (!logs.is_empty()).then(|| logs.into()),
        }
    }

    fn setting(&mut self, setting: &ProxyAccessLogSetting, at: &Pointer) -> Vec<AccessLogNode> {
        match setting.kind {
            None | Some(ProxyAccessLogType::Route) => {}
            Some(ProxyAccessLogType::Listener | ProxyAccessLogType::Upstream) => {
                let instead = "gatefold logs the requests of clients; this setting isn't used";
                self.unserved.push((at.key("type"), instead));
                return Vec::new();
            }
        }
        if setting.matches.as_ref().is_some_and(|it| !it.is_empty()) {
            self.unserved
                .push((at.key("matches"), "every request is logged"));
        }
        let Some(format) = self.format(setting.format.as_ref(), &at.key("format")) else {
            return Vec::new();
        };
        let sinks = setting.sinks.iter().enumerate();
        let destinations = sinks.filter_map(|(index, sink)| {
            let destination = self.sink(sink, &at.key("sinks").index(index))?;
            let format = format.clone();
            Some(AccessLogNode {
                format,
                destination,
            })
        });
        destinations.collect()
    }

    /// Returns a format. `None` if it has a mistake. Without a type, JSON takes precedence over text, as in Envoy Gateway.
    fn format(
        &mut self,
        format: Option<&ProxyAccessLogFormat>,
        at: &Pointer,
    ) -> Option<Arc<LogFormat>> {
        let parsed = match format {
            None => Ok(LogFormat::default_json()),
            Some(ProxyAccessLogFormat { kind, text, json }) => {
                match (kind, text, json) {
                    (Some(ProxyAccessLogFormatType::Text) | None, Some(text), None) => {
                        LogFormat::text(text)
                    }
                    (_, _, Some(json)) => {
                        LogFormat::json(json.iter().map(|(name, format)| (&**name, &**format)))
                    }
                    // The decoder has refused it.
                    (_, _, None) => Ok(LogFormat::default_json()),
                }
            }
        };
        let format = match parsed {
            Ok(format) => format,
            Err(error) => {
                self.report_format(&error, at);
                return None;
            }
        };
        if let Some(name) = format.environment().next() {
            self.report_environment(name, at);
            return None;
        }
        Some(Arc::new(format))
    }

    /// Reports a variable of gatefold's environment. The authors of manifests needn't be allowed to read it.
    fn report_environment(&mut self, name: &str, at: &Pointer) {
        let message = format!(
            "the format of an access log can't be used: in manifests, `%ENVIRONMENT({name})%` isn't served, since gatefold's \
             environment may contain secrets"
        );
        let found = (self.proxy).finding(Code::InvalidLogFormat, at.clone(), message);
        let help = "write the value itself, or use the operator in `--access-log`";
        self.findings.push(found.help(help));
    }

    fn report_format(&mut self, error: &FormatError, at: &Pointer) {
        let at = match &error.field {
            Some(name) => at.key("json").key(name.clone()),
            None => at.key("text"),
        };
        let message = format!("the format of an access log can't be used: {error}");
        let found = self.proxy.finding(Code::InvalidLogFormat, at, message);
        let help = "docs/access-log.md lists the operators";
        self.findings.push(found.help(help));
    }

    fn sink(&mut self, sink: &ProxyAccessLogSink, at: &Pointer) -> Option<Destination> {
        let file = match (sink.kind, &sink.file) {
            (ProxyAccessLogSinkType::File, Some(file)) => file,
            (ProxyAccessLogSinkType::File, None) => return None,
            (ProxyAccessLogSinkType::ALS | ProxyAccessLogSinkType::OpenTelemetry, _) => {
                let instead =
                    "gatefold sends no access logs over the network; this sink isn't used";
                self.unserved.push((at.key("type"), instead));
                return None;
            }
        };
        match destination(&file.path, self.folder).and_then(|it| limited(it, self.files)) {
            Ok(destination) => Some(destination),
            Err((why, help)) => {
                let message = format!("the access log isn't written to `{}`: {why}", file.path);
                let at = at.key("file").key("path");
                let found = self.proxy.finding(Code::LogFileNotAllowed, at, message);
                self.findings.push(found.help(help));
                None
            }
        }
    }

    fn report_meaningless(&mut self, logs: &[AccessLogNode]) {
        let names: BTreeSet<&str> = logs
            .iter()
            .flat_map(|log| log.format.meaningless())
            .collect();
        if names.is_empty() {
            return;
        }
        let names: Vec<String> = names
            .into_iter()
            .map(|name| format!("`%{name}%`"))
            .collect();
        let message = format!(
            "operators of the access log have no meaning in gatefold, and yield `-`: {}",
            names.join(", ")
        );
        let at = Pointer::spec().key("telemetry").key("accessLog");
        let found = self.proxy.finding(Code::MeaninglessOperator, at, message);
        self.warnings.push(found);
    }
}

/// Why a file isn't written, and what to do about it.
type Refusal = (String, &'static str);

/// Returns the destination of a path in a manifest.
///
/// # Errors
/// If the path isn't below the folder.
fn destination(path: &str, folder: Option<&Path>) -> Result<Destination, Refusal> {
    match path {
        "/dev/stdout" => return Ok(Destination::StandardOutput),
        "/dev/stderr" => return Ok(Destination::StandardError),
        _ => {}
    }
    let Some(folder) = folder else {
        return Err((
            "manifests can only name `/dev/stdout` and `/dev/stderr`".to_owned(),
            "allow files below a folder with `--access-log-dir`",
        ));
    };
    let path = Path::new(path);
    let below = if path.is_absolute() {
        path.strip_prefix(folder).ok()
    } else {
        Some(path)
    };
    match below.filter(|path| has_only_names(path)) {
        Some(path) => Ok(Destination::FileBelow {
            folder: folder.to_owned(),
            // Without `.` and repeated slashes, so that a file has one name.
            path: path.components().collect(),
        }),
        None => Err((
            format!("it isn't below `{}` (`--access-log-dir`)", folder.display()),
            "name a file below this folder",
        )),
    }
}

/// Whether a path consists of names: it is relative, isn't empty and doesn't leave its folder.
fn has_only_names(path: &Path) -> bool {
    let mut components = path.components().peekable();
    components.peek().is_some() && components.all(|it| matches!(it, Component::Normal(_)))
}

/// Accepts a destination if the manifests don't name too many files. `files` has those that were accepted.
fn limited(
    destination: Destination,
    files: &mut BTreeSet<Destination>,
) -> Result<Destination, Refusal> {
    let is_file = matches!(destination, Destination::FileBelow { .. });
    if !is_file || files.contains(&destination) {
        return Ok(destination);
    }
    if files.len() >= MOST_FILES {
        return Err((
            format!("the manifests name more than {MOST_FILES} files"),
            "use the same file for several access logs",
        ));
    }
    files.insert(destination.clone());
    Ok(destination)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_above_the_most_is_refused_and_a_known_one_is_not() {
        let folder = Some(Path::new("/var/log/gatefold"));
        let file = |name: usize| destination(&name.to_string(), folder).expect("a file");
        let mut files = BTreeSet::new();
        for name in 0..MOST_FILES {
            assert_eq!(limited(file(name), &mut files), Ok(file(name)));
        }
        assert!(limited(file(MOST_FILES), &mut files).is_err());
        assert!(limited(file(MOST_FILES), &mut files).is_err(), "again");
        assert_eq!(limited(file(0), &mut files), Ok(file(0)));
        let output = Destination::StandardOutput;
        assert_eq!(limited(output.clone(), &mut files), Ok(output));
    }

    #[test]
    fn a_manifest_names_only_files_below_the_folder() {
        let folder = Some(Path::new("/var/log/gatefold"));
        let below = |path: &str| match destination(path, folder) {
            Ok(Destination::FileBelow { path, .. }) => Some(path.display().to_string()),
            Ok(_) | Err(_) => None,
        };
        for (path, expected) in [
            ("/var/log/gatefold/shop/access.log", Some("shop/access.log")),
            ("access.log", Some("access.log")),
            ("/var/log/gatefold/./a//b", Some("a/b")),
            ("/var/log/gatefold", None),
            ("/var/log/gatefold/", None),
            ("/var/log/gatefold/../a", None),
            ("/var/log/gatefold2/a", None),
            ("/etc/passwd", None),
            ("../a", None),
            ("a/../../b", None),
            ("", None),
        ] {
            assert_eq!(below(path).as_deref(), expected, "{path}");
        }
        assert_eq!(
            destination("/dev/stdout", None),
            Ok(Destination::StandardOutput)
        );
        assert_eq!(
            destination("/dev/stderr", folder),
            Ok(Destination::StandardError)
        );
        assert!(destination("access.log", None).is_err());
    }
}

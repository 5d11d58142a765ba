//! `gatefold check`: reports the statuses and diagnostics that a daemon would have for some manifests.
//!
//! In: folders, or standard input. Out: tables and diagnostics as text, JSON or GitHub annotations, and an exit code.
//! It binds no socket and resolves no name.

use super::manifest_args::ManifestArgs;
use super::render_args::RenderArgs;
use super::roots::must_exist;
use super::{Error, print};
use crate::environment::address_pool::AddressPool;
use crate::environment::discovery::FixedBackend;
use crate::environment::system_authorities;
use crate::render::{RenderCommand, add_origins, render_once};
use crate::status::tables;
use crate::status::{Applied, Statuses, report};
use anyhow::Context as _;
use gatefold_diagnostic::yaml::sharing_trees;
use gatefold_diagnostic::{
    Code, Diagnostic, ResourceId, Severity, Style, github_annotation, junit, render, sarif, sort,
    summary_line,
};
use gatefold_graph::environment::Environment;
use gatefold_graph::{Graph, ServicePortKey, build};
use gatefold_manifest::api::NamespacedName;
use gatefold_manifest::{Kind, Loaded, Loader, ObjectRef, PassedOver, Resources, Update};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use time::OffsetDateTime;

/// The arguments of `gatefold check`.
#[derive(Debug, clap::Args)]
pub(super) struct CheckArgs {
    /// Folders or files of manifests; `-` for standard input.
    #[arg(required_unless_present = "render", value_name = "DIR|-")]
    roots: Vec<PathBuf>,
    /// How to interpret the manifests.
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Manifests that commands print.
    #[command(flatten)]
    render: RenderArgs,
    /// Exit with 1 on warnings as well.
    #[arg(long, env = "GATEFOLD_DENY_WARNINGS", value_parser = clap::builder::FalseyValueParser::new())]
    deny_warnings: bool,
    /// List every document that isn't a manifest.
    #[arg(long, short, env = "GATEFOLD_VERBOSE", value_parser = clap::builder::FalseyValueParser::new())]
    verbose: bool,
    /// The output format.
    #[arg(
        long,
        short,
        value_name = "FORMAT",
        env = "GATEFOLD_CHECK_OUTPUT",
        default_value = "text"
    )]
    output: CheckOutput,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum CheckOutput {
    /// Tables and diagnostics with excerpts.
    Text,
    /// One JSON object.
    Json,
    /// Annotations of GitHub Actions.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML: a test case for each file.
    Junit,
}

/// The name of standard input, shown as its path.
const STDIN: &str = "<stdin>";

/// The result of checking some manifests.
struct CheckReport {
    /// The files and the names of standard input and of commands.
    files: Vec<String>,
    resources: Resources,
    refused: Vec<ResourceId>,
    graph: Graph,
    statuses: Statuses,
    diagnostics: Vec<Diagnostic>,
}

pub(super) fn check(args: &CheckArgs) -> Result<ExitCode, Error> {
    let (mut loaded, files) = load(&args.roots, &args.render.commands())?;
    if args.verbose {
        list_passed_over(&mut loaded);
    }
    let report = build_report(loaded, files, &args.manifests);
    let fails = if args.deny_warnings {
        Severity::Warning
    } else {
        Severity::Error
    };
    let text = sharing_trees(|| report.rendered(args.output, fails))?;
    print(text)?;
    if report.diagnostics.iter().any(|it| it.severity <= fails) {
        Ok(ExitCode::FAILURE)
    } else {
        Ok(ExitCode::SUCCESS)
    }
}

/// `gatefold run --check`.
pub(super) fn check_roots(
    roots: Vec<PathBuf>,
    manifests: ManifestArgs,
    render: RenderArgs,
) -> Result<ExitCode, Error> {
    check(&CheckArgs {
        roots,
        manifests,
        render,
        deny_warnings: false,
        verbose: false,
        output: CheckOutput::Text,
    })
}

/// Loads the manifests. Returns them with the names of their files.
fn load(roots: &[PathBuf], commands: &[RenderCommand]) -> Result<(Loaded, Vec<String>), Error> {
    if !roots.iter().any(|root| root == Path::new("-")) {
        must_exist(roots)?;
        let mut loader = Loader::new(roots.to_vec());
        let mut loaded = loader.load();
        for (name, text) in render_once(commands) {
            if let Update::New(with_text) = loader.set_text(&name, text) {
                loaded = with_text;
            }
        }
        let files = loader.paths().map(|path| path.display().to_string());
        return Ok((loaded, files.collect()));
    }
    if roots.len() > 1 || !commands.is_empty() {
        let message =
            "`-` stands for standard input and can't be combined with folders or --render";
        return Err(Error::Usage(message.to_owned()));
    }
    let mut text = Vec::new();
    // The loader refuses larger texts. One more byte than the limit is enough to detect them.
    let most = gatefold_manifest::FILE_SIZE + 1;
    let read = io::stdin().take(most).read_to_end(&mut text);
    read.context("can't read standard input")?;
    Ok((Loader::from_text(STDIN, text), vec![STDIN.to_owned()]))
}

/// Replaces the diagnostic for all documents that aren't manifests by one for each.
fn list_passed_over(loaded: &mut Loaded) {
    let listed = loaded.passed_over.iter().map(PassedOver::diagnostic);
    loaded
        .diagnostics
        .retain(|it| it.code != Code::NotAManifest);
    loaded.diagnostics.extend(listed);
}

fn build_report(loaded: Loaded, files: Vec<String>, args: &ManifestArgs) -> CheckReport {
    let now = OffsetDateTime::now_utc();
    let pool = args.address_pool.map(AddressPool::new);
    let mut environment = Environment {
        controller_name: args.controller_name.clone(),
        path_normalization: args.path_normalization(),
        ignored_policies: args.ignore_policy.clone(),
        addresses: args.address.clone(),
        pool: pool.map(|mut pool| pool.assign(&loaded.resources)),
        port_map: args.port_map(),
        reachable: vec![Ipv4Addr::LOCALHOST.into()],
        now: Some(now),
        system_authorities: system_authorities::wanted_by(&loaded.resources),
        ..Environment::default()
    };
    let mut graph = build(&loaded.resources, &environment);
    if !args.backend.is_empty() {
        environment.discovered = Arc::new(given_endpoints(&args.backend, &graph));
        graph = build(&loaded.resources, &environment);
    }
    let statuses = report(&graph, &Applied::default(), &Statuses::default(), now);
    let mut diagnostics = loaded.diagnostics;
    diagnostics.extend(graph.diagnostics.iter().cloned());
    diagnostics.extend(graph.advice());
    add_origins(&mut diagnostics);
    sort(&mut diagnostics);
    CheckReport {
        files,
        resources: loaded.resources,
        refused: loaded.refused,
        graph,
        statuses,
        diagnostics,
    }
}

/// The endpoints that `--backend` gives. Names are not resolved, so a backend given by name has no endpoints.
fn given_endpoints(
    backends: &[FixedBackend],
    graph: &Graph,
) -> BTreeMap<ServicePortKey, Vec<SocketAddr>> {
    let mut given = BTreeMap::new();
    for backend in backends {
        let address = backend.host.parse().ok();
        let address = address.map(|ip: IpAddr| SocketAddr::new(ip, backend.port));
        let wanted = graph.wanted.keys().filter(|(service, port)| {
            *service == backend.service && backend.service_port.is_none_or(|it| it == *port)
        });
        let named = backend
            .service_port
            .map(|port| (backend.service.clone(), port));
        for key in wanted.cloned().chain(named) {
            given
                .entry(key)
                .or_insert_with(|| address.into_iter().collect());
        }
    }
    given
}

impl CheckReport {
    /// The report in a format. `fails` is the least severity that makes the check fail.
    fn rendered(&self, output: CheckOutput, fails: Severity) -> Result<String, Error> {
        Ok(match output {
            CheckOutput::Text => self.text(),
            CheckOutput::Json => self.json(),
            CheckOutput::Github => {
                let diagnostics = self.diagnostics.iter();
                diagnostics.map(|it| github_annotation(it) + "\n").collect()
            }
            CheckOutput::Sarif => {
                let folder = std::env::current_dir().context("can't find the current folder")?;
                sarif(&self.diagnostics, env!("CARGO_PKG_VERSION"), &folder)
            }
            CheckOutput::Junit => junit(&self.files, &self.diagnostics, fails),
        })
    }

    fn count(&self, severity: Severity) -> usize {
        let found = self.diagnostics.iter().filter(|d| d.severity == severity);
        found.count()
    }

    fn text(&self) -> String {
        let style = if io::stdout().is_terminal() {
            Style::Colour
        } else {
            Style::Plain
        };
        let mut text = self.tables();
        let (notes, problems): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
            (self.diagnostics.iter()).partition(|one| one.severity == Severity::Info);
        for problem in problems {
            text.push_str(render(problem, style).trim_end());
            text.push_str("\n\n");
        }
        // Most folders contain objects of kinds that gatefold ignores. One line for each is enough.
        for note in &notes {
            text.push_str(&summary_line(note));
            if let Some(help) = &note.help {
                text.push_str(&format!(" ({help})"));
            }
            text.push('\n');
        }
        if !notes.is_empty() {
            text.push('\n');
        }
        text.push_str(&self.by_file());
        text.push_str(&self.summary());
        text
    }

    /// All tables that have rows. Refused objects are in the table of their kind.
    fn tables(&self) -> String {
        let mut text = String::new();
        for mut table in tables(&self.graph, &self.statuses) {
            let is_in_table = |id: &&ResourceId| table.kind.is_some() && Kind::of(id) == table.kind;
            let refused: Vec<&ResourceId> = self.refused.iter().filter(is_in_table).collect();
            refused.into_iter().for_each(|id| table.add_refused(id));
            if !table.rows.is_empty() {
                text.push_str(&format!("{}\n{table}\n", table.title));
            }
        }
        text
    }

    /// The number of problems of each file, if several files have problems.
    fn by_file(&self) -> String {
        let mut counts: BTreeMap<&Path, (usize, usize)> = BTreeMap::new();
        for found in &self.diagnostics {
            let Some(path) = found.place.path() else {
                continue;
            };
            match found.severity {
                Severity::Error => counts.entry(path).or_default().0 += 1,
                Severity::Warning => counts.entry(path).or_default().1 += 1,
                Severity::Info => {}
            }
        }
        if counts.len() < 2 {
            return String::new();
        }
        let lines = counts.iter().map(|(path, (errors, warnings))| {
            let counts = [(*errors, "error"), (*warnings, "warning")].into_iter();
            let counts = counts.filter(|(count, _)| *count > 0);
            let counts = counts.map(|(count, what)| counted(count, what));
            format!(
                "{}: {}\n",
                path.to_string_lossy().replace(char::is_control, "?"),
                counts.collect::<Vec<_>>().join(", ")
            )
        });
        lines.collect::<String>() + "\n"
    }

    fn summary(&self) -> String {
        let infos = match self.count(Severity::Info) {
            0 => String::new(),
            1 => ", 1 note".to_owned(),
            more => format!(", {more} notes"),
        };
        format!(
            "{} read: {}, {}{infos}\n",
            counted(self.files.len(), "file"),
            counted(self.count(Severity::Error), "error"),
            counted(self.count(Severity::Warning), "warning"),
        )
    }

    fn json(&self) -> String {
        let mut objects = Vec::new();
        for kind in Kind::ALL.iter().copied() {
            for ObjectRef { meta, .. } in self.resources.objects(kind) {
                let key = NamespacedName::new(meta.namespace.clone(), meta.name.clone());
                let status = self.statuses.json(kind, &key);
                objects.extend(status.map(|status| {
                    json!({"kind": kind.name(), "namespace": &*key.namespace, "name": &*key.name, "status": status})
                }));
            }
        }
        let refused = self.refused.iter();
        objects.extend(refused.map(|id| {
            json!({"kind": id.kind, "namespace": id.namespace, "name": id.name, "status": null, "refused": true})
        }));
        let json = json!({
            "files": self.files.len(),
            "objects": objects,
            "diagnostics": self.diagnostics,
        });
        format!("{json:#}\n")
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

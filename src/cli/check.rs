//! `gatefold check`: reports the statuses and diagnostics that a daemon would have for some manifests.
//!
//! In: folders, or standard input. Out: tables and diagnostics as text, JSON or GitHub annotations, and an exit code.
//! It binds no socket and resolves no name.

use super::load_args::LoadArgs;
use super::manifest_args::ManifestArgs;
use super::render_args::RenderArgs;
use super::roots::must_exist;
use super::{Error, print};
use crate::environment::discovery::Found;
use crate::environment::settings::Settings;
use crate::environment::surroundings::Surroundings;
use crate::render::{RenderCommand, add_origins, render_once};
use crate::status::tables;
use crate::status::{Applied, Statuses, report};
use anyhow::Context as _;
use clap::builder::FalseyValueParser;
use gatefold_diagnostic::yaml::sharing_trees;
use gatefold_diagnostic::{
    Code, Diagnostic, ResourceId, Severity, Style, github_annotation, junit, render, sarif, sort,
    summary_line,
};
use gatefold_graph::environment::{AddressSharing, Environment};
use gatefold_graph::stand_in::Exposure;
use gatefold_graph::{Graph, build};
use gatefold_manifest::api::NamespacedName;
use gatefold_manifest::{Kind, Loaded, Loader, ObjectRef, PassedOver, Resources, Update};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Read as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
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
    /// Check the manifests as `gatefold dev` serves them: with stand-ins for what a cluster would add.
    #[arg(long, env = "GATEFOLD_CHECK_DEV", value_parser = FalseyValueParser::new())]
    dev: bool,
    /// Manifests that commands print.
    #[command(flatten)]
    render: RenderArgs,
    /// Exit with 1 on warnings as well.
    #[arg(long, env = "GATEFOLD_DENY_WARNINGS", value_parser = FalseyValueParser::new())]
    deny_warnings: bool,
    /// List every document that isn't a manifest.
    #[arg(long, short, env = "GATEFOLD_VERBOSE", value_parser = FalseyValueParser::new())]
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
    /// Which addresses Gateways have.
    #[arg(skip)]
    judged_as: JudgedAs,
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

/// What the addresses of Gateways without `spec.addresses` are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum JudgedAs {
    /// Those of a cluster, where each Gateway has its own, unless a flag gives addresses or ports.
    #[default]
    Cluster,
    /// Those of `run` with the same flags.
    Run,
}

impl JudgedAs {
    fn sharing(self, args: &ManifestArgs) -> AddressSharing {
        match self {
            JudgedAs::Cluster if !args.has_addresses() => AddressSharing::Separate,
            JudgedAs::Cluster | JudgedAs::Run => AddressSharing::Shared,
        }
    }
}

/// The name of standard input, shown as its path.
const STDIN: &str = "<stdin>";

/// The result of checking some manifests.
struct CheckReport {
    /// The files and the names of standard input and of commands.
    files: Vec<String>,
    resources: Resources,
    graph: Graph,
    statuses: Statuses,
    diagnostics: Vec<Diagnostic>,
}

pub(super) fn check(mut args: CheckArgs) -> Result<ExitCode, Error> {
    if args.dev {
        args.manifests.for_development();
    }
    let (mut loaded, files) = load(&args.roots, &args.manifests.load, &args.render.commands())?;
    if args.verbose {
        list_passed_over(&mut loaded);
    }
    let report = build_report(loaded, files, &args)?;
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
    check(CheckArgs {
        roots,
        manifests,
        render,
        dev: false,
        deny_warnings: false,
        verbose: false,
        output: CheckOutput::Text,
        judged_as: JudgedAs::Run,
    })
}

/// Loads the manifests. Returns them with the names of their files.
fn load(
    roots: &[PathBuf],
    args: &LoadArgs,
    commands: &[RenderCommand],
) -> Result<(Loaded, Vec<String>), Error> {
    args.must_exist()?;
    if !roots.iter().any(|root| root == Path::new("-")) {
        must_exist(roots)?;
        let mut loader = Loader::new(roots.to_vec()).with_options(args.options());
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
    let loader = Loader::new([]).with_options(args.options());
    let loaded = loader.load_text(STDIN, text);
    Ok((loaded, vec![STDIN.to_owned()]))
}

/// Replaces the diagnostic for all documents that aren't manifests by one for each.
fn list_passed_over(loaded: &mut Loaded) {
    let listed = loaded.passed_over.iter().map(PassedOver::diagnostic);
    loaded
        .diagnostics
        .retain(|it| it.code != Code::NotAManifest);
    loaded.diagnostics.extend(listed);
}

fn build_report(
    loaded: Loaded,
    files: Vec<String>,
    args: &CheckArgs,
) -> anyhow::Result<CheckReport> {
    let settings = Settings {
        sharing: args.judged_as.sharing(&args.manifests),
        ..args.manifests.settings()
    };
    let manifests = &args.manifests;
    let mut sources = manifests
        .stand_ins
        .sources_in_memory(manifests.backend.clone())?;
    if let (AddressSharing::Separate, Some(certificates)) =
        (settings.sharing, &mut sources.certificates)
    {
        // The addresses are those of a cluster, which no client can reach here.
        certificates.exposure = Exposure::Any;
    }
    let resources = &loaded.resources;
    let mut surroundings = Surroundings::new(settings);
    let mut environment = |found: &Found| Environment {
        reachable: vec![Ipv4Addr::LOCALHOST.into()],
        ..surroundings.environment(resources, found)
    };
    let initially = sources.assumed_initially();
    let mut graph = build(resources, &environment(&initially));
    let found = sources.assumed(&graph);
    if found != initially {
        graph = build(resources, &environment(&found));
    }
    let now = OffsetDateTime::now_utc();
    let statuses = report(&graph, &Applied::default(), &Statuses::default(), now);
    let mut diagnostics = loaded.diagnostics;
    diagnostics.extend(graph.diagnostics.iter().cloned());
    diagnostics.extend(graph.advice());
    add_origins(&mut diagnostics);
    sort(&mut diagnostics);
    Ok(CheckReport {
        files,
        resources: loaded.resources,
        graph,
        statuses,
        diagnostics,
    })
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
            let refused = self.resources.refused_objects.keys();
            let refused: Vec<&ResourceId> = refused.filter(is_in_table).collect();
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
        let refused = self.resources.refused_objects.keys();
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

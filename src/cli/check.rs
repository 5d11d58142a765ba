//! `gatefold check`: reports the statuses and diagnostics that a daemon would have for some manifests.
//!
//! In: folders, or standard input. Out: tables and diagnostics as text, JSON or GitHub annotations, and an exit code.
//! It binds no socket and resolves no name.

use super::manifest_args::ManifestArgs;
use super::roots::must_exist;
use super::{Error, print};
use crate::environment::address_pool::AddressPool;
use crate::environment::discovery::FixedBackend;
use crate::environment::system_authorities;
use crate::status::tables;
use crate::status::{Applied, Statuses, report};
use anyhow::Context as _;
use gatefold_diagnostic::{
    Diagnostic, ResourceId, Severity, Style, github_annotation, render, sort, summary_line,
};
use gatefold_graph::environment::{AddressSharing, Environment, SpecAddresses};
use gatefold_graph::{Graph, ServicePortKey, build};
use gatefold_manifest::api::NamespacedName;
use gatefold_manifest::{Kind, Loaded, Loader, ObjectRef, Resources};
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
    #[arg(required = true, value_name = "DIR|-")]
    roots: Vec<PathBuf>,
    /// How to interpret the manifests.
    #[command(flatten)]
    manifests: ManifestArgs,
    /// Exit with 1 on warnings as well.
    #[arg(long, env = "GATEFOLD_DENY_WARNINGS", value_parser = clap::builder::FalseyValueParser::new())]
    deny_warnings: bool,
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

/// The result of checking some manifests.
struct CheckReport {
    files: usize,
    resources: Resources,
    graph: Graph,
    statuses: Statuses,
    diagnostics: Vec<Diagnostic>,
}

pub(super) fn check(args: &CheckArgs) -> Result<ExitCode, Error> {
    let sharing = args.judged_as.sharing(&args.manifests);
    let report = build_report(load(&args.roots)?, &args.manifests, sharing);
    print(match args.output {
        CheckOutput::Text => report.text(),
        CheckOutput::Json => report.json(),
        CheckOutput::Github => {
            let diagnostics = report.diagnostics.iter();
            diagnostics.map(|it| github_annotation(it) + "\n").collect()
        }
    })?;
    let warnings = args.deny_warnings && report.count(Severity::Warning) > 0;
    if warnings || report.count(Severity::Error) > 0 {
        Ok(ExitCode::FAILURE)
    } else {
        Ok(ExitCode::SUCCESS)
    }
}

/// `gatefold run --check`.
pub(super) fn check_roots(roots: Vec<PathBuf>, manifests: ManifestArgs) -> Result<ExitCode, Error> {
    check(&CheckArgs {
        roots,
        manifests,
        deny_warnings: false,
        output: CheckOutput::Text,
        judged_as: JudgedAs::Run,
    })
}

fn load(roots: &[PathBuf]) -> Result<Loaded, Error> {
    if !roots.iter().any(|root| root == Path::new("-")) {
        must_exist(roots)?;
        return Ok(Loader::new(roots.to_vec()).load());
    }
    if roots.len() > 1 {
        let message = "`-` stands for standard input and can't be combined with folders";
        return Err(Error::Usage(message.to_owned()));
    }
    let mut text = Vec::new();
    // The loader refuses larger texts. One more byte than the limit is enough to detect them.
    let most = gatefold_manifest::FILE_SIZE + 1;
    let read = io::stdin().take(most).read_to_end(&mut text);
    read.context("can't read standard input")?;
    Ok(Loader::from_text("<stdin>", text))
}

fn build_report(loaded: Loaded, args: &ManifestArgs, sharing: AddressSharing) -> CheckReport {
    let now = OffsetDateTime::now_utc();
    let given = args.gateway_addresses();
    let pool = args.address_pool.map(AddressPool::new);
    let mut environment = Environment {
        controller_name: args.controller_name.clone(),
        path_normalization: args.path_normalization(),
        ignored_policies: args.ignore_policy.clone(),
        addresses: args.addresses(),
        sharing,
        gateway_addresses: given.clone(),
        pool: pool.map(|mut pool| pool.assign(&loaded.resources, &given, SpecAddresses::Bind)),
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
    sort(&mut diagnostics);
    CheckReport {
        files: loaded.files,
        resources: loaded.resources,
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

    fn summary(&self) -> String {
        let counted = |count: usize, what: &str| match count {
            0 => format!("no {what}s"),
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        };
        let infos = match self.count(Severity::Info) {
            0 => String::new(),
            1 => ", 1 note".to_owned(),
            more => format!(", {more} notes"),
        };
        format!(
            "{} read: {}, {}{infos}\n",
            counted(self.files, "file"),
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
            "files": self.files,
            "objects": objects,
            "diagnostics": self.diagnostics,
        });
        format!("{json:#}\n")
    }
}

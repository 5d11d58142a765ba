//! `gatefold get`: shows objects of a running daemon.
//!
//! In: arguments, and the response of the daemon's admin API. Out: a table, JSON, YAML or names.

use super::daemon::{AdminAnswer, DaemonArgs};
use super::table::{Columns, NamespaceColumn, format_table};
use super::{Error, print};
use crate::admin::RestPath;
use anyhow::{Context as _, bail};
use gatefold_manifest::{Kind, Scope};
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

/// Maximum time for the daemon's response.
const DEADLINE: Duration = Duration::from_secs(10);

/// The arguments of `gatefold get`.
#[derive(Debug, clap::Args)]
pub(super) struct GetArgs {
    /// The kind, by any name that kubectl accepts: gateways, httproutes, services, ...
    kind: String,
    /// The name of the object; all objects if absent.
    name: Option<String>,
    /// The namespace.
    #[arg(short, long, env = "GATEFOLD_NAMESPACE", default_value = "default")]
    namespace: String,
    /// Show the objects of all namespaces.
    #[arg(
        short = 'A',
        long,
        env = "GATEFOLD_ALL_NAMESPACES",
        conflicts_with = "name"
    )]
    all_namespaces: bool,
    /// The output format; a table by default.
    #[arg(short, long, value_name = "FORMAT", env = "GATEFOLD_OUTPUT")]
    output: Option<GetOutput>,
    #[command(flatten)]
    daemon: DaemonArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum GetOutput {
    Json,
    Yaml,
    Name,
    Wide,
}

pub(super) fn get(args: &GetArgs) -> Result<ExitCode, Error> {
    let kind = Kind::named(&args.kind).ok_or_else(|| {
        let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.plural()).collect();
        let known = known.join(", ");
        let unknown = &args.kind;
        Error::Usage(format!("unknown kind `{unknown}`; known kinds: {known}"))
    })?;
    let is_namespaced = kind.scope() == Scope::Namespaced;
    let path = RestPath {
        kind,
        namespace: (is_namespaced && !args.all_namespaces).then_some(args.namespace.as_str()),
        name: args.name.as_deref(),
    };
    let accept = match args.output {
        None | Some(GetOutput::Wide) => {
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
        }
        Some(GetOutput::Json | GetOutput::Yaml | GetOutput::Name) => "application/json",
    };
    let answer = args.daemon.get(&path.to_string(), accept, DEADLINE)?;
    let answer = read_answer(&answer)?;
    let namespace_column = if is_namespaced && args.all_namespaces {
        NamespaceColumn::Shown
    } else {
        NamespaceColumn::Hidden
    };
    let table = |columns| {
        let table = format_table(&answer, columns, namespace_column);
        table.unwrap_or_else(|| "No resources found\n".to_owned())
    };
    match args.output {
        None => print(table(Columns::Usual)),
        Some(GetOutput::Wide) => print(table(Columns::Wide)),
        Some(GetOutput::Json) => print(format_args!("{answer:#}\n")),
        Some(GetOutput::Yaml) => print(serde_yaml::to_string(&answer)?),
        Some(GetOutput::Name) => print(names(kind, &answer)),
    }
}

fn read_answer(answer: &AdminAnswer) -> anyhow::Result<Value> {
    let json: Value = serde_json::from_slice(&answer.body)
        .context("the server at this address isn't gatefold")?;
    if json["kind"] == "Status" {
        bail!(
            "{}",
            json["message"]
                .as_str()
                .unwrap_or("the daemon refused the request")
        );
    }
    Ok(json)
}

/// The lines of `-o name`: `gateway.gateway.networking.k8s.io/edge`.
fn names(kind: Kind, answer: &Value) -> String {
    let one = std::slice::from_ref(answer);
    let objects = answer["items"].as_array().map_or(one, Vec::as_slice);
    let full = match kind.group() {
        "" => kind.singular(),
        group => format!("{}.{group}", kind.singular()),
    };
    let name = |object: &Value| {
        object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let lines = objects
        .iter()
        .map(|object| format!("{full}/{}\n", name(object)));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> AdminAnswer {
        AdminAnswer {
            status: 200,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn reads_an_object_and_reports_a_status_as_an_error() {
        let ok = read_answer(&answer("{\"kind\": \"Gateway\"}"));
        assert_eq!(ok.expect("an object")["kind"], "Gateway");
        let status = read_answer(&answer(
            "{\"kind\": \"Status\", \"message\": \"not there\"}",
        ));
        assert_eq!(status.expect_err("a failure").to_string(), "not there");
        assert!(read_answer(&answer("<html>")).is_err());
    }
}

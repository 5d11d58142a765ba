//! `gatefold get`: objects of a running daemon, from its admin API.

use super::ask::{Answer, ask};
use super::table::{Columns, Namespace, draw};
use super::{Error, print};
use crate::admin::{AdminAddress, Kind};
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

/// How long the daemon may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// The arguments of `gatefold get`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The kind: gateways, httproutes, services and others, by any name that kubectl takes.
    kind: String,
    /// The object's name; all of them when absent.
    name: Option<String>,
    /// The namespace.
    #[arg(short, long, env = "GATEFOLD_NAMESPACE", default_value = "default")]
    namespace: String,
    /// Objects of all namespaces.
    #[arg(
        short = 'A',
        long,
        env = "GATEFOLD_ALL_NAMESPACES",
        conflicts_with = "name"
    )]
    all_namespaces: bool,
    /// How to show them; a table by default.
    #[arg(short, long, value_name = "FORMAT", env = "GATEFOLD_OUTPUT")]
    output: Option<Output>,
    /// The daemon's admin API.
    #[arg(
        long,
        value_name = "ADDR|unix:PATH",
        env = "GATEFOLD_ADMIN",
        default_value = "127.0.0.1:4283"
    )]
    admin: AdminAddress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Json,
    Yaml,
    Name,
    Wide,
}

pub(super) fn get(args: &Args) -> Result<ExitCode, Error> {
    let kind = Kind::named(&args.kind).ok_or_else(|| {
        let known: Vec<&str> = Kind::all().iter().map(|kind| kind.resource).collect();
        let known = known.join(", ");
        Error::Usage(format!(
            "there is no kind `{}`; known are {known}",
            args.kind
        ))
    })?;
    let namespace = (!args.all_namespaces).then_some(args.namespace.as_str());
    let path = kind.path(namespace, args.name.as_deref());
    let accept = match args.output {
        None | Some(Output::Wide) => {
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
        }
        Some(Output::Json | Output::Yaml | Output::Name) => "application/json",
    };
    let answer = ask(&args.admin, &path, accept, DEADLINE)?;
    let answer = read_answer(&answer)?;
    let with_namespace = match args.all_namespaces && kind.namespaced {
        true => Namespace::Shown,
        false => Namespace::Hidden,
    };
    let table = |columns| {
        let drawn = draw(&answer, columns, with_namespace);
        drawn.unwrap_or_else(|| "No resources found\n".to_owned())
    };
    match args.output {
        None => print(table(Columns::Usual)),
        Some(Output::Wide) => print(table(Columns::Wide)),
        Some(Output::Json) => print(format_args!("{answer:#}\n")),
        Some(Output::Yaml) => print(serde_yaml::to_string(&answer)?),
        Some(Output::Name) => print(names(kind, &answer)),
    }
}

fn read_answer(answer: &Answer) -> anyhow::Result<Value> {
    let json: Value =
        serde_json::from_slice(&answer.body).context("what answers there is no gatefold")?;
    if json["kind"] == "Status" {
        bail!(
            "{}",
            json["message"].as_str().unwrap_or("the daemon refuses")
        );
    }
    Ok(json)
}

fn names(kind: &Kind, answer: &Value) -> String {
    let one = std::slice::from_ref(answer);
    let objects = answer["items"].as_array().map_or(one, Vec::as_slice);
    let full = match kind.group {
        "" => kind.singular.to_owned(),
        group => format!("{}.{group}", kind.singular),
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

    fn answer(body: &str) -> Answer {
        Answer {
            status: 200,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn an_object_is_read_and_a_status_is_an_error() {
        let ok = read_answer(&answer("{\"kind\": \"Gateway\"}"));
        assert_eq!(ok.expect("an object")["kind"], "Gateway");
        let status = read_answer(&answer(
            "{\"kind\": \"Status\", \"message\": \"not there\"}",
        ));
        assert_eq!(status.expect_err("a failure").to_string(), "not there");
        assert!(read_answer(&answer("<html>")).is_err());
    }
}

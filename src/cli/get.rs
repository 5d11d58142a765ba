//! `gatefold get`: objects of a running daemon, from its admin API.

use super::table::{Columns, Namespace, draw};
use super::{Error, print};
use crate::admin::{AdminAddress, Kind};
use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
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
    let answer = fetch(&args.admin, &path, accept)?;
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

/// One request. HTTP/1.0 has the daemon close the connection at the answer's end, in one piece.
fn fetch(admin: &AdminAddress, path: &str, accept: &str) -> anyhow::Result<Value> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    let hint =
        || format!("no daemon answers at {admin}: is `gatefold run` running there? (--admin)");
    let mut answer = Vec::new();
    match admin {
        AdminAddress::Tcp(address) => {
            let mut stream = TcpStream::connect_timeout(address, DEADLINE).with_context(hint)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            exchange(&mut stream, &request, &mut answer).with_context(hint)?;
        }
        AdminAddress::Unix(socket) => {
            let mut stream = UnixStream::connect(socket).with_context(hint)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            exchange(&mut stream, &request, &mut answer).with_context(hint)?;
        }
    }
    read_answer(&answer)
}

fn exchange(
    stream: &mut (impl Read + Write),
    request: &str,
    answer: &mut Vec<u8>,
) -> std::io::Result<()> {
    stream.write_all(request.as_bytes())?;
    stream.read_to_end(answer)?;
    Ok(())
}

fn read_answer(answer: &[u8]) -> anyhow::Result<Value> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|window| window == END);
    let body = end.and_then(|end| answer.get(end + END.len()..));
    let body = body.ok_or_else(|| anyhow!("what answers there doesn't speak HTTP"))?;
    let json: Value = serde_json::from_slice(body).context("what answers there is no gatefold")?;
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

    #[test]
    fn an_answer_is_read_and_a_status_is_an_error() {
        let ok = read_answer(b"HTTP/1.0 200 OK\r\ncontent-type: x\r\n\r\n{\"kind\": \"Gateway\"}");
        assert_eq!(ok.expect("an object")["kind"], "Gateway");
        let status = read_answer(
            b"HTTP/1.0 404 Not Found\r\n\r\n{\"kind\": \"Status\", \"message\": \"not there\"}",
        );
        assert_eq!(status.expect_err("a failure").to_string(), "not there");
        assert!(read_answer(b"SSH-2.0-OpenSSH").is_err());
    }
}

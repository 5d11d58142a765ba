//! `gatefold echo`: runs the echo backend alone.

use super::Error;
use crate::echo::{Echo, EchoOptions, Identity, OwnPaths};
use crate::telemetry::write_line;
use anyhow::Context as _;
use clap::builder::FalseyValueParser;
use std::net::SocketAddr;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// The arguments of `gatefold echo`. Its identity uses the environment variables of the Gateway API's echo-basic, so that
/// the same Deployment works.
#[derive(Debug, clap::Args)]
pub(super) struct EchoArgs {
    /// The address to listen on, for HTTP/1.1, and HTTP/2 without TLS.
    #[arg(
        long,
        value_name = "ADDR",
        env = "GATEFOLD_ECHO_LISTEN",
        default_value = "127.0.0.1:3000"
    )]
    listen: SocketAddr,
    /// The namespace in answers.
    #[arg(long, env = "NAMESPACE", default_value = "")]
    namespace: String,
    /// The pod name in answers.
    #[arg(long, value_name = "NAME", env = "POD_NAME", default_value = "")]
    pod: String,
    /// The ingress name in answers.
    #[arg(long, value_name = "NAME", env = "INGRESS_NAME", default_value = "")]
    ingress: String,
    /// The Service name in answers.
    #[arg(long, value_name = "NAME", env = "SERVICE_NAME", default_value = "")]
    service: String,
    /// Answers /health, /status/NNN and ?delay= like all other paths. Requests can still ask for a status or a delay with the
    /// headers X-Echo-Set-Status and X-Echo-Delay.
    #[arg(long, env = "GATEFOLD_ECHO_NO_OWN_PATHS", value_parser = FalseyValueParser::new())]
    no_own_paths: bool,
}

pub(super) fn echo(args: EchoArgs) -> Result<ExitCode, Error> {
    let identity = Identity {
        namespace: args.namespace,
        ingress: args.ingress,
        service: args.service,
        pod: args.pod,
    };
    let options = EchoOptions {
        own_paths: if args.no_own_paths {
            OwnPaths::Echoed
        } else {
            OwnPaths::Answered
        },
        ..EchoOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().context("can't start threads")?;
    runtime.block_on(async {
        let echo = Echo::bind(args.listen, identity, options)
            .await
            .with_context(|| format!("can't listen on {}", args.listen))?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        write_line(format_args!(
            "the echo backend listens on http://{}",
            echo.local_addr()?
        ));
        tokio::select! {
            () = echo.serve() => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

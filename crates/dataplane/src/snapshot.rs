//! A snapshot as text, for fixtures and readers, and as a digest, for comparison.

use super::backend::BackendTarget;
use super::client_traffic::tls_settings::TlsSettings;
use super::{Action, HttpListeners, Port, Rule, RuleId, Snapshot, SocketKey};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

impl Snapshot {
    /// Returns a digest of everything that affects requests. It ignores counters. Two snapshots that serve the same have the
    /// same digest; others have a different one, except for one in 2^64. Digesting takes about half as long as compiling, so
    /// a reload compares objects instead.
    pub fn digest(&self) -> u64 {
        let mut hashed = Hashed(DefaultHasher::new());
        // Writing to a hasher can't fail.
        let _ = write!(hashed, "{self}");
        for (_, port) in self.sorted() {
            for (_, set) in port.tls().iter().flat_map(|sets| sets.sorted()) {
                let certificates = set.keys.iter().flat_map(|key| &key.cert);
                certificates.for_each(|certificate| hashed.0.write(certificate));
                if let Some(clients) = set.clients() {
                    // Writing to a hasher can't fail.
                    let _ = write!(hashed, "{:?}", clients.requirements);
                }
            }
        }
        let listeners = self.sorted().into_values().filter_map(Port::http);
        for (_, listener) in listeners.flat_map(HttpListeners::sorted) {
            for log in listener.access_logs.iter().flat_map(|logs| &**logs) {
                // Writing to a hasher can't fail.
                let _ = write!(hashed, "{:?}", log.format);
            }
        }
        for rule in self.variants().values() {
            let Action::Forward(split) = &rule.action else {
                continue;
            };
            let targets = split.backends().map(|(_, backend)| &backend.target);
            for endpoints in targets.filter_map(BackendTarget::endpoints) {
                if let Some(tls) = endpoints.tls() {
                    let all = tls.identities.iter().chain([&tls.anonymous]);
                    all.for_each(|it| it.handshake.hash(&mut hashed.0));
                }
            }
        }
        hashed.0.finish()
    }

    /// Returns every rule once. Of a rule with several variants, it returns one of them.
    pub fn rules(&self) -> BTreeMap<&RuleId, &Arc<Rule>> {
        self.all_rules().map(|rule| (&rule.id, rule)).collect()
    }

    /// Returns the variants of every rule, with their texts. A rule has several if SecurityPolicies differ between its listeners.
    fn variants(&self) -> BTreeMap<(&RuleId, String), &Rule> {
        let rules = self.all_rules();
        rules
            .map(|rule| ((&rule.id, rule_text(rule)), &**rule))
            .collect()
    }

    /// Returns the rules of all listeners, in no order.
    fn all_rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        let listeners = self.ports.values().filter_map(|port| port.http());
        let listeners = listeners.flat_map(|listeners| listeners.values());
        listeners.flat_map(|listener| listener.routers.rules())
    }

    fn sorted(&self) -> BTreeMap<SocketKey, &Port> {
        let ports = self.ports.iter();
        ports.map(|(socket, port)| (*socket, &**port)).collect()
    }
}

/// First the listeners of each socket with their matches in order of precedence, then what to fetch from issuers, then the rules. Equal snapshots have equal
/// texts.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (socket, port) in self.sorted() {
            write!(f, "{socket}")?;
            if let Some(settings) = self.socket_settings.get(&socket) {
                write!(f, "{settings}")?;
            }
            writeln!(f, "{port}")?;
        }
        for fetch in &self.issuer_fetches {
            writeln!(f, "{fetch}")?;
        }
        for provider in &self.named_providers {
            writeln!(f, "{provider}")?;
        }
        let variants = self.variants();
        variants.keys().try_for_each(|(_, text)| f.write_str(text))
    }
}

fn rule_text(rule: &Rule) -> String {
    let retry = rule
        .retry
        .as_ref()
        .map_or_else(String::new, ToString::to_string);
    let Rule {
        id,
        filters,
        timeouts,
        action,
        ..
    } = rule;
    format!("{id}:{filters}{timeouts}{retry}\n{action}\n")
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (hostname, set) in self.tls().iter().flat_map(|sets| sets.sorted()) {
            write!(f, "\n  TLS {hostname}: certificates {}", set.keys.len())?;
            let own = set.own.as_ref().map(|own| &own.settings);
            if let Some(settings) = own.filter(|it| ***it != TlsSettings::default()) {
                write!(f, ", {settings}")?;
            }
            if let Some(clients) = set.clients() {
                write!(f, ", {}", clients.requirements)?;
            }
        }
        for (hostname, listener) in self.http().iter().flat_map(|listeners| listeners.sorted()) {
            write!(f, "\n  {hostname}: {}", listener.name)?;
            if let Some(place) = listener.identity {
                write!(f, ", backends are shown client certificate {place}")?;
            }
            if let Some(logs) = &listener.access_logs {
                let to = logs.iter().map(|log| log.destination.to_string());
                write!(f, ", access logs [{}]", to.collect::<Vec<_>>().join(", "))?;
            }
            if let Some(traffic) = &listener.client_traffic {
                write!(f, ", {traffic}")?;
            }
            for line in listener.routers.to_string().lines() {
                write!(f, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

/// One line per backend.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Refuse(status) => write!(f, "  {}", status.as_u16()),
            Action::AnsweredByFilters => f.write_str("  answered by the filters"),
            Action::Forward(split) => {
                let lines = split
                    .backends()
                    .map(|(weight, it)| format!("  {weight} x {it}"));
                f.write_str(&lines.collect::<Vec<_>>().join("\n"))
            }
        }
    }
}

struct Hashed(DefaultHasher);

impl Write for Hashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

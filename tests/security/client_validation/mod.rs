//! Client certificates under a ClientTrafficPolicy (`tls.clientValidation`, `headers.xForwardedClientCert`).

mod forwarded_client_cert;
mod requirements;

use crate::support::client_traffic::{client_traffic_policy, replace};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::manifests::{condition, gateway_named, route, service};
use crate::support::tls::{Authority, Pair, config_map, secret};
use rustls::ClientConfig;
use std::io;
use std::sync::Arc;

const HOST: &str = "www.example.com";
const OTHER: &str = "other.example.com";
const TRUSTING: &str = "caCertificateRefs: [{kind: ConfigMap, name: clients}]";

/// Two HTTPS listeners of one port, of which a policy targets the first one.
struct Site {
    server: Authority,
    clients: Authority,
    folder: Folder,
    daemon: Daemon,
}

impl Site {
    fn new(validation: &str) -> Self {
        Site::with(validation, "")
    }

    /// `gateway_tls` are lines of YAML for the Gateway.
    fn with(validation: &str, gateway_tls: &str) -> Self {
        let (server, clients) = (Authority::new(), Authority::new());
        let (pair, other) = (server.issue(HOST), server.issue(OTHER));
        let listeners = format!(
            "    - {{name: www, protocol: HTTPS, port: 443, hostname: {HOST}, tls: {{certificateRefs: [{{name: www}}]}}}}
    - {{name: other, protocol: HTTPS, port: 443, hostname: {OTHER}, tls: {{certificateRefs: [{{name: other}}]}}}}\n"
        );
        let gateway = gateway_named("edge", &listeners) + gateway_tls;
        let folder = Folder::with([
            ("gateway.yaml", gateway),
            ("www.yaml", secret("www", &pair.certificate, &pair.key)),
            (
                "other.yaml",
                secret("other", &other.certificate, &other.key),
            ),
            ("route.yaml", route("shop", HOST)),
            ("other-route.yaml", route("blog", OTHER)),
            ("shop.yaml", service("shop")),
            ("blog.yaml", service("blog")),
            ("ca.yaml", config_map("clients", &clients.pem())),
            ("policy.yaml", policy(validation)),
        ]);
        let daemon = Daemon::of(&folder).echo().start();
        Site {
            server,
            clients,
            folder,
            daemon,
        }
    }

    fn set(&self, validation: &str) {
        self.replace("policy.yaml", &policy(validation));
    }

    /// Sets the validation, and how headers are treated.
    fn set_with(&self, validation: &str, headers: &str) {
        let text = policy(validation) + &format!("  headers: {headers}\n");
        self.replace("policy.yaml", &text);
    }

    fn replace(&self, file: &str, text: &str) {
        replace(&self.folder, &self.daemon, file, text);
    }

    /// Returns the status of a request to a host, and whether its connection has resumed a session.
    fn ask(&self, config: Arc<ClientConfig>, host: &str) -> io::Result<(u16, bool)> {
        let socket = self.daemon.socket(443);
        let (mut client, _) = Authority::connect_with(config, socket, host)?;
        // In TLS 1.3 the client learns of a refusal only after its handshake.
        let answer = client.get(host, "/", &[])?;
        Ok((answer.status, client.is_resumed()))
    }

    /// Returns the status that a client gets. `None` if its handshake fails.
    fn status(&self, client: Option<&Pair>) -> Option<u16> {
        let config = self.server.trust_as(client);
        self.ask(config, HOST).ok().map(|(status, _)| status)
    }

    fn accepted(&self) -> serde_json::Value {
        let path =
            "/apis/gateway.envoyproxy.io/v1alpha1/namespaces/default/clienttrafficpolicies/clients";
        let policy = self.daemon.admin_json(path);
        condition(&policy["status"]["ancestors"][0], "Accepted").clone()
    }
}

fn policy(validation: &str) -> String {
    client_traffic_policy(&format!("tls: {{clientValidation: {{{validation}}}}}"))
        .replace("name: edge", "name: edge, sectionName: www")
}

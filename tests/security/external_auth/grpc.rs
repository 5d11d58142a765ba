//! Authorization servers that speak gRPC: `extAuth.grpc` of SecurityPolicies, and the protocol GRPC of the filter.

use super::{HOST, ask, route_with_filter};
use crate::support::client::Response;
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::grpc::GrpcClient;
use crate::support::grpc_auth_server::{GrpcAuthServer, GrpcReply, framed};
use crate::support::manifests::{endpoint_slice, gateway, route, service};
use crate::support::protobuf::{bytes, number};
use serde_json::{Value, json};

/// A folder with a route whose policy has these fields of `extAuth`, and asks `auth`.
fn folder(auth: &GrpcAuthServer, ext_auth: &str) -> Folder {
    Folder::with([
        ("gateway.yaml", gateway()),
        ("route.yaml", route("shop", HOST)),
        ("shop.yaml", service("shop")),
        ("auth.yaml", service("auth")),
        ("auth-slice.yaml", endpoint_slice("auth", auth.address())),
        ("policy.yaml", policy(ext_auth)),
    ])
}

fn policy(ext_auth: &str) -> String {
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {{name: asks}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}}]
  extAuth: {{grpc: {{backendRefs: [{{name: auth, port: 3000}}]}}, {ext_auth}}}
"
    )
}

/// `CheckResponse.status`.
fn status(code: u64) -> Vec<u8> {
    bytes(1, number(1, code))
}

/// A permission with these fields of `OkHttpResponse`.
fn ok(fields: &[Vec<u8>]) -> GrpcReply {
    GrpcReply::Message([status(0), bytes(3, fields.concat())].concat())
}

/// `HeaderValueOption`, without an action if it is `None`.
fn option(name: &str, value: &str, action: Option<u64>) -> Vec<u8> {
    let header = bytes(1, [bytes(1, name), bytes(2, value)].concat());
    let action = action.map_or_else(Vec::new, |action| number(3, action));
    [header, action].concat()
}

/// `DeniedHttpResponse`.
fn denied(code: u64, header: (&str, &str), body: &str) -> Vec<u8> {
    let header = option(header.0, header.1, None);
    [bytes(1, number(1, code)), bytes(2, header), bytes(3, body)].concat()
}

fn sees(response: &Response, name: &str) -> Value {
    response.json()["headers"][name].clone()
}

#[test]
fn the_server_gets_the_attributes_of_the_request() {
    let auth = GrpcAuthServer::start(|_| ok(&[]));
    let ext_auth =
        "includeRouteMetadata: true, timeout: 7s, contextExtensions: [{name: tenant, value: blue}]";
    let folder = folder(&auth, ext_auth);
    let daemon = Daemon::of(&folder).echo().start();
    let sent = [
        ("Cookie", "a=1"),
        ("X-Two", "1"),
        ("X-Two", "2"),
        ("X-Forwarded-Proto", "https"),
        ("X-Request-Id", "my-id"),
    ];
    let mut client = daemon.connect();
    let answer = client.send("POST", HOST, "/a%20b?q=1", &sent, b"body");
    assert_eq!(answer.expect("an answer").status, 200);
    let (call, attributes) = auth.last();
    let path = "/envoy.service.auth.v3.Authorization/Check";
    assert_eq!(call.uri.path(), path);
    let authority = call.uri.authority().map(|it| it.as_str());
    assert_eq!(authority, Some("auth.default:3000"));
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", "7000m"),
    ] {
        assert_eq!(call.headers[name], value);
    }
    let source = attributes.at(&[1, 1, 1]);
    let peer = client.stream().local_addr().expect("its address");
    assert_eq!(source.text(2), peer.ip().to_string());
    assert_eq!(source.number(3), u64::from(peer.port()));
    let destination = attributes.at(&[2, 1, 1]);
    let socket = daemon.socket(80);
    assert_eq!(destination.text(2), socket.ip().to_string());
    assert_eq!(destination.number(3), u64::from(socket.port()));
    assert_ne!(attributes.at(&[4, 1]).number(1), 0, "the time");
    let http = attributes.at(&[4, 2]);
    assert_eq!(http.text(1), "my-id");
    assert_eq!(http.text(2), "POST");
    assert_eq!(http.text(4), "/a%20b?q=1");
    assert_eq!(http.text(5), HOST);
    assert_eq!(http.text(6), "http");
    assert_eq!(http.number(9), 4);
    assert_eq!(http.text(10), "HTTP/1.1");
    let header = |name| http.entry(3, name);
    for (name, value) in [
        ("cookie", "a=1"),
        ("x-two", "1,2"),
        ("x-forwarded-proto", "http"),
        (":path", "/a%20b?q=1"),
        (":method", "POST"),
        (":authority", HOST),
        (":scheme", "http"),
        ("content-length", "4"),
    ] {
        assert_eq!(header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(attributes.entry(10, "tenant").as_deref(), Some("blue"));
    // route_metadata_context.filter_metadata["envoy-gateway"].fields["resources"].list_value.values[0].struct_value
    let metadata = attributes.at(&[13, 1]);
    assert_eq!(metadata.text(1), "envoy-gateway");
    let resource = metadata.at(&[2, 1, 2, 6, 1, 5]);
    let field = |key: &str| {
        let fields = resource.all(1);
        let found = fields.iter().find(|field| field.text(1) == key);
        found.map(|field| field.at(&[2]).text(3))
    };
    assert_eq!(field("kind").as_deref(), Some("HTTPRoute"));
    assert_eq!(field("namespace").as_deref(), Some("default"));
    assert_eq!(field("name").as_deref(), Some("shop"));
    // Only what the policy lists.
    folder.write("policy.yaml", policy("headersToExtAuth: [Cookie]"));
    daemon.wait_for_summary("the policy", |_| {
        ask(&daemon, "/", &sent);
        let http = auth.last().1.at(&[4, 2]);
        (http.all(3).len() == 1).then_some(())
    });
}

#[test]
fn a_permission_changes_request_and_response() {
    let auth = GrpcAuthServer::start(|_| {
        ok(&[
            bytes(2, option("X-User", "alice", None)),
            bytes(2, option("x-role", "admin", Some(2))),
            bytes(2, option("x-absent", "new", Some(1))),
            bytes(2, option("x-present", "new", Some(1))),
            bytes(2, option("x-other", "new", Some(3))),
            // The older field `append`.
            bytes(
                2,
                [option("x-list", "b", None), bytes(2, number(1, 1))].concat(),
            ),
            bytes(5, "authorization"),
            bytes(5, "host"),
            bytes(6, option("set-cookie", "a=1", None)),
            bytes(6, option("set-cookie", "b=2", None)),
            bytes(7, [bytes(1, "user"), bytes(2, "al ice")].concat()),
            bytes(8, "token"),
        ])
    });
    let daemon = Daemon::of(&folder(&auth, "")).echo().start();
    let sent = [
        ("X-User", "root"),
        ("X_User", "root"),
        ("X-Present", "old"),
        ("X-List", "a"),
        ("Authorization", "Bearer secret"),
        ("Connection", "x-user, x-role"),
    ];
    let answer = ask(&daemon, "/a?token=1&b=2&user=root&us%65r=root", &sent);
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("X-User", json!(["alice"])),
        ("X_user", Value::Null),
        ("X-Role", json!(["admin"])),
        ("X-Absent", json!(["new"])),
        ("X-Present", json!(["old"])),
        ("X-Other", Value::Null),
        ("X-List", json!(["a", "b"])),
        ("Authorization", Value::Null),
    ] {
        assert_eq!(sees(&answer, name), value, "{name}");
    }
    assert_eq!(answer.json()["path"], "/a?b=2&user=al%20ice");
    let cookies = answer.headers.iter();
    let cookies = cookies.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    assert_eq!(cookies.count(), 2);
}

#[test]
fn a_denial_reaches_the_client_also_with_fail_open() {
    let auth = GrpcAuthServer::start(|question| {
        let denied = denied(302, ("location", "/login"), "log in");
        GrpcReply::Message(match question.at(&[4, 2]).text(4).as_str() {
            "/portal" => [status(16), bytes(2, denied)].concat(),
            "/contradiction" => [status(0), bytes(2, denied)].concat(),
            "/ok-without-status" => [status(7), bytes(3, "")].concat(),
            _ => status(7),
        })
    });
    let daemon = Daemon::of(&folder(&auth, "failOpen: true")).echo().start();
    for path in ["/portal", "/contradiction"] {
        let answer = ask(&daemon, path, &[]);
        assert_eq!((answer.status, answer.text().as_str()), (302, "log in"));
        assert_eq!(answer.header("location"), Some("/login"));
    }
    for path in ["/", "/ok-without-status"] {
        assert_eq!(ask(&daemon, path, &[]).status, 403, "{path}");
    }
    let mut client = GrpcClient::connect(daemon.socket(80));
    let denied = client.call_with(HOST, "/a.B/C", &[]);
    assert_eq!(denied.grpc_status(), Some(7), "PERMISSION_DENIED");
}

#[test]
fn nothing_that_is_no_answer_lets_a_request_pass() {
    let allowed = [status(0), bytes(3, "")].concat();
    let header = |name: &str, value: &str| ok(&[bytes(2, option(name, value, None))]);
    let replies = [
        GrpcReply::Status("14"),
        GrpcReply::Status("0"),
        GrpcReply::Http(500),
        GrpcReply::Http(200),
        GrpcReply::Reset,
        GrpcReply::Hang,
        GrpcReply::NoTrailers(allowed.clone()),
        GrpcReply::Body(framed(&allowed).repeat(2)),
        GrpcReply::Body(allowed.clone()),
        GrpcReply::Body(Vec::new()),
        GrpcReply::Body(framed(&[0xff; 64])),
        GrpcReply::Message(Vec::new()),
        // Longer than any answer may be, and than the window of the stream.
        GrpcReply::Message([allowed.clone(), bytes(100, vec![b'x'; 10 << 20])].concat()),
        header("a b", "1"),
        header(":path", "/admin"),
        header("host", "other.example.com"),
        header("x-user", "a\r\nb: c"),
    ];
    for reply in replies {
        let shown: String = format!("{reply:?}").chars().take(60).collect();
        let is_too_long = matches!(&reply, GrpcReply::Message(it) if it.len() > 1 << 20);
        let auth = GrpcAuthServer::start(move |_| reply.clone());
        let folder = folder(&auth, "timeout: 2s, statusOnError: 503");
        let daemon = Daemon::of(&folder).echo().start();
        assert_eq!(ask(&daemon, "/", &[]).status, 503, "{shown}");
        assert_eq!(auth.count(), 1, "{shown}: asked again");
        folder.write("policy.yaml", policy("timeout: 2s, failOpen: true"));
        // What is too long may be a denial.
        let open = if is_too_long { 403 } else { 200 };
        daemon.wait_for_status(HOST, "/", open);
    }
}

#[test]
fn the_answer_of_a_server_that_has_failed_is_used_unless_the_policy_fails_open() {
    let auth = GrpcAuthServer::start(|question| {
        let error = match question.at(&[4, 2]).text(4).as_str() {
            "/own" => denied(429, ("retry-after", "7"), "later"),
            _ => bytes(3, "no status"),
        };
        GrpcReply::Message([status(13), bytes(5, error)].concat())
    });
    let folder = folder(&auth, "statusOnError: 503");
    let daemon = Daemon::of(&folder).echo().start();
    let answer = ask(&daemon, "/own", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (429, "later"));
    assert_eq!(answer.header("retry-after"), Some("7"));
    let answer = ask(&daemon, "/", &[]);
    assert_eq!((answer.status, answer.text().as_str()), (503, "no status"));
    folder.write("policy.yaml", policy("failOpen: true"));
    daemon.wait_for_status(HOST, "/own", 200);
}

#[test]
fn the_filter_of_a_route_asks_over_grpc() {
    let auth = GrpcAuthServer::start(|question| {
        let http = question.at(&[4, 2]);
        match http.entry(3, "x-key").as_deref() {
            Some("good") => ok(&[bytes(2, option("x-user", "alice", None))]),
            _ => GrpcReply::Message(status(7)),
        }
    });
    let folder = folder(&auth, "");
    folder.remove("policy.yaml");
    let route = |grpc: &str| route_with_filter(&format!("protocol: GRPC, grpc: {{{grpc}}}"));
    folder.write("route.yaml", route(""));
    let daemon = Daemon::of(&folder).echo().start();
    assert_eq!(ask(&daemon, "/", &[]).status, 403);
    let allowed = ask(&daemon, "/", &[("X-Key", "good"), ("X-User", "root")]);
    assert_eq!(sees(&allowed, "X-User"), json!(["alice"]));
    assert!(auth.last().1.at(&[4, 2]).all(3).len() > 3, "all headers");
    folder.write("route.yaml", route("allowedHeaders: [x-key]"));
    daemon.wait_for_summary("the route", |_| {
        let allowed = ask(&daemon, "/", &[("X-Key", "good")]);
        let headers = auth.last().1.at(&[4, 2]).all(3).len();
        (allowed.status == 200 && headers == 1).then_some(())
    });
}

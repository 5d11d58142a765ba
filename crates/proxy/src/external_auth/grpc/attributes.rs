//! The attributes of a request that a server gets over gRPC (`AttributeContext`), as Envoy fills them.

use super::message::{
    Address, AttributeContext, HttpRequest, ListValue, Metadata, Peer, Request, SocketAddress,
    Struct, Timestamp, Value, ValueKind,
};
use crate::context::RequestContext;
use crate::external_auth::exchange::PARTIAL_BODY;
use crate::request::fields::content_length;
use crate::request::{forwarded, way};
use ::http::header::HOST;
use ::http::{HeaderMap, HeaderName, HeaderValue, Version};
use gatefold_dataplane::RuleId;
use gatefold_dataplane::filter::external_auth::{AuthSettings, GrpcAuth, SentHeaders};
use gatefold_dataplane::filter::header_modifier::{HeaderAction, refusal};
use pingora_core::Result;
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// The namespace of a route's metadata in Envoy Gateway.
const ENVOY_GATEWAY: &str = "envoy-gateway";

/// Returns the attributes of a request. What gatefold says about its way replaces what the client says.
///
/// # Errors
/// If they can't be written.
pub(super) fn attributes(
    grpc: &GrpcAuth,
    settings: &AuthSettings,
    session: &Session,
    context: &mut RequestContext,
) -> Result<AttributeContext> {
    let request = session.req_header();
    let mut described = request.clone();
    forwarded::add(session, &mut described, context)?;
    let connection = context.connection.as_ref();
    let destination = session.server_addr().and_then(|address| address.as_inet());
    let rule = context.rule.as_ref().filter(|_| grpc.sends_route);
    Ok(AttributeContext {
        source: connection.map(|connection| peer(connection.peer())),
        destination: destination.copied().map(peer),
        request: Some(Request {
            time: Some(now()),
            http: Some(http(settings, (request, &described), context)?),
        }),
        context_extensions: grpc.context.texts().collect(),
        route_metadata_context: rule.map(|rule| route(&rule.id)),
    })
}

fn peer(address: SocketAddr) -> Peer {
    Peer {
        address: Some(Address {
            socket_address: Some(SocketAddress {
                address: address.ip().to_string(),
                port_value: Some(address.port().into()),
            }),
        }),
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or_default();
    Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or_default(),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or_default(),
    }
}

fn http(
    settings: &AuthSettings,
    (request, described): (&RequestHeader, &RequestHeader),
    context: &RequestContext,
) -> Result<HttpRequest> {
    let host = forwarded::asked_host(request)?;
    let host = host.as_ref().map(text).unwrap_or_default();
    let path = request.uri.path_and_query().map_or("/", |it| it.as_str());
    let connection = context.connection.as_ref();
    let scheme = connection.map_or("http", |connection| way::scheme(connection).as_str());
    let id = context.id.as_ref().map(|id| id.value()).transpose()?;
    let mut headers = headers(&settings.request_headers, &described.headers);
    if matches!(settings.request_headers, SentHeaders::All) {
        // Policies of OPA read them.
        let pseudo = [
            (":authority", host.as_str()),
            (":method", request.method.as_str()),
            (":path", path),
            (":scheme", scheme),
        ];
        let pseudo = pseudo.map(|(name, value)| (name.to_owned(), value.to_owned()));
        headers.extend(pseudo);
    }
    let body = context.body_for(settings);
    if body.is_some() {
        let is_partial = (PARTIAL_BODY.as_str().to_owned(), "false".to_owned());
        headers.extend([is_partial]);
    }
    Ok(HttpRequest {
        id: id.as_ref().map(text).unwrap_or_default(),
        method: request.method.to_string(),
        headers,
        path: path.to_owned(),
        host,
        scheme: scheme.to_owned(),
        size: match &body {
            Some(body) => i64::try_from(body.len()).unwrap_or(-1),
            None => size(&request.headers),
        },
        protocol: protocol(request.version).to_owned(),
        body: body.map(|body| utf8(&body)).unwrap_or_default(),
    })
}

/// Returns the headers that the server gets. Those of the connection, and `Host`, which is an attribute of its own, aren't among
/// them.
fn headers(sent: &SentHeaders, headers: &HeaderMap) -> BTreeMap<String, String> {
    let names = headers.keys().filter(|name| sent.contains(name));
    let names = names.filter(|name| is_of_the_message(name));
    let joined = names.map(|name| {
        let values: Vec<String> = headers.get_all(name).iter().map(text).collect();
        (name.as_str().to_owned(), values.join(","))
    });
    joined.collect()
}

fn is_of_the_message(name: &HeaderName) -> bool {
    *name == ::http::header::CONTENT_LENGTH
        || (*name != HOST && refusal(name, HeaderAction::Set).is_none())
}

fn text(value: &HeaderValue) -> String {
    utf8(value.as_bytes())
}

/// Strings of protobuf are UTF-8. Envoy replaces everything else by `!`, too.
fn utf8(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).replace(char::REPLACEMENT_CHARACTER, "!"),
    }
}

fn size(headers: &HeaderMap) -> i64 {
    let length = content_length(headers).and_then(|length| i64::try_from(length).ok());
    length.unwrap_or(-1)
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// Describes a route as Envoy Gateway does (`buildXdsMetadata`), without its annotations and the name of the rule.
fn route(id: &RuleId) -> Metadata {
    let (namespace, name) = id.route.split_once('/').unwrap_or(("", &id.route));
    let value = |kind| Value { kind: Some(kind) };
    let fields = [("kind", id.kind), ("namespace", namespace), ("name", name)];
    let fields =
        fields.map(|(key, text)| (key.to_owned(), value(ValueKind::Text(text.to_owned()))));
    let resource = value(ValueKind::Struct(Struct {
        fields: BTreeMap::from(fields),
    }));
    let list = value(ValueKind::List(ListValue {
        values: vec![resource],
    }));
    let resources = Struct {
        fields: BTreeMap::from([("resources".to_owned(), list)]),
    };
    Metadata {
        filter_metadata: BTreeMap::from([(ENVOY_GATEWAY.to_owned(), resources)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_joined_and_those_of_the_connection_left_out() {
        let mut map = HeaderMap::new();
        for (name, value) in [
            ("accept", &b"a"[..]),
            ("accept", b"b"),
            ("x-bytes", b"a\xffb"),
            ("connection", b"close"),
            ("transfer-encoding", b"chunked"),
            ("host", b"shop"),
            ("content-length", b"3"),
        ] {
            let value = HeaderValue::from_bytes(value).expect("a value");
            map.append(HeaderName::from_static(name), value);
        }
        let all = headers(&SentHeaders::All, &map);
        let wanted = [
            ("accept", "a,b"),
            ("x-bytes", "a!b"),
            ("content-length", "3"),
        ];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(all, BTreeMap::from(wanted));
        let listed = SentHeaders::Listed([HeaderName::from_static("accept")].into());
        assert_eq!(headers(&listed, &map).len(), 1);
    }
}

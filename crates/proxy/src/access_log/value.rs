//! Values: what an operator yields for a request.

use super::address;
use super::entry::Entry;
use super::grpc_status;
use super::response_flag::ResponseFlag;
use gatefold_dataplane::RuleId;
use gatefold_dataplane::access_log::{
    Address, EnvironmentVariable, Field, FieldChoice, GrpcStatusStyle, Operator, Precision,
    ServerNameChoice, TimePoint,
};
use gatefold_dataplane::backend::HttpVersion;
use gatefold_dataplane::filter::security::oidc::outcome::OidcOutcome;
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, Version};
use std::io::Write as _;
use std::sync::LazyLock;
use std::time::Duration;
use uuid::Uuid;

/// A value of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'v> {
    /// The request has none: `-` in text, `null` in JSON.
    Missing,
    /// A number.
    Number(u64),
    /// Bytes, which aren't escaped yet. They may be anything that a client sent.
    Text(&'v [u8]),
}

impl<'v> From<Option<&'v [u8]>> for Value<'v> {
    fn from(text: Option<&'v [u8]>) -> Self {
        text.map_or(Value::Missing, Value::Text)
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        text.map(str::as_bytes).into()
    }
}

impl From<usize> for Value<'_> {
    fn from(number: usize) -> Self {
        Value::Number(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

/// The name of this host.
static HOSTNAME: LazyLock<Vec<u8>> =
    LazyLock::new(|| rustix::system::uname().nodename().to_bytes().to_vec());

/// Evaluates an operator. A text that has to be made is made in `text`.
pub(super) fn of<'v>(
    operator: &'v Operator,
    entry: &'v Entry<'_>,
    text: &'v mut Vec<u8>,
) -> Value<'v> {
    text.clear();
    match operator {
        Operator::StartTime(format) => format.write(entry.times.start, text),
        Operator::EmitTime(format) => format.write(entry.times.start + entry.times.end, text),
        Operator::UniqueId => _ = write!(text, "{}", Uuid::new_v4()),
        Operator::Route => match entry.rule {
            Some(rule) => write_rule(rule, text),
            None => return Value::Missing,
        },
        Operator::RequestId => return request_id(entry, text),
        Operator::Request(choice) => return request_field(entry, choice, text),
        Operator::RequestWithoutQuery(choice) => {
            return match request_field(entry, choice, text) {
                Value::Text(text) => text.split(|byte| *byte == b'?').next().into(),
                other => other,
            };
        }
        Operator::Address(which, part) => {
            return match address_of(entry, *which) {
                Some(address) => address::part(address, *part, text),
                None => Value::Missing,
            };
        }
        _ => return borrowed(operator, entry),
    }
    Value::Text(text)
}

/// Evaluates the operators whose values the entry already contains.
fn borrowed<'v>(operator: &'v Operator, entry: &'v Entry<'_>) -> Value<'v> {
    match operator {
        Operator::Response(choice) => either(choice, |field| response_field(entry, field)),
        Operator::Trailer(choice) => either(choice, |field| match field {
            Field::Header(name) => header(entry.trailers?, name),
            _ => None,
        }),
        Operator::QueryParameter(name) => query_parameter(entry.request.uri.query(), name).into(),
        Operator::Query => entry.request.uri.query().into(),
        Operator::Protocol => protocol(entry.request.version).into(),
        Operator::UpstreamProtocol => entry.endpoint_version.map(endpoint_protocol).into(),
        Operator::ResponseCode => {
            Value::Number(entry.response.map_or(0, |it| it.status.as_u16()).into())
        }
        Operator::ResponseCodeDetails => Value::Text(entry.details().as_bytes()),
        Operator::ResponseFlags => entry.flag.map(ResponseFlag::short).into(),
        Operator::ResponseFlagsLong => entry.flag.map(ResponseFlag::long).into(),
        Operator::BytesReceived => entry.bytes_received.into(),
        Operator::BytesSent => entry.bytes_sent.into(),
        Operator::Duration(from, to, precision) => duration(entry, (*from, *to), *precision),
        Operator::Attempts => entry.attempts.into(),
        Operator::Backend => entry.backend.into(),
        Operator::ConnectionId => match &entry.connection {
            Some(connection) => Value::Number(connection.number),
            None => Value::Missing,
        },
        Operator::GrpcStatus(style) => grpc_status(entry, *style),
        Operator::ServerName(choice) => server_name(entry, *choice),
        Operator::TlsVersion => entry.tls.map(|tls| tls_version(&tls.version)).into(),
        Operator::TlsCipher => entry.tls.and_then(|tls| tls_cipher(&tls.cipher)).into(),
        Operator::AnswerBody => entry.reason.map(|reason| reason.text().trim_end()).into(),
        Operator::Hostname => Value::Text(&HOSTNAME),
        Operator::Environment(variable) => environment(variable).into(),
        Operator::LogType => Value::Text(b"DownstreamEnd"),
        Operator::Meaningless(_) => Value::Missing,
        // `of` makes their texts.
        Operator::StartTime(_)
        | Operator::EmitTime(_)
        | Operator::UniqueId
        | Operator::Route
        | Operator::RequestId
        | Operator::Request(_)
        | Operator::RequestWithoutQuery(_)
        | Operator::Address(..) => Value::Missing,
    }
}

/// Returns the first field of a choice that is present.
fn either<'v>(choice: &'v FieldChoice, field: impl Fn(&'v Field) -> Option<&'v [u8]>) -> Value<'v> {
    let second = || choice.second.as_ref().and_then(&field);
    field(&choice.first).or_else(second).into()
}

fn request_field<'v>(
    entry: &'v Entry<'_>,
    choice: &'v FieldChoice,
    text: &'v mut Vec<u8>,
) -> Value<'v> {
    let is_id = |field: &Field| matches!(field, Field::Header(name) if name == "x-request-id");
    if is_id(&choice.first) && entry.id.is_some() {
        return request_id(entry, text);
    }
    let request = entry.request;
    either(choice, |field| match field {
        Field::Method => Some(request.method.as_str().as_bytes()),
        Field::Path => {
            let target = request.uri.path_and_query();
            target.map(|target| target.as_str().as_bytes())
        }
        Field::Authority => entry.authority(),
        Field::Scheme => {
            let tls = entry.connection.is_some_and(|connection| connection.tls);
            Some(if tls { b"https" } else { b"http" })
        }
        Field::Status => None,
        Field::Header(name) => {
            let value = header(&request.headers, name)?;
            Some(visible(value, entry.client.is_secret(name)))
        }
    })
}

fn response_field<'v>(entry: &'v Entry<'_>, field: &Field) -> Option<&'v [u8]> {
    let response = entry.response?;
    match field {
        Field::Status => Some(response.status.as_str().as_bytes()),
        Field::Header(name) => {
            // The redirect of a logout contains the ID token.
            let is_logout = entry.reason == Some(OidcOutcome::LoggedOut.into());
            let is_secret = entry.client.is_secret(name) || (is_logout && *name == LOCATION);
            Some(visible(header(&response.headers, name)?, is_secret))
        }
        Field::Method | Field::Path | Field::Authority | Field::Scheme => None,
    }
}

/// Replaces a value that contains the tokens or the session of a user.
fn visible(value: &[u8], is_secret: bool) -> &[u8] {
    if is_secret { b"(secret)" } else { value }
}

fn header<'v>(headers: &'v HeaderMap, name: &HeaderName) -> Option<&'v [u8]> {
    headers.get(name).map(|value| value.as_bytes())
}

/// Returns the identifier that a backend was sent, or else the client's.
fn request_id<'v>(entry: &'v Entry<'_>, text: &'v mut Vec<u8>) -> Value<'v> {
    match entry.id {
        Some(id) => {
            // Writing to a vector can't fail.
            let _ = write!(text, "{id}");
            Value::Text(text)
        }
        None => entry
            .request
            .headers
            .get("x-request-id")
            .map(|id| id.as_bytes())
            .into(),
    }
}

/// Writes the name of a rule in the form of Envoy Gateway: `httproute/namespace/name/rule/0`.
fn write_rule(rule: &RuleId, text: &mut Vec<u8>) {
    text.extend(rule.kind.bytes().map(|byte| byte.to_ascii_lowercase()));
    let _ = write!(text, "/{}/rule/{}", rule.route, rule.index);
}

/// Returns the first value of a parameter, as sent.
fn query_parameter<'v>(query: Option<&'v str>, name: &str) -> Option<&'v str> {
    let parameters = query?.split('&');
    let mut pairs = parameters.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find_map(|(key, value)| (key == name).then_some(value))
}

fn protocol(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("HTTP/1.0"),
        Version::HTTP_11 => Some("HTTP/1.1"),
        Version::HTTP_2 => Some("HTTP/2"),
        _ => None,
    }
}

fn endpoint_protocol(version: HttpVersion) -> &'static str {
    match version {
        HttpVersion::Http1 => "HTTP/1.1",
        HttpVersion::Http2 => "HTTP/2",
    }
}

fn duration(
    entry: &Entry<'_>,
    (from, to): (TimePoint, TimePoint),
    unit: Precision,
) -> Value<'static> {
    let times = &entry.times;
    let at = |point| match point {
        TimePoint::RequestBegin => Some(Duration::ZERO),
        TimePoint::RequestEnd => times.request_end,
        TimePoint::RequestSent => times.request_sent,
        TimePoint::ResponseBegin => times.response_begin,
        TimePoint::End => Some(times.end),
    };
    let (Some(from), Some(to)) = (at(from), at(to)) else {
        return Value::Missing;
    };
    // The end of a request may follow the beginning of its response.
    let between = to.saturating_sub(from);
    let number = match unit {
        Precision::Milliseconds => between.as_millis(),
        Precision::Microseconds => between.as_micros(),
        Precision::Nanoseconds => between.as_nanos(),
    };
    Value::Number(u64::try_from(number).unwrap_or(u64::MAX))
}

fn grpc_status(entry: &Entry<'_>, style: GrpcStatusStyle) -> Value<'static> {
    let Some(number) = grpc_status::of(entry.trailers, entry.response) else {
        return Value::Missing;
    };
    match grpc_status::name(number, style) {
        Some(name) => Value::Text(name.as_bytes()),
        None => Value::Number(number.into()),
    }
}

fn server_name<'v>(entry: &'v Entry<'_>, choice: ServerNameChoice) -> Value<'v> {
    let name = || {
        let connection = entry.connection?;
        connection.server_name.map(str::as_bytes)
    };
    match choice {
        ServerNameChoice::ServerName => name().into(),
        ServerNameChoice::ServerNameOrHost => name().or_else(|| entry.authority()).into(),
        ServerNameChoice::Host => entry.authority().into(),
    }
}

/// Returns a version as Envoy writes it. rustls writes `TLSv1_3`.
fn tls_version(version: &str) -> &str {
    match version {
        "TLSv1_2" => "TLSv1.2",
        "TLSv1_3" => "TLSv1.3",
        other => other,
    }
}

/// Returns the IANA name of a cipher suite. rustls has its own prefix for TLS 1.3.
fn tls_cipher(cipher: &str) -> Option<&str> {
    match cipher {
        "TLS13_AES_128_GCM_SHA256" => Some("TLS_AES_128_GCM_SHA256"),
        "TLS13_AES_256_GCM_SHA384" => Some("TLS_AES_256_GCM_SHA384"),
        "TLS13_CHACHA20_POLY1305_SHA256" => Some("TLS_CHACHA20_POLY1305_SHA256"),
        "" => None,
        other => Some(other),
    }
}

fn address_of(entry: &Entry<'_>, which: Address) -> Option<std::net::SocketAddr> {
    match which {
        Address::Client => entry.connection.map(|connection| connection.client),
        Address::Peer => entry.connection.map(|connection| connection.peer),
        Address::Local => (entry.local)(),
        Address::Endpoint => entry.endpoint,
    }
}

/// Reads a variable once. The environment of a process doesn't change.
fn environment(variable: &EnvironmentVariable) -> Option<&[u8]> {
    let read = || std::env::var_os(&*variable.name).map(|value| value.into_encoded_bytes().into());
    variable.value.get_or_init(read).as_deref()
}

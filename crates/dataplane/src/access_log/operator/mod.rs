//! Command operators: Envoy's names for the values of a request.
//!
//! In: a name and its argument. Out: an [`Operator`]. A name that Envoy knows and that has no meaning in gatefold becomes
//! [`Operator::Meaningless`]; any other is an error.

mod argument;
mod envoy_only;

use super::TimeFormat;
use argument::{Argument, no_argument};
use http::HeaderName;
use std::fmt;
use std::sync::OnceLock;

/// A value of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// `START_TIME`: when the request began.
    StartTime(TimeFormat),
    /// `EMIT_TIME`: when the line is written.
    EmitTime(TimeFormat),
    /// `REQ`: a field of the request.
    Request(FieldChoice),
    /// `REQ_WITHOUT_QUERY`: the same, without what follows a `?`.
    RequestWithoutQuery(FieldChoice),
    /// `RESP`: a field of the response.
    Response(FieldChoice),
    /// `TRAILER`: a trailer of the response.
    Trailer(FieldChoice),
    /// `QUERY_PARAM`: the first value of a parameter, as sent.
    QueryParameter(Box<str>),
    /// `QUERY_PARAMS`: the query, as sent.
    Query,
    /// `PROTOCOL`: the client's version of HTTP.
    Protocol,
    /// `UPSTREAM_PROTOCOL`: the backend's version of HTTP.
    UpstreamProtocol,
    /// `RESPONSE_CODE`: the HTTP status, 0 if the client received none.
    ResponseCode,
    /// `RESPONSE_CODE_DETAILS`: who answered, and why.
    ResponseCodeDetails,
    /// `RESPONSE_FLAGS`: Envoy's abbreviation for what went wrong.
    ResponseFlags,
    /// `RESPONSE_FLAGS_LONG`: the same in words.
    ResponseFlagsLong,
    /// `BYTES_RECEIVED`: the size of the request's body.
    BytesReceived,
    /// `BYTES_SENT`: the size of the response's body.
    BytesSent,
    /// `DURATION`, `REQUEST_DURATION` and others: the time between two points.
    Duration(TimePoint, TimePoint, Precision),
    /// `UPSTREAM_REQUEST_ATTEMPT_COUNT`: how often the request was sent, or was about to be.
    Attempts,
    /// `UPSTREAM_CLUSTER`: the backend, `namespace/service:port`.
    Backend,
    /// `ROUTE_NAME`: the rule.
    Route,
    /// `DOWNSTREAM_REMOTE_ADDRESS`, `UPSTREAM_HOST` and others.
    Address(Address, AddressPart),
    /// `CONNECTION_ID`: the number of the client's connection.
    ConnectionId,
    /// `STREAM_ID`: the identifier of the request.
    RequestId,
    /// `UNIQUE_ID`: a new UUID.
    UniqueId,
    /// `GRPC_STATUS`: the status of a gRPC call.
    GrpcStatus(GrpcStatusStyle),
    /// `REQUESTED_SERVER_NAME`: the server name of the TLS handshake, or the host.
    ServerName(ServerNameChoice),
    /// `DOWNSTREAM_TLS_VERSION`.
    TlsVersion,
    /// `DOWNSTREAM_TLS_CIPHER`, by its IANA name.
    TlsCipher,
    /// `LOCAL_REPLY_BODY`: the body of an answer of gatefold itself.
    AnswerBody,
    /// `HOSTNAME`: the name of the host.
    Hostname,
    /// `ENVIRONMENT`: a variable of gatefold's environment.
    Environment(EnvironmentVariable),
    /// `ACCESS_LOG_TYPE`: requests are logged at their end.
    LogType,
    /// Has a meaning in Envoy only.
    Meaningless(&'static str),
}

/// A field, and the one to use if it is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChoice {
    /// The field.
    pub first: Field,
    /// The alternative.
    pub second: Option<Field>,
}

/// A field of a message: a header, or a part of the first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// `:method`.
    Method,
    /// `:path`, with the query.
    Path,
    /// `:authority`, which is `Host` in HTTP/1.1.
    Authority,
    /// `:scheme`.
    Scheme,
    /// `:status`.
    Status,
    /// A header.
    Header(HeaderName),
}

/// A point in the life of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePoint {
    /// The header of the request was read.
    RequestBegin,
    /// The body of the request was read.
    RequestEnd,
    /// The request was sent to the backend.
    RequestSent,
    /// The header of the backend's response was read.
    ResponseBegin,
    /// The request is over.
    End,
}

/// The unit of a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

/// An address of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// The client.
    Client,
    /// The peer of the client's connection.
    Peer,
    /// Our end of the client's connection.
    Local,
    /// The endpoint of the backend.
    Endpoint,
}

/// The part of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPart {
    /// IP address and port.
    Whole,
    /// The IP address.
    Ip,
    /// The network of the IP address, with this length of the prefix.
    Network(u8),
    /// The port.
    Port,
}

/// How a gRPC status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcStatusStyle {
    /// `NotFound`.
    Camel,
    /// `NOT_FOUND`.
    Snake,
    /// `5`.
    Number,
}

/// Which name stands for the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerNameChoice {
    /// The server name of the TLS handshake.
    ServerName,
    /// The server name, or else the host of the request.
    ServerNameOrHost,
    /// The host of the request.
    Host,
}

/// A variable of gatefold's environment. Its value is read when it is first needed.
#[derive(Clone)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: Box<str>,
    /// Its value, once it has been read.
    pub value: OnceLock<Option<Box<[u8]>>>,
}

/// Without the value, which may be a secret.
impl fmt::Debug for EnvironmentVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvironmentVariable({:?})", self.name)
    }
}

impl PartialEq for EnvironmentVariable {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Operator {
    /// Parses the name and the argument of a command. `limit` is only checked: not all operators can be cut.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn parse(
        name: &str,
        argument: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Operator, String> {
        if let Some(name) = envoy_only::find(name) {
            return Ok(Operator::Meaningless(name));
        }
        let argument = Argument {
            name,
            text: argument,
        };
        let operator = with_argument(&argument)
            .or_else(|| without_argument(name).map(|it| no_argument(&argument).map(|()| it)))
            .unwrap_or_else(|| Err(unknown(name)))?;
        if limit.is_some() && !operator.can_be_cut() {
            return Err(format!("`%{name}%` can't be cut to a length"));
        }
        Ok(operator)
    }

    /// Whether the value may be cut to a length.
    fn can_be_cut(&self) -> bool {
        matches!(
            self,
            Operator::Request(_)
                | Operator::RequestWithoutQuery(_)
                | Operator::Response(_)
                | Operator::Trailer(_)
                | Operator::QueryParameter(_)
                | Operator::Query
                | Operator::Environment(_)
        )
    }
}

/// Operators that have an argument. `None` if the name is none of theirs.
fn with_argument(argument: &Argument<'_>) -> Option<Result<Operator, String>> {
    use Operator::{EmitTime, Request, RequestWithoutQuery, Response, StartTime, Trailer};
    let address = |address| {
        argument.prefix_length().map(|length| {
            let part = length.map_or(AddressPart::Ip, AddressPart::Network);
            Operator::Address(address, part)
        })
    };
    Some(match argument.name {
        "START_TIME" => argument.time().map(StartTime),
        "EMIT_TIME" => argument.time().map(EmitTime),
        "REQ" | "REQUEST_HEADER" => argument.fields().map(Request),
        "REQ_WITHOUT_QUERY" => argument.fields().map(RequestWithoutQuery),
        "RESP" | "RESPONSE_HEADER" => argument.fields().map(Response),
        "TRAILER" | "RESPONSE_TRAILER" => argument.fields().map(Trailer),
        "PATH" => argument.path(),
        "QUERY_PARAM" => argument
            .required()
            .map(|it| Operator::QueryParameter(it.into())),
        "QUERY_PARAMS" => argument.query(),
        "RESPONSE_CODE_DETAILS" => argument.details(),
        "COMMON_DURATION" => argument.duration(),
        "GRPC_STATUS" => argument.grpc_status(),
        "REQUESTED_SERVER_NAME" => argument.server_name(),
        "ENVIRONMENT" => argument.environment(),
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => address(Address::Client),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => address(Address::Peer),
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"
        | "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT" => address(Address::Local),
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => address(Address::Endpoint),
        _ => return None,
    })
}

/// Operators without an argument. `None` if the name is none of theirs.
fn without_argument(name: &str) -> Option<Operator> {
    use Precision::Milliseconds;
    use TimePoint::{End, RequestBegin, RequestEnd, RequestSent, ResponseBegin};
    let address = |address, part| Operator::Address(address, part);
    Some(match name {
        "PROTOCOL" => Operator::Protocol,
        "UPSTREAM_PROTOCOL" => Operator::UpstreamProtocol,
        "RESPONSE_CODE" => Operator::ResponseCode,
        "RESPONSE_FLAGS" => Operator::ResponseFlags,
        "RESPONSE_FLAGS_LONG" => Operator::ResponseFlagsLong,
        "BYTES_RECEIVED" => Operator::BytesReceived,
        "BYTES_SENT" => Operator::BytesSent,
        "DURATION" => Operator::Duration(RequestBegin, End, Milliseconds),
        "REQUEST_DURATION" => Operator::Duration(RequestBegin, RequestEnd, Milliseconds),
        "REQUEST_TX_DURATION" => Operator::Duration(RequestBegin, RequestSent, Milliseconds),
        "RESPONSE_DURATION" => Operator::Duration(RequestBegin, ResponseBegin, Milliseconds),
        "RESPONSE_TX_DURATION" => Operator::Duration(ResponseBegin, End, Milliseconds),
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Operator::Attempts,
        "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Operator::Backend,
        "ROUTE_NAME" => Operator::Route,
        "UPSTREAM_HOST" | "UPSTREAM_HOST_NAME" | "UPSTREAM_REMOTE_ADDRESS" => {
            address(Address::Endpoint, AddressPart::Whole)
        }
        "UPSTREAM_HOST_NAME_WITHOUT_PORT" => address(Address::Endpoint, AddressPart::Ip),
        "UPSTREAM_REMOTE_PORT" => address(Address::Endpoint, AddressPart::Port),
        "DOWNSTREAM_REMOTE_ADDRESS" => address(Address::Client, AddressPart::Whole),
        "DOWNSTREAM_REMOTE_PORT" => address(Address::Client, AddressPart::Port),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => address(Address::Peer, AddressPart::Whole),
        "DOWNSTREAM_DIRECT_REMOTE_PORT" => address(Address::Peer, AddressPart::Port),
        "DOWNSTREAM_LOCAL_ADDRESS" | "DOWNSTREAM_DIRECT_LOCAL_ADDRESS" => {
            address(Address::Local, AddressPart::Whole)
        }
        "DOWNSTREAM_LOCAL_PORT" | "DOWNSTREAM_DIRECT_LOCAL_PORT" => {
            address(Address::Local, AddressPart::Port)
        }
        "CONNECTION_ID" => Operator::ConnectionId,
        "STREAM_ID" => Operator::RequestId,
        "UNIQUE_ID" => Operator::UniqueId,
        "GRPC_STATUS_NUMBER" => Operator::GrpcStatus(GrpcStatusStyle::Number),
        "DOWNSTREAM_TLS_VERSION" => Operator::TlsVersion,
        "DOWNSTREAM_TLS_CIPHER" => Operator::TlsCipher,
        "LOCAL_REPLY_BODY" => Operator::AnswerBody,
        "HOSTNAME" => Operator::Hostname,
        "ACCESS_LOG_TYPE" => Operator::LogType,
        _ => return None,
    })
}

fn unknown(name: &str) -> String {
    format!("`%{name}%` is no operator of Envoy that gatefold knows")
}

#[cfg(test)]
mod tests;

//! The reasons for which the proxy answers a request itself.
//!
//! In: nothing but the reason. Out: what the client gets for it, in every protocol: the status, the text, and whether the
//! connection can be reused. A protocol with its own statuses maps them here.

use gatefold_dataplane::filter::security::denial::{Denial, DenyingFilter};
use gatefold_dataplane::filter::security::oidc::outcome::OidcOutcome;
use http::StatusCode;

/// Why the proxy answers instead of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerReason {
    /// No route matches the host and path.
    NoRoute,
    /// The connection was made for another listener: the client must use a new one (RFC 9110, section 15.5.20).
    Misdirected,
    /// The port's listeners have changed their protocol since the connection was made, so their requirements on clients, such
    /// as TLS, were not applied to this one.
    OtherProtocol,
    /// The policy of the listener requires the address of the client in a header that lacks it.
    UnknownClient,
    /// The rule can't be served as written, and answers this status.
    RefusedRule(StatusCode),
    /// The authorization server denies the request with this status.
    ExternalAuthDenied(StatusCode),
    /// The authorization server gives no answer. The request is answered with this status.
    ExternalAuthFailed(StatusCode),
    /// The body is longer than an authorization server may get.
    BodyTooLarge,
    /// The client must say how long the body for an authorization server is.
    LengthRequired,
    /// Too many bodies for authorization servers are in memory.
    NoRoomForBody,
    /// A filter of a SecurityPolicy denies the request.
    Denied(Denial),
    /// A login at an OpenID provider is required, completed, or has failed.
    Oidc(OidcOutcome),
    /// The backend doesn't exist, or the route may not refer to it.
    InvalidBackend,
    /// The backend has no endpoints.
    NoEndpoints,
    /// The backend couldn't be reached, or sent no valid response.
    BadGateway,
    /// The backend took too long.
    GatewayTimeout,
    /// The gateway itself failed.
    Internal,
    /// The client took too long to send its request.
    RequestTimeout,
    /// The request asks for a tunnel.
    Connect,
    /// `Content-Length` is malformed or repeated.
    MalformedLength,
    /// Both `Content-Length` and `Transfer-Encoding` are present.
    TwoLengths,
    /// The transfer coding is not `chunked`.
    UnknownCoding,
    /// The target is neither a path nor an http URL.
    MalformedTarget,
    /// `Host` is missing or malformed.
    MalformedHost,
    /// The path leaves the root.
    PathLeavesRoot,
    /// The path contains `%00`.
    PathWithNul,
    /// The path contains a malformed escape.
    PathWithMalformedEscape,
    /// The path contains `%2F` or `%5C`, which the policy of the listener rejects.
    PathWithEscapedSlash,
    /// A header has an underscore in its name, which the policy of the listener rejects.
    HeaderWithUnderscore,
    /// The normalised path is too long.
    PathTooLong,
    /// The body has malformed chunks or trailers.
    MalformedBody,
    /// The request is not valid HTTP.
    MalformedRequest,
}

impl From<Denial> for AnswerReason {
    fn from(denial: Denial) -> Self {
        AnswerReason::Denied(denial)
    }
}

impl From<OidcOutcome> for AnswerReason {
    fn from(outcome: OidcOutcome) -> Self {
        AnswerReason::Oidc(outcome)
    }
}

/// Whether an HTTP/1.1 connection is kept after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepAlive {
    /// The next request may follow.
    Keep,
    /// The connection is closed, since it is uncertain where the next request would begin.
    Close,
}

impl AnswerReason {
    /// All but the denials and those of logins, for metrics that begin at zero. Their statuses don't matter.
    const OTHERS: [AnswerReason; 30] = [
        Self::NoRoute,
        Self::Misdirected,
        Self::OtherProtocol,
        Self::UnknownClient,
        Self::ExternalAuthDenied(StatusCode::FORBIDDEN),
        Self::ExternalAuthFailed(StatusCode::FORBIDDEN),
        Self::BodyTooLarge,
        Self::LengthRequired,
        Self::NoRoomForBody,
        Self::RefusedRule(StatusCode::INTERNAL_SERVER_ERROR),
        Self::InvalidBackend,
        Self::NoEndpoints,
        Self::BadGateway,
        Self::GatewayTimeout,
        Self::Internal,
        Self::RequestTimeout,
        Self::Connect,
        Self::MalformedLength,
        Self::TwoLengths,
        Self::UnknownCoding,
        Self::MalformedTarget,
        Self::MalformedHost,
        Self::PathLeavesRoot,
        Self::PathWithNul,
        Self::PathWithMalformedEscape,
        Self::PathWithEscapedSlash,
        Self::HeaderWithUnderscore,
        Self::PathTooLong,
        Self::MalformedBody,
        Self::MalformedRequest,
    ];

    /// Returns the word of each reason.
    pub(crate) fn words() -> impl Iterator<Item = &'static str> {
        let denials = Denial::ALL.into_iter().map(Self::Denied);
        let logins = OidcOutcome::ALL.into_iter().map(Self::Oidc);
        let all = Self::OTHERS.into_iter().chain(denials).chain(logins);
        all.map(Self::word)
    }

    /// Returns the HTTP status.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Misdirected | Self::OtherProtocol => StatusCode::MISDIRECTED_REQUEST,
            Self::UnknownClient => StatusCode::FORBIDDEN,
            Self::ExternalAuthDenied(status)
            | Self::ExternalAuthFailed(status)
            | Self::RefusedRule(status) => status,
            Self::Denied(denial) => match denial.filter() {
                DenyingFilter::ApiKey | DenyingFilter::BasicAuth | DenyingFilter::Jwt(_) => {
                    StatusCode::UNAUTHORIZED
                }
                DenyingFilter::Csrf | DenyingFilter::JwtAudience | DenyingFilter::Authorization => {
                    StatusCode::FORBIDDEN
                }
            },
            Self::Oidc(outcome) => match outcome {
                OidcOutcome::LoginRedirect | OidcOutcome::LoggedIn | OidcOutcome::LoggedOut => {
                    StatusCode::FOUND
                }
                OidcOutcome::LoginRequired
                | OidcOutcome::UnknownLogin
                | OidcOutcome::LoginFailed
                | OidcOutcome::InvalidTokens => StatusCode::UNAUTHORIZED,
                OidcOutcome::SessionTooLarge => StatusCode::INTERNAL_SERVER_ERROR,
                OidcOutcome::ProviderUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::InvalidBackend | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::NoEndpoints | Self::NoRoomForBody => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
            // RFC 9112, section 6.1.
            Self::UnknownCoding => StatusCode::NOT_IMPLEMENTED,
            Self::PathTooLong => StatusCode::URI_TOO_LONG,
            Self::MalformedLength
            | Self::TwoLengths
            | Self::MalformedTarget
            | Self::MalformedHost
            | Self::PathLeavesRoot
            | Self::PathWithNul
            | Self::PathWithMalformedEscape
            | Self::PathWithEscapedSlash
            | Self::HeaderWithUnderscore
            | Self::MalformedBody
            | Self::MalformedRequest => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns the word for logs and metrics. It never changes between releases.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NoRoute => "no_route",
            Self::Misdirected => "misdirected",
            Self::OtherProtocol => "other_protocol",
            Self::UnknownClient => "unknown_client",
            Self::ExternalAuthDenied(_) => "external_auth_denied",
            Self::ExternalAuthFailed(_) => "external_auth_failed",
            Self::BodyTooLarge => "body_too_large",
            Self::LengthRequired => "length_required",
            Self::NoRoomForBody => "no_room_for_body",
            Self::RefusedRule(_) => "refused_rule",
            Self::Denied(denial) => denial.word(),
            Self::Oidc(outcome) => outcome.word(),
            Self::InvalidBackend => "invalid_backend",
            Self::NoEndpoints => "no_endpoints",
            Self::BadGateway => "bad_gateway",
            Self::GatewayTimeout => "gateway_timeout",
            Self::Internal => "internal",
            Self::RequestTimeout => "request_timeout",
            Self::Connect => "connect",
            Self::MalformedLength => "malformed_length",
            Self::TwoLengths => "two_lengths",
            Self::UnknownCoding => "unknown_coding",
            Self::MalformedTarget => "malformed_target",
            Self::MalformedHost => "malformed_host",
            Self::PathLeavesRoot => "path_leaves_root",
            Self::PathWithNul => "path_with_nul",
            Self::PathWithMalformedEscape => "path_with_malformed_escape",
            Self::PathWithEscapedSlash => "path_with_escaped_slash",
            Self::HeaderWithUnderscore => "header_with_underscore",
            Self::PathTooLong => "path_too_long",
            Self::MalformedBody => "malformed_body",
            Self::MalformedRequest => "malformed_request",
        }
    }

    /// Returns the body for the client, ending with a newline. It reveals nothing about backends.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NoRoute => "no route matches this request\n",
            Self::Misdirected => "the connection was made for another host: use a new one\n",
            Self::OtherProtocol => "the port now speaks another protocol: use a new connection\n",
            Self::UnknownClient => "the address of the client is unknown\n",
            Self::ExternalAuthDenied(_) => "the authorization server denies the request\n",
            Self::ExternalAuthFailed(_) => "the authorization server gave no answer\n",
            Self::BodyTooLarge => "the body of the request is too large\n",
            Self::LengthRequired => "the request needs a Content-Length\n",
            Self::NoRoomForBody => "too many bodies are waiting for authorization\n",
            Self::RefusedRule(_) => {
                "the matching route has a rule that can't be served as written\n"
            }
            Self::Denied(denial) => denial.text(),
            Self::Oidc(outcome) => outcome.text(),
            Self::InvalidBackend => "the matching route refers to an invalid backend\n",
            Self::NoEndpoints => "the backend has no endpoints right now\n",
            Self::BadGateway => "the backend can't be reached or sent no valid response\n",
            Self::GatewayTimeout => "the backend took too long to respond\n",
            Self::Internal => "the gateway failed to forward the request\n",
            Self::RequestTimeout => "the request took too long to arrive\n",
            Self::Connect => "CONNECT is not supported\n",
            Self::MalformedLength => "the request has a malformed or repeated Content-Length\n",
            Self::TwoLengths => "the request has both Content-Length and Transfer-Encoding\n",
            Self::UnknownCoding => "the request has a transfer coding other than chunked\n",
            Self::MalformedTarget => "the request target is neither a path nor an http URL\n",
            Self::MalformedHost => "the request has no Host, or a malformed one\n",
            Self::PathLeavesRoot => {
                "the path of the request has `..` segments that leave the root\n"
            }
            Self::PathWithNul => "the path of the request contains %00\n",
            Self::PathWithMalformedEscape => {
                "the path of the request contains a % without two hexadecimal digits\n"
            }
            Self::PathWithEscapedSlash => "the path of the request contains %2F or %5C\n",
            Self::HeaderWithUnderscore => {
                "the request has a header with an underscore in its name\n"
            }
            Self::PathTooLong => "the path of the request is too long once it is normalised\n",
            Self::MalformedBody => "the body of the request has malformed chunks or trailers\n",
            Self::MalformedRequest => "the request is malformed\n",
        }
    }

    /// Whether the connection is kept. After a malformed request, nothing that follows can be trusted.
    pub(crate) fn keep_alive(self) -> KeepAlive {
        match self {
            Self::NoRoute
            | Self::Misdirected
            | Self::PathWithEscapedSlash
            | Self::HeaderWithUnderscore
            | Self::UnknownClient
            | Self::ExternalAuthDenied(_)
            | Self::ExternalAuthFailed(_)
            | Self::RefusedRule(_)
            | Self::Denied(_)
            | Self::Oidc(_)
            | Self::InvalidBackend
            | Self::NoEndpoints => KeepAlive::Keep,
            Self::OtherProtocol
            | Self::BodyTooLarge
            | Self::LengthRequired
            | Self::NoRoomForBody
            | Self::BadGateway
            | Self::GatewayTimeout
            | Self::Internal
            | Self::RequestTimeout
            | Self::Connect
            | Self::MalformedLength
            | Self::TwoLengths
            | Self::UnknownCoding
            | Self::MalformedTarget
            | Self::MalformedHost
            | Self::PathLeavesRoot
            | Self::PathWithNul
            | Self::PathWithMalformedEscape
            | Self::PathTooLong
            | Self::MalformedBody
            | Self::MalformedRequest => KeepAlive::Close,
        }
    }
}

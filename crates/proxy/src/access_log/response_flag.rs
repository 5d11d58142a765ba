//! Envoy's flags for what went wrong with a request.

use crate::response::failure;
use crate::response::reason::AnswerReason;
use pingora_core::{Error, ErrorSource, ErrorType};

/// A flag of Envoy. Those that gatefold never sets are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseFlag {
    NoRouteFound,
    NoClusterFound,
    NoHealthyUpstream,
    UpstreamConnectionFailure,
    UpstreamConnectionTermination,
    UpstreamRequestTimeout,
    UpstreamProtocolError,
    UnauthorizedExternalService,
    StreamIdleTimeout,
    DownstreamProtocolError,
    DownstreamConnectionTermination,
}

impl ResponseFlag {
    /// Returns the flag of a request: by the reason of our own answer, or else by the error that ended it. `connected` is whether
    /// the last attempt had a connection.
    pub(super) fn of(
        reason: Option<AnswerReason>,
        error: Option<&Error>,
        attempted: bool,
        connected: bool,
    ) -> Option<Self> {
        let Some(reason) = reason else {
            return ended_by(error?);
        };
        match reason {
            AnswerReason::NoRoute
            | AnswerReason::Misdirected
            | AnswerReason::OtherProtocol
            | AnswerReason::Connect => Some(Self::NoRouteFound),
            AnswerReason::InvalidBackend => Some(Self::NoClusterFound),
            AnswerReason::NoEndpoints => Some(Self::NoHealthyUpstream),
            AnswerReason::BadGateway if error.is_some_and(is_malformed) => {
                Some(Self::UpstreamProtocolError)
            }
            AnswerReason::BadGateway if connected => Some(Self::UpstreamConnectionTermination),
            AnswerReason::BadGateway => Some(Self::UpstreamConnectionFailure),
            // A filter may take too long before the request is sent.
            AnswerReason::GatewayTimeout if attempted && !connected => {
                Some(Self::UpstreamConnectionFailure)
            }
            AnswerReason::GatewayTimeout => Some(Self::UpstreamRequestTimeout),
            AnswerReason::Denied(_)
            | AnswerReason::UnknownClient
            | AnswerReason::ExternalAuthDenied(_)
            | AnswerReason::ExternalAuthFailed(_) => Some(Self::UnauthorizedExternalService),
            AnswerReason::Oidc(outcome) if outcome.is_progress() => None,
            AnswerReason::Oidc(_) => Some(Self::UnauthorizedExternalService),
            AnswerReason::RequestTimeout => Some(Self::StreamIdleTimeout),
            // Envoy sets no flag for a response that its configuration demands.
            AnswerReason::RefusedRule(_)
            | AnswerReason::Internal
            | AnswerReason::BodyTooLarge
            | AnswerReason::LengthRequired
            | AnswerReason::NoRoomForBody => None,
            AnswerReason::MalformedLength
            | AnswerReason::TwoLengths
            | AnswerReason::UnknownCoding
            | AnswerReason::MalformedTarget
            | AnswerReason::MalformedHost
            | AnswerReason::PathLeavesRoot
            | AnswerReason::PathWithNul
            | AnswerReason::PathWithMalformedEscape
            | AnswerReason::PathTooLong
            | AnswerReason::PathWithEscapedSlash
            | AnswerReason::HeaderWithUnderscore
            | AnswerReason::MalformedBody
            | AnswerReason::MalformedRequest => Some(Self::DownstreamProtocolError),
        }
    }

    /// Returns the abbreviation.
    pub(super) fn short(self) -> &'static str {
        match self {
            Self::NoRouteFound => "NR",
            Self::NoClusterFound => "NC",
            Self::NoHealthyUpstream => "UH",
            Self::UpstreamConnectionFailure => "UF",
            Self::UpstreamConnectionTermination => "UC",
            Self::UpstreamRequestTimeout => "UT",
            Self::UpstreamProtocolError => "UPE",
            Self::UnauthorizedExternalService => "UAEX",
            Self::StreamIdleTimeout => "SI",
            Self::DownstreamProtocolError => "DPE",
            Self::DownstreamConnectionTermination => "DC",
        }
    }

    /// Returns the name in words.
    pub(super) fn long(self) -> &'static str {
        match self {
            Self::NoRouteFound => "NoRouteFound",
            Self::NoClusterFound => "NoClusterFound",
            Self::NoHealthyUpstream => "NoHealthyUpstream",
            Self::UpstreamConnectionFailure => "UpstreamConnectionFailure",
            Self::UpstreamConnectionTermination => "UpstreamConnectionTermination",
            Self::UpstreamRequestTimeout => "UpstreamRequestTimeout",
            Self::UpstreamProtocolError => "UpstreamProtocolError",
            Self::UnauthorizedExternalService => "UnauthorizedExternalService",
            Self::StreamIdleTimeout => "StreamIdleTimeout",
            Self::DownstreamProtocolError => "DownstreamProtocolError",
            Self::DownstreamConnectionTermination => "DownstreamConnectionTermination",
        }
    }
}

/// Returns the flag of a request that was ended by an error, without an answer or in the middle of a response.
fn ended_by(error: &Error) -> Option<ResponseFlag> {
    match error.esource() {
        ErrorSource::Downstream => Some(ResponseFlag::DownstreamConnectionTermination),
        ErrorSource::Upstream if failure::is_timeout(error) => {
            Some(ResponseFlag::UpstreamRequestTimeout)
        }
        ErrorSource::Upstream => Some(ResponseFlag::UpstreamConnectionTermination),
        ErrorSource::Internal | ErrorSource::Unset => None,
    }
}

/// Whether an endpoint has sent something other than HTTP.
fn is_malformed(error: &Error) -> bool {
    *error.etype() == ErrorType::InvalidHTTPHeader && *error.esource() == ErrorSource::Upstream
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatefold_dataplane::filter::security::denial::Denial;

    fn short(reason: Option<AnswerReason>, error: Option<&Error>, connected: bool) -> &'static str {
        let flag = ResponseFlag::of(reason, error, true, connected);
        flag.map_or("-", ResponseFlag::short)
    }

    #[test]
    fn reasons_and_errors_have_the_flags_of_envoy() {
        let up = |etype| Error::new_up(etype);
        let (timeout, broken) = (up(ErrorType::ReadTimedout), up(ErrorType::ConnectionClosed));
        let malformed = up(ErrorType::InvalidHTTPHeader);
        let gone = Error::new_down(ErrorType::ConnectionClosed);
        for (reason, error, connected, flag) in [
            (Some(AnswerReason::NoRoute), None, false, "NR"),
            (Some(AnswerReason::InvalidBackend), None, false, "NC"),
            (Some(AnswerReason::NoEndpoints), None, false, "UH"),
            (Some(AnswerReason::BadGateway), Some(&*broken), false, "UF"),
            (Some(AnswerReason::BadGateway), Some(&*broken), true, "UC"),
            (
                Some(AnswerReason::BadGateway),
                Some(&*malformed),
                true,
                "UPE",
            ),
            (
                Some(AnswerReason::GatewayTimeout),
                Some(&*timeout),
                false,
                "UF",
            ),
            (
                Some(AnswerReason::GatewayTimeout),
                Some(&*timeout),
                true,
                "UT",
            ),
            (Some(Denial::ALL[0].into()), None, false, "UAEX"),
            (Some(AnswerReason::MalformedHost), None, false, "DPE"),
            (Some(AnswerReason::RequestTimeout), None, false, "SI"),
            (Some(AnswerReason::Internal), None, false, "-"),
            (None, Some(&*gone), true, "DC"),
            (None, Some(&*timeout), true, "UT"),
            (None, Some(&*broken), true, "UC"),
            (None, None, true, "-"),
        ] {
            assert_eq!(
                short(reason, error, connected),
                flag,
                "{reason:?} {error:?}"
            );
        }
    }
}

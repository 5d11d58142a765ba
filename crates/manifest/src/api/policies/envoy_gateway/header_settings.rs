//! `ClientTrafficPolicy.spec.headers`, as far as gatefold serves it.

use crate::api::{HTTPHeader, HeaderName, check_unique, choice, object, refuse};
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::{Node, Value};

/// How headers are treated. The table of fields has the others, and reports unknown ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderSettings {
    /// What happens to request headers with underscores.
    pub with_underscores_action: Option<WithUnderscoresAction>,
    /// Whether the client's `X-Request-ID` is kept; the older field.
    pub preserve_x_request_id: Option<bool>,
    /// What happens to `X-Request-ID`.
    pub request_id: Option<RequestIDAction>,
    /// What backends learn of client certificates.
    pub x_forwarded_client_cert: Option<XForwardedClientCert>,
    /// How hosts are normalised.
    pub host: Option<HostSettings>,
    /// Changes to requests before they are routed.
    pub early_request_headers: Option<ExtendedHTTPHeaderFilter>,
    /// Changes to responses.
    pub late_response_headers: Option<ExtendedHTTPHeaderFilter>,
}

impl Decode for HeaderSettings {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let Value::Mapping(_) = node.value else {
            // Reported with the table of fields.
            return None;
        };
        let mut fields = decoder.open(node)?;
        let with_underscores_action = fields.read("withUnderscoresAction", decoder);
        let preserve_x_request_id = fields.read("preserveXRequestID", decoder);
        let request_id = fields.read("requestID", decoder);
        let x_forwarded_client_cert = fields.read("xForwardedClientCert", decoder);
        let host = fields.read("host", decoder);
        let early_request_headers = fields.read("earlyRequestHeaders", decoder);
        let late_response_headers = fields.read("lateResponseHeaders", decoder);
        let settings = HeaderSettings {
            with_underscores_action: with_underscores_action?,
            preserve_x_request_id: preserve_x_request_id?,
            request_id: request_id?,
            x_forwarded_client_cert: x_forwarded_client_cert?,
            host: host?,
            early_request_headers: early_request_headers?,
            late_response_headers: late_response_headers?,
        };
        if settings.preserve_x_request_id.is_some() && settings.request_id.is_some() {
            let why = "can't be set beside `preserveXRequestID`";
            refuse(node, "requestID", why, decoder);
        }
        Some(settings)
    }
}

choice! {
    /// What happens to a request header with an underscore in its name.
    pub WithUnderscoresAction {
        /// It is forwarded.
        Allow,
        /// The request is answered 400.
        RejectRequest,
        /// It is removed.
        DropHeader,
    }
}

choice! {
    /// What happens to `X-Request-ID`.
    pub RequestIDAction {
        /// The client's is kept; otherwise there is a new one.
        PreserveOrGenerate,
        /// The client's is kept.
        Preserve,
        /// There is always a new one.
        Generate,
        /// It is removed.
        Disable,
    }
}

object! {
    /// How the hosts of requests are normalised.
    pub closed HostSettings {
        /// Whether backends get the host without a dot at its end.
        "stripTrailingHostDot" => strip_trailing_host_dot: Option<bool>,
    }
}

object! {
    /// What backends learn of client certificates.
    pub closed XForwardedClientCert checked by XForwardedClientCert::check {
        /// What happens to the header; absent for `Sanitize`.
        "mode" => mode: Option<XFCCForwardMode>,
        /// What is added, beside the digest of the certificate.
        "certDetailsToAdd" => cert_details_to_add: Vec<XFCCCertData> [0..=5],
    }
}

choice! {
    /// What happens to `X-Forwarded-Client-Cert`.
    pub XFCCForwardMode {
        /// It is removed.
        Sanitize,
        /// It is kept if the client has a certificate.
        ForwardOnly,
        /// The client's certificate is appended.
        AppendForward,
        /// The client's certificate replaces what the client has sent.
        SanitizeSet,
        /// It is kept.
        AlwaysForwardOnly,
    }
}

choice! {
    /// A part of a certificate.
    pub XFCCCertData {
        /// Its subject.
        Subject,
        /// The certificate.
        Cert,
        /// The certificate and those that signed it.
        Chain,
        /// Its DNS names.
        DNS,
        /// Its URIs.
        URI,
    }
}

impl XForwardedClientCert {
    /// Source: the CRD.
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let adds = matches!(
            self.mode,
            Some(XFCCForwardMode::AppendForward | XFCCForwardMode::SanitizeSet)
        );
        if !self.cert_details_to_add.is_empty() && !adds {
            let why = "needs the mode `AppendForward` or `SanitizeSet`";
            refuse(node, "certDetailsToAdd", why, decoder);
        }
    }
}

object! {
    /// Changes to headers, with two actions more than the Gateway API has.
    #[derive(Default)]
    pub closed ExtendedHTTPHeaderFilter checked by ExtendedHTTPHeaderFilter::check {
        /// Headers to overwrite, or to add if they are absent.
        "set" => set: Option<Vec<HTTPHeader>> [1..=64],
        /// Headers to append to the existing ones.
        "add" => add: Option<Vec<HTTPHeader>> [1..=64],
        /// Headers to add if they are absent.
        "addIfAbsent" => add_if_absent: Option<Vec<HTTPHeader>> [1..=64],
        /// Headers to delete.
        "remove" => remove: Option<Vec<HeaderName>> [1..=64],
        /// Headers to delete by their names.
        "removeOnMatch" => remove_on_match: Option<Vec<StringMatch>> [1..=64],
    }
}

impl ExtendedHTTPHeaderFilter {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let valued = [
            ("set", &self.set),
            ("add", &self.add),
            ("addIfAbsent", &self.add_if_absent),
        ];
        for (field, headers) in valued {
            let names = headers.iter().flatten().map(|header| Some(&header.name));
            check_unique(node, field, names, "the header appears twice", decoder);
        }
        let remove = self.remove.iter().flatten().map(Some);
        check_unique(node, "remove", remove, "the header appears twice", decoder);
    }
}

object! {
    /// A text that matches others.
    pub closed StringMatch {
        /// How it is compared.
        "type" => kind: StringMatchType = StringMatchType::Exact,
        /// The text.
        "value" => value: String [1..=1024],
    }
}

choice! {
    /// How a text is compared.
    pub StringMatchType {
        /// It is equal.
        Exact,
        /// The other one begins with it.
        Prefix,
        /// The other one ends with it.
        Suffix,
        /// It is a regular expression that matches the other one as a whole.
        RegularExpression,
    }
}

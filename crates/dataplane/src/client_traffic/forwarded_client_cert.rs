//! What backends learn of client certificates: `X-Forwarded-Client-Cert` (API: `XForwardedClientCert`).

use http::HeaderName;
use std::fmt;

/// The header, a list of elements. Each stands for a client or proxy on the way of the request.
pub const FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// What happens to the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedClientCert {
    /// What the sender has sent is removed.
    #[default]
    Sanitize,
    /// What a sender with a certificate has sent is kept.
    ForwardOnly,
    /// An element is appended for a sender with a certificate.
    AppendForward(CertificateDetails),
    /// The header has only the element of the sender, if it has a certificate.
    SanitizeSet(CertificateDetails),
    /// What any sender has sent is kept.
    AlwaysForwardOnly,
}

/// What an element contains beside the digest of the certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CertificateDetails {
    /// The certificate.
    pub certificate: bool,
    /// The certificate and those that signed it.
    pub chain: bool,
    /// Its subject.
    pub subject: bool,
    /// Its URIs.
    pub uris: bool,
    /// Its DNS names.
    pub dns_names: bool,
}

impl ForwardedClientCert {
    /// Whether what a sender has sent is kept.
    pub fn keeps(self, has_certificate: bool) -> bool {
        match self {
            ForwardedClientCert::Sanitize | ForwardedClientCert::SanitizeSet(_) => false,
            ForwardedClientCert::ForwardOnly | ForwardedClientCert::AppendForward(_) => {
                has_certificate
            }
            ForwardedClientCert::AlwaysForwardOnly => true,
        }
    }

    /// What is added for a sender with a certificate. `None` if nothing is.
    pub fn added(self) -> Option<CertificateDetails> {
        match self {
            ForwardedClientCert::AppendForward(details)
            | ForwardedClientCert::SanitizeSet(details) => Some(details),
            ForwardedClientCert::Sanitize
            | ForwardedClientCert::ForwardOnly
            | ForwardedClientCert::AlwaysForwardOnly => None,
        }
    }
}

impl fmt::Display for ForwardedClientCert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ForwardedClientCert::Sanitize => f.write_str("removed"),
            ForwardedClientCert::ForwardOnly => f.write_str("kept from clients with certificates"),
            ForwardedClientCert::AppendForward(details) => write!(f, "appended{details}"),
            ForwardedClientCert::SanitizeSet(details) => write!(f, "replaced{details}"),
            ForwardedClientCert::AlwaysForwardOnly => f.write_str("kept from all clients"),
        }
    }
}

/// Each detail after a space.
impl fmt::Display for CertificateDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CertificateDetails {
            certificate,
            chain,
            subject,
            uris,
            dns_names,
        } = *self;
        for (is_set, name) in [
            (certificate, "Cert"),
            (chain, "Chain"),
            (subject, "Subject"),
            (uris, "URI"),
            (dns_names, "DNS"),
        ] {
            if is_set {
                write!(f, " {name}")?;
            }
        }
        Ok(())
    }
}

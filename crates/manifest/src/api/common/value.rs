//! Validated strings and numbers. A value of one of these types has been checked when it was parsed.

use crate::api::rule;
use crate::decode::name;
use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::Node;
use std::fmt;
use std::num::NonZeroU16;

macro_rules! parsed_string {
    ($(#[$meta:meta])* $name:ident, $parse:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Parses the text.
            ///
            /// # Errors
            /// Returns a message about the rule that the text breaks.
            pub fn parse(text: &str) -> Result<Self, String> {
                let check: fn(&str) -> Result<(), String> = $parse;
                check(text).map(|()| $name(text.to_owned()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Decode for $name {
            fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
                let text = String::decode(node, decoder)?;
                match $name::parse(&text) {
                    Ok(value) => Some(value),
                    Err(why) => {
                        decoder.invalid(node, why);
                        None
                    }
                }
            }
        }
    };
}

parsed_string! {
    /// A lower-case DNS name (RFC 1123) of at most 253 characters. It may begin with the wildcard label `*.`, which
    /// matches one or more labels. Never an IP address. Source: `Hostname` of the API.
    Hostname, |text| check_hostname(text.strip_prefix("*.").unwrap_or(text), text)
}

impl Hostname {
    /// The part of a wildcard after `*.`. `None` if the hostname has no wildcard.
    pub fn wildcard_suffix(&self) -> Option<&str> {
        self.0.strip_prefix("*.")
    }
}

parsed_string! {
    /// A DNS name without a wildcard. Source: `PreciseHostname` of the API.
    PreciseHostname, |text| check_hostname(text, text)
}

parsed_string! {
    /// The name of a listener or a rule: a DNS subdomain. Source: `SectionName` of the API.
    SectionName, name::subdomain
}

parsed_string! {
    /// The name of an HTTP header: an RFC 9110 token of at most 256 characters. Header names are compared
    /// case-insensitively. Source: `HeaderName` of the API.
    HeaderName, |text| {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        match text.len() {
            0 => Err("must not be empty".to_owned()),
            1..=256 if text.bytes().all(token) => Ok(()),
            1..=256 => Err(format!("`{text}` isn't a header name (RFC 9110, section 5.1)")),
            _ => Err("must have at most 256 characters".to_owned()),
        }
    }
}

parsed_string! {
    /// The controller of a GatewayClass, as `domain/path`. Source: `GatewayController` of the API.
    GatewayController, rule::domain_path
}

fn check_hostname(name: &str, whole: &str) -> Result<(), String> {
    if whole.parse::<std::net::IpAddr>().is_ok() {
        return Err(format!(
            "`{whole}` is an IP address; hostnames are DNS names"
        ));
    }
    let fits = whole.len() <= 253 && name::subdomain(name).is_ok();
    if fits {
        Ok(())
    } else {
        Err(format!(
            "`{whole}` isn't a hostname: a lower-case DNS name of at most 253 characters"
        ))
    }
}

/// A port number, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortNumber(pub NonZeroU16);

impl PortNumber {
    /// The number.
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for PortNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Decode for PortNumber {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let number = i64::decode(node, decoder)?;
        let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
        if port.is_none() {
            decoder.invalid(node, format_args!("{number} isn't a port (1 to 65535)"));
        }
        port.map(PortNumber)
    }
}

//! `authorization`: rules about the client and the request (API: `SecurityPolicySpec.authorization`).

use super::denial::Denial;
use super::jwt::VerifiedToken;
use super::jwt::claims::ClaimPath;
use super::path_condition::PathCondition;
use crate::routing::matcher::ValueMatch;
use http::{HeaderMap, HeaderName, Method};
use ipnet::{IpNet, Ipv4Net};
use std::fmt;
use std::net::IpAddr;

/// `authorization`: "the first matching rule will be applied, and the rest will be skipped".
#[derive(Debug, Default)]
pub struct AuthorizationFilter {
    /// The rules, in the order of the manifest.
    pub rules: Vec<AccessRule>,
    /// What applies to a request that no rule matches (API: `defaultAction`, which is `Deny` if it is unset).
    pub default: AccessAction,
}

/// What a rule decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessAction {
    /// The request passes.
    Allow,
    /// The request is denied.
    #[default]
    Deny,
}

/// A rule (API: `AuthorizationRule`). It matches if all of its conditions hold; an empty list is no condition.
///
/// A manifest may have conditions that this type doesn't express (CEL, geolocation). Such a rule must not be compiled
/// without them: an allowing rule would match more requests than it says.
#[derive(Debug)]
pub struct AccessRule {
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
    /// What it decides.
    pub action: AccessAction,
    /// The networks of the client, one of which must contain its address (API: `principal.clientCIDRs`).
    pub networks: Vec<ClientNetwork>,
    /// Required headers, all of which must match (API: `principal.headers`).
    pub headers: Vec<HeaderCondition>,
    /// What the token of the request must have (API: `principal.jwt`).
    pub token: Option<TokenCondition>,
    /// The methods, one of which the request must have (API: `operation.methods`).
    pub methods: Vec<Method>,
    /// A condition on the path (API: `operation.path`).
    pub path: Option<PathCondition>,
}

/// A network of clients. An IPv4 network also contains clients that reach an IPv6 socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientNetwork(IpNet);

impl ClientNetwork {
    /// Parses a network such as `10.0.0.0/8` or `2001:db8::/64`. Bits beyond the prefix are ignored. `None` if it is no network.
    pub fn parse(text: &str) -> Option<Self> {
        let network: IpNet = text.parse().ok()?;
        // An address is compared in its IPv4 form, so the network must have this form, too: `::ffff:10.0.0.0/104` is
        // `10.0.0.0/8`.
        let mapped = match network {
            IpNet::V4(_) => None,
            IpNet::V6(network) => {
                let address = network.addr().to_ipv4_mapped();
                let length = network.prefix_len().checked_sub(96);
                address
                    .zip(length)
                    .and_then(|(address, length)| Ipv4Net::new(address, length).ok())
            }
        };
        Some(ClientNetwork(mapped.map_or(network, IpNet::V4).trunc()))
    }

    /// Whether it contains an address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A condition on a header (API: `AuthorizationHeaderMatch`).
#[derive(Debug)]
pub struct HeaderCondition {
    /// The name.
    pub name: HeaderName,
    /// The values, one of which the header must have. If the header is repeated, its values joined by commas are compared, as in
    /// Envoy.
    pub values: Vec<ValueMatch>,
}

impl HeaderCondition {
    /// Requires one of these values.
    pub fn new(name: HeaderName, values: impl IntoIterator<Item = Box<str>>) -> Self {
        let values = values.into_iter().map(ValueMatch::Exact).collect();
        HeaderCondition { name, values }
    }

    fn matches(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get_all(&self.name);
        let mut values = self.values.iter();
        values.any(|value| value.matches_header(&self.name, &sent))
    }
}

/// A condition on the token of a request (API: `JWTPrincipal`). A request without a token of the provider doesn't match.
#[derive(Debug)]
pub struct TokenCondition {
    /// The name of the provider that must have accepted the token.
    pub provider: Box<str>,
    /// The scopes, all of which the token must have in `scope` or `scp`.
    pub scopes: Vec<Box<str>>,
    /// The claims, all of which must match.
    pub claims: Vec<ClaimCondition>,
}

/// A condition on a claim (API: `JWTClaim`).
#[derive(Debug)]
pub struct ClaimCondition {
    /// The claim.
    pub claim: ClaimPath,
    /// The type that it must have.
    pub kind: ClaimKind,
    /// The values, one of which it must have or contain.
    pub values: Vec<Box<str>>,
}

/// The type of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimKind {
    /// A text, which is compared as a whole.
    Text,
    /// A list of texts.
    TextList,
}

impl TokenCondition {
    fn matches(&self, token: Option<&VerifiedToken>) -> bool {
        let Some(token) = token.filter(|token| *token.provider == *self.provider) else {
            return false;
        };
        let claims = &token.claims;
        let matches = |it: &ClaimCondition| match it.kind {
            ClaimKind::Text => claims.is_one_of(&it.claim, &it.values),
            ClaimKind::TextList => claims.contains_one_of(&it.claim, &it.values),
        };
        self.scopes.iter().all(|it| claims.has_scope(it)) && self.claims.iter().all(matches)
    }
}

/// The request of a client, as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct ClientRequest<'r> {
    /// The address of the client.
    pub address: IpAddr,
    /// The method.
    pub method: &'r Method,
    /// The path, in the form that routes are compared with.
    pub path: &'r str,
    /// The headers, with those that earlier filters of the policy have set.
    pub headers: &'r HeaderMap,
    /// The token that an earlier filter of the policy has accepted.
    pub token: Option<&'r VerifiedToken>,
}

impl AuthorizationFilter {
    /// Decides on a request.
    ///
    /// # Errors
    /// If it is denied.
    pub fn check(&self, request: ClientRequest<'_>) -> Result<(), Denial> {
        let rule = self.rules.iter().find(|rule| rule.matches(request));
        match rule.map_or(self.default, |rule| rule.action) {
            AccessAction::Allow => Ok(()),
            AccessAction::Deny => Err(Denial::Forbidden),
        }
    }
}

impl AccessRule {
    fn matches(&self, request: ClientRequest<'_>) -> bool {
        let AccessRule {
            name: _,
            action: _,
            networks,
            headers,
            token,
            methods,
            path,
        } = self;
        // Envoy Gateway compares methods without case (`buildMethodsPredicate`).
        let is_asked = |it: &Method| it.as_str().eq_ignore_ascii_case(request.method.as_str());
        (networks.is_empty() || networks.iter().any(|it| it.contains(request.address)))
            && (methods.is_empty() || methods.iter().any(is_asked))
            && path.as_ref().is_none_or(|it| it.matches(request.path))
            && headers.iter().all(|it| it.matches(request.headers))
            && (token.as_ref()).is_none_or(|it| it.matches(request.token))
    }
}

/// The rules and the default, each with its conditions.
impl fmt::Display for AuthorizationFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" authorization [")?;
        for rule in &self.rules {
            write!(f, "{}", rule.action)?;
            for network in &rule.networks {
                write!(f, " {}", network.0)?;
            }
            for method in &rule.methods {
                write!(f, " {method}")?;
            }
            if let Some(path) = &rule.path {
                write!(f, " {path}")?;
            }
            for HeaderCondition { name, values } in &rule.headers {
                write!(f, " header {name}")?;
                values.iter().try_for_each(|value| value.fmt(f))?;
            }
            if let Some(token) = &rule.token {
                token.fmt(f)?;
            }
            f.write_str(", ")?;
        }
        write!(f, "default {}]", self.default)
    }
}

impl fmt::Display for TokenCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " token of {}", self.provider)?;
        self.scopes
            .iter()
            .try_for_each(|scope| write!(f, " scope {scope:?}"))?;
        self.claims.iter().try_for_each(|it| {
            let relation = match it.kind {
                ClaimKind::Text => "is",
                ClaimKind::TextList => "has",
            };
            write!(f, " {} {relation} {:?}", it.claim, it.values)
        })
    }
}

impl fmt::Display for AccessAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AccessAction::Allow => "allow",
            AccessAction::Deny => "deny",
        })
    }
}

#[cfg(test)]
mod tests;

use super::{
    BackendObjectReference, HTTPRouteFilter, HeaderName, Hostname, Object, ParentReference,
    PortNumber, SectionName, choice, object,
};
use crate::manifest::{Decode, Decoder, Node};

/// Rules for HTTP requests.
pub type HTTPRoute = Object<HTTPRouteSpec>;

object! {
    /// `HTTPRoute.spec`.
    pub closed HTTPRouteSpec {
        /// The Gateways it attaches to.
        "parentRefs" => parent_refs: Vec<ParentReference> [0..=32],
        /// Whether it attaches to default Gateways (experimental).
        "useDefaultGateways" => use_default_gateways: Option<String>,
        /// The hostnames it is for; any when empty.
        "hostnames" => hostnames: Vec<Hostname> [0..=16],
        /// The rules; one that matches everything when absent.
        "rules" => rules: Vec<HTTPRouteRule> [0..=16] = vec![HTTPRouteRule::default()],
    }
}

object! {
    /// Matches, and what happens to a request that one of them takes.
    #[derive(Default)]
    pub closed HTTPRouteRule {
        /// A name, unique within the route.
        "name" => name: Option<SectionName>,
        /// The matches, of which one must take the request; everything when empty.
        "matches" => matches: Vec<HTTPRouteMatch> [0..=64],
        /// The filters.
        "filters" => filters: Vec<HTTPRouteFilter> [0..=16],
        /// Where matching requests go.
        "backendRefs" => backend_refs: Vec<HTTPBackendRef> [0..=16],
        /// Time limits.
        "timeouts" => timeouts: Option<HTTPRouteTimeouts>,
        /// When a request is tried again (experimental).
        "retry" => retry: Option<HTTPRouteRetry>,
        /// Whether a client keeps its backend (experimental).
        "sessionPersistence" => session_persistence: Option<SessionPersistence>,
    }
}

object! {
    /// What a request must look like; all parts must hold.
    #[derive(Default)]
    pub closed HTTPRouteMatch {
        /// The path.
        "path" => path: HTTPPathMatch = HTTPPathMatch::default(),
        /// Headers, which must all match.
        "headers" => headers: Vec<HTTPHeaderMatch> [0..=16],
        /// Query parameters, which must all match.
        "queryParams" => query_params: Vec<HTTPQueryParamMatch> [0..=16],
        /// The method.
        "method" => method: Option<HTTPMethod>,
    }
}

object! {
    /// What the path must look like.
    pub closed HTTPPathMatch {
        /// How it is compared.
        "type" => kind: PathMatchType = PathMatchType::PathPrefix,
        /// With what; at most 1024 characters.
        "value" => value: String = "/".to_owned(),
    }
}

impl Default for HTTPPathMatch {
    fn default() -> Self {
        HTTPPathMatch {
            kind: PathMatchType::PathPrefix,
            value: "/".to_owned(),
        }
    }
}

choice! {
    /// How a path is compared.
    pub PathMatchType {
        /// Equal, letter by letter.
        Exact,
        /// By whole segments from the start.
        PathPrefix,
        /// By a regular expression that must match all of it.
        RegularExpression,
    }
}

object! {
    /// What a header must look like.
    pub closed HTTPHeaderMatch {
        /// How it is compared.
        "type" => kind: ValueMatchType = ValueMatchType::Exact,
        /// The header's name, without regard to case.
        "name" => name: HeaderName,
        /// With what; 1 to 4096 characters.
        "value" => value: String,
    }
}

object! {
    /// What a query parameter must look like.
    pub closed HTTPQueryParamMatch {
        /// How it is compared.
        "type" => kind: ValueMatchType = ValueMatchType::Exact,
        /// The parameter's name, case counts.
        "name" => name: HeaderName,
        /// With what; 1 to 1024 characters.
        "value" => value: String,
    }
}

choice! {
    /// How a header or a query parameter is compared.
    pub ValueMatchType {
        /// Equal.
        Exact,
        /// By a regular expression that must match all of it.
        RegularExpression,
    }
}

choice! {
    /// A request's method.
    pub HTTPMethod {
        /// GET
        Get = "GET",
        /// HEAD
        Head = "HEAD",
        /// POST
        Post = "POST",
        /// PUT
        Put = "PUT",
        /// DELETE
        Delete = "DELETE",
        /// CONNECT
        Connect = "CONNECT",
        /// OPTIONS
        Options = "OPTIONS",
        /// TRACE
        Trace = "TRACE",
        /// PATCH
        Patch = "PATCH",
    }
}

/// A backend of a rule, with its share of the traffic and filters of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct HTTPBackendRef {
    /// Which backend.
    pub backend: BackendObjectReference,
    /// Its share out of the sum of all weights of the rule; 0 to 1,000,000.
    pub weight: u32,
    /// Filters for requests that go there.
    pub filters: Vec<HTTPRouteFilter>,
}

object! {
    /// The fields of [`HTTPBackendRef`] as they stand in YAML, where the reference is inline.
    pub closed HTTPBackendRefFields {
        /// See [`BackendObjectReference`].
        "group" => group: String = String::new(),
        /// See [`BackendObjectReference`].
        "kind" => kind: String = "Service".to_owned(),
        /// See [`BackendObjectReference`].
        "name" => name: String,
        /// See [`BackendObjectReference`].
        "namespace" => namespace: Option<String>,
        /// See [`BackendObjectReference`].
        "port" => port: Option<PortNumber>,
        /// 0 to 1,000,000.
        "weight" => weight: Weight = Weight(1),
        /// See [`HTTPBackendRef`].
        "filters" => filters: Vec<HTTPRouteFilter> [0..=16],
    }
}

impl Decode for HTTPBackendRef {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let fields = HTTPBackendRefFields::decode(node, decoder)?;
        Some(HTTPBackendRef {
            backend: BackendObjectReference {
                group: fields.group,
                kind: fields.kind,
                name: fields.name,
                namespace: fields.namespace,
                port: fields.port,
            },
            weight: fields.weight.0,
            filters: fields.filters,
        })
    }
}

/// A backend's share, 0 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight(pub u32);

impl Decode for Weight {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let number = i64::decode(node, decoder)?;
        match u32::try_from(number) {
            Ok(weight @ 0..=1_000_000) => Some(Weight(weight)),
            _ => {
                decoder.invalid(node, format_args!("{number} isn't within 0 to 1000000"));
                None
            }
        }
    }
}

object! {
    /// Time limits of a rule.
    pub closed HTTPRouteTimeouts {
        /// For the whole of a request, as a GEP-2257 duration.
        "request" => request: Option<Duration>,
        /// For one try at a backend.
        "backendRequest" => backend_request: Option<Duration>,
    }
}

/// A duration as GEP-2257 writes it: `1h30m`, `10s`, `500ms`; at most four parts of at most five digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

impl Duration {
    /// Reads `text`.
    ///
    /// # Errors
    /// Says what the text should look like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` isn't a duration like `1h30m`, `10s` or `500ms` (GEP-2257)");
        let mut total = std::time::Duration::ZERO;
        let mut rest = text;
        let mut parts = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let unit = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, tail) = tail.split_at(unit);
            parts += 1;
            if !(1..=5).contains(&digits) || parts > 4 {
                return Err(wrong());
            }
            let number: u64 = number.parse().map_err(|_| wrong())?;
            total += match unit {
                "h" => std::time::Duration::from_secs(number * 3600),
                "m" => std::time::Duration::from_secs(number * 60),
                "s" => std::time::Duration::from_secs(number),
                "ms" => std::time::Duration::from_millis(number),
                _ => return Err(wrong()),
            };
            rest = tail;
        }
        if parts == 0 {
            return Err(wrong());
        }
        Ok(Duration(total))
    }
}

impl Decode for Duration {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let text = String::decode(node, decoder)?;
        match Duration::parse(&text) {
            Ok(duration) => Some(duration),
            Err(why) => {
                decoder.invalid(node, why);
                None
            }
        }
    }
}

object! {
    /// When a request is tried again.
    pub closed HTTPRouteRetry {
        /// At these statuses, 400 to 599.
        "codes" => codes: Vec<i32>,
        /// How often.
        "attempts" => attempts: Option<i32>,
        /// After what time at least.
        "backoff" => backoff: Option<Duration>,
    }
}

object! {
    /// Whether a client keeps its backend.
    pub closed SessionPersistence {
        /// The session's name.
        "sessionName" => session_name: Option<String>,
        /// When a session ends at last.
        "absoluteTimeout" => absolute_timeout: Option<Duration>,
        /// When an unused session ends.
        "idleTimeout" => idle_timeout: Option<Duration>,
        /// By cookie or by header.
        "type" => kind: Option<String>,
        /// About the cookie.
        "cookieConfig" => cookie_config: Option<CookieConfig>,
    }
}

object! {
    /// About a session's cookie.
    pub closed CookieConfig {
        /// `Permanent` or `Session`.
        "lifetimeType" => lifetime_type: Option<String>,
    }
}

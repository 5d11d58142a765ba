use super::{
    BackendObjectReference, HeaderName, LocalObjectReference, PortNumber, PreciseHostname, choice,
    object,
};

object! {
    /// One step that a request or its response goes through. Exactly the field that `type` names is set.
    pub closed HTTPRouteFilter {
        /// Which filter.
        "type" => kind: HTTPRouteFilterType,
        /// Changes to request headers.
        "requestHeaderModifier" => request_header_modifier: Option<HTTPHeaderFilter>,
        /// Changes to response headers.
        "responseHeaderModifier" => response_header_modifier: Option<HTTPHeaderFilter>,
        /// A copy of the request to another backend.
        "requestMirror" => request_mirror: Option<HTTPRequestMirrorFilter>,
        /// A redirect as the answer.
        "requestRedirect" => request_redirect: Option<HTTPRequestRedirectFilter>,
        /// Changes to the request's host and path.
        "urlRewrite" => url_rewrite: Option<HTTPURLRewriteFilter>,
        /// Cross-origin requests.
        "cors" => cors: Option<HTTPCORSFilter>,
        /// A question to an authorization server (experimental).
        "externalAuth" => external_auth: Option<AnyFields>,
        /// A filter of the implementation; there is none.
        "extensionRef" => extension_ref: Option<LocalObjectReference>,
    }
}

choice! {
    /// Which filter.
    pub HTTPRouteFilterType {
        /// Core.
        RequestHeaderModifier,
        /// Extended.
        ResponseHeaderModifier,
        /// Core.
        RequestRedirect,
        /// Extended.
        URLRewrite,
        /// Extended.
        RequestMirror,
        /// Extended.
        CORS,
        /// Experimental.
        ExternalAuth,
        /// Implementation-specific.
        ExtensionRef,
    }
}

object! {
    /// Fields that are known to exist and are not read.
    pub open AnyFields {}
}

object! {
    /// Changes to headers: `set` overwrites, `add` appends, `remove` takes away.
    #[derive(Default)]
    pub closed HTTPHeaderFilter {
        /// Overwritten, or added when not there.
        "set" => set: Vec<HTTPHeader> [0..=16],
        /// Appended to what is there.
        "add" => add: Vec<HTTPHeader> [0..=16],
        /// Taken away, without regard to case.
        "remove" => remove: Vec<HeaderName> [0..=16],
    }
}

object! {
    /// A header.
    pub closed HTTPHeader {
        /// Its name.
        "name" => name: HeaderName,
        /// Its value, 1 to 4096 characters.
        "value" => value: String,
    }
}

object! {
    /// A copy of the request to another backend, whose answer is ignored.
    pub closed HTTPRequestMirrorFilter {
        /// Where the copy goes.
        "backendRef" => backend_ref: BackendObjectReference,
        /// How many of a hundred requests.
        "percent" => percent: Option<i32>,
        /// How many of how many requests.
        "fraction" => fraction: Option<Fraction>,
    }
}

object! {
    /// How many of how many.
    pub closed Fraction {
        /// How many.
        "numerator" => numerator: i32,
        /// Of how many.
        "denominator" => denominator: i32 = 100,
    }
}

object! {
    /// A redirect as the answer.
    pub closed HTTPRequestRedirectFilter {
        /// `http` or `https`; the request's when absent.
        "scheme" => scheme: Option<String>,
        /// The host; the request's when absent.
        "hostname" => hostname: Option<PreciseHostname>,
        /// The path; the request's when absent.
        "path" => path: Option<HTTPPathModifier>,
        /// The port.
        "port" => port: Option<PortNumber>,
        /// 301, 302, 303, 307 or 308.
        "statusCode" => status_code: i32 = 302,
    }
}

object! {
    /// Changes to the request's host and path.
    pub closed HTTPURLRewriteFilter {
        /// The Host header's new value.
        "hostname" => hostname: Option<PreciseHostname>,
        /// The path.
        "path" => path: Option<HTTPPathModifier>,
    }
}

object! {
    /// A change to a path.
    pub closed HTTPPathModifier {
        /// Which change.
        "type" => kind: HTTPPathModifierType,
        /// The whole path's new value.
        "replaceFullPath" => replace_full_path: Option<String>,
        /// What stands for the matched prefix.
        "replacePrefixMatch" => replace_prefix_match: Option<String>,
    }
}

choice! {
    /// Which part of a path is changed.
    pub HTTPPathModifierType {
        /// All of it.
        ReplaceFullPath,
        /// The prefix that the rule matched.
        ReplacePrefixMatch,
    }
}

object! {
    /// What is answered to browsers that ask from another origin.
    pub closed HTTPCORSFilter {
        /// The origins that may ask.
        "allowOrigins" => allow_origins: Vec<String> [0..=64],
        /// Whether with cookies and the like.
        "allowCredentials" => allow_credentials: bool = false,
        /// With these methods.
        "allowMethods" => allow_methods: Vec<String> [0..=9],
        /// With these headers.
        "allowHeaders" => allow_headers: Vec<HeaderName> [0..=64],
        /// Response headers that scripts may see.
        "exposeHeaders" => expose_headers: Vec<HeaderName> [0..=64],
        /// How long the browser may keep the answer, in seconds.
        "maxAge" => max_age: i32 = 5,
    }
}

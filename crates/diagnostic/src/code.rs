use super::Severity;
use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $severity:ident;)+) => {
        /// What kind of finding it is. A code never changes its meaning and is never used again for
        /// another; `gatefold explain CODE` prints its explanation.
        ///
        /// GF01xx: files and YAML. GF02xx: fields and their types. GF03xx: objects. GF04xx: GatewayClasses,
        /// Gateways and listeners. GF05xx: routes and references. GF06xx: certificates. GF07xx: run time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Code] = &[$(Code::$name,)+];

            /// The code as it is shown: `GF0101`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)+ }
            }

            /// How bad a finding of this kind is, unless said otherwise.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)+ }
            }

            /// What it means and what to do.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc, "\n"),+),)+ }
            }
        }
    };
}

codes! {
    /// The file can't be read: it is gone, or permission is missing. What was loaded from it before
    /// stays in force.
    UnreadableFile = "GF0101", Error;
    /// The file isn't UTF-8 text. Kubernetes manifests are UTF-8.
    NotUtf8 = "GF0102", Error;
    /// The file, a document, or what its aliases expand to is larger than the limit.
    TooLarge = "GF0103", Error;
    /// The YAML can't be parsed. The file's last good objects stay in force until it can.
    Syntax = "GF0104", Error;
    /// A key stands twice in one mapping. Which value was meant can't be known.
    DuplicateKey = "GF0105", Error;
    /// Nested deeper than any manifest needs to be.
    TooDeep = "GF0106", Error;
    /// An alias names an anchor that isn't there.
    UndefinedAlias = "GF0107", Error;
    /// A bare `y`, `on`, `no` or the like as a key: Kubernetes reads YAML 1.1, where these are booleans.
    BooleanKey = "GF0108", Warning;
    /// The document has more problems than are shown; those that are shown come first.
    TooMany = "GF0109", Info;
    /// A field that the kind doesn't have. `kubectl apply` refuses such an object, and so do we.
    UnknownField = "GF0201", Error;
    /// A value of the wrong type: a string where a number is due.
    WrongType = "GF0202", Error;
    /// A required field isn't there.
    MissingField = "GF0203", Error;
    /// A value outside what the field allows.
    InvalidValue = "GF0204", Error;
    /// The document isn't a Kubernetes object: `apiVersion`, `kind` or `metadata.name` is missing.
    NotAnObject = "GF0301", Error;
    /// Two documents define the same object; the first one in file order counts.
    DuplicateObject = "GF0302", Error;
    /// A kind that gatefold doesn't use. Deployments, ServiceAccounts and the like may lie beside.
    IgnoredKind = "GF0303", Info;
    /// A version of a known kind that isn't read.
    UnknownVersion = "GF0304", Error;
    /// The Gateway names a GatewayClass that isn't in the folder. It is served all the same; with
    /// `--controller-name` it wouldn't be.
    UnknownGatewayClass = "GF0401", Info;
    /// `parametersRef` names an object with parameters; gatefold takes its settings from the command line
    /// and reads no such object. A GatewayClass still works without them, a Gateway isn't accepted.
    UnsupportedParameters = "GF0402", Error;
    /// An address of a type that can't be bound. Only `IPAddress` can.
    UnsupportedAddress = "GF0403", Error;
    /// The Gateway asks for an address of its own, and none is left in `--address-pool`, or there is no pool.
    AddressNotAssigned = "GF0404", Error;
    /// A listener's protocol that gatefold doesn't speak. The listener isn't served.
    UnsupportedProtocol = "GF0405", Error;
    /// Two listeners claim the same traffic: the same address and port with the same hostname, or with
    /// different protocols. Within one object neither is served; between two the first one is: a Gateway before its
    /// ListenerSets, then the older one.
    ListenerConflict = "GF0406", Error;
    /// `allowedRoutes.kinds` names a kind of route that the listener can't serve.
    UnsupportedRouteKind = "GF0407", Error;
    /// A field that isn't supported yet, and without which the object is served.
    UnsupportedField = "GF0408", Warning;
    /// A listener's `tls` doesn't fit its protocol. The listener isn't served.
    InvalidListenerTls = "GF0409", Error;
    /// Namespaces are chosen by `Selector`, but there is no selector, so none is chosen.
    MissingSelector = "GF0410", Warning;
    /// The ListenerSet names a Gateway whose `allowedListeners` don't let it in. It isn't served.
    ListenerSetNotAllowed = "GF0411", Error;
    /// The route or ListenerSet names a Gateway, or the route a ListenerSet, that isn't in the folder. It gets no traffic from there, and no status
    /// either, since a status is written by the Gateway's owner.
    UnknownParent = "GF0501", Error;
    /// The route names no parent, so it gets no traffic.
    NoParent = "GF0502", Warning;
    /// The route names a parent of a kind other than Gateway and ListenerSet, or the ListenerSet one other than
    /// Gateway.
    UnsupportedParent = "GF0503", Warning;
    /// The parent has no listener with the `sectionName` and `port` of the parent reference.
    NoMatchingParent = "GF0504", Error;
    /// No listener of the parent lets the route in: `allowedRoutes` has another namespace or kind.
    NotAllowedByListeners = "GF0505", Error;
    /// No hostname of the route meets a hostname of the parent's listeners.
    NoMatchingHostname = "GF0506", Error;
    /// A filter that gatefold doesn't have yet. The rule answers 500, since a filter must never be left out.
    UnsupportedFilter = "GF0507", Error;
    /// A filter that can't work as it is written. The rule answers 500.
    InvalidFilter = "GF0508", Error;
    /// A field of a rule that gatefold doesn't support yet. The rule answers 500.
    UnsupportedRuleField = "GF0509", Error;
    /// A match that can't work as it is written: its regular expression is broken, or no request has its path. The rule answers
    /// 500. A broken expression for a header or a query parameter matches any value of it. A match with a broken expression
    /// for the path is left out, since nothing tells which requests it is for: other rules get them. If the rule keeps requests
    /// out, by a policy or a filter of type ExternalAuth or ExtensionRef, it matches every path instead.
    InvalidMatch = "GF0510", Error;
    /// A backend of a kind other than Service. Its share of the traffic gets 500.
    UnsupportedBackendKind = "GF0511", Error;
    /// The backend's Service isn't in the folder. Its share of the traffic gets 500.
    BackendNotFound = "GF0512", Error;
    /// The Service doesn't have the port. The backend's share of the traffic gets 500.
    BackendPortNotFound = "GF0513", Error;
    /// A reference to another namespace that no ReferenceGrant there permits.
    ReferenceNotPermitted = "GF0514", Error;
    /// The Service's port speaks what gatefold can't speak to backends yet. The backend's share gets 500.
    UnsupportedBackendProtocol = "GF0515", Error;
    /// A rule without a backend that could get traffic answers 500.
    NoBackend = "GF0516", Warning;
    /// The folder has no endpoints for the Service's port: no EndpointSlice, no Endpoints, no Pod with an
    /// address. At run time `--backend`, DNS and `--echo` may have some; else requests get 503.
    NoEndpoints = "GF0517", Info;
    /// EndpointSlices or Endpoints of the Service are there, but none has the Service's port by its name.
    EndpointPortNotFound = "GF0518", Warning;
    /// An endpoint's address that isn't an IP address, and isn't used.
    UnsupportedEndpoint = "GF0519", Warning;
    /// A BackendTLSPolicy names something that isn't in the folder, or that can't have such a policy.
    PolicyTarget = "GF0520", Warning;
    /// Two BackendTLSPolicies are for the same Service or port: the older one is followed.
    PolicyConflict = "GF0521", Error;
    /// A BackendTLSPolicy that can't be followed. Its backends get no requests: they answer 500.
    InvalidBackendTls = "GF0522", Error;
    /// A policy of a kind that gatefold doesn't read, for something that is served. It is served without the policy.
    UnreadPolicy = "GF0523", Warning;
    /// A policy that protects something that is served, and that gatefold can't enforce. What it targets answers
    /// 500, so that nothing is open which should be protected. `--ignore-policy` serves it without the policy.
    UnreadProtection = "GF0524", Error;
    /// A policy that `--ignore-policy` passes over. What it targets is served without it.
    IgnoredPolicy = "GF0525", Info;
    /// A policy whose target isn't in the folder, or may not be targeted from the policy's namespace. It has no
    /// effect.
    PolicyAttachesToNothing = "GF0526", Warning;
    /// A path in a match isn't in its normal form. The paths of requests are normalised before they are compared, and so
    /// is this one.
    PathNotNormal = "GF0527", Info;
    /// A regular expression for paths contains an escape that no normalised path contains: `%61` is `a`, `%2f` is `%2F`.
    DeadEscape = "GF0528", Warning;
    /// `?` or `#` in a path that a redirect or a rewrite puts in place of the request's. Only the path is replaced, so
    /// the character is percent-encoded and becomes a part of it.
    QueryInPath = "GF0530", Warning;
    /// One filter changes a header twice: it stands in two of `set`, `add` and `remove`, or twice in one of them. The
    /// API permits one action for a header.
    RepeatedHeader = "GF0531", Error;
    /// A match that gets no requests, because another one takes all of them: the same match, or one that goes first
    /// and matches everything that this one does.
    UnreachableMatch = "GF0532", Warning;
    /// A regular expression that matches no path. It must match all of the path, which begins with `/`.
    PatternNeverMatches = "GF0533", Warning;
    /// A hostname of the route gets no traffic at a listener, because another listener of the same address and port has
    /// a more specific hostname, and the route isn't attached to that one.
    HostnameServedElsewhere = "GF0534", Warning;
    /// A header match with a value that no request has: there is a space or a tab at one of its ends, or a control
    /// character in it. The match never holds.
    ImpossibleHeaderValue = "GF0546", Warning;
    /// An address of a Gateway asks to be reachable from somewhere in particular (`routability`), which gatefold can't
    /// promise. The address isn't bound; others of the Gateway are.
    UnsupportedRoutability = "GF0550", Error;
    /// A listener has filters that run before a route is chosen, which gatefold doesn't have. The listener isn't served,
    /// since a filter must never be left out. Where a listener with a wider hostname is served at its address and port, requests
    /// for its hostname are answered 500.
    UnsupportedListenerFilter = "GF0551", Error;
    /// An entry of the `status` in the file doesn't follow the API, so it isn't shown in the object's status. This doesn't
    /// affect how the object is served.
    InvalidStatus = "GF0552", Warning;
    /// The certificate's Secret, or the ConfigMap with the CA certificates, isn't in the folder.
    CertificateNotFound = "GF0601", Error;
    /// A certificate reference to something that isn't a Secret, or one to CA certificates that isn't a
    /// ConfigMap.
    UnsupportedCertificateKind = "GF0602", Error;
    /// The Secret has no certificate and key that can be served, or the ConfigMap no CA certificates. If it had some
    /// before, they stay in force until it has others or is removed. A ConfigMap without an entry `ca.crt`, or with an empty
    /// one, keeps none.
    InvalidCertificate = "GF0603", Error;
    /// The certificate's time is over or hasn't come. It is served, but clients will refuse it.
    CertificateNotValidNow = "GF0604", Warning;
    /// The certificates in `tls.crt` after the first one aren't a chain from it to an authority. They are served, but
    /// clients may refuse them.
    CertificateChain = "GF0605", Warning;
    /// An authority's key is of a kind whose signatures gatefold can't verify, such as P-521 or RSA with 1024 bits. All that
    /// it has signed is refused.
    UnverifiableAuthority = "GF0606", Warning;
    /// A socket that a listener needs can't be bound. Everything else is served; it is tried again, at
    /// growing intervals.
    BindFailed = "GF0701", Error;
    /// A stage of the reload failed in a way that is a defect of gatefold. What was in force stays.
    ReloadFailed = "GF0702", Error;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

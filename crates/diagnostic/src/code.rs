//! The codes of diagnostics, with their default severities and explanations.

use super::Severity;
use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $severity:ident;)+) => {
        /// The stable code of a kind of diagnostic. A code never changes its meaning and is never reused;
        /// `gatefold explain CODE` prints its explanation.
        ///
        /// GF01xx: files and YAML. GF02xx: fields and their types. GF03xx: objects. GF04xx: GatewayClasses,
        /// Gateways and listeners. GF05xx: routes and references. GF06xx: certificates. GF07xx: run time. GF08xx:
        /// kustomizations and variables.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Code] = &[$(Code::$name,)+];

            /// The code as displayed: `GF0101`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)+ }
            }

            /// The default severity.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)+ }
            }

            /// What the code means and what to do about it.
            pub fn explanation(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc, "\n"),+),)+ }
            }
        }
    };
}

codes! {
    /// The file can't be read, because it doesn't exist or permission is missing. Its last good content stays in force.
    UnreadableFile = "GF0101", Error;
    /// The file isn't UTF-8 text. Kubernetes manifests are UTF-8.
    NotUtf8 = "GF0102", Error;
    /// The file, a document, or what its aliases expand to is larger than the limit.
    TooLarge = "GF0103", Error;
    /// The YAML can't be parsed. The file's last good objects stay in force until it can.
    Syntax = "GF0104", Error;
    /// A key appears twice in one mapping, so it is unclear which value was intended.
    DuplicateKey = "GF0105", Error;
    /// The document is nested deeper than the limit, which no real manifest reaches.
    TooDeep = "GF0106", Error;
    /// An alias names an anchor that doesn't exist.
    UndefinedAlias = "GF0107", Error;
    /// A key such as `y`, `on` or `no` without quotes. Kubernetes reads YAML 1.1, where these are booleans.
    BooleanKey = "GF0108", Warning;
    /// The document has more problems than are shown. The first ones are shown.
    TooMany = "GF0109", Info;
    /// A field that the kind doesn't have. `kubectl apply` refuses such an object, and so does gatefold.
    UnknownField = "GF0201", Error;
    /// A value of the wrong type, such as a string instead of a number.
    WrongType = "GF0202", Error;
    /// A required field is missing.
    MissingField = "GF0203", Error;
    /// A value that the field doesn't allow.
    InvalidValue = "GF0204", Error;
    /// The document isn't a Kubernetes object: `apiVersion`, `kind` or `metadata.name` is missing.
    NotAnObject = "GF0301", Error;
    /// Two documents define the same object. The first one in file order is used.
    DuplicateObject = "GF0302", Error;
    /// A kind that gatefold doesn't use. The folder may contain Deployments, ServiceAccounts and similar objects.
    IgnoredKind = "GF0303", Info;
    /// A version of a known kind that gatefold doesn't read.
    UnknownVersion = "GF0304", Error;
    /// Documents that aren't Kubernetes objects, such as Helm values and kustomizations. gatefold skips them. `gatefold check
    /// --verbose` lists them.
    NotAManifest = "GF0305", Info;
    /// An object whose values SOPS has encrypted. It can't be used until it is decrypted.
    EncryptedObject = "GF0306", Warning;
    /// The templates of a Helm chart aren't manifests until Helm has rendered them. Load the rendered manifests with
    /// `--render 'helm template DIR'`.
    HelmTemplates = "GF0307", Info;
    /// The Gateway names a GatewayClass that isn't in the folder. The Gateway is served anyway; with
    /// `--controller-name` it would not be.
    UnknownGatewayClass = "GF0401", Info;
    /// `parametersRef` names an object that gatefold doesn't read, or an EnvoyProxy that isn't in the folder. The Gateways of a
    /// GatewayClass are served without it; a Gateway with its own `parametersRef` isn't accepted.
    UnsupportedParameters = "GF0402", Error;
    /// An address of a type that can't be bound. Only `IPAddress` can.
    UnsupportedAddress = "GF0403", Error;
    /// The Gateway requests its own address, but `--address-pool` has none left or isn't set.
    AddressNotAssigned = "GF0404", Error;
    /// A listener's protocol that gatefold doesn't speak. The listener isn't served.
    UnsupportedProtocol = "GF0405", Error;
    /// Two listeners claim the same traffic: the same address and port with the same hostname, or with
    /// different protocols. Within one object neither is served. Between two objects, one is served: a Gateway takes
    /// precedence over its ListenerSets, then the older object over the younger.
    ListenerConflict = "GF0406", Error;
    /// `allowedRoutes.kinds` names a kind of route that the listener can't serve.
    UnsupportedRouteKind = "GF0407", Error;
    /// A field that isn't supported yet. The object is served as if the field were absent.
    UnsupportedField = "GF0408", Warning;
    /// A listener's `tls` doesn't fit its protocol. The listener isn't served.
    InvalidListenerTls = "GF0409", Error;
    /// Namespaces are chosen by `Selector`, but no selector is given, so none is chosen.
    MissingSelector = "GF0410", Warning;
    /// The ListenerSet names a Gateway whose `allowedListeners` don't allow it. It isn't served.
    ListenerSetNotAllowed = "GF0411", Error;
    /// In a cluster, the Gateway has another address than here: that of its `spec.addresses`, or of an annotation for a load
    /// balancer. `--address NS/GATEWAY=IP` sets the address here.
    ClusterAddress = "GF0412", Info;
    /// The parent that a route or ListenerSet names isn't in the folder. It gets no traffic from that parent, and no
    /// status for it, because the parent's controller writes that status.
    UnknownParent = "GF0501", Error;
    /// The route names no parent, so it gets no traffic.
    NoParent = "GF0502", Warning;
    /// The parent's kind isn't supported. Parents of routes are Gateways and ListenerSets; parents of ListenerSets are
    /// Gateways.
    UnsupportedParent = "GF0503", Warning;
    /// The parent has no listener with the `sectionName` and `port` of the parent reference.
    NoMatchingParent = "GF0504", Error;
    /// No listener of the parent allows the route: its namespace or kind isn't in `allowedRoutes`.
    NotAllowedByListeners = "GF0505", Error;
    /// No hostname of the route intersects with a hostname of the parent's listeners.
    NoMatchingHostname = "GF0506", Error;
    /// A filter that gatefold doesn't support yet. The rule answers 500, because a filter must never be skipped.
    UnsupportedFilter = "GF0507", Error;
    /// A filter that can't work as it is written. The rule answers 500.
    InvalidFilter = "GF0508", Error;
    /// A field of a rule that gatefold doesn't support yet. The rule answers 500.
    UnsupportedRuleField = "GF0509", Error;
    /// A match that can't work as it is written: its regular expression is invalid, or no request can have its path. The
    /// rule answers 500. An invalid expression for a header or a query parameter matches any value of it. A match with an
    /// invalid expression for the path is left out, because it is unknown which requests it is for; other rules receive
    /// them. If the rule restricts access, by a policy or a filter of type ExternalAuth or ExtensionRef, it matches every
    /// path instead. In a GRPCRoute, the service and the method take the place of the path, and the answer is UNAVAILABLE.
    InvalidMatch = "GF0510", Error;
    /// A backend of a kind other than Service. Its share of the traffic gets 500.
    UnsupportedBackendKind = "GF0511", Error;
    /// The backend's Service isn't in the folder. Its share of the traffic gets 500.
    BackendNotFound = "GF0512", Error;
    /// The Service doesn't have the port. The backend's share of the traffic gets 500.
    BackendPortNotFound = "GF0513", Error;
    /// A reference to another namespace that no ReferenceGrant there permits.
    ReferenceNotPermitted = "GF0514", Error;
    /// The Service's port uses a protocol that gatefold doesn't support for backends yet. The backend's share of the
    /// traffic gets 500.
    UnsupportedBackendProtocol = "GF0515", Error;
    /// The rule has no backend that can get traffic. It answers 500.
    NoBackend = "GF0516", Warning;
    /// The folder has no endpoints for the Service's port: no EndpointSlice, no Endpoints, no Pod with an
    /// address. At run time `--backend`, DNS or `--echo` may provide some; otherwise requests get 503.
    NoEndpoints = "GF0517", Info;
    /// The Service has EndpointSlices or Endpoints, but none of them has a port with the name of the Service's port.
    EndpointPortNotFound = "GF0518", Warning;
    /// An endpoint's address isn't an IP address. It isn't used.
    UnsupportedEndpoint = "GF0519", Warning;
    /// A BackendTLSPolicy targets an object that isn't in the folder, or that can't have such a policy.
    PolicyTarget = "GF0520", Warning;
    /// Two policies of a kind target the same object or section. The older one applies.
    PolicyConflict = "GF0521", Error;
    /// A BackendTLSPolicy that can't be applied, or that may apply to a port whose name is unknown, since its Service isn't in
    /// the folder. Its backends get no requests; their share of the traffic gets 500.
    InvalidBackendTls = "GF0522", Error;
    /// A policy of a kind that gatefold doesn't read targets something that is served. It is served without the policy. Or a
    /// policy has fields that gatefold doesn't serve: its targets are served without these.
    UnreadPolicy = "GF0523", Warning;
    /// A policy that protects something that is served, and that gatefold can't enforce. Its targets answer 500, so
    /// that nothing is exposed that should be protected. `--ignore-policy` serves them without the policy.
    UnreadProtection = "GF0524", Error;
    /// A policy that `--ignore-policy` or `--dev-allow-auth` ignores. Its targets are served without it.
    IgnoredPolicy = "GF0525", Info;
    /// A policy whose target isn't in the folder, or may not be targeted from the policy's namespace. It has no
    /// effect.
    PolicyAttachesToNothing = "GF0526", Warning;
    /// A path in a match isn't in its normal form. Paths of requests are normalised before they are compared, and this
    /// path is normalised as well.
    PathNotNormal = "GF0527", Info;
    /// A regular expression for paths contains an escape that no normalised path contains: `%61` is `a`, `%2f` is `%2F`.
    DeadEscape = "GF0528", Warning;
    /// `?` or `#` in the path of a redirect or a rewrite. Only the path of the request is replaced, so the character is
    /// percent-encoded and becomes a part of the path.
    QueryInPath = "GF0530", Warning;
    /// One filter changes a header twice: the header is in two of `set`, `add` and `remove`, or twice in one of them.
    /// The API permits one action per header.
    RepeatedHeader = "GF0531", Error;
    /// A match that gets no requests, because a match with higher precedence gets all of them: an equal match, or one
    /// that includes this one.
    UnreachableMatch = "GF0532", Warning;
    /// A regular expression that matches no path. It must match the whole path, which begins with `/`.
    PatternNeverMatches = "GF0533", Warning;
    /// A hostname of the route gets no traffic at a listener. Another listener on the same address and port has a more
    /// specific hostname, or takes precedence with the same one, and the route isn't attached to it. If that listener belongs
    /// to another Gateway, it has a warning, too. In a cluster each Gateway has its own address.
    HostnameServedElsewhere = "GF0534", Warning;
    /// The Service isn't in the folder, so the built-in echo backend (`--echo`) answers in its place. Without `--echo`, its
    /// share of the requests is answered 500.
    ServiceStandIn = "GF0535", Info;
    /// A header match with a value that no request can have, because it begins or ends with a space or a tab, or
    /// contains a control character. The match never succeeds.
    ImpossibleHeaderValue = "GF0546", Warning;
    /// An address of a Gateway requests reachability from a particular network (`routability`), which gatefold can't
    /// guarantee. The address isn't bound; the Gateway's other addresses are.
    UnsupportedRoutability = "GF0550", Error;
    /// A listener has filters that run before a route is chosen, which gatefold doesn't support. The listener isn't
    /// served, because a filter must never be skipped. If a listener with a wider hostname is served at its address and
    /// port, requests for its hostname are answered with 500.
    UnsupportedListenerFilter = "GF0551", Error;
    /// An entry of the `status` in the file doesn't follow the API, so it isn't included in the reported status. This
    /// doesn't affect how the object is served.
    InvalidStatus = "GF0552", Warning;
    /// A route of a kind that gatefold doesn't serve yet (TLSRoute, TCPRoute, UDPRoute), or an XListenerSet, names a Gateway
    /// that gatefold serves. The Gateway is served without it. Write an XListenerSet as a ListenerSet.
    UnservedRoute = "GF0553", Warning;
    /// The value of a header contains an operator that only Envoy replaces, such as `%DOWNSTREAM_REMOTE_ADDRESS%`. The
    /// Gateway API has no such operators: gatefold sends the text as it is.
    LiteralHeaderValue = "GF0554", Warning;
    /// A SecurityPolicy can't be enforced as written: a Secret isn't in the folder, its content can't be used, or a value has
    /// no meaning. Requests that the policy protects are refused.
    InvalidSecurityPolicy = "GF0555", Error;
    /// A ClientTrafficPolicy has a setting that can't be applied as written, such as a header that only the proxy itself may write.
    /// Requests to the policy's targets are answered 500.
    InvalidClientTrafficPolicy = "GF0556", Error;
    /// The keys of a SecurityPolicy's `remoteJWKS` can't be fetched, or what is fetched can't be used. The last good keys stay in
    /// force. If there are none, requests with a token are refused. Fetching is retried.
    KeysNotFetched = "GF0560", Warning;
    /// A key of a JWKS can't be used, because its type or its algorithm isn't supported, or it is malformed. Tokens that it has signed
    /// are refused. The other keys are used.
    UnusableJsonWebKey = "GF0561", Warning;
    /// The format of an access log has an operator that Envoy doesn't have, or a wrong argument. The setting isn't used. If
    /// the EnvoyProxy had valid access logs before, they stay in force.
    InvalidLogFormat = "GF0565", Error;
    /// An EnvoyProxy names a file that manifests may not write: only `/dev/stdout`, `/dev/stderr` and files below the folder of
    /// `--access-log-dir` are allowed. The file isn't written.
    LogFileNotAllowed = "GF0566", Error;
    /// An EnvoyProxy sets fields that gatefold doesn't serve. Its Gateways are served without them.
    UnservedParameters = "GF0567", Warning;
    /// The format of an access log contains operators of Envoy that have no meaning in gatefold. They yield `-`, or `null` in
    /// JSON.
    MeaninglessOperator = "GF0568", Warning;
    /// Listeners share a socket, and their ClientTrafficPolicies, or the lack of one, contradict each other in a setting that
    /// belongs to the socket, such as `proxyProtocol`. Listeners whose policy isn't in force answer 500 if the setting changes
    /// which addresses count as clients.
    SocketConflict = "GF0570", Error;
    /// A ClientTrafficPolicy turns a time limit for clients off with `0s`. In Envoy some limits are off unless a policy sets them;
    /// gatefold has limits of its own, which protect it from clients that open connections and send nothing.
    NoTimeLimit = "GF0571", Warning;
    /// The OpenID provider of a SecurityPolicy can't be asked for its configuration or its keys, or what it says can't be used. What was
    /// known of it before stays in force. If nothing was, logins fail: requests without a session are answered 503. Fetching
    /// is retried.
    ProviderNotFetched = "GF0575", Warning;
    /// A SecurityPolicy with `oidc` is in force at a listener without TLS. Browsers send its cookies only over TLS, or to
    /// `localhost`, so logins work only if a proxy in front of gatefold terminates TLS.
    LoginWithoutTls = "GF0576", Warning;
    /// A list of revoked client certificates (`crl` of a ClientTrafficPolicy) has expired. It stays in force, and the clients whose
    /// certificates it covers are refused until there is a new list.
    RevocationListExpired = "GF0578", Warning;
    /// The Secret with the certificate, or the ConfigMap with the CA certificates, isn't in the folder.
    CertificateNotFound = "GF0601", Error;
    /// A reference to a certificate doesn't name a Secret, or a reference to CA certificates doesn't name a ConfigMap.
    UnsupportedCertificateKind = "GF0602", Error;
    /// The Secret has no usable certificate and key, or the ConfigMap has no usable CA certificates. If it had some
    /// before, they stay in force until it has others or is removed. A ConfigMap without the entry `ca.crt`, or with an
    /// empty one, keeps none.
    InvalidCertificate = "GF0603", Error;
    /// The certificate has expired or isn't valid yet. It is served, but clients will refuse it.
    CertificateNotValidNow = "GF0604", Warning;
    /// The certificates after the first one in `tls.crt` don't form a chain from it to an authority. They are served,
    /// but clients may refuse them.
    CertificateChain = "GF0605", Warning;
    /// An authority's key is of a type whose signatures gatefold can't verify, such as P-521 or RSA with 1024 bits.
    /// Certificates that it has signed are refused.
    UnverifiableAuthority = "GF0606", Warning;
    /// The Secret with the certificate isn't in the folder, or an HTTPS listener names no Secret because its cloud has the
    /// certificate. gatefold serves a certificate of the development CA (`--dev-certificates`) instead. Only clients that
    /// trust this CA accept it. `gatefold ca` shows how to trust it.
    CertificateStandIn = "GF0607", Info;
    /// The ConfigMap with the CA certificates isn't in the folder. The development CA (`--dev-certificates`) takes its place
    /// for built-in echo backends. gatefold sends nothing to other backends.
    AuthorityStandIn = "GF0608", Info;
    /// A socket that a listener needs can't be bound. Everything else is served. Binding is retried at growing
    /// intervals.
    BindFailed = "GF0701", Error;
    /// A stage of the reload failed because of a defect in gatefold. The previous configuration stays in force.
    ReloadFailed = "GF0702", Error;
    /// A command of `--render` failed, took too long, or printed too much. Its last good output stays in force.
    RenderFailed = "GF0703", Error;
    /// A kustomization or a Flux Kustomization sets the namespace of the objects in its files. `--no-kustomize` turns this
    /// off.
    KustomizeNamespace = "GF0801", Info;
    /// A file that a kustomization uses as a patch, or as another input. gatefold loads no objects from it.
    KustomizeInput = "GF0802", Info;
    /// A kustomization does more than set a namespace: it has patches, prefixes, generators or the like, which gatefold
    /// doesn't apply. Load the output of kustomize with `--render`.
    UnsupportedKustomization = "GF0803", Warning;
    /// Several overlays use the same base. Choose one of them with `--overlay`. Without it, the objects of the base keep the
    /// namespaces in their files, and the objects of all overlays are served.
    SeveralOverlays = "GF0804", Warning;
    /// A kustomization lists a file or a folder that doesn't exist, or that isn't loaded.
    KustomizeResourceMissing = "GF0805", Warning;
    /// `--overlay` names a folder that has no kustomization.
    UnknownOverlay = "GF0806", Error;
    /// A folder has several kustomization files, which kustomize refuses. gatefold uses the first of `kustomization.yaml`,
    /// `kustomization.yml` and `Kustomization`.
    RepeatedKustomization = "GF0807", Warning;
    /// A value contains a variable, such as `${DOMAIN}`, that isn't defined. Define it with `--substitute DOMAIN=VALUE`. If
    /// the field allows the value as it is, this is only a warning. Flux would make the variable empty.
    UndefinedVariable = "GF0810", Error;
    /// `${` begins an expression that Flux doesn't accept as a variable. Write `$${` for the characters themselves.
    InvalidVariable = "GF0811", Error;
    /// A variable in a hostname isn't defined, so gatefold uses a name for testing instead.
    StandInVariable = "GF0812", Info;
    /// A file or an object that defines variables can't be used, because it is encrypted or isn't in the folders.
    VariablesNotAvailable = "GF0813", Warning;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

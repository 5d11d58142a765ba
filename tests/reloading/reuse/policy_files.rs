//! The files with Envoy Gateway's policies that gatefold reads, and with what they depend on.

use super::files::NOTHING;

/// A SecurityPolicy at some level, with settings of some kind. `variant` is below 10.
pub(super) fn security(name: &str, variant: usize) -> String {
    const GROUP: &str = "group: gateway.networking.k8s.io";
    let target = match variant % 6 {
        0 => return NOTHING.to_owned(),
        1 => format!("targetRefs: [{{{GROUP}, kind: Gateway, name: edge}}]"),
        2 => format!("targetRefs: [{{{GROUP}, kind: Gateway, name: edge, sectionName: http}}]"),
        3 => format!(
            "mergeType: StrategicMerge, targetRefs: [{{{GROUP}, kind: HTTPRoute, name: one}}, {{{GROUP}, kind: GRPCRoute, name: one}}]"
        ),
        4 => format!(
            "targetRefs: [{{{GROUP}, kind: HTTPRoute, name: three, sectionName: first}}, {{{GROUP}, kind: ListenerSet, name: set}}]"
        ),
        _ => "targetSelectors: [{kind: HTTPRoute}, {kind: GRPCRoute}]".to_owned(),
    };
    let settings = match variant {
        0 => "basicAuth: {users: {name: users, namespace: other}}",
        1 => "basicAuth: {users: {name: users}}",
        2 => {
            "apiKeyAuth: {credentialRefs: [{name: keys}], extractFrom: [{headers: [x-key]}]}, \
             extAuth: {http: {backendRef: {name: shop, namespace: other, port: 80}}, failOpen: true}"
        }
        3 => {
            "authorization: {rules: [{action: Allow, principal: {clientCIDRs: [10.0.0.0/8]}}]}, \
             basicAuth: {users: {name: users}}"
        }
        4 => {
            "oidc: {clientID: shop, clientSecret: {name: keys}, provider: {issuer: 'https://idp.example', \
             backendRefs: [{name: shop, port: 80}]}}"
        }
        5 => "cors: {allowOrigins: ['https://a.example']}",
        6 => {
            "jwt: {providers: [{name: idp, localJWKS: {type: ValueRef, valueRef: {group: '', kind: ConfigMap, name: keys}}}]}"
        }
        7 => {
            "jwt: {providers: [{name: idp, remoteJWKS: {uri: 'http://idp.example/keys', backendRefs: [{name: shop, port: 80}, \
             {name: shop, namespace: other, port: 80}]}}, {name: other, remoteJWKS: {uri: 'http://idp.example/other', \
             backendRefs: [{name: given, port: 80}]}}]}"
        }
        8 => {
            "authorization: {defaultAction: Deny}, extAuth: {http: {backendRefs: [{name: shop, port: 80}]}}"
        }
        _ => {
            "extAuth: {http: {backendRefs: [{name: shop, port: 80}, {name: given, port: 80}], headersToBackend: [x-user]}, \
             contextExtensions: [{name: a, type: ValueRef, valueRef: {group: '', kind: ConfigMap, name: keys, key: jwks}}, \
             {name: b, type: ValueRef, valueRef: {group: '', kind: Secret, name: keys, key: a}}]}"
        }
    };
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {{name: {name}}}\nspec: {{{target}, {settings}}}\n"
    )
}

/// The Secrets of the policies. Their numbers of users and clients differ, because the texts of filters show only these.
pub(super) fn credentials(variant: usize) -> String {
    const ONE: &str = "a:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=";
    let two = format!("{ONE}\\nb:{{SHA}}qUqP5cyxm6YcTAhz05Hph5gvu9M=");
    let secret = |namespace: &str, name: &str, data: &str| {
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\nstringData: {{{data}}}\n"
        )
    };
    let users = |text: &str| format!("\".htpasswd\": \"{text}\"");
    match variant {
        0 => NOTHING.to_owned(),
        1 => secret("default", "users", &users(ONE)),
        2 => {
            secret("default", "users", &users(&two)) + &secret("default", "keys", "a: one, b: two")
        }
        3 => {
            secret("default", "users", &users("malformed")) + &secret("other", "users", &users(ONE))
        }
        4 => {
            secret("default", "keys", "a: one, client-secret: 0123456789abcdef")
                + &secret("other", "users", &users(&two))
        }
        _ => {
            secret("default", "keys", "a: one, b: one, client-secret: short")
                + &secret("default", "users", &users(ONE))
        }
    }
}

/// The ConfigMap with keys of the policies, also with none that can be used. Their numbers differ, because the texts of filters show
/// only these.
pub(super) fn keys(variant: usize) -> String {
    let key = format!("{{\"kty\": \"oct\", \"k\": \"{}\"}}", "A".repeat(43));
    let count = match variant {
        0 => return NOTHING.to_owned(),
        1 | 2 => variant,
        3 => 0,
        _ => 3,
    };
    let keys = vec![key; count].join(", ");
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: keys}}\ndata: {{jwks: '{{\"keys\": [{keys}]}}'}}\n"
    )
}

/// A permission for the policies' references to another namespace.
pub(super) fn security_grant(variant: usize) -> String {
    match variant {
        0..=2 => NOTHING.to_owned(),
        _ => "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: security, namespace: other}\n\
              spec: {from: [{group: gateway.envoyproxy.io, kind: SecurityPolicy, namespace: default}], to: [{group: '', kind: Secret}, {group: '', kind: Service}]}\n"
            .to_owned(),
    }
}

/// A ClientTrafficPolicy that changes the addresses of clients, or closes its targets, or does neither.
pub(super) fn client_traffic(variant: usize) -> String {
    let (target, settings) = match variant {
        0 | 1 => return NOTHING.to_owned(),
        2 => (
            "name: edge",
            "clientIPDetection: {xForwardedFor: {numTrustedHops: 1}}",
        ),
        3 => (
            "name: edge, sectionName: http",
            "clientIPDetection: {xForwardedFor: {numTrustedHops: 1}}",
        ),
        4 => (
            "name: edge, sectionName: more",
            "headers: {earlyRequestHeaders: {add: [{name: a, value: b}]}}",
        ),
        _ => (
            "name: edge, sectionName: lacking",
            "connection: {connectionLimit: {value: 5}}",
        ),
    };
    format!(
        "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: ClientTrafficPolicy\nmetadata: {{name: clients}}\n\
         spec: {{targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, {target}}}], {settings}}}\n"
    )
}

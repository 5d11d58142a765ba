//! An OpenID provider over HTTPS, well-behaved and otherwise.

use super::network::{free_port, own_address};
use super::tls::{Authority, Pair, server_config};
use super::tokens::{TokenIssuer, encode, jwks, now};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

/// The id of the client at the provider.
pub const CLIENT_ID: &str = "shop";
/// Its secret.
pub const CLIENT_SECRET: &str = "the secret of the shop: ä&=";

/// The parameters of a query or a form, decoded.
pub type Parameters = BTreeMap<String, String>;

/// A provider. It lives as long as the test.
pub struct OpenIdProvider {
    address: SocketAddr,
    state: Arc<ProviderState>,
}

struct ProviderState {
    issuer: String,
    behavior: Mutex<ProviderBehavior>,
    /// The logins that have been authorized, by code. Each code works once.
    logins: Mutex<BTreeMap<String, Parameters>>,
    /// The refresh token that is valid.
    refresh_token: Mutex<String>,
    /// The forms that the token endpoint has got.
    forms: Mutex<Vec<Parameters>>,
    /// The paths of all requests.
    paths: Mutex<Vec<String>>,
}

/// What a provider does.
pub struct ProviderBehavior {
    /// Signs ID tokens.
    pub signer: TokenIssuer,
    /// The keys that are published.
    pub published: String,
    /// The members of the configuration that differ. `null` for one that is missing.
    pub configuration: Value,
    /// The claims of ID tokens that differ. `null` for one that is missing.
    pub claims: Value,
    /// The members of the answer with tokens that differ. `null` for one that is missing.
    pub tokens: Value,
    /// What the token endpoint does.
    pub endpoint: EndpointBehavior,
}

/// What a token endpoint does.
#[derive(Clone, Debug, PartialEq)]
pub enum EndpointBehavior {
    /// Issues tokens.
    Issue,
    /// Answers with this status line and body.
    Answer(&'static str, String),
    /// Never answers.
    Hang,
    /// Answers with 10 MB.
    Huge,
}

impl Default for ProviderBehavior {
    fn default() -> Self {
        let signer = TokenIssuer::new("key-1");
        ProviderBehavior {
            published: jwks(&[&signer]),
            signer,
            configuration: json!({}),
            claims: json!({}),
            tokens: json!({}),
            endpoint: EndpointBehavior::Issue,
        }
    }
}

impl OpenIdProvider {
    /// Starts a provider whose issuer is its address, with a certificate for it.
    pub fn start(authority: &Authority) -> Self {
        let ip = own_address();
        let address = SocketAddr::new(ip, free_port(ip));
        let pair = authority.issue(&ip.to_string());
        OpenIdProvider::listen(address, format!("https://{address}"), Some(&pair))
    }

    /// Starts a provider with this issuer behind a Service. Without a certificate it speaks plain HTTP.
    pub fn behind_service(issuer: &str, pair: Option<&Pair>) -> Self {
        let ip = own_address();
        let address = SocketAddr::new(ip, free_port(ip));
        OpenIdProvider::listen(address, issuer.to_owned(), pair)
    }

    fn listen(address: SocketAddr, issuer: String, pair: Option<&Pair>) -> Self {
        let listener = TcpListener::bind(address).expect("the provider's socket");
        let state = Arc::new(ProviderState {
            issuer,
            behavior: Mutex::default(),
            logins: Mutex::default(),
            refresh_token: Mutex::default(),
            forms: Mutex::default(),
            paths: Mutex::default(),
        });
        let (shared, tls) = (state.clone(), pair.map(|pair| server_config(pair, None)));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (state, tls) = (shared.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => state.answer(stream),
                    Some(config) => state.answer(secured(stream, config)),
                });
            }
        });
        OpenIdProvider { address, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn issuer(&self) -> &str {
        &self.state.issuer
    }

    /// Changes what it does from now on.
    pub fn change(&self, change: impl FnOnce(&mut ProviderBehavior)) {
        change(&mut self.state.behavior.lock().expect("no panic"));
    }

    /// Logs a user in, as a browser that follows a redirect to the provider. Returns the URL of the callback that the browser is
    /// redirected to.
    #[track_caller]
    pub fn log_in(&self, location: &str) -> String {
        let (endpoint, query) = location.split_once('?').expect("a query");
        assert_eq!(endpoint, format!("{}/authorize", self.issuer()));
        let asked = parameters(query);
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT_ID);
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut logins = self.state.logins();
        let code = format!("code/{}?&=", logins.len() + 1);
        let (redirect_uri, state) = (asked["redirect_uri"].clone(), asked["state"].clone());
        logins.insert(code.clone(), asked);
        format!("{redirect_uri}?{}&state={state}", pair("code", &code))
    }

    /// The forms that the token endpoint has got so far.
    pub fn forms(&self) -> Vec<Parameters> {
        self.state.forms.lock().expect("no panic").clone()
    }

    /// The number of requests for a path so far.
    pub fn requests(&self, path: &str) -> usize {
        let paths = self.state.paths.lock().expect("no panic");
        paths.iter().filter(|it| *it == path).count()
    }
}

fn secured<S: Read + Write>(
    stream: S,
    config: Arc<ServerConfig>,
) -> StreamOwned<ServerConnection, S> {
    StreamOwned::new(ServerConnection::new(config).expect("a session"), stream)
}

impl ProviderState {
    fn logins(&self) -> MutexGuard<'_, BTreeMap<String, Parameters>> {
        self.logins.lock().expect("no panic")
    }

    fn answer(&self, stream: impl Read + Write) {
        let mut stream = BufReader::new(stream);
        let Some((path, fields, body)) = read(&mut stream) else {
            return;
        };
        self.paths.lock().expect("no panic").push(path.clone());
        let stream = stream.get_mut();
        let endpoint = self.behavior.lock().expect("no panic").endpoint.clone();
        let (status, body) = match (path.as_str(), endpoint) {
            ("/.well-known/openid-configuration", _) => ("200 OK", self.configuration()),
            ("/keys", _) => {
                let behavior = self.behavior.lock().expect("no panic");
                ("200 OK", behavior.published.clone())
            }
            ("/token", EndpointBehavior::Issue) => self.token(&fields, &body),
            ("/token", EndpointBehavior::Answer(status, body)) => (status, body),
            ("/token", EndpointBehavior::Huge) => ("200 OK", " ".repeat(10_000_000)),
            ("/token", EndpointBehavior::Hang) => {
                let _ = stream.read_to_end(&mut Vec::new());
                return;
            }
            _ => ("404 Not Found", String::new()),
        };
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
        let _ = stream.write_all(answer.as_bytes());
        let _ = stream.flush();
    }

    fn configuration(&self) -> String {
        let issuer = &self.issuer;
        let configuration = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "end_session_endpoint": format!("{issuer}/logout?from=here"),
        });
        let behavior = self.behavior.lock().expect("no panic");
        changed(configuration, &behavior.configuration).to_string()
    }

    fn token(&self, fields: &Parameters, body: &str) -> (&'static str, String) {
        let form = parameters(body);
        self.forms.lock().expect("no panic").push(form.clone());
        let refused = |error: &str| ("400 Bad Request", json!({ "error": error }).to_string());
        if !is_authenticated(fields, &form) {
            return (
                "401 Unauthorized",
                json!({"error": "invalid_client"}).to_string(),
            );
        }
        let nonce = match form["grant_type"].as_str() {
            "authorization_code" => {
                let Some(login) = self.logins().remove(&form["code"]) else {
                    return refused("invalid_grant");
                };
                let challenge = encode(digest(&SHA256, form["code_verifier"].as_bytes()));
                let is_same = login["redirect_uri"] == form["redirect_uri"]
                    && login["code_challenge"] == challenge;
                if !is_same {
                    return refused("invalid_grant");
                }
                Some(login["nonce"].clone())
            }
            "refresh_token" => {
                if form["refresh_token"] != *self.refresh_token.lock().expect("no panic") {
                    return refused("invalid_grant");
                }
                None
            }
            _ => return refused("unsupported_grant_type"),
        };
        ("200 OK", self.tokens(nonce))
    }

    fn tokens(&self, nonce: Option<String>) -> String {
        let behavior = self.behavior.lock().expect("no panic");
        let number = self.forms.lock().expect("no panic").len();
        let mut claims = json!({
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "alice",
            "exp": now() + 600,
            "iat": now(),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = json!(nonce);
        }
        let claims = changed(claims, &behavior.claims);
        let refresh_token = format!("refresh-{number}");
        let tokens = json!({
            "access_token": format!("access-{number}"),
            "token_type": "bearer",
            "expires_in": 600,
            "refresh_token": refresh_token,
            "id_token": behavior.signer.token(&claims),
        });
        *self.refresh_token.lock().expect("no panic") = refresh_token;
        changed(tokens, &behavior.tokens).to_string()
    }
}

/// Whether a request has the credentials of the client: in the form, or in HTTP Basic, each encoded as in a form (RFC 6749, section
/// 2.3.1).
fn is_authenticated(fields: &Parameters, form: &Parameters) -> bool {
    if let (Some(id), Some(secret)) = (form.get("client_id"), form.get("client_secret")) {
        return id == CLIENT_ID && secret == CLIENT_SECRET;
    }
    let encoded = fields.get("authorization");
    let encoded = encoded.and_then(|it| it.strip_prefix("Basic "));
    let Some(Ok(text)) = encoded.map(|it| STANDARD.decode(it)) else {
        return false;
    };
    let text = String::from_utf8(text).expect("UTF-8");
    let (id, secret) = text.split_once(':').expect("a colon");
    decoded(id) == CLIENT_ID && decoded(secret) == CLIENT_SECRET
}

/// Reads a request: its path, its header fields, and its body.
fn read(stream: &mut impl BufRead) -> Option<(String, Parameters, String)> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut fields = Parameters::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = fields.get("content-length");
    let length = length.and_then(|it| it.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((path, fields, String::from_utf8(body).ok()?))
}

fn changed(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().expect("an object") {
        if value.is_null() {
            object.as_object_mut().expect("an object").remove(name);
        } else {
            object[name] = value.clone();
        }
    }
    object
}

/// Decodes the parameters of a query or a form.
pub fn parameters(text: &str) -> Parameters {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.map(|(name, value)| (decoded(name), decoded(value)));
    pairs.collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|it| it.expect("a digit"));
                let digits = String::from_utf8(digits.to_vec()).expect("digits");
                u8::from_str_radix(&digits, 16).expect("hexadecimal digits")
            }
            other => other,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}

fn pair(name: &str, value: &str) -> String {
    let encoded = value.bytes().map(|byte| format!("%{byte:02X}"));
    format!("{name}={}", encoded.collect::<String>())
}

//! The requests of the training with their expected answers.

use super::backends::SCRIPT;
use super::manifests::{HOST, MANY, RULES};
use crate::support::client::Response;
use crate::support::load::connection::LoadConnection;
use crate::support::load::request::{LoadBody, LoadRequest};
use crate::support::load::request_error::RequestError;

/// The header fields of a browser.
const BROWSER: [(&str, &str); 7] = [
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("accept-language", "en-US,en;q=0.5"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://www.example.com/catalogue?page=2"),
    (
        "cookie",
        "session=0123456789abcdef0123456789abcdef; theme=dark; consent=1",
    ),
    ("x-removed", "1"),
];

/// A request, and what its answer must be.
#[derive(Clone)]
pub struct CheckedRequest {
    method: &'static str,
    host: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: UploadBody,
    status: u16,
    /// The length of the answer's body; `None` if it doesn't matter.
    length: Option<usize>,
    /// A header field that the answer must have.
    field: Option<(&'static str, &'static str)>,
}

/// The body of a request: its length.
#[derive(Clone, Copy)]
enum UploadBody {
    None,
    Sized(usize),
    Streamed(usize),
}

impl CheckedRequest {
    /// A `GET` that must be answered with 200.
    pub fn get(host: &'static str, path: impl Into<String>) -> Self {
        CheckedRequest {
            method: "GET",
            host,
            path: path.into(),
            headers: Vec::new(),
            body: UploadBody::None,
            status: 200,
            length: None,
            field: None,
        }
    }

    fn method(self, method: &'static str) -> Self {
        CheckedRequest { method, ..self }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn browser(self) -> Self {
        BROWSER
            .into_iter()
            .fold(self, |request, (name, value)| request.header(name, value))
    }

    fn body(self, body: UploadBody) -> Self {
        CheckedRequest { body, ..self }.method("POST")
    }

    fn status(self, status: u16) -> Self {
        CheckedRequest { status, ..self }
    }

    fn length(self, length: usize) -> Self {
        CheckedRequest {
            length: Some(length),
            ..self
        }
    }

    fn field(self, name: &'static str, value: &'static str) -> Self {
        CheckedRequest {
            field: Some((name, value)),
            ..self
        }
    }

    /// Sends the request. Returns whether the connection can be used for another one.
    ///
    /// # Errors
    /// If there is no answer, or not the expected one.
    pub async fn run(&self, connection: &mut LoadConnection) -> Result<bool, RequestError> {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let bytes = vec![b'u'; self.body.length()];
        let request = LoadRequest {
            method: self.method,
            host: self.host,
            path: &self.path,
            headers: &headers,
            body: match self.body {
                UploadBody::None => LoadBody::None,
                UploadBody::Sized(_) => LoadBody::Sized(&bytes),
                UploadBody::Streamed(_) => LoadBody::Streamed(&bytes),
            },
        };
        let answer = connection.send(request).await?;
        match self.check(&answer) {
            Ok(()) => Ok(!connection.ends_with(&answer)),
            Err(problem) => Err(RequestError::WrongAnswer(format!(
                "{} {}{}: {problem}",
                self.method, self.host, self.path
            ))),
        }
    }

    fn check(&self, answer: &Response) -> Result<(), String> {
        if answer.status != self.status {
            return Err(format!(
                "status {} instead of {}",
                answer.status, self.status
            ));
        }
        if self
            .length
            .is_some_and(|length| length != answer.body.len())
        {
            return Err(format!("a body of {} bytes", answer.body.len()));
        }
        match self.field {
            Some((name, value)) if answer.header(name) != Some(value) => Err(format!(
                "{name}: {:?} instead of {value:?}",
                answer.header(name)
            )),
            _ => Ok(()),
        }
    }
}

impl UploadBody {
    fn length(self) -> usize {
        match self {
            UploadBody::None => 0,
            UploadBody::Sized(length) | UploadBody::Streamed(length) => length,
        }
    }
}

/// What most requests are: short answers for clients that send few or many header fields.
pub fn ordinary() -> Vec<CheckedRequest> {
    vec![
        CheckedRequest::get(HOST, "/").length(1024),
        CheckedRequest::get(HOST, "/")
            .header("x-request", "ordinary")
            .length(1024),
        CheckedRequest::get(HOST, "/catalogue/shoes?page=2&sort=price")
            .browser()
            .length(1024),
        CheckedRequest::get(HOST, "/api/v1/users/8271")
            .header("accept", "application/json")
            .length(1024),
    ]
}

/// Requests for each feature of routes.
pub fn features() -> Vec<CheckedRequest> {
    let preflight = CheckedRequest::get(HOST, "/cors")
        .method("OPTIONS")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "x-a");
    vec![
        CheckedRequest::get(HOST, "/headers")
            .browser()
            .field("x-frame-options", "DENY"),
        CheckedRequest::get(HOST, "/headers/below").field("x-frame-options", "DENY"),
        CheckedRequest::get(HOST, "/rewritten/a/b?c=d").length(1024),
        CheckedRequest::get(HOST, "/replaced/a").length(1024),
        CheckedRequest::get(HOST, "/moved/a?b=c")
            .status(301)
            .field("location", "https://www.example.com/new/a?b=c"),
        CheckedRequest::get(HOST, "/mirrored")
            .header(SCRIPT, "500")
            .length(500),
        CheckedRequest::get(HOST, "/mirrored")
            .body(UploadBody::Sized(2_000))
            .length(100),
        preflight
            .status(204)
            .field("access-control-allow-methods", "GET, PUT"),
        CheckedRequest::get(HOST, "/cors")
            .header("origin", "https://app.example.com")
            .field("access-control-allow-origin", "https://app.example.com"),
        CheckedRequest::get(HOST, "/weighted").browser(),
        CheckedRequest::get(HOST, "/weighted/b"),
        CheckedRequest::get(HOST, "/weighted/c"),
        CheckedRequest::get(HOST, "/secure").length(1024),
        CheckedRequest::get(HOST, "/limited")
            .header(SCRIPT, "2000")
            .length(2_000),
        CheckedRequest::get(HOST, "/a/../b//c/%7Euser").length(1024),
        CheckedRequest::get(HOST, "/scripted")
            .header(SCRIPT, "status 304")
            .status(304),
        CheckedRequest::get(HOST, "/scripted")
            .method("HEAD")
            .header(SCRIPT, "status 204")
            .status(204),
        CheckedRequest::get(HOST, "/scripted")
            .method("DELETE")
            .header(SCRIPT, "status 204")
            .status(204),
    ]
}

/// Uploads and answers of several sizes.
pub fn transfers() -> Vec<CheckedRequest> {
    let mut all = Vec::new();
    for length in [100, 4_000, 64_000, 1_000_000] {
        for body in [UploadBody::Sized(length), UploadBody::Streamed(length)] {
            all.push(
                CheckedRequest::get(HOST, "/scripted")
                    .browser()
                    .body(body)
                    .length(100),
            );
        }
        let sized = CheckedRequest::get(HOST, "/scripted").header(SCRIPT, length.to_string());
        all.push(sized.length(length));
        let chunked =
            CheckedRequest::get(HOST, "/scripted").header(SCRIPT, format!("chunked {length}"));
        all.push(chunked.length(length));
    }
    all
}

/// Requests that gatefold answers with an error, or an endpoint.
pub fn errors() -> Vec<CheckedRequest> {
    vec![
        CheckedRequest::get("unknown.example.com", "/").status(404),
        CheckedRequest::get(MANY, "/nowhere").status(404),
        CheckedRequest::get(HOST, "/missing").status(500),
        CheckedRequest::get(HOST, "/refused").status(502),
        CheckedRequest::get(HOST, "/empty").status(503),
        CheckedRequest::get(HOST, "/silent").status(504),
        CheckedRequest::get(HOST, "/limited")
            .header(SCRIPT, "status 503")
            .status(503),
        CheckedRequest::get(HOST, "/scripted")
            .header(SCRIPT, "status 500")
            .status(500),
        CheckedRequest::get(HOST, "/a%00").status(400),
    ]
}

/// A request for each rule of [`MANY`], in an order that jumps between files.
pub fn many() -> Vec<CheckedRequest> {
    let numbers = (0..RULES).map(|number| number * 7919 % RULES);
    let each = numbers.map(|number| {
        let at = |kind| CheckedRequest::get(MANY, format!("/{kind}/{number}")).length(1024);
        match number % 6 {
            0 => at("exact"),
            1 => at("prefix"),
            2 => CheckedRequest::get(MANY, format!("/regex/{number}/name")).length(1024),
            3 => at("header").header("x-version", "2"),
            4 => CheckedRequest::get(MANY, format!("/query/{number}?a=b&q=1")).length(1024),
            _ => at("method").method("POST"),
        }
    });
    each.collect()
}

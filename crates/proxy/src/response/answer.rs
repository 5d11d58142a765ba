use crate::context::RequestContext;
use crate::filter::headers::ResponseFields;
use crate::response::unread_body;
use http::{HeaderValue, Method, StatusCode, header};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// An answer of our own instead of a backend's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// What happened, for whoever asked; ends with a newline. Nothing about what is behind us.
    pub(crate) text: &'static str,
    /// What becomes of an HTTP/1.1 connection.
    pub(crate) after: After,
}

/// What becomes of an HTTP/1.1 connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request may come.
    Keep,
    /// It ends: where the next request would begin is unsure.
    Close,
}

impl Answer {
    /// The request itself is bad: nothing that follows it can be trusted.
    pub(crate) const fn malformed(status: StatusCode, text: &'static str) -> Self {
        Answer {
            status,
            text,
            after: After::Close,
        }
    }

    /// The request is fine, but there is nothing for it.
    const fn refusal(status: StatusCode, text: &'static str) -> Self {
        Answer {
            status,
            text,
            after: After::Keep,
        }
    }

    /// Nothing serves this host and path.
    pub(crate) const NO_ROUTE: Answer =
        Answer::refusal(StatusCode::NOT_FOUND, "no route matches this request\n");

    /// The connection was made for another listener: the client shall ask on a new one (RFC 9110, section
    /// 15.5.20).
    pub(crate) const MISDIRECTED: Answer = Answer::refusal(
        StatusCode::MISDIRECTED_REQUEST,
        "the connection was made for another host: use a new one\n",
    );

    /// The rule can't be served as it is written.
    pub(crate) const fn refused(status: StatusCode) -> Self {
        Answer::refusal(
            status,
            "the matching route has a rule that can't be served as written\n",
        )
    }

    /// A question of a browser, whether a script may send a request; the rule's filter answers it.
    pub(crate) const PREFLIGHT: Answer = Answer::refusal(StatusCode::NO_CONTENT, "");

    /// The client shall ask elsewhere.
    pub(crate) const fn redirect(status: StatusCode) -> Self {
        Answer::refusal(status, "see Location\n")
    }

    /// The route's backend doesn't exist or may not be referred to.
    pub(crate) const INVALID_BACKEND: Answer = Answer::refusal(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the matching route refers to an invalid backend\n",
    );

    /// The route's backend has nobody to serve it.
    pub(crate) const NO_ENDPOINTS: Answer = Answer::refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "the backend has no endpoints right now\n",
    );

    /// The backend couldn't be reached, or what it sent is no response.
    pub(crate) const BAD_GATEWAY: Answer = Answer::malformed(
        StatusCode::BAD_GATEWAY,
        "the backend can't be reached or sent no valid response\n",
    );

    /// The backend took too long.
    pub(crate) const GATEWAY_TIMEOUT: Answer = Answer::malformed(
        StatusCode::GATEWAY_TIMEOUT,
        "the backend took too long to respond\n",
    );

    /// The client took too long with its request.
    pub(crate) const REQUEST_TIMEOUT: Answer = Answer::malformed(
        StatusCode::REQUEST_TIMEOUT,
        "the request took too long to arrive\n",
    );

    /// What the client sent as a body isn't one.
    pub(crate) const MALFORMED_BODY: Answer = Answer::malformed(
        StatusCode::BAD_REQUEST,
        "the body of the request has malformed chunks or trailers\n",
    );

    /// What the client sent isn't HTTP.
    pub(crate) const BAD_REQUEST: Answer =
        Answer::malformed(StatusCode::BAD_REQUEST, "the request is malformed\n");

    /// A fault of ours.
    pub(crate) const INTERNAL: Answer = Answer::malformed(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the gateway failed to forward the request\n",
    );

    /// Sends it as the response of a session that has none yet.
    pub(crate) async fn send(self, session: &mut Session, context: &RequestContext) -> Result<()> {
        match self.after {
            After::Close => session.set_keepalive(None),
            After::Keep => unread_body::keep(session).await,
        }
        let head = session.req_header().method == Method::HEAD;
        session
            .write_response_header(Box::new(self.header(session, context)?), head)
            .await?;
        if !head && self != Answer::PREFLIGHT {
            let body = Some(self.text.as_bytes().into());
            session.write_response_body(body, true).await?;
        }
        if self.after == After::Keep {
            unread_body::drop_small(session).await;
        }
        Ok(())
    }

    fn header(self, session: &Session, context: &RequestContext) -> Result<ResponseHeader> {
        let mut header = ResponseHeader::build(self.status, Some(3))?;
        header.insert_header(header::SERVER, HeaderValue::from_static("gatefold"))?;
        let request = &session.req_header().headers;
        let cors = context
            .rule
            .as_ref()
            .and_then(|it| it.filters.cors.as_ref());
        if self == Answer::PREFLIGHT {
            if let Some(cors) = cors {
                cors.answer_preflight(request, &mut ResponseFields(&mut header));
            }
            return Ok(header);
        }
        header.insert_header(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        )?;
        header.insert_header(header::CONTENT_LENGTH, HeaderValue::from(self.text.len()))?;
        if let Some(cors) = cors {
            // Else a script would learn no more than that something failed.
            cors.change_response(request, &mut ResponseFields(&mut header));
        }
        if let (Some(location), Some(rule)) = (&context.location, &context.rule) {
            header.insert_header(header::LOCATION, location.clone())?;
            rule.filters
                .change_response(&mut ResponseFields(&mut header));
        }
        Ok(header)
    }
}

//! An authorization server that speaks gRPC (`envoy.service.auth.v3.Authorization/Check`).

use super::network::{free_port, own_address};
use super::protobuf::Message;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};

/// The server. It lives as long as the test.
pub struct GrpcAuthServer {
    address: SocketAddr,
    questions: Questions,
}

type Questions = Arc<Mutex<Vec<(Parts, Message)>>>;
type Decide = Arc<dyn Fn(&Message) -> GrpcReply + Send + Sync>;

/// How a question is answered.
#[derive(Clone, Debug)]
pub enum GrpcReply {
    /// With this message.
    Message(Vec<u8>),
    /// With this body, which has its own framing, and the status 0.
    Body(Vec<u8>),
    /// With this message, but no status.
    NoTrailers(Vec<u8>),
    /// With a status only.
    Status(&'static str),
    /// With a status of HTTP.
    Http(u16),
    /// Never.
    Hang,
    /// With the end of the stream.
    Reset,
}

/// A message with the prefix of its length.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[0], &length.to_be_bytes()[..], message].concat()
}

impl GrpcAuthServer {
    pub fn start(decide: impl Fn(&Message) -> GrpcReply + Send + Sync + 'static) -> Self {
        let ip = own_address();
        let address = SocketAddr::new(ip, free_port(ip));
        let listener = std::net::TcpListener::bind(address).expect("the server's socket");
        listener.set_nonblocking(true).expect("a socket for tokio");
        let questions = Questions::default();
        let server = GrpcAuthServer {
            address,
            questions: questions.clone(),
        };
        let decide: Decide = Arc::new(decide);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a socket of tokio");
                while let Ok((tcp, _)) = listener.accept().await {
                    tokio::spawn(serve(tcp, decide.clone(), questions.clone()));
                }
            });
        });
        server
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The last question: the header of the call and the attributes.
    pub fn last(&self) -> (Parts, Message) {
        let questions = self.questions.lock().expect("no panic");
        questions.last().cloned().expect("a question")
    }

    /// The number of questions.
    pub fn count(&self) -> usize {
        self.questions.lock().expect("no panic").len()
    }
}

async fn serve(tcp: TcpStream, decide: Decide, questions: Questions) -> io::Result<()> {
    let connection = h2::server::handshake(tcp).await;
    let mut connection = connection.map_err(io::Error::other)?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call.map_err(io::Error::other)?;
        tokio::spawn(answer(request, respond, decide.clone(), questions.clone()));
    }
    Ok(())
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    decide: Decide,
    questions: Questions,
) -> Result<(), h2::Error> {
    let (head, mut down) = request.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = down.data().await {
        let piece = piece?;
        down.flow_control().release_capacity(piece.len())?;
        body.extend_from_slice(&piece);
    }
    let (prefix, message) = body.split_at(5);
    assert_eq!(prefix[0], 0, "not compressed");
    let question = Message::read(message).at(&[1]);
    questions
        .lock()
        .expect("no panic")
        .push((head, question.clone()));
    let reply = decide(&question);
    let mut head = Response::new(());
    let kind = HeaderValue::from_static("application/grpc");
    head.headers_mut().insert("content-type", kind);
    let (body, has_trailers) = match reply {
        GrpcReply::Message(message) => (framed(&message), true),
        GrpcReply::Body(body) => (body, true),
        GrpcReply::NoTrailers(message) => (framed(&message), false),
        GrpcReply::Status(status) => {
            let status = HeaderValue::from_static(status);
            head.headers_mut().insert("grpc-status", status);
            respond.send_response(head, true)?;
            return Ok(());
        }
        GrpcReply::Http(status) => {
            *head.status_mut() = status.try_into().expect("a status");
            respond.send_response(head, true)?;
            return Ok(());
        }
        GrpcReply::Hang => pending().await,
        GrpcReply::Reset => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            return Ok(());
        }
    };
    let mut up = respond.send_response(head, false)?;
    up.send_data(body.into(), !has_trailers)?;
    if has_trailers {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        up.send_trailers(trailers)?;
    }
    Ok(())
}

//! Framing of HTTP/1 requests, as a whole and in pieces.

use super::*;

/// Follows the bytes at once and one by one, and checks that the outcome is the same.
fn outcome(bytes: &[u8]) -> Result<RequestReader, FramingError> {
    let mut at_once = RequestReader::default();
    let whole = at_once.read(bytes).map_err(|malformed| malformed.refusal);
    let mut slowly = RequestReader::default();
    let pieces = bytes.chunks(1).try_for_each(|byte| slowly.read(byte));
    let pieces = pieces.map_err(|malformed| malformed.refusal);
    assert_eq!(whole, pieces, "{}", bytes.escape_ascii());
    assert_eq!(at_once.state, slowly.state, "{}", bytes.escape_ascii());
    whole.map(|()| at_once)
}

#[test]
fn follows_well_formed_requests_to_their_end() {
    for (bytes, headers) in [
        (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], 1),
        (b"\r\nGET / HTTP/1.0\r\n\r\n", 1),
        (b"POST / HTTP/1.1\r\ncontent-LENGTH: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n", 2),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n0\r\n\r\n", 1),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding:chunked \r\n\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1\r\n\r\n", 2),
    ] {
        let requests = outcome(bytes).expect("well-formed");
        assert_eq!(requests.headers, headers, "{}", bytes.escape_ascii());
        assert!(!requests.is_unfinished(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn refuses_malformed_framing() {
    const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (bytes, refusal) in [
        (
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            FramingError::BareLineFeed,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            FramingError::BareLineFeed,
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            FramingError::BareLineFeed,
        ),
        ("\nGET / HTTP/1.1\r\n\r\n", FramingError::BareLineFeed),
        ("GET /a b HTTP/1.1\r\n\r\n", FramingError::RequestLine),
        ("GET  / HTTP/1.1\r\n\r\n", FramingError::RequestLine),
        ("GET / \r\n\r\n", FramingError::RequestLine),
        ("GET /\r\n\r\n", FramingError::RequestLine),
        ("GET /\t HTTP/1.1\r\n\r\n", FramingError::RequestLine),
        ("GET /\0 HTTP/1.1\r\n\r\n", FramingError::RequestLine),
        ("GET /\x7f HTTP/1.1\r\n\r\n", FramingError::RequestLine),
    ] {
        assert_eq!(outcome(bytes.as_bytes()).err(), Some(refusal), "{bytes:?}");
    }
    for (body, refusal) in [
        ("2\nxx\r\n0\r\n\r\n", FramingError::BareLineFeed),
        ("2;\nxx\r\n0\r\n\r\n", FramingError::BareLineFeed),
        ("2;a\0\r\nxx\r\n0\r\n\r\n", FramingError::ChunkLine),
        ("\r\nxx\r\n0\r\n\r\n", FramingError::ChunkLine),
        (";x\r\nxx\r\n0\r\n\r\n", FramingError::ChunkLine),
        ("-1\r\nxx\r\n0\r\n\r\n", FramingError::ChunkLine),
        ("0x2\r\nxx\r\n0\r\n\r\n", FramingError::ChunkLine),
        ("2 x\r\nxx\r\n0\r\n\r\n", FramingError::ChunkLine),
        ("10000000000000000\r\n", FramingError::ChunkLine),
        ("2\r\nxxx\r\n0\r\n\r\n", FramingError::ChunkEnd),
        ("2\r\nxx\n0\r\n\r\n", FramingError::BareLineFeed),
        ("0\r\nT: a\n\r\n", FramingError::BareLineFeed),
        ("0\r\nGET / HTTP/1.1\r\n\r\n", FramingError::Trailer),
        ("0\r\nT: \0\r\n\r\n", FramingError::Trailer),
        ("0\r\n\n", FramingError::BareLineFeed),
    ] {
        let bytes = format!("{CHUNKED}{body}");
        assert_eq!(outcome(bytes.as_bytes()).err(), Some(refusal), "{body:?}");
    }
}

#[test]
fn passes_nothing_from_the_end_of_a_malformed_line_on() {
    let bytes = b"GET / HTTP/1.1\r\n\r\nGET /a b HTTP/1.1\r\n\r\n";
    let malformed = RequestReader::default().read(bytes).expect_err("malformed");
    assert_eq!(&bytes[malformed.at..], b"\n\r\n");
    let malformed = RequestReader::default().read(b"\n").expect_err("malformed");
    assert_eq!(malformed.at, 1, "Pingora must get a byte of the request");
}

#[test]
fn refuses_large_headers_and_long_targets_before_they_are_complete() {
    let long = "x".repeat(MAX_HEADER);
    let target = format!("GET /{long}");
    assert_eq!(
        outcome(target.as_bytes()).err(),
        Some(FramingError::LongTarget)
    );
    let field = format!("GET / HTTP/1.1\r\nX: {long}");
    assert_eq!(
        outcome(field.as_bytes()).err(),
        Some(FramingError::LargeHeader)
    );
    let trailer = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {long}");
    assert_eq!(
        outcome(trailer.as_bytes()).err(),
        Some(FramingError::LargeTrailer)
    );
    let fields = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert!(outcome(fields(MAX_FIELDS).as_bytes()).is_ok());
    let many = fields(MAX_FIELDS + 1);
    assert_eq!(
        outcome(many.as_bytes()).err(),
        Some(FramingError::ManyFields)
    );
}

#[test]
fn does_not_follow_a_body_of_ambiguous_length() {
    for fields in [
        "Content-Length: 1\r\nContent-Length: 1",
        "Content-Length: 1, 1",
        "Content-Length: +1",
        "Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ] {
        let bytes = format!("POST / HTTP/1.1\r\n{fields}\r\n\r\nGET /a b\n\n");
        let requests = outcome(bytes.as_bytes()).expect(fields);
        assert_eq!(requests.state, RequestPart::Unbounded, "{fields}");
        assert!(
            requests.owes_body(1) && requests.is_unfinished(),
            "{fields}"
        );
    }
}

#[test]
fn body_belongs_to_its_own_request_only() {
    let mut requests = RequestReader::default();
    let bytes = b"GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na";
    requests.read(bytes).expect("well-formed");
    assert!(!requests.owes_body(1), "the first request has no body");
    assert!(requests.owes_body(2));
    requests.read(b"b").expect("well-formed");
    assert!(!requests.owes_body(2));
}

#[test]
fn websocket_leaves_http() {
    let mut requests = RequestReader::default();
    let bytes = b"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\r\n";
    requests.read(bytes).expect("well-formed");
    assert!(requests.asks_to_leave());
    requests.leave();
    requests
        .read(b"\0\n\n\x81\x05")
        .expect("bytes after the switch are not HTTP");
    assert!(!requests.is_unfinished());
}

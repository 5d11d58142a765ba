//! Responses that arrive while the request is still being sent, examined without reading them from the socket.

/// What an early response means for the rest of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Early {
    /// The rest is not needed: this is a final response with an error status.
    Error,
    /// The rest may be needed: this is another final response, or not a response.
    Other,
    /// Too little has arrived to decide.
    Incomplete,
    /// The endpoint has closed the connection, or it is broken.
    End,
}

/// Examines the status of the first final response.
pub(crate) fn early(mut seen: &[u8]) -> Early {
    const STATUS_LINE: &[u8] = b"HTTP/1.";
    loop {
        let known = seen.len().min(STATUS_LINE.len());
        if seen.get(..known) != STATUS_LINE.get(..known) {
            return Early::Other;
        }
        // The minor version, a space, and the status.
        let Some([b'0' | b'1', b' ', class, _, _]) = seen.get(STATUS_LINE.len()..12) else {
            return if seen.len() < 12 {
                Early::Incomplete
            } else {
                Early::Other
            };
        };
        match class {
            b'4' | b'5' => return Early::Error,
            b'1' => {}
            _ => return Early::Other,
        }
        // An interim response ends with its header.
        let end = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let Some(rest) = end.and_then(|end| seen.get(end + 4..)) else {
            return Early::Incomplete;
        };
        seen = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_final_error_status_ends_a_request() {
        for (seen, wanted) in [
            ("", Early::Incomplete),
            ("HTT", Early::Incomplete),
            ("HTTP/1.1 41", Early::Incomplete),
            ("HTTP/1.1 413", Early::Error),
            ("HTTP/1.0 503 Busy\r\n", Early::Error),
            ("HTTP/1.1 200 OK\r\n", Early::Other),
            ("HTTP/1.1 302 Found\r\n", Early::Other),
            ("HTTP/1.1 100 Continue\r\n\r\n", Early::Incomplete),
            ("HTTP/1.1 100 Continue\r\n", Early::Incomplete),
            ("HTTP/1.1 103 E\r\nA: b\r\n\r\nHTTP/1.1 401 U", Early::Error),
            ("HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 U", Early::Other),
            ("ICY 200 OK", Early::Other),
            ("HTTP/2.0 413", Early::Other),
        ] {
            assert_eq!(early(seen.as_bytes()), wanted, "{seen:?}");
        }
    }
}

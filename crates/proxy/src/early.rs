//! The beginning of a response that has come while its request is still being sent, as far as it can be seen unread.

/// What the beginning of a response says about the rest of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Early {
    /// It isn't wanted: a final response with an error status.
    Error,
    /// It may be wanted: another final response, or something that isn't one.
    Other,
    /// Too little has come to tell.
    Incomplete,
    /// The endpoint has closed the connection, or it is broken.
    End,
}

/// Reads the status of the first final response.
pub(super) fn early(mut seen: &[u8]) -> Early {
    const STATUS_LINE: &[u8] = b"HTTP/1.";
    loop {
        let known = seen.len().min(STATUS_LINE.len());
        if seen.get(..known) != STATUS_LINE.get(..known) {
            return Early::Other;
        }
        // The minor version, a space, the status.
        let Some([b'0' | b'1', b' ', class, _, _]) = seen.get(STATUS_LINE.len()..12) else {
            return match seen.len() < 12 {
                true => Early::Incomplete,
                false => Early::Other,
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
    fn only_a_final_error_ends_a_request() {
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

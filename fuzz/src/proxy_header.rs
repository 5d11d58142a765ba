//! The PROXY header of a connection.

use gatefold_listen::proxy_protocol::header::{FirstBytes, parse};

/// Parses the bytes as they arrive. What they are must not depend on how they are cut, nor on what follows the header.
pub fn check(bytes: &[u8]) {
    let whole = parse(bytes);
    for end in 0..bytes.len() {
        match (parse(&bytes[..end]), whole) {
            (Ok(FirstBytes::Partial), Ok(FirstBytes::Header { length, .. })) => {
                assert!(end < length, "a whole header counts as a part");
            }
            (Ok(FirstBytes::Partial), _) => {}
            (earlier, whole) => assert_eq!(earlier, whole, "after {end} bytes"),
        }
    }
    if let Ok(FirstBytes::Header { length, .. }) = whole {
        assert!(length <= bytes.len(), "the header is longer than the bytes");
        assert_eq!(parse(&bytes[..length]), whole, "what follows matters");
    }
}

use super::*;
use proptest::prelude::*;

/// A header of version 2.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a length").to_be_bytes();
    [V2_PREFIX, &[command, family], &length, rest].concat()
}

fn ipv4() -> Vec<u8> {
    let addresses = [192, 0, 2, 1, 198, 51, 100, 2, 0x10, 0x92, 1, 187];
    binary(0x21, 0x11, &addresses)
}

fn header(client: Option<&str>, length: usize) -> Result<FirstBytes, MalformedHeader> {
    let client = client.map(|it| it.parse().expect("an address"));
    Ok(FirstBytes::Header { client, length })
}

fn line(fields: &str) -> Result<FirstBytes, MalformedHeader> {
    parse(format!("PROXY {fields}\r\nGET / HTTP/1.1\r\n").as_bytes())
}

#[test]
fn a_line_names_the_client() {
    let ipv4 = "TCP4 192.0.2.1 198.51.100.2 4242 443";
    assert_eq!(line(ipv4), header(Some("192.0.2.1:4242"), 44));
    let ipv6 = "TCP6 2001:db8::1 2001:db8::2 4242 443";
    assert_eq!(line(ipv6), header(Some("[2001:db8::1]:4242"), 45));
    assert_eq!(line("UNKNOWN"), header(None, 15));
    assert_eq!(line("UNKNOWN ignored, too"), header(None, 28));
}

#[test]
fn the_longest_line_fits() {
    let address = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let longest = format!("UNKNOWN {address} {address} 65535 65535");
    assert_eq!(line(&longest), header(None, V1_LENGTH));
    assert_eq!(line(&format!("{longest}1")), Err(MalformedHeader::Endless));
}

#[test]
fn lines_that_differ_from_the_specification_are_refused() {
    for fields in [
        "",
        "TCP4",
        "TCP4 192.0.2.1 198.51.100.2 4242",
        "TCP4 192.0.2.1 198.51.100.2 4242 443 1",
        "TCP4 192.0.2.1  198.51.100.2 4242 443",
        "TCP4 192.0.2.01 198.51.100.2 4242 443",
        "TCP4 192.0.2.1 198.51.100.2 +4242 443",
        "TCP4 192.0.2.1 198.51.100.2 04242 443",
        "TCP4 192.0.2.1 198.51.100.2 65536 443",
        "TCP4 192.0.2.1 2001:db8::2 4242 443",
        "TCP6 192.0.2.1 198.51.100.2 4242 443",
        "UDP4 192.0.2.1 198.51.100.2 4242 443",
        "UNKNOWNTCP4",
    ] {
        assert_eq!(line(fields), Err(MalformedHeader::InvalidLine), "{fields}");
    }
}

#[test]
fn a_binary_header_names_the_client() {
    assert_eq!(parse(&ipv4()), header(Some("192.0.2.1:4242"), 28));
    let mut addresses = [0; 36];
    addresses[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
    addresses[15] = 1;
    addresses[33] = 80;
    let ipv6 = binary(0x21, 0x21, &addresses);
    assert_eq!(parse(&ipv6), header(Some("[2001:db8::1]:80"), 52));
}

#[test]
fn type_length_values_are_skipped() {
    let mut addresses = ipv4()[V2_FIXED..].to_vec();
    addresses.extend([4; 1000]);
    let header_and_more = [&binary(0x21, 0x11, &addresses)[..], b"GET"].concat();
    assert_eq!(
        parse(&header_and_more),
        header(Some("192.0.2.1:4242"), 1028)
    );
}

#[test]
fn a_proxy_that_names_no_ip_address_is_the_client() {
    assert_eq!(parse(&binary(0x20, 0x00, &[])), header(None, 16), "LOCAL");
    let local = binary(0x20, 0x11, &[1; 12]);
    assert_eq!(parse(&local), header(None, 28), "LOCAL with addresses");
    assert_eq!(parse(&binary(0x21, 0x00, &[])), header(None, 16), "UNSPEC");
    let unix = binary(0x21, 0x31, &[b'/'; UNIX_PATHS]);
    assert_eq!(parse(&unix), header(None, 232), "a Unix socket");
    let datagram = binary(0x21, 0x12, &[1; 12]);
    assert_eq!(parse(&datagram), header(None, 28), "UDP");
}

#[test]
fn binary_headers_that_differ_from_the_specification_are_refused() {
    use MalformedHeader::{MissingAddresses, TooLong, UnknownFamily, UnknownVersion};
    for (bytes, why) in [
        (binary(0x11, 0x11, &[1; 12]), UnknownVersion),
        (binary(0x22, 0x11, &[1; 12]), UnknownVersion),
        (binary(0x21, 0x41, &[1; 12]), UnknownFamily),
        (binary(0x21, 0x13, &[1; 12]), UnknownFamily),
        (binary(0x21, 0x11, &[1; 11]), MissingAddresses),
        (binary(0x21, 0x21, &[1; 35]), MissingAddresses),
        (binary(0x21, 0x31, &[1; 215]), MissingAddresses),
        (binary(0x21, 0x11, &[1; V2_REST + 1]), TooLong),
    ] {
        assert_eq!(parse(&bytes), Err(why));
    }
}

#[test]
fn other_protocols_are_recognised_at_the_first_byte_that_differs() {
    for text in [
        "GET / HTTP/1.1",
        "PRI * HTTP/2.0",
        "PROPFIND",
        "PROXYTCP4",
        "\x16\x03\x01",
    ] {
        assert_eq!(parse(text.as_bytes()), Ok(FirstBytes::Other), "{text}");
    }
    for text in ["", "P", "PRO", "PROXY", "\r\n\r\n\0"] {
        assert_eq!(parse(text.as_bytes()), Ok(FirstBytes::Partial), "{text}");
    }
}

/// Bytes that are likely to get far.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let byte = || any::<u8>();
    let bytes = |range| proptest::collection::vec(byte(), range);
    let fields = "(TCP4|TCP6|UNKNOWN|UDP4)( [0-9a-f:.]{0,20}){0,5}";
    prop_oneof![
        bytes(0..200),
        (fields, bytes(0..40)).prop_map(|(fields, more)| {
            [format!("PROXY {fields}\r\n").as_bytes(), &more].concat()
        }),
        (0x1f..0x23u8, 0..0x34u8, bytes(0..300), bytes(0..40)).prop_map(
            |(command, family, rest, more)| [binary(command, family, &rest), more].concat()
        ),
    ]
}

proptest! {
    /// The law of the module: the result is the same however the bytes are cut, and no input panics.
    #[test]
    fn the_result_does_not_depend_on_how_the_bytes_are_cut(bytes in likely()) {
        let whole = parse(&bytes);
        for cut in 0..=bytes.len() {
            match parse(&bytes[..cut]) {
                Ok(FirstBytes::Partial) => {}
                decided => prop_assert_eq!(&decided, &whole, "after {} bytes", cut),
            }
        }
    }

    #[test]
    fn a_header_is_never_longer_than_what_was_read(bytes in likely()) {
        if let Ok(FirstBytes::Header { length, .. }) = parse(&bytes) {
            prop_assert!(length <= bytes.len());
            prop_assert_eq!(parse(&bytes[..length - 1]), Ok(FirstBytes::Partial));
        }
    }
}

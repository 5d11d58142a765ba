use super::*;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3));

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

#[test]
fn a_network_of_mapped_addresses_is_one_of_ipv4() {
    let source = networks(&["::ffff:10.0.0.0/104"]);
    assert_eq!(client(&source, &["192.0.2.1"]), forwarded("192.0.2.1"));
}

fn hops(count: usize) -> AddressSource {
    AddressSource::Hops(NonZeroUsize::new(count).expect("a position"))
}

fn networks(networks: &[&str]) -> AddressSource {
    let networks = networks
        .iter()
        .map(|it| ClientNetwork::parse(it).expect("a network"));
    AddressSource::TrustedNetworks(networks.collect())
}

/// The client of a request with these fields `X-Forwarded-For`, as text, and whether it is forwarded.
fn client(source: &AddressSource, fields: &[&'static str]) -> (String, bool) {
    let fields: Vec<_> = fields.iter().map(|it| ("x-forwarded-for", *it)).collect();
    let found = source.find(PEER, &headers(&fields)).expect("an address");
    (found.address.to_string(), found.is_forwarded)
}

fn peer() -> (String, bool) {
    (PEER.to_string(), false)
}

fn forwarded(address: &str) -> (String, bool) {
    (address.to_owned(), true)
}

#[test]
fn without_a_policy_the_list_of_the_client_does_not_count() {
    assert_eq!(client(&AddressSource::Peer, &["192.0.2.1"]), peer());
}

#[test]
fn hops_are_counted_from_the_right_over_all_fields() {
    let list = ["203.0.113.128, 203.0.113.10", "203.0.113.1"];
    assert_eq!(client(&hops(1), &list), forwarded("203.0.113.1"));
    assert_eq!(client(&hops(2), &list), forwarded("203.0.113.10"));
    assert_eq!(client(&hops(3), &list), forwarded("203.0.113.128"));
}

#[test]
fn a_list_that_is_too_short_or_malformed_leaves_the_peer() {
    assert_eq!(client(&hops(2), &["203.0.113.1"]), peer());
    assert_eq!(client(&hops(1), &[]), peer());
    assert_eq!(client(&hops(1), &["203.0.113.1, unknown"]), peer());
    assert_eq!(client(&hops(1), &["203.0.113.1,"]), peer());
}

#[test]
fn the_first_address_outside_of_the_trusted_networks_is_the_client() {
    let source = networks(&["10.0.0.0/8", "2001:db8::/32"]);
    let found = |fields: &[&'static str]| client(&source, fields);
    // The client has forged the beginning of the list.
    let forged = ["127.0.0.1, 198.51.100.7, 2001:db8::5", "10.9.9.9"];
    assert_eq!(found(&forged), forwarded("198.51.100.7"));
    assert_eq!(found(&["10.0.0.1, 10.0.0.2"]), forwarded("10.0.0.1"));
    assert_eq!(found(&[]), forwarded("10.1.2.3"));
    assert_eq!(found(&["198.51.100.7, nonsense"]), forwarded("10.1.2.3"));
}

#[test]
fn a_peer_outside_of_the_trusted_networks_is_the_client() {
    let source = networks(&["172.16.0.0/12"]);
    assert_eq!(client(&source, &["198.51.100.7"]), peer());
}

#[test]
fn an_ipv4_peer_of_an_ipv6_socket_is_in_an_ipv4_network() {
    let mapped: IpAddr = "::ffff:10.1.2.3".parse().expect("an address");
    let list = headers(&[("x-forwarded-for", "::ffff:198.51.100.7")]);
    let found = networks(&["10.0.0.0/8"]).find(mapped, &list);
    let address = found.map(|it| it.address.to_string());
    assert_eq!(address.as_deref(), Ok("198.51.100.7"));
}

#[test]
fn a_header_has_the_address() {
    let source = |without| AddressSource::Header {
        name: HeaderName::from_static("cf-connecting-ip"),
        without,
    };
    let sent = headers(&[("cf-connecting-ip", " 2001:db8::1 ")]);
    let found = source(WithoutAddress::Deny).find(PEER, &sent);
    assert_eq!(
        found.map(|it| it.address.to_string()).as_deref(),
        Ok("2001:db8::1")
    );
    for absent in [headers(&[]), headers(&[("cf-connecting-ip", "a host")])] {
        assert_eq!(
            source(WithoutAddress::Deny).find(PEER, &absent),
            Err(UnknownAddress)
        );
        let found = source(WithoutAddress::Peer).find(PEER, &absent);
        assert_eq!(found, Ok(ClientAddress::peer(PEER)));
    }
}

#[test]
fn addresses_may_have_ports_and_brackets() {
    for (text, address) in [
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ] {
        assert_eq!(client(&hops(1), &[text]), forwarded(address), "{text}");
    }
    for text in [
        "192.0.2",
        "192.0.2.1:x",
        "[192.0.2.1",
        "_hidden",
        "192.0.2.1/32",
    ] {
        assert_eq!(client(&hops(1), &[text]), peer(), "{text}");
    }
}

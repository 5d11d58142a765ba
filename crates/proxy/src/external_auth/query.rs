//! Changes to the query of a request that an authorization server demands over gRPC.

use gatefold_dataplane::routing::query;

/// Returns a query without the parameters of some names, and with these ones at its end instead of others of the same name. Names
/// are compared as a backend decodes them, so a client can't hide one by encoding it.
pub(super) fn edited(query: &str, set: &[(String, String)], remove: &[String]) -> String {
    let is_kept = |pair: &&str| {
        let (name, _) = pair.split_once('=').unwrap_or((pair, ""));
        let mut dropped = set.iter().map(|(key, _)| key).chain(remove);
        !pair.is_empty() && !dropped.any(|key| query::equals(name, key))
    };
    let mut edited = String::with_capacity(query.len());
    for pair in query.split('&').filter(is_kept) {
        separate(&mut edited);
        edited.push_str(pair);
    }
    for (key, value) in set {
        separate(&mut edited);
        encode(key, &mut edited);
        edited.push('=');
        encode(value, &mut edited);
    }
    edited
}

fn separate(query: &mut String) {
    if !query.is_empty() {
        query.push('&');
    }
}

/// Appends a text. Only what would end it is encoded: like Envoy, servers may have encoded the rest themselves.
fn encode(text: &str, query: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        // RFC 3986, section 3.4.
        if byte.is_ascii_alphanumeric() || b"-._~!$'()*+,;:@/?%=".contains(&byte) {
            query.push(char::from(byte));
            continue;
        }
        query.push('%');
        for digit in [byte >> 4, byte & 0xf] {
            let digit = DIGITS.get(usize::from(digit)).copied();
            query.push(char::from(digit.unwrap_or(b'0')));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn parameters_are_set_and_removed_also_if_the_client_encodes_their_names() {
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let edited = |query, set: &[(String, String)], remove: &[&str]| {
            let remove: Vec<String> = remove.iter().map(|it| (*it).to_owned()).collect();
            super::edited(query, set, &remove)
        };
        assert_eq!(edited("a=1&b=2&c", &[], &["b"]), "a=1&c");
        assert_eq!(edited("t%6Fken=1&a=2", &[], &["token"]), "a=2");
        assert_eq!(edited("token=1&", &[], &["token"]), "");
        let user = [set("user", "al&ice #1")];
        let wanted = "a=1&user=al%26ice%20%231";
        assert_eq!(edited("user=root&a=1&us%65r=root", &user, &[]), wanted);
        assert_eq!(edited("", &[set("a", "1"), set("b", "")], &[]), "a=1&b=");
    }
}

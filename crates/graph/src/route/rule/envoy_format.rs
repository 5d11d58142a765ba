//! Values of header fields that Envoy would replace (Envoy: "Command operators").
//!
//! In: the value of a header modifier. Out: the operator in it, such as `%REQ(x-id)%`. gatefold sends every value as it is
//! written, as the Gateway API says.

use gatefold_manifest::api::HTTPHeader;

/// The names of operators without a prefix that all of them share.
const OPERATORS: [&str; 20] = [
    "BYTES_RECEIVED",
    "BYTES_SENT",
    "CEL",
    "CONNECTION_ID",
    "DURATION",
    "DYNAMIC_METADATA",
    "ENVIRONMENT",
    "FILTER_STATE",
    "GRPC_STATUS",
    "HOSTNAME",
    "METADATA",
    "PROTOCOL",
    "REQ",
    "REQUESTED_SERVER_NAME",
    "REQ_WITHOUT_QUERY",
    "RESP",
    "ROUTE_NAME",
    "START_TIME",
    "STREAM_ID",
    "TRAILER",
];

/// The beginnings of further names.
const PREFIXES: [&str; 5] = [
    "CONNECTION_TERMINATION",
    "DOWNSTREAM_",
    "RESPONSE_",
    "UPSTREAM_",
    "VIRTUAL_CLUSTER_",
];

/// Returns a message about the first operator in the value of a header. `None` if it has none.
pub(crate) fn literal_value(header: &HTTPHeader) -> Option<String> {
    let operator = operator(&header.value)?;
    Some(format!(
        "header `{}` contains `{operator}`, which only Envoy replaces: gatefold sends it as it is",
        header.name
    ))
}

/// Returns the first operator in a value, with its percent signs. `%%` is a percent sign for Envoy, and so is a single one
/// that begins no operator for a reader.
fn operator(value: &str) -> Option<&str> {
    let mut rest = value;
    while let Some(start) = rest.find('%') {
        let after = rest.get(start + 1..)?;
        if let Some(escaped) = after.strip_prefix('%') {
            rest = escaped;
            continue;
        }
        if let Some(length) = length(after) {
            return rest.get(start..start + 1 + length);
        }
        rest = after;
    }
    None
}

/// Returns the length of the operator at the beginning of a text behind its first percent sign, with the last one.
fn length(text: &str) -> Option<usize> {
    let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let end = text.bytes().position(|byte| !is_name(byte))?;
    let (name, rest) = text.split_at_checked(end)?;
    let known = OPERATORS.contains(&name) || PREFIXES.iter().any(|it| name.starts_with(it));
    if !known {
        return None;
    }
    let arguments = match rest.strip_prefix('(') {
        Some(arguments) => arguments.find(')')? + 2,
        None => 0,
    };
    let rest = rest.get(arguments..)?;
    // A length limit, as in `%REQ(x-id):8%`.
    let limit = match rest.strip_prefix(':') {
        Some(limit) => 1 + limit.bytes().take_while(u8::is_ascii_digit).count(),
        None => 0,
    };
    let rest = rest.get(limit..)?;
    rest.starts_with('%').then_some(end + arguments + limit + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_envoy_would_replace() {
        let cases = [
            ("%DOWNSTREAM_REMOTE_ADDRESS%", "%DOWNSTREAM_REMOTE_ADDRESS%"),
            ("id=%REQ(X-REQUEST-ID)%", "%REQ(X-REQUEST-ID)%"),
            ("%REQ(X-ID?:PATH):10%;x", "%REQ(X-ID?:PATH):10%"),
            ("100% at %START_TIME(%s.%3f)%", "%START_TIME(%s.%3f)%"),
            ("%%%PROTOCOL%", "%PROTOCOL%"),
            ("%UPSTREAM_CLUSTER%", "%UPSTREAM_CLUSTER%"),
        ];
        for (value, expected) in cases {
            assert_eq!(operator(value), Some(expected), "{value}");
        }
    }

    #[test]
    fn leaves_plain_percent_signs_alone() {
        for value in [
            "",
            "%",
            "100%",
            "50%%",
            "%%PROTOCOL%%",
            "%20%C3%A4",
            "a %b% c",
            "%PROTOCOL",
            "%REQ(x%",
            "%WORD%",
        ] {
            assert_eq!(operator(value), None, "{value}");
        }
    }
}

//! Interprets scalars as Kubernetes does. Kubernetes uses go-yaml v2 and sigs.k8s.io/yaml, which follow YAML 1.1 for
//! booleans and octal numbers. Checked against `kubectl label --local -o json`.

use super::node::Value;
use serde_json::Number;

/// The value of a scalar without quotes and without a tag.
pub fn plain(text: &str) -> Value {
    if let Some(value) = word(text) {
        return value;
    }
    match number(text) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

/// The value of a scalar with a standard YAML tag; `tag` is the tag's last part. `None` if the text doesn't fit the
/// tag.
pub(super) fn tagged(tag: &str, text: &str) -> Option<Value> {
    let value = plain(text);
    let fits = match tag {
        "null" => value == Value::Null,
        "bool" => matches!(value, Value::Bool(_)),
        "int" => matches!(&value, Value::Number(n) if n.is_i64() || n.is_u64()),
        "float" => matches!(value, Value::Number(_)),
        "map" | "seq" => false,
        // `!!str`, and `!!timestamp`, `!!binary` and others, which Kubernetes reads as text.
        _ => return Some(Value::String(text.to_owned())),
    };
    fits.then_some(value)
}

/// Whether a plain scalar is one of the booleans of YAML 1.1 other than `true` and `false`.
pub(super) fn is_surprising_boolean(text: &str) -> bool {
    matches!(word(text), Some(Value::Bool(_)))
        && !text.eq_ignore_ascii_case("true")
        && !text.eq_ignore_ascii_case("false")
}

fn word(text: &str) -> Option<Value> {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        _ => return None,
    };
    Some(value)
}

fn number(text: &str) -> Option<Number> {
    match text.bytes().next()? {
        b'0'..=b'9' | b'+' | b'-' => {
            let text = text.replace('_', "");
            integer(&text).or_else(|| float(&text))
        }
        b'.' => float(text),
        _ => None,
    }
}

/// Parses an integer as Go's `strconv.ParseInt` with base 0 does: `0x`, `0o`, `0b`, and a leading `0` for octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (base, digits) = match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(other) if other.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    if negative {
        let value = 0i64.checked_sub_unsigned(magnitude)?;
        return Some(value.into());
    }
    Some(magnitude.into())
}

/// Parses a float. A float without a fraction becomes an integer, as it does in Kubernetes, which converts YAML to JSON.
fn float(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    if !(digits(whole) && digits(fraction) && exponent_fits) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    // Below 2^53 every float without a fraction is exact, so converting it to an integer loses nothing.
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "no fraction, and within the range"
        )]
        return Some((value as i64).into());
    }
    Number::from_f64(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interprets_plain_scalars_as_kubectl_does() {
        let cases = [
            ("08", "8"),
            ("1e3", "1000"),
            ("8080.0", "8080"),
            ("y", "true"),
            ("Off", "false"),
            ("0o17", "15"),
            ("017", "15"),
            ("1_000", "1000"),
            ("1__0", "10"),
            ("_1", "\"_1\""),
            ("2001-01-01", "\"2001-01-01\""),
            (".5", "0.5"),
            ("-.5", "-0.5"),
            ("1.", "1"),
            ("0b11", "3"),
            ("1:30", "\"1:30\""),
            ("+5", "5"),
            ("-0x1F", "-31"),
            ("12345678901234567890123", "1.2345678901234568e+22"),
            ("18446744073709551615", "18446744073709551615"),
            ("0x", "\"0x\""),
            ("--5", "\"--5\""),
            ("+", "\"+\""),
            (".", "\".\""),
            ("1e", "\"1e\""),
            ("é", "\"é\""),
            ("0é", "\"0é\""),
            ("~", "null"),
            ("", "null"),
            ("tRue", "\"tRue\""),
        ];
        for (text, json) in cases {
            let node = super::super::Node {
                span: 0..0,
                value: plain(text),
            };
            assert_eq!(node.to_json().to_string(), json, "`{text}` was misread");
        }
    }

    #[test]
    fn a_tag_overrides_the_notation() {
        assert_eq!(tagged("str", "5"), Some(Value::String("5".into())));
        assert_eq!(tagged("int", "5"), Some(Value::Number(5.into())));
        assert_eq!(tagged("int", "five"), None);
        assert_eq!(tagged("bool", "yes"), Some(Value::Bool(true)));
    }
}

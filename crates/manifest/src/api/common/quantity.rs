//! Quantities of bytes (Kubernetes: `resource.Quantity`, as far as Envoy Gateway's CRDs admit them).

use crate::decode::{Decode, Decoder};
use gatefold_diagnostic::yaml::{Node, Value};

/// A number of bytes: `4Mi`, `512k`, `65536`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(pub u64);

/// The units, and how many bytes they have.
const UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("Pi", 1 << 50),
    ("Ei", 1 << 60),
];

impl Quantity {
    /// Parses a text. Source: the pattern `^[1-9]+[0-9]*([EPTGMK]i|[EPTGMk])?$`.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.find(|it: char| !it.is_ascii_digit());
        let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
        let mut units = UNITS.iter();
        let bytes = units
            .find(|(name, _)| *name == unit)
            .map(|(_, bytes)| *bytes);
        let number = number
            .parse::<u64>()
            .ok()
            .filter(|_| !number.starts_with('0'));
        let total = number
            .zip(bytes)
            .and_then(|(number, bytes)| number.checked_mul(bytes));
        let total =
            total.ok_or_else(|| format!("`{text}` isn't a size like `4Mi`, `512Ki` or `65536`"));
        total.map(Quantity)
    }
}

impl Decode for Quantity {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let read = match &node.value {
            Value::Number(number) => {
                let bytes = number.as_i64().and_then(|it| u64::try_from(it).ok());
                bytes
                    .map(Quantity)
                    .ok_or_else(|| format!("`{number}` isn't a whole number of bytes"))
            }
            Value::String(text) => Quantity::parse(text),
            _ => {
                decoder.wrong_type(node, "a size");
                return None;
            }
        };
        read.map_err(|why| decoder.invalid(node, why)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn units_are_decimal_or_binary() {
        let read = |text| Quantity::parse(text).map(|it| it.0);
        assert_eq!(read("65536"), Ok(65_536));
        assert_eq!(read("512Ki"), Ok(512 << 10));
        assert_eq!(read("50Mi"), Ok(50 << 20));
        assert_eq!(read("20k"), Ok(20_000));
        for text in [
            "", "0", "01", "-1", "1.5Mi", "Mi", "1mi", "1K", "1 Mi", "99999Ei",
        ] {
            assert!(read(text).is_err(), "`{text}` was accepted");
        }
    }
}

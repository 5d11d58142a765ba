//! Durations (GEP-2257).

use crate::{Decode, Decoder};
use gatefold_diagnostic::yaml::Node;

/// A duration as GEP-2257 writes it: `1h30m`, `10s`, `500ms`; at most four parts of at most five digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

impl Duration {
    /// Parses a duration.
    ///
    /// # Errors
    /// Describes the expected format.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` isn't a duration like `1h30m`, `10s` or `500ms` (GEP-2257)");
        let mut total = std::time::Duration::ZERO;
        let mut rest = text;
        let mut parts = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, tail) = rest.split_at(digits);
            let unit = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, tail) = tail.split_at(unit);
            parts += 1;
            if !(1..=5).contains(&digits) || parts > 4 {
                return Err(wrong());
            }
            let number: u64 = number.parse().map_err(|_| wrong())?;
            total += match unit {
                "h" => std::time::Duration::from_secs(number * 3600),
                "m" => std::time::Duration::from_secs(number * 60),
                "s" => std::time::Duration::from_secs(number),
                "ms" => std::time::Duration::from_millis(number),
                _ => return Err(wrong()),
            };
            rest = tail;
        }
        if parts == 0 {
            return Err(wrong());
        }
        Ok(Duration(total))
    }
}

impl Decode for Duration {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let text = String::decode(node, decoder)?;
        match Duration::parse(&text) {
            Ok(duration) => Some(duration),
            Err(why) => {
                decoder.invalid(node, why);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Duration;

    #[test]
    fn parses_durations_of_gep_2257() {
        let good = [
            ("1h30m", 5_400_000),
            ("10s", 10_000),
            ("500ms", 500),
            ("0s", 0),
            ("1s1s", 2_000),
        ];
        for (text, milliseconds) in good {
            let read = Duration::parse(text).map(|duration| duration.0.as_millis());
            assert_eq!(read, Ok(milliseconds), "`{text}` was misread");
        }
        for text in [
            "",
            "1",
            "s",
            "1.5s",
            "-1s",
            "1d",
            "123456s",
            "1h1m1s1ms1h",
            "1 s",
        ] {
            assert!(Duration::parse(text).is_err(), "`{text}` was accepted");
        }
    }
}

//! Formats of times: strftime, with Envoy's specifiers for fractions of a second.

use std::time::SystemTime;
use time::format_description::{OwnedFormatItem, parse_strftime_owned};
use time::{OffsetDateTime, UtcOffset};

/// The format without an argument: RFC 3339 with milliseconds.
const DEFAULT: &str = "%Y-%m-%dT%H:%M:%S.%3fZ";

/// A format of times, which are in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeFormat {
    pieces: Box<[TimePiece]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TimePiece {
    /// What strftime knows.
    Calendar(OwnedFormatItem),
    /// The fraction of the second, with this number of digits.
    Fraction(usize),
}

impl Default for TimeFormat {
    fn default() -> Self {
        // A test checks that it is valid; without pieces it would write nothing.
        TimeFormat::parse(DEFAULT).unwrap_or(TimeFormat { pieces: [].into() })
    }
}

impl TimeFormat {
    /// Parses a format. Beside the specifiers of strftime, `%f` and `%3f` are fractions of the second, `%E3S` are seconds with
    /// a fraction, `%Ez` is the offset with a colon, and `%Z` is always `UTC`.
    ///
    /// # Errors
    /// The description of the first unknown specifier.
    pub fn parse(text: &str) -> Result<TimeFormat, String> {
        let mut pieces = Vec::new();
        let mut calendar = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            calendar.push_str(before);
            let specifier = Specifier::read(after)?;
            match specifier.meaning {
                Meaning::Strftime => {
                    calendar.push('%');
                    calendar.push_str(after.get(..specifier.length).unwrap_or_default());
                }
                Meaning::Literal(text) => calendar.push_str(text),
                Meaning::Fraction(digits) => {
                    pieces.extend(TimePiece::calendar(&calendar)?);
                    calendar.clear();
                    pieces.push(TimePiece::Fraction(digits));
                }
                Meaning::SecondsWithFraction(digits) => {
                    calendar.push_str("%S.");
                    pieces.extend(TimePiece::calendar(&calendar)?);
                    calendar.clear();
                    pieces.push(TimePiece::Fraction(digits));
                }
            }
            rest = after.get(specifier.length..).unwrap_or_default();
        }
        calendar.push_str(rest);
        pieces.extend(TimePiece::calendar(&calendar)?);
        Ok(TimeFormat {
            pieces: pieces.into(),
        })
    }

    /// Appends a time.
    pub fn write(&self, at: SystemTime, line: &mut Vec<u8>) {
        let at = OffsetDateTime::from(at).to_offset(UtcOffset::UTC);
        for piece in &self.pieces {
            match piece {
                // Fails only for years that no clock shows.
                TimePiece::Calendar(item) => _ = at.format_into(line, item),
                TimePiece::Fraction(digits) => write_fraction(at.nanosecond(), *digits, line),
            }
        }
    }
}

impl TimePiece {
    fn calendar(text: &str) -> Result<Option<TimePiece>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let item = parse_strftime_owned(text).map_err(|error| error.to_string())?;
        Ok(Some(TimePiece::Calendar(item)))
    }
}

/// Appends the leading digits of a number of nanoseconds.
fn write_fraction(nanoseconds: u32, digits: usize, line: &mut Vec<u8>) {
    let mut divisor = 100_000_000;
    for _ in 0..digits {
        let digit = u8::try_from(nanoseconds / divisor % 10).unwrap_or_default();
        line.push(b'0' + digit);
        divisor = (divisor / 10).max(1);
    }
}

/// What follows a `%`.
struct Specifier {
    /// Its length in bytes.
    length: usize,
    meaning: Meaning,
}

enum Meaning {
    Strftime,
    Literal(&'static str),
    Fraction(usize),
    SecondsWithFraction(usize),
}

impl Specifier {
    fn read(after: &str) -> Result<Specifier, String> {
        let unknown = || {
            let shown: String = after.chars().take(2).collect();
            format!("`%{shown}` isn't a specifier of strftime that gatefold knows")
        };
        let mut bytes = after.bytes();
        let (length, meaning) = match (bytes.next(), bytes.next(), bytes.next()) {
            (Some(b'f'), ..) => (1, Meaning::Fraction(9)),
            (Some(digit @ b'1'..=b'9'), Some(b'f'), _) => (2, Meaning::Fraction(value(digit))),
            (Some(b'E'), Some(digit @ b'1'..=b'9'), Some(b'S')) => {
                (3, Meaning::SecondsWithFraction(value(digit)))
            }
            (Some(b'E'), Some(digit @ b'1'..=b'9'), Some(b'f')) => {
                (3, Meaning::Fraction(value(digit)))
            }
            (Some(b'E'), Some(b'z'), _) => (2, Meaning::Literal("+00:00")),
            (Some(b'Z'), ..) => (1, Meaning::Literal("UTC")),
            (Some(first), ..) if first.is_ascii_alphabetic() || first == b'%' => {
                let known = after
                    .get(..1)
                    .map(|one| parse_strftime_owned(&format!("%{one}")));
                match known {
                    Some(Ok(_)) => (1, Meaning::Strftime),
                    Some(Err(_)) | None => return Err(unknown()),
                }
            }
            _ => return Err(unknown()),
        };
        Ok(Specifier { length, meaning })
    }
}

fn value(digit: u8) -> usize {
    usize::from(digit - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// 2026-03-04T05:06:07.089123456Z, a Wednesday.
    fn time() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(1_772_600_767, 89_123_456)
    }

    fn written(format: &TimeFormat) -> String {
        let mut line = Vec::new();
        format.write(time(), &mut line);
        String::from_utf8(line).expect("UTF-8")
    }

    #[test]
    fn writes_every_specifier_of_envoy() {
        assert_eq!(written(&TimeFormat::default()), "2026-03-04T05:06:07.089Z");
        for (format, expected) in [
            ("%Y/%m/%dT%H:%M:%S%z", "2026/03/04T05:06:07+0000"),
            ("%s", "1772600767"),
            ("%s.%3f", "1772600767.089"),
            ("%s.%6f", "1772600767.089123"),
            ("%s.%9f|%f|%1f", "1772600767.089123456|089123456|0"),
            ("%E3S %Ez %Z %%", "07.089 +00:00 UTC %"),
            ("%d/%b/%Y:%T %a %j", "04/Mar/2026:05:06:07 Wed 063"),
            ("%F at %R", "2026-03-04 at 05:06"),
            ("", ""),
        ] {
            let parsed = TimeFormat::parse(format).expect(format);
            assert_eq!(written(&parsed), expected, "{format}");
        }
    }

    #[test]
    fn an_unknown_specifier_is_an_error() {
        for format in ["%Q", "%", "%0f", "%Ey", "a%ä", "%E3"] {
            assert!(TimeFormat::parse(format).is_err(), "{format}");
        }
    }
}

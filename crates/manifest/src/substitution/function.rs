//! The functions of expressions: `${NAME,,}`, `${NAME/a/b}` and others.

/// What an expression does with the value of its variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Value,
    Default,
    Length,
    LowerFirst,
    Lower,
    UpperFirst,
    Upper,
    Part,
    ReplaceFirst,
    ReplaceAll,
    ReplacePrefix,
    ReplaceSuffix,
    TrimShortestPrefix,
    TrimLongestPrefix,
    TrimShortestSuffix,
    TrimLongestSuffix,
}

/// The arguments of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arguments {
    None,
    One,
    /// One or two, with a character between them.
    Separated(char),
}

/// The operators after the name of a variable. A longer operator comes before its prefixes. Flux gives all operators with `=`,
/// `-`, `?` and `+` the meaning of a default.
pub(super) const OPERATORS: [(&str, Function); 18] = [
    (":=", Function::Default),
    (":-", Function::Default),
    (":?", Function::Default),
    (":+", Function::Default),
    (":", Function::Part),
    ("=", Function::Default),
    (",,", Function::Lower),
    (",", Function::LowerFirst),
    ("^^", Function::Upper),
    ("^", Function::UpperFirst),
    ("//", Function::ReplaceAll),
    ("/#", Function::ReplacePrefix),
    ("/%", Function::ReplaceSuffix),
    ("/", Function::ReplaceFirst),
    ("##", Function::TrimLongestPrefix),
    ("#", Function::TrimShortestPrefix),
    ("%%", Function::TrimLongestSuffix),
    ("%", Function::TrimShortestSuffix),
];

impl Function {
    pub(super) fn arguments(self) -> Arguments {
        use Function::{
            Default, Length, Lower, LowerFirst, Part, ReplaceAll, ReplaceFirst, ReplacePrefix,
            ReplaceSuffix, TrimLongestPrefix, TrimLongestSuffix, TrimShortestPrefix,
            TrimShortestSuffix, Upper, UpperFirst, Value,
        };
        match self {
            Value | Length | LowerFirst | Lower | UpperFirst | Upper => Arguments::None,
            Default | TrimShortestPrefix | TrimLongestPrefix | TrimShortestSuffix
            | TrimLongestSuffix => Arguments::One,
            Part => Arguments::Separated(':'),
            ReplaceFirst | ReplaceAll | ReplacePrefix | ReplaceSuffix => Arguments::Separated('/'),
        }
    }
}

/// Applies a function to the value of a variable that is defined.
pub(super) fn apply(
    function: Function,
    value: &str,
    first: Option<&str>,
    second: Option<&str>,
) -> String {
    let pattern = first.unwrap_or_default();
    let with = second.unwrap_or_default();
    match function {
        Function::Value | Function::Default => value.to_owned(),
        Function::Length => value.len().to_string(),
        Function::Lower => value.to_lowercase(),
        Function::Upper => value.to_uppercase(),
        Function::LowerFirst => change_first(value, |first| first.to_lowercase().collect()),
        Function::UpperFirst => change_first(value, |first| first.to_uppercase().collect()),
        Function::Part => part(value, pattern, second).unwrap_or(value).to_owned(),
        Function::ReplaceFirst => value.replacen(pattern, with, 1),
        Function::ReplaceAll => value.replace(pattern, with),
        Function::ReplacePrefix => match value.strip_prefix(pattern) {
            Some(rest) if second.is_some() => format!("{with}{rest}"),
            _ => value.to_owned(),
        },
        Function::ReplaceSuffix => match value.strip_suffix(pattern) {
            Some(rest) if second.is_some() => format!("{rest}{with}"),
            _ => value.to_owned(),
        },
        Function::TrimShortestPrefix => {
            let mut ends = boundaries(value);
            let end = ends.find(|end| matches(pattern, &value[..*end]));
            value[end.unwrap_or(0)..].to_owned()
        }
        Function::TrimLongestPrefix => {
            let mut ends = boundaries(value).rev();
            let end = ends.find(|end| matches(pattern, &value[..*end]));
            value[end.unwrap_or(0)..].to_owned()
        }
        Function::TrimShortestSuffix => {
            let mut starts = boundaries(value).rev();
            let start = starts.find(|start| matches(pattern, &value[*start..]));
            value[..start.unwrap_or(value.len())].to_owned()
        }
        Function::TrimLongestSuffix => {
            let mut starts = boundaries(value);
            let start = starts.find(|start| matches(pattern, &value[*start..]));
            value[..start.unwrap_or(value.len())].to_owned()
        }
    }
}

fn change_first(value: &str, change: impl Fn(char) -> String) -> String {
    let mut characters = value.chars();
    let first = characters.next().map(change).unwrap_or_default();
    first + characters.as_str()
}

/// The offsets between the characters of a text, with 0 and its length.
fn boundaries(text: &str) -> impl DoubleEndedIterator<Item = usize> {
    let starts = text.char_indices().map(|(at, _)| at);
    starts.chain([text.len()])
}

/// `${NAME:offset:length}`. A negative number counts from the end. `None` if the arguments aren't numbers.
fn part<'v>(value: &'v str, offset: &str, length: Option<&str>) -> Option<&'v str> {
    let end = i64::try_from(value.len()).ok()?;
    let offset: i64 = offset.trim().parse().ok()?;
    let start = if offset < 0 {
        (end + offset).max(0)
    } else {
        offset.min(end)
    };
    let stop = match length {
        None => end,
        Some(length) => {
            let length: i64 = length.trim().parse().ok()?;
            if length < 0 {
                (end + length).max(start)
            } else {
                start.saturating_add(length).min(end)
            }
        }
    };
    value.get(usize::try_from(start).ok()?..usize::try_from(stop).ok()?)
}

/// Whether a text matches a pattern, in which `*` stands for any characters and `?` for one.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut in_text) = (0, 0);
    // Where to continue if a `*` must match one more character.
    let mut retry = None;
    while let Some(found) = text.get(in_text) {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, in_text));
                at += 1;
            }
            Some(wanted) if wanted == found || *wanted == b'?' => {
                at += 1;
                in_text += 1;
            }
            _ => {
                let Some((star, matched)) = retry else {
                    return false;
                };
                retry = Some((star, matched + 1));
                (at, in_text) = (star + 1, matched + 1);
            }
        }
    }
    pattern[at.min(pattern.len())..]
        .iter()
        .all(|it| *it == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text) in [("*", ""), ("a*c", "abbc"), ("*.", "a.b."), ("?b", "ab")] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "abcd"), ("?", ""), ("", "a")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn parts_are_clamped_and_negative_numbers_count_from_the_end() {
        for (offset, length, expected) in [
            ("0", None, "abcdef"),
            ("-2", None, "ef"),
            ("9", None, ""),
            ("-9", None, "abcdef"),
            ("1", Some("2"), "bc"),
            ("1", Some("-1"), "bcde"),
            ("4", Some("9"), "ef"),
        ] {
            assert_eq!(part("abcdef", offset, length), Some(expected), "{offset}");
        }
        assert_eq!(part("abc", "x", None), None);
    }
}

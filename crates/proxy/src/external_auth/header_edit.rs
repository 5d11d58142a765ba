//! Changes to single headers that an authorization server demands over gRPC.

use ::http::{HeaderName, HeaderValue};
use gatefold_dataplane::filter::header_modifier::Headers;
use gatefold_dataplane::filter::security::forward_header::ForwardHeader;

/// A change to a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeaderEdit {
    pub(super) action: EditAction,
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

/// What happens to the values that a header has (`HeaderValueOption.HeaderAppendAction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EditAction {
    /// They are replaced.
    Set,
    /// The value is added to them.
    Append,
    /// They stay. The value is used only if there is none.
    AddIfAbsent,
    /// They are replaced if there are any.
    SetIfPresent,
}

impl HeaderEdit {
    /// Changes a header. A value that replaces others also replaces those under names that a backend may take for this one.
    pub(crate) fn apply(&self, headers: &mut impl Headers) {
        let HeaderEdit {
            action,
            name,
            value,
        } = self;
        let is_present = headers.fields().contains_key(name);
        match action {
            EditAction::Append => headers.append(name, value),
            EditAction::AddIfAbsent if is_present => {}
            EditAction::SetIfPresent if !is_present => {}
            EditAction::Set | EditAction::AddIfAbsent | EditAction::SetIfPresent => {
                match ForwardHeader::new(name.clone()) {
                    Ok(header) => _ = header.replace(headers, Some(value)),
                    // One that has no other spelling, such as `Host`.
                    Err(_) => headers.set(name, value),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderMap;

    #[test]
    fn actions_differ_in_what_happens_to_present_values() {
        let name = HeaderName::from_static("x-user");
        let result = |action, present: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in present {
                headers.append(&name, HeaderValue::from_static(value));
            }
            headers.append("x_user", HeaderValue::from_static("forged"));
            let edit = HeaderEdit {
                action,
                name: name.clone(),
                value: HeaderValue::from_static("new"),
            };
            edit.apply(&mut headers);
            let values = headers.get_all(&name).iter();
            let values: Vec<_> = values.map(|it| it.to_str().expect("text")).collect();
            (values.join(" "), headers.contains_key("x_user"))
        };
        let text = |text: &str, forged| (text.to_owned(), forged);
        for (action, absent, present) in [
            (EditAction::Set, text("new", false), text("new", false)),
            (EditAction::Append, text("new", true), text("a b new", true)),
            (
                EditAction::AddIfAbsent,
                text("new", false),
                text("a b", true),
            ),
            (EditAction::SetIfPresent, text("", true), text("new", false)),
        ] {
            assert_eq!(result(action, &[]), absent, "{action:?}");
            assert_eq!(result(action, &["a", "b"]), present, "{action:?}");
        }
    }
}

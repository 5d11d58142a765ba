//! Arguments of operators: what follows the name in parentheses.

use super::{
    EnvironmentVariable, Field, FieldChoice, GrpcStatusStyle, Operator, Precision,
    ServerNameChoice, TimePoint,
};
use crate::access_log::TimeFormat;
use http::HeaderName;
use std::sync::OnceLock;

/// A command's name with the text between its parentheses, for messages.
pub(super) struct Argument<'a> {
    pub(super) name: &'a str,
    /// `None` without parentheses.
    pub(super) text: Option<&'a str>,
}

/// Checks that a command has no argument.
///
/// # Errors
/// If it has one.
pub(super) fn no_argument(argument: &Argument<'_>) -> Result<(), String> {
    match argument.text {
        None | Some("") => Ok(()),
        Some(_) => Err(format!("`%{}%` has no argument", argument.name)),
    }
}

/// Every method returns an error if the argument isn't valid.
impl Argument<'_> {
    pub(super) fn required(&self) -> Result<&str, String> {
        match self.text {
            Some(text) if !text.is_empty() => Ok(text),
            Some(_) | None => Err(format!("`%{}%` needs an argument", self.name)),
        }
    }

    fn unknown(&self, allowed: &str) -> String {
        let (name, text) = (self.name, self.text.unwrap_or_default());
        format!("the argument `{text}` of `%{name}%` isn't {allowed}")
    }

    pub(super) fn time(&self) -> Result<TimeFormat, String> {
        match self.text {
            None | Some("") => Ok(TimeFormat::default()),
            Some(text) => TimeFormat::parse(text)
                .map_err(|message| format!("`%{}(...)%`: {message}", self.name)),
        }
    }

    pub(super) fn fields(&self) -> Result<FieldChoice, String> {
        let text = self.required()?;
        let (first, second) = match text.split_once('?') {
            Some((first, second)) => (first, Some(second)),
            None => (text, None),
        };
        let second = second.map(|name| self.field(name)).transpose()?;
        let first = self.field(first)?;
        Ok(FieldChoice { first, second })
    }

    fn field(&self, name: &str) -> Result<Field, String> {
        match name.to_ascii_lowercase().as_str() {
            ":method" => Ok(Field::Method),
            ":path" => Ok(Field::Path),
            ":authority" => Ok(Field::Authority),
            ":scheme" => Ok(Field::Scheme),
            ":status" => Ok(Field::Status),
            name => match HeaderName::from_bytes(name.as_bytes()) {
                Ok(header) => Ok(Field::Header(header)),
                Err(_) => Err(format!(
                    "`{name}` in `%{}(...)%` is no name of a header",
                    self.name
                )),
            },
        }
    }

    /// `X:Y`: with the query (`WQ`) or without (`NQ`), and which path. gatefold's request has the path that the client sent, in
    /// normal form, so `X-Envoy-Original-Path` is only a header.
    pub(super) fn path(&self) -> Result<Operator, String> {
        let (query, source) = self.pair();
        let original = || HeaderName::from_static("x-envoy-original-path");
        let fields = match source {
            "" | "ORIG_OR_PATH" => FieldChoice {
                first: Field::Header(original()),
                second: Some(Field::Path),
            },
            "ORIG" => FieldChoice {
                first: Field::Header(original()),
                second: None,
            },
            "PATH" => FieldChoice {
                first: Field::Path,
                second: None,
            },
            _ => return Err(self.unknown("`ORIG`, `PATH` or `ORIG_OR_PATH` after the colon")),
        };
        match query {
            "" | "WQ" => Ok(Operator::Request(fields)),
            "NQ" => Ok(Operator::RequestWithoutQuery(fields)),
            _ => Err(self.unknown("`WQ` or `NQ`")),
        }
    }

    pub(super) fn query(&self) -> Result<Operator, String> {
        match self.text {
            None | Some("" | "ORIG") => Ok(Operator::Query),
            Some(_) => Err(self.unknown("`ORIG`, the only form that gatefold writes")),
        }
    }

    pub(super) fn details(&self) -> Result<Operator, String> {
        match self.text {
            // No word of gatefold contains a space.
            None | Some("" | "ALLOW_WHITESPACES") => Ok(Operator::ResponseCodeDetails),
            Some(_) => Err(self.unknown("`ALLOW_WHITESPACES`")),
        }
    }

    pub(super) fn duration(&self) -> Result<Operator, String> {
        let mut words = self.required()?.split(':');
        let (from, to, unit) = (words.next(), words.next(), words.next());
        let precision = match unit {
            Some("ms") => Precision::Milliseconds,
            Some("us") => Precision::Microseconds,
            Some("ns") => Precision::Nanoseconds,
            Some(_) | None => return Err(self.unknown("`START:END:ms`, `us` or `ns`")),
        };
        match (from.and_then(time_point), to.and_then(time_point), words.next()) {
            (Some(from), Some(to), None) => Ok(Operator::Duration(from, to, precision)),
            _ => Err(self.unknown(
                "between two of `DS_RX_BEG`, `DS_RX_END`, `US_TX_END`, `US_RX_BEG` and `DS_TX_END`, the points that gatefold measures",
            )),
        }
    }

    pub(super) fn grpc_status(&self) -> Result<Operator, String> {
        let style = match self.text {
            None | Some("" | "CAMEL_STRING") => GrpcStatusStyle::Camel,
            Some("SNAKE_STRING") => GrpcStatusStyle::Snake,
            Some("NUMBER") => GrpcStatusStyle::Number,
            Some(_) => return Err(self.unknown("`CAMEL_STRING`, `SNAKE_STRING` or `NUMBER`")),
        };
        Ok(Operator::GrpcStatus(style))
    }

    pub(super) fn server_name(&self) -> Result<Operator, String> {
        let (choice, source) = self.pair();
        if !["", "ORIG", "HOST", "ORIG_OR_HOST"].contains(&source) {
            return Err(self.unknown("`ORIG`, `HOST` or `ORIG_OR_HOST` after the colon"));
        }
        let choice = match choice {
            "" | "SNI_ONLY" => ServerNameChoice::ServerName,
            "SNI_FIRST" => ServerNameChoice::ServerNameOrHost,
            "HOST_FIRST" => ServerNameChoice::Host,
            _ => return Err(self.unknown("`SNI_ONLY`, `SNI_FIRST` or `HOST_FIRST`")),
        };
        Ok(Operator::ServerName(choice))
    }

    pub(super) fn environment(&self) -> Result<Operator, String> {
        let name = self.required()?;
        if name.contains(['=', '\0']) {
            return Err(self.unknown("the name of an environment variable"));
        }
        Ok(Operator::Environment(EnvironmentVariable {
            name: name.into(),
            value: OnceLock::new(),
        }))
    }

    /// The length of a network's prefix.
    pub(super) fn prefix_length(&self) -> Result<Option<u8>, String> {
        let Some(text) = self.text.filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let length = text.parse().ok().filter(|length| *length <= 128);
        length
            .map(Some)
            .ok_or_else(|| self.unknown("the length of a prefix, from 0 to 128"))
    }

    fn pair(&self) -> (&str, &str) {
        let text = self.text.unwrap_or_default();
        text.split_once(':').unwrap_or((text, ""))
    }
}

fn time_point(word: &str) -> Option<TimePoint> {
    Some(match word {
        "DS_RX_BEG" => TimePoint::RequestBegin,
        "DS_RX_END" => TimePoint::RequestEnd,
        "US_TX_END" => TimePoint::RequestSent,
        "US_RX_BEG" => TimePoint::ResponseBegin,
        "DS_TX_END" => TimePoint::End,
        _ => return None,
    })
}

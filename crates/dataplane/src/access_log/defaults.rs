//! The formats `json` and `text`.
//!
//! The fields of the JSON format have the names of Envoy Gateway's default format, and the text format has the order of Envoy's.
//! Both log paths without the query, since that may contain tokens.

use super::{Body, JsonField, LogFormat};

const JSON: &[(&str, &str)] = &[
    ("start_time", "%START_TIME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%PATH(NQ:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    ("x-forwarded-for", "%REQ(X-FORWARDED-FOR)%"),
    ("user-agent", "%REQ(USER-AGENT)%"),
    ("x-request-id", "%REQ(X-REQUEST-ID)%"),
    (":authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("route_name", "%ROUTE_NAME%"),
    ("grpc_status", "%GRPC_STATUS_NUMBER%"),
];

const TEXT: &str = concat!(
    r#"[%START_TIME%] "%REQ(:METHOD)% %PATH(NQ:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% "#,
    r#"%RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "%REQ(X-FORWARDED-FOR)%" "#,
    r#""%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%""#,
);

impl LogFormat {
    /// Returns the format `json`.
    pub fn default_json() -> LogFormat {
        let fields = JSON.iter().copied();
        LogFormat::json(fields).unwrap_or_else(|_| empty())
    }

    /// Returns the format `text`.
    pub fn default_text() -> LogFormat {
        LogFormat::text(TEXT).unwrap_or_else(|_| empty())
    }
}

/// Stands for a default format that can't be parsed, which a test excludes.
fn empty() -> LogFormat {
    LogFormat::of(Body::Json(Box::<[JsonField]>::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_valid_and_have_no_operator_without_a_meaning() {
        let json = LogFormat::json(JSON.iter().copied()).expect("a valid format");
        let text = LogFormat::text(TEXT).expect("a valid format");
        assert_eq!(json.meaningless().count() + text.meaningless().count(), 0);
    }
}

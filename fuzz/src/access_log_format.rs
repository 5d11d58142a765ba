//! The format of an access log.

use gatefold_dataplane::access_log::LogFormat;

/// Parses the bytes as a format of text and as that of a JSON field. An error must have a position in the text.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let json = LogFormat::json([("field", text)]);
    let plain = LogFormat::text(text);
    for format in [&plain, &json] {
        match format {
            Ok(format) => assert!(text.contains('%') || format.operators().next().is_none()),
            Err(error) => {
                let length = text.chars().count();
                assert!((1..=length + 1).contains(&error.position), "{error}");
            }
        }
    }
    // Only text ends with a line end that doesn't count.
    if !text.ends_with('\n') {
        assert_eq!(plain.is_ok(), json.is_ok());
    }
}

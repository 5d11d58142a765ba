use super::*;
use proptest::prelude::*;

fn parts(format: &str) -> Vec<Part> {
    match LogFormat::text(format).expect(format).body {
        Body::Text(template) => template.into_vec(),
        Body::Json(_) => panic!("a text format"),
    }
}

fn literal(text: &str) -> Part {
    Part::Literal(text.into())
}

#[test]
fn splits_literals_and_operators() {
    let duration = Operator::parse("DURATION", None, None).expect("valid");
    let time = Operator::parse("START_TIME", Some("%H:%M (%Z)"), None).expect("valid");
    assert_eq!(
        parts("100%% in %DURATION%ms\n"),
        [
            literal("100% in "),
            Part::Operator(duration, None),
            literal("ms")
        ]
    );
    assert_eq!(
        parts("%START_TIME(%H:%M (%Z))%"),
        [Part::Operator(time, None)]
    );
    let agent = Operator::parse("REQ", Some("USER-AGENT"), None).expect("valid");
    assert_eq!(
        parts("%REQ(USER-AGENT):12%"),
        [Part::Operator(agent, Some(12))]
    );
    assert_eq!(parts(""), []);
}

#[test]
fn an_error_has_its_position() {
    for (format, position, message) in [
        ("ä %DURATION", 3, "doesn't end with `%`"),
        (
            "%DURATION% %NOTHING%",
            12,
            "`%NOTHING%` is no operator of Envoy",
        ),
        ("%", 1, "write `%%`"),
        ("a%b", 2, "write `%%`"),
        ("%REQ(a%", 1, "isn't closed by `)%`"),
        ("%REQ(a):x%", 1, "isn't closed by `)%`"),
        ("%START_TIME(%Q)%", 1, "`%Q`"),
        ("%duration%", 1, "write `%%`"),
        ("%REQ(A):99999999999999999999999%", 1, "isn't closed"),
    ] {
        let error = LogFormat::text(format).expect_err(format);
        assert_eq!(error.position, position, "{format}: {error}");
        assert!(error.message.contains(message), "{format}: {error}");
    }
    let error = LogFormat::json([("a", "x"), ("b", "%X%")]).expect_err("an error");
    assert_eq!(error.field.as_deref(), Some("b"));
    assert!(LogFormat::text(&"x".repeat(LONGEST + 1)).is_err());
}

#[test]
fn names_and_literals_of_json_are_escaped_once() {
    let format = LogFormat::json([("a\"", "\n%DURATION%")]).expect("valid");
    let Body::Json(fields) = format.body() else {
        panic!("a JSON format");
    };
    assert_eq!(&*fields[0].name, r#""a\"":"#);
    assert_eq!(fields[0].value[0], literal("\\n"));
}

#[test]
fn knows_what_it_uses() {
    let format = LogFormat::text("%CEL(a)% %TRAILER(x)% %CEL(b)%").expect("valid");
    assert_eq!(format.meaningless().collect::<Vec<_>>(), ["CEL", "CEL"]);
    assert!(format.uses_trailers());
    assert!(
        !LogFormat::text("%DURATION%")
            .expect("valid")
            .uses_trailers()
    );
}

/// Texts that resemble formats.
fn formats() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("%".to_owned()),
        Just("%%".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just(":5%".to_owned()),
        Just("REQ".to_owned()),
        Just("%REQ(a?:path)%".to_owned()),
        Just("%DURATION%".to_owned()),
        Just("%START_TIME(%s.%3f)%".to_owned()),
        Just("\n".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// No text makes the parser panic, and the position of an error is in the text.
    #[test]
    fn every_text_is_a_format_or_has_an_error_in_it(text in formats()) {
        if let Err(error) = LogFormat::text(&text) {
            prop_assert!((1..=text.chars().count()).contains(&error.position), "{error}");
        }
    }

    /// A text without operators is its own line, once its percent signs are doubled.
    #[test]
    fn a_text_with_doubled_percent_signs_is_literal(text in "[^\n]*") {
        let format = LogFormat::text(&text.replace('%', "%%")).expect("valid");
        let Body::Text(template) = format.body() else {
            panic!("a text format");
        };
        let literals: String = template.iter().map(|part| match part {
            Part::Literal(literal) => &**literal,
            Part::Operator(..) => "%",
        }).collect();
        prop_assert_eq!(literals, text);
    }
}

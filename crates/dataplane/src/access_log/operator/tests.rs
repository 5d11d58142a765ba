use super::*;

fn parse(name: &str, argument: Option<&str>) -> Result<Operator, String> {
    Operator::parse(name, argument, None)
}

#[test]
fn reads_fields_with_an_alternative() {
    let operator = parse("REQ", Some("X-Original-Path?:PATH")).expect("valid");
    let first = Field::Header(HeaderName::from_static("x-original-path"));
    let second = Some(Field::Path);
    assert_eq!(operator, Operator::Request(FieldChoice { first, second }));
    for wrong in ["", "a b", "?", "x?", "x?y?z", ":nothing"] {
        assert!(parse("REQ", Some(wrong)).is_err(), "{wrong}");
    }
    assert!(parse("REQ", None).is_err());
}

#[test]
fn every_argument_has_its_own_rules() {
    for (name, valid, invalid) in [
        ("START_TIME", "%s.%3f", "%Q"),
        ("PATH", "NQ:ORIG", "NQ:URI"),
        ("QUERY_PARAMS", "ORIG", "DECODED"),
        ("QUERY_PARAM", "page", ""),
        ("RESPONSE_CODE_DETAILS", "ALLOW_WHITESPACES", "SPACES"),
        (
            "COMMON_DURATION",
            "DS_RX_BEG:US_RX_BEG:us",
            "DS_RX_BEG:US_RX_BEG",
        ),
        (
            "COMMON_DURATION",
            "US_RX_BEG:DS_TX_END:ns",
            "US_CX_BEG:US_RX_BEG:us",
        ),
        ("GRPC_STATUS", "SNAKE_STRING", "KEBAB_STRING"),
        ("REQUESTED_SERVER_NAME", "SNI_FIRST:HOST", "SNI"),
        ("ENVIRONMENT", "HOME", "A=B"),
        ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "24", "129"),
    ] {
        assert!(parse(name, Some(valid)).is_ok(), "{name}({valid})");
        assert!(parse(name, Some(invalid)).is_err(), "{name}({invalid})");
    }
    assert!(
        parse("DURATION", Some("ms")).is_err(),
        "DURATION has no argument"
    );
}

#[test]
fn operators_of_envoy_are_no_errors() {
    assert_eq!(
        parse("DYNAMIC_METADATA", Some("a:b")),
        Ok(Operator::Meaningless("DYNAMIC_METADATA"))
    );
    assert!(parse("DURATIONS", None).is_err());
}

#[test]
fn only_texts_from_outside_can_be_cut() {
    assert!(Operator::parse("REQ", Some("a"), Some(3)).is_ok());
    assert!(Operator::parse("DURATION", None, Some(3)).is_err());
}

//! Tests with texts that are made to consume time or memory. The limits here are far above the measured values, and far
//! below the values without bounds.

use super::*;
use std::time::{Duration, Instant};

/// Loads a text and renders its diagnostics within a bounded time.
#[track_caller]
fn bounded(text: &str) -> Loaded {
    let start = Instant::now();
    let loaded = Loader::from_text("f.yaml", text);
    let rendered = rendered(&loaded);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(20), "took {took:?}");
    assert!(
        rendered.len() < 200_000,
        "{} bytes of output",
        rendered.len()
    );
    loaded
}

#[test]
fn stops_an_alias_bomb() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..30 {
        let before = format!("*a{}", i - 1);
        text += &format!("a{i}: &a{i} [{}]\n", vec![before; 10].join(", "));
    }
    let loaded = bounded(&text);
    assert!(
        lines(&loaded)[0]
            .contains("error[GF0103]: the file's anchors and aliases expand to too much")
    );
}

#[test]
fn stops_a_long_text_that_aliases_repeat() {
    let text = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        vec!["*a"; 1_000].join(", ")
    );
    let loaded = bounded(&text);
    assert!(lines(&loaded)[0].contains("GF0103"), "{:?}", lines(&loaded));
}

#[test]
fn aliases_of_many_documents_share_one_budget() {
    let document = format!(
        "a: &a [{}]\nb: [*a, *a, *a, *a]\n---\n",
        vec!["x"; 10_000].join(",")
    );
    let loaded = bounded(&document.repeat(20));
    assert!(
        lines(&loaded).iter().any(|line| line.contains("GF0103")),
        "{:?}",
        lines(&loaded)
    );
}

#[test]
fn refuses_ten_thousand_levels_in_any_notation() {
    let deep = 10_000;
    let block: String = (0..1_000)
        .map(|i| format!("{}a:\n", " ".repeat(i)))
        .collect();
    let texts = [
        "[".repeat(deep),
        format!("{}{}", "[".repeat(deep), "]".repeat(deep)),
        "{a: ".repeat(deep),
        "- ".repeat(deep),
        format!("{}x", "- ".repeat(70)),
        block,
        "? ".repeat(deep),
    ];
    for text in texts {
        let loaded = bounded(&text);
        let lines = lines(&loaded);
        let head: String = text.chars().take(20).collect();
        assert_eq!(lines.len(), 1, "{head}: {lines:?}");
        assert!(
            lines[0].contains("error[GF0106]: nested deeper than 64 levels"),
            "{head}: {lines:?}"
        );
    }
}

#[test]
fn refuses_aliases_that_nest_deeper_than_the_limit() {
    let mut text = String::from("a0: &a0 [[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]\n");
    for i in 1..5 {
        text += &format!(
            "a{i}: &a{i} [[[[[[[[[[[[[[[[[[[[*a{}]]]]]]]]]]]]]]]]]]]]\n",
            i - 1
        );
    }
    assert!(lines(&bounded(&text))[0].contains("GF0106"));
}

#[test]
fn counts_many_unknown_fields_and_shows_the_first() {
    let fields: String = (0..20_000).map(|i| format!("  field{i}: x\n")).collect();
    let loaded = bounded(&format!("{GATEWAY}{fields}"));
    let lines = lines(&loaded);
    assert_eq!(lines.len(), 51);
    assert!(
        lines
            .iter()
            .any(|line| line.contains("19950 more problems in this document")),
        "{:?}",
        lines.last()
    );
}

#[test]
fn counts_a_hundred_thousand_invalid_items_and_shows_the_first() {
    let text = format!(
        "apiVersion: v1\nkind: List\nitems: [{}]\n",
        vec!["0"; 100_000].join(",")
    );
    assert_eq!(bounded(&text).diagnostics.len(), 51);
}

#[test]
fn truncates_very_long_words_and_lines_in_diagnostics() {
    let word = "x".repeat(2 << 20);
    let texts = [
        format!("{GATEWAY}  {word}: 1\n"),
        GATEWAY.replace("protocol: HTTP", &format!("protocol: {word}!")),
        GATEWAY.replace("kind: Gateway", &format!("kind: {word}")),
        format!("{{{word}: [}}"),
        format!("[{}, @]", vec!["x"; 500_000].join(", ")),
    ];
    for text in texts {
        let loaded = bounded(&text);
        assert!(!loaded.diagnostics.is_empty());
        assert!(
            rendered(&loaded).len() < 5_000,
            "{}",
            rendered(&loaded).len()
        );
    }
}

#[test]
fn shows_no_control_characters() {
    let text = "apiVersion: v1\nkind: \"Serv\\e[31mce\"\n---\na: \"\u{9b}31m\n---\n\u{202e}b: [\u{9b}2J\n---\n\"\\e]0;x\\a\": 1\n";
    let rendered = rendered(&bounded(text));
    let control = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!rendered.contains(control), "{rendered:?}");
}

#[test]
fn refuses_a_text_that_is_too_large() {
    let text = vec![b'x'; usize::try_from(crate::FILE_SIZE).expect("fits") + 1];
    assert_eq!(
        lines_of(text),
        ["f.yaml: error[GF0103]: larger than 32 MiB"]
    );
}

#[test]
fn shows_no_line_of_a_secret() {
    let secret = |data: &str| format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n{data}");
    let broken = [
        secret("data:\n  password: \"hunter2\n"),
        secret("data:\n  password: hunter2!\n"),
        secret("stringData:\n  password: [hunter2]\n"),
        secret("stringData: {password: 1, password: hunter2}\n"),
        "{\"kind\": \"Secret\", \"apiVersion\": \"v1\", \"stringData\": {\"a\": \"hunter2\"}}"
            .to_owned(),
        "{\"kind\": \"Secret\", \"apiVersion\": \"v1\", \"stringData\": {\"a\": \"hunter2\""
            .to_owned(),
    ];
    for text in broken {
        let rendered = rendered(&bounded(&text));
        assert!(rendered.contains("error"), "nothing was found in {text}");
        assert!(!rendered.contains("hunter2"), "{rendered}");
    }
}

/// The last good version of each refused object is looked up among the previous objects.
#[test]
fn thousands_of_refused_objects_cost_little_more_than_good_ones() {
    const OBJECTS: usize = 16_000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("a.yaml");
    let mut loader = Loader::new([folder.path().to_owned()]);
    let mut load = |port| {
        let services = (0..OBJECTS).map(|number| service(&format!("s{number}"), port));
        let text = services.collect::<Vec<_>>().join("---\n");
        std::fs::write(&file, text).expect("the file is written");
        let start = Instant::now();
        let loaded = loader.load();
        assert_eq!(loaded.resources.services.len(), OBJECTS);
        (errors(&loaded), start.elapsed())
    };
    let (none, good) = load(80);
    let (all, refused) = load(0);
    assert_eq!((none, all), (0, OBJECTS));
    assert!(
        refused < 8 * good,
        "{refused:?}, and {good:?} for good ones"
    );
}

proptest::proptest! {
    /// Loading and rendering never panic, whatever the file contains, and the output has no control characters.
    #[test]
    fn loads_and_renders_any_text(text in "([a-z]{1,3}|[ :\n\t{}\\[\\],&*!|>'\"%@`#?\r-]|\n  |\n- |: |\n---\n|kind: Secret\n|apiVersion: v1\n|items:\n|<<: |\u{9b}|ü|\u{2028}|\u{feff}|\\\\x){0,40}") {
        let loaded = Loader::from_text("f.yaml", text.clone());
        for found in &loaded.diagnostics {
            let rendered = render(found, Style::Plain);
            proptest::prop_assert!(!rendered.contains(|c: char| c.is_control() && c != '\n'), "{rendered:?}");
            summary_line(found);
        }
    }
}

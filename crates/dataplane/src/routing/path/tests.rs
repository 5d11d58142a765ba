//! Lookup of paths.

use super::*;

/// Returns the indexes of the entries that match, in the order of the calls.
fn fits(paths: &[PathMatch], path: &str) -> Vec<usize> {
    let table = PathTable::build((0..).zip(paths));
    let mut shown = Vec::new();
    table.find(path, |entries| {
        shown.extend(entries);
        None::<()>
    });
    shown
}

fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.into())
}

#[test]
fn prefix_matches_whole_segments() {
    let foo = [prefix("/foo")];
    for path in ["/foo", "/foo/", "/foo/bar", "/foo//bar", "/foo/foo"] {
        assert_eq!(fits(&foo, path), [0], "{path}");
    }
    for path in [
        "/foobar",
        "/Foo",
        "/",
        "//foo",
        "/fo",
        "/bar/foo",
        "foo",
        "",
        "*",
        "/fo\u{f6}",
    ] {
        assert!(fits(&foo, path).is_empty(), "{path}");
    }
}

#[test]
fn final_slash_of_a_prefix_is_ignored() {
    for path in ["/foo", "/foo/", "/foo/bar"] {
        assert_eq!(fits(&[prefix("/foo/")], path), [0], "{path}");
    }
}

#[test]
fn root_prefix_matches_every_path() {
    for path in ["/", "/foo", "//", "*", "", "/\u{e9}/"] {
        assert_eq!(fits(&[prefix("/")], path), [0], "{path}");
    }
}

#[test]
fn longer_prefixes_come_first_and_shorter_ones_follow() {
    let paths = [prefix("/a/b/c"), prefix("/a/b"), prefix("/a"), prefix("/")];
    assert_eq!(fits(&paths, "/a/b/c/d"), [0, 1, 2, 3]);
    assert_eq!(fits(&paths, "/a/b/x"), [1, 2, 3]);
    assert_eq!(fits(&paths, "/a/bc"), [2, 3]);
    assert_eq!(fits(&paths, "/x"), [3]);
}

#[test]
fn exact_path_matches_only_itself() {
    let paths = [PathMatch::Exact("/foo".into())];
    assert_eq!(fits(&paths, "/foo"), [0]);
    for path in ["/foo/", "/Foo", "/foo/bar", "/fo", "/", "//foo"] {
        assert!(fits(&paths, path).is_empty(), "{path}");
    }
}

#[test]
fn exact_paths_come_before_patterns_and_patterns_before_prefixes() {
    let paths = [
        PathMatch::Exact("/a".into()),
        PathMatch::Regex("/[a-z]+".into()),
        PathMatch::Regex("/.".into()),
        prefix("/a"),
        prefix("/"),
    ];
    assert_eq!(fits(&paths, "/a"), [0, 1, 2, 3, 4]);
    assert_eq!(fits(&paths, "/b"), [1, 2, 4]);
    assert_eq!(
        fits(&paths, "/a/b"),
        [3, 4],
        "a pattern must match the whole path"
    );
}

#[test]
fn patterns_too_big_for_one_set_match_in_order() {
    let patterns: Vec<Arc<str>> = ["/aaaa", "/a{3,4}", "/a+", "/b"].map(Arc::from).into();
    let uses: Vec<(Arc<str>, u32)> = patterns.into_iter().zip(0..).collect();
    let mut groups = Vec::new();
    PatternGroup::build(&uses, PatternText::Path, 1_000, &mut groups);
    assert!(groups.len() > 1, "the limit has no effect");
    let table = PathTable {
        patterns: groups,
        ..PathTable::default()
    };
    let mut shown = Vec::new();
    table.find("/aaaa", |entries| {
        shown.extend(entries);
        None::<()>
    });
    assert_eq!(shown, [0, 1, 2]);
}

#[test]
fn invalid_pattern_matches_nothing_and_does_not_affect_others() {
    let paths = [
        PathMatch::Regex("/(a".into()),
        PathMatch::Regex("/b".into()),
    ];
    assert!(fits(&paths, "/a").is_empty());
    assert_eq!(fits(&paths, "/b"), [1]);
}

#[test]
fn path_longer_than_all_known_paths_is_not_scanned_to_its_end() {
    let long = "/".repeat(1 << 20) + &"x".repeat(1 << 20);
    let paths = [PathMatch::Exact("/x".into()), prefix("/x"), prefix("/")];
    assert_eq!(fits(&paths, &long), [2]);
    assert_eq!(fits(&paths, &format!("/x{long}")), [1, 2]);
}

//! Lookup of paths, and edits.

use super::*;
use crate::filter::Filters;
use crate::routing::matcher::PathMatch;
use crate::routing::request::RequestView;
use crate::{Action, RuleId};
use http::{HeaderMap, Method, StatusCode, Version};

/// A match of a path in the only rule of the route `default/{name}`.
fn entry(name: &str, path: &PathMatch, age: RouteAge) -> Arc<RouteEntry> {
    let rule = Rule {
        id: RuleId {
            kind: "HTTPRoute",
            route: format!("default/{name}").into(),
            index: 0,
        },
        filters: Filters::default(),
        timeouts: Default::default(),
        retry: None,
        durations: Arc::default(),
        action: Action::Refuse(StatusCode::NOT_FOUND),
    };
    Arc::new(RouteEntry {
        matched: HttpMatch {
            path: path.clone(),
            matcher: Arc::default(),
        },
        rule: Arc::new(rule),
        index: 0,
        age,
    })
}

/// Returns the indexes of the paths that fit, in order of precedence.
fn fits(paths: &[PathMatch], path: &str) -> Vec<usize> {
    let entries = paths.iter().enumerate();
    let entries = entries.map(|(index, path)| entry(&index.to_string(), path, RouteAge::default()));
    let names = found(&HostRoutes::new(&entries.collect::<Vec<_>>()), path);
    names.iter().filter_map(|it| it.parse().ok()).collect()
}

/// Returns the names of the routes whose matches fit a path, in order of precedence.
fn found(routes: &HostRoutes, path: &str) -> Vec<String> {
    let request = RequestView {
        host: "",
        version: Version::HTTP_11,
        method: &Method::GET,
        path,
        query: None,
        headers: &HeaderMap::new(),
    };
    let mut found = Vec::new();
    HttpMatch::find(routes, &request, |candidate| {
        found.push(candidate.rule.id.route.replace("default/", ""));
        None::<()>
    });
    found
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
fn path_longer_than_all_known_paths_is_not_scanned_to_its_end() {
    let long = "/".repeat(1 << 20) + &"x".repeat(1 << 20);
    let paths = [PathMatch::Exact("/x".into()), prefix("/x"), prefix("/")];
    assert_eq!(fits(&paths, &long), [2]);
    assert_eq!(fits(&paths, &format!("/x{long}")), [1, 2]);
}

#[test]
fn many_depths_are_searched_from_the_longest_prefix_to_the_shortest() {
    let deep = |segments: usize| "/a".repeat(segments);
    let depths = [100, 70, 63, 62, 2];
    let paths: Vec<PathMatch> = depths.iter().map(|it| prefix(&deep(*it))).collect();
    assert_eq!(fits(&paths, &deep(120)), [0, 1, 2, 3, 4]);
    assert_eq!(fits(&paths, &deep(69)), [2, 3, 4]);
    assert_eq!(fits(&paths, &(deep(62) + "b")), [4]);
}

#[test]
fn equal_matches_are_ordered_by_age_then_by_name() {
    let at = |name, seconds| entry(name, &prefix("/a"), RouteAge::created(seconds, 0));
    let entries = [
        at("young", 2),
        at("old", 1),
        at("new-b", 3),
        at("new-a", 3),
        entry("undated", &prefix("/a"), RouteAge::default()),
    ];
    let expected = ["undated", "old", "young", "new-a", "new-b"];
    assert_eq!(found(&HostRoutes::new(&entries), "/a"), expected);
}

#[test]
fn an_edit_gives_the_same_as_compiling_again_and_leaves_the_previous_version_as_it_was() {
    let paths = [
        PathMatch::Exact("/a".into()),
        PathMatch::Regex("/[a-z]".into()),
        PathMatch::Regex("/[a-z]+".into()),
        prefix("/a"),
        prefix("/a/"),
        prefix("/a/b"),
        prefix("/"),
    ];
    let paths = paths.iter().cycle().take(28).enumerate();
    let all: Vec<_> = paths
        .map(|(at, path)| {
            entry(
                &format!("r{at:02}"),
                path,
                RouteAge::created(at as i64 % 3, 0),
            )
        })
        .collect();
    let mut routes = HostRoutes::new(&all);
    for window in 0..20 {
        let (before, text) = (routes.clone(), routes.to_string());
        // Each edit removes some of the entries and puts back those of the edit before.
        let edit = |at: usize| all.iter().skip(at).step_by(3).take(5).cloned();
        let removed: Vec<_> = edit(window).collect();
        let added: Vec<_> = match window {
            0 => Vec::new(),
            _ => edit(window - 1).collect(),
        };
        routes.replace(&removed, &added);
        let left = all
            .iter()
            .filter(|it| !removed.iter().any(|out| Arc::ptr_eq(out, it)));
        let left: Vec<_> = left.cloned().collect();
        assert_eq!(routes.to_string(), HostRoutes::new(&left).to_string());
        assert_eq!(before.to_string(), text, "an older version changed");
    }
    let mut all_removed = HostRoutes::new(&all);
    all_removed.replace(&all, &[]);
    assert!(all_removed.is_empty());
    assert!(found(&all_removed, "/a").is_empty());
}

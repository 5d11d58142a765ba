//! Equivalent spellings of a path: all of them must reach the same rule, in a request as well as in a route.

use super::compiled_resources;
use super::random::{compiled_route, folder, request};
use gatefold_dataplane::path_normalization::PathNormalization;
use gatefold_manifest::Resources;
use gatefold_manifest::api::PathMatchType;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

/// Spells a path differently, according to one choice for each of its characters.
fn spelled(path: &str, choices: &[u8]) -> String {
    let mut text = String::new();
    for (character, choice) in path.chars().zip(choices.iter().cycle()) {
        let slashes = ["/", "//", "/./", "/x/../", "/%2e/", "/x%2Fy/%2e./", "\\"];
        match (character, choice % 7) {
            ('/', choice) => text.push_str(slashes[usize::from(choice)]),
            (_, 0..3) => text.push(character),
            (_, choice) => text.push_str(&encoded(character, choice % 2 == 0)),
        }
    }
    text
}

fn encoded(character: char, upper: bool) -> String {
    if upper {
        format!("%{:02X}", u32::from(character))
    } else {
        format!("%{:02x}", u32::from(character))
    }
}

/// Returns the same routes with one character of each path percent-encoded.
fn respelled(resources: &Resources, choices: &[u8]) -> Resources {
    let mut resources = resources.clone();
    let mut choices = choices.iter().cycle();
    for route in Arc::make_mut(&mut resources.http_routes).values_mut() {
        let rules = &mut Arc::make_mut(route).spec.rules;
        let paths = rules.iter_mut().flat_map(|rule| &mut rule.matches);
        for path in paths.map(|one| &mut one.path) {
            if path.kind == PathMatchType::RegularExpression {
                continue;
            }
            let place = usize::from(*choices.next().expect("a cycle")) % path.value.len();
            let character = path.value.as_bytes()[place];
            if character != b'/' {
                let spelled = encoded(char::from(character), place % 2 == 0);
                path.value.replace_range(place..=place, &spelled);
            }
        }
    }
    resources
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn equivalent_spellings_of_a_path_reach_the_same_rule(
        resources in folder(), mut request in request(),
        path in select(vec!["/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/ab", "/b"]),
        choices in prop::collection::vec(any::<u8>(), 8),
    ) {
        let snapshot = compiled_resources(&resources);
        request.path = path.to_owned();
        let expected = compiled_route(&snapshot, &request);
        let spelled = spelled(path, &choices);
        let on = PathNormalization::On;
        let normal = on.normalize(&spelled).expect("a normal form");
        request.path = on.for_matching(&normal).into_owned();
        prop_assert_eq!(compiled_route(&snapshot, &request), expected, "{}", spelled);
    }

    #[test]
    fn equivalent_spellings_of_a_route_are_the_same_route(
        resources in folder(), choices in prop::collection::vec(1..=255u8, 16),
    ) {
        let respelled = respelled(&resources, &choices);
        let (one, other) = (compiled_resources(&resources), compiled_resources(&respelled));
        prop_assert_eq!(one.to_string(), other.to_string());
    }
}

//! The matches of routes as in the manifest: their identities, and which of them have the same conditions.

use super::request_rule::RequestRule;
use crate::route::match_id::{MatchDigest, MatchId};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Returns the matches of a route. A rule without matches has one, `everything`.
pub(crate) fn matches<'r, R: RequestRule>(
    rules: &'r [R],
    everything: &'r R::Match,
) -> impl Iterator<Item = (MatchId, &'r R::Match)> {
    rules.iter().enumerate().flat_map(move |(rule, it)| {
        let listed = it.listed_matches();
        let default = listed.is_empty().then_some((None, everything));
        let listed = listed.iter().enumerate();
        let listed = listed.map(|(index, one)| (Some(index), one));
        let all = default.into_iter().chain(listed);
        all.map(move |(index, one)| (MatchId { rule, index }, one))
    })
}

/// Returns the digests of all matches of a route. Equal conditions have the same digest.
pub(crate) fn match_digests<R: RequestRule>(rules: &[R]) -> Vec<MatchDigest> {
    let everything = R::Match::default();
    let digests = matches(rules, &everything).map(|(id, one)| {
        let mut hasher = DefaultHasher::new();
        R::conditions(one).hash(&mut hasher);
        MatchDigest {
            id,
            digest: hasher.finish(),
        }
    });
    digests.collect()
}

/// Whether a match of one route and a match of another have the same conditions.
pub(crate) fn is_same_match<R: RequestRule>(
    (one, one_match): (&[R], MatchId),
    (other, other_match): (&[R], MatchId),
) -> bool {
    let everything = R::Match::default();
    let find = |rules, id| {
        let mut all = matches::<R>(rules, &everything);
        all.find(|(other, _)| *other == id).map(|(_, one)| one)
    };
    let (Some(one), Some(other)) = (find(one, one_match), find(other, other_match)) else {
        return false;
    };
    R::conditions(one) == R::conditions(other)
}

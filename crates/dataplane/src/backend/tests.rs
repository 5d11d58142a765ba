//! Distribution of requests over backends and endpoints.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn split(weights: &[u32]) -> Option<Split> {
    split_after(weights, 0)
}

/// Returns a split that replaces one which has distributed `served` requests.
fn split_after(weights: &[u32], served: u64) -> Option<Split> {
    let backend = |(at, weight): (usize, &u32)| {
        let name = at.to_string().into();
        let target = BackendTarget::NoEndpoints;
        let filters = Filters::default();
        (
            *weight,
            Backend {
                name,
                filters,
                durations: Arc::default(),
                target,
            },
        )
    };
    let backends = weights.iter().enumerate().map(backend);
    Split::new(backends.collect(), served)
}

fn picks(split: &Split, requests: usize) -> Vec<usize> {
    let pick = |_| split.pick().name.parse().unwrap();
    (0..requests).map(pick).collect()
}

fn count(picks: &[usize], backend: usize) -> usize {
    picks.iter().filter(|it| **it == backend).count()
}

#[test]
fn weights_8_and_2_give_16_and_4_of_any_20_requests() {
    let split = split(&[8, 2]).unwrap();
    let picks = picks(&split, 100);
    for window in picks.windows(20) {
        assert_eq!((count(window, 0), count(window, 1)), (16, 4));
    }
    for window in picks.windows(5) {
        assert_eq!(count(window, 1), 1, "every fifth");
    }
}

#[test]
fn weight_0_gets_no_requests_and_only_zeros_make_no_split() {
    assert_eq!(count(&picks(&split(&[0, 3, 0, 1, 0]).unwrap(), 40), 1), 30);
    assert_eq!(count(&picks(&split(&[0, 3, 0, 1, 0]).unwrap(), 40), 3), 10);
    assert!(split(&[0, 0]).is_none());
    assert!(split(&[]).is_none());
}

#[test]
fn replaced_split_continues_its_order() {
    let whole = split(&[5, 3, 1]).unwrap();
    let first = split(&[5, 3, 1]).unwrap();
    let mut picked = picks(&first, 4);
    let second = split_after(&[5, 3, 1], first.served()).unwrap();
    picked.extend(picks(&second, 5));
    assert_eq!(picked, picks(&whole, 9));
}

#[test]
fn threads_share_a_split_without_losing_a_position() {
    let split = split(&[8, 2]).unwrap();
    let parts: Vec<Vec<usize>> = std::thread::scope(|scope| {
        let part = || scope.spawn(|| picks(&split, 2_500));
        let threads: Vec<_> = (0..4).map(|_| part()).collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(count(&parts.concat(), 0), 8_000);
    assert_eq!(count(&parts.concat(), 1), 2_000);
}

/// Any run of 1,000 requests stays within 1 percentage point of the weights.
fn smooth(weights: &[u32]) -> Result<(), TestCaseError> {
    let Some(split) = split(weights) else {
        return Ok(());
    };
    let sum: f64 = weights.iter().copied().map(f64::from).sum();
    let picks = picks(&split, 3_000);
    for (backend, weight) in weights.iter().enumerate() {
        let expected = f64::from(*weight) / sum * 1_000.0;
        let mut got = count(picks.get(..1_000).unwrap(), backend);
        for (left, entered) in picks.iter().zip(picks.iter().skip(1_000)) {
            prop_assert!(
                (got as f64 - expected).abs() <= 10.0,
                "{got} of 1,000 instead of {expected}: weights {weights:?}"
            );
            got = got + usize::from(*entered == backend) - usize::from(*left == backend);
        }
    }
    Ok(())
}

#[test]
fn all_small_pairs_of_weights_are_smooth() {
    for a in 1..60 {
        for b in 1..60 {
            smooth(&[a, b]).unwrap();
        }
    }
}

proptest! {
    #[test]
    fn any_thousand_requests_stay_within_a_percentage_point(
        weights in prop::collection::vec(
            prop_oneof![0..20u32, 0..2_000u32, 0..=1_000_000u32], 1..=16,
        )
    ) {
        smooth(&weights)?;
    }

    #[test]
    fn distributes_the_sum_of_the_weights_exactly(
        weights in prop::collection::vec(0..50u32, 1..=16), skipped in 0..1_000usize,
    ) {
        let Some(split) = split(&weights) else { return Ok(()) };
        picks(&split, skipped);
        let picks = picks(&split, weights.iter().sum::<u32>() as usize);
        for (backend, weight) in weights.iter().enumerate() {
            prop_assert_eq!(count(&picks, backend), *weight as usize);
        }
    }
}

fn endpoints(ports: &[u16]) -> Option<EndpointSet> {
    let address = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
    let addresses: Vec<SocketAddr> = ports.iter().map(address).collect();
    EndpointSet::new(HttpVersion::Http1, &addresses, 0)
}

#[test]
fn endpoints_are_used_round_robin() {
    let three = endpoints(&[1, 2, 3]).unwrap();
    let mut turns: BTreeMap<u16, usize> = BTreeMap::new();
    for _ in 0..30 {
        *turns.entry(three.next().port()).or_default() += 1;
    }
    assert_eq!(turns.into_values().collect::<Vec<_>>(), [10, 10, 10]);
    assert!(endpoints(&[]).is_none());
}

#[test]
fn next_endpoint_differs_if_there_is_another() {
    let three = endpoints(&[1, 2, 3]).unwrap();
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    assert_eq!(three.after(address(1)), Some(address(2)));
    assert_eq!(three.after(address(3)), Some(address(1)));
    assert_eq!(
        three.after(address(9)),
        Some(address(1)),
        "an endpoint that was removed"
    );
    assert_eq!(endpoints(&[1]).unwrap().after(address(1)), None);
}

#[test]
fn counts_nothing_without_a_choice() {
    let one = split(&[0, 3]).unwrap();
    assert_eq!(count(&picks(&one, 10), 1), 10);
    assert_eq!(one.served(), 0);
    let one = endpoints(&[1]).unwrap();
    assert!((0..10).all(|_| one.next().port() == 1));
    assert_eq!(one.served(), 0);
}

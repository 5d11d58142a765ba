//! Reads callgrind's output: the instructions of each function, and whose function it is.

use std::collections::BTreeMap;

/// Whose code a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CodeOrigin {
    Gatefold,
    Pingora,
    /// Tokio with its drivers.
    Tokio,
    /// HTTP messages: http, httparse, h2, bytes.
    Http,
    /// rustls and ring.
    Tls,
    /// The allocator.
    Allocator,
    /// Copying of memory: each byte of a long copy counts, though a processor copies 32 or more at a time.
    Copying,
    /// The standard library, the C library and all else.
    Other,
}

impl CodeOrigin {
    const NAMES: [(CodeOrigin, &[&str]); 7] = [
        (CodeOrigin::Copying, &["memcpy", "memmove", "memset"]),
        (
            CodeOrigin::Allocator,
            &[
                "rjem",
                "tcache_",
                "arena_",
                "emap_",
                "_rust_alloc",
                "rallocx",
            ],
        ),
        // The application's type is an argument of Pingora's generic functions, so the earliest name decides.
        (CodeOrigin::Gatefold, &["gatefold"]),
        (CodeOrigin::Pingora, &["pingora"]),
        (CodeOrigin::Tokio, &["tokio", "mio::", "futures_"]),
        (CodeOrigin::Http, &["http::", "httparse", "h2::", "bytes::"]),
        (
            CodeOrigin::Tls,
            &[
                "rustls",
                "ring_core",
                "ring::",
                "aes_gcm",
                "chacha20",
                "gcm_",
            ],
        ),
    ];

    /// The origin of a function with this name.
    pub fn of(function: &str) -> Self {
        let first = |names: &[&str]| names.iter().filter_map(|name| function.find(name)).min();
        let places = CodeOrigin::NAMES
            .into_iter()
            .filter_map(|(origin, names)| Some((first(names)?, origin)));
        // The first of equal places: `memcpy` of the C library has no other name in it.
        { places }
            .min_by_key(|(place, _)| *place)
            .map_or(CodeOrigin::Other, |(_, origin)| origin)
    }

    pub fn name(self) -> &'static str {
        match self {
            CodeOrigin::Gatefold => "gatefold",
            CodeOrigin::Pingora => "Pingora",
            CodeOrigin::Tokio => "Tokio",
            CodeOrigin::Http => "http, httparse, h2, bytes",
            CodeOrigin::Tls => "rustls, ring",
            CodeOrigin::Allocator => "allocator",
            CodeOrigin::Copying => "copying of memory",
            CodeOrigin::Other => "other",
        }
    }
}

/// The instructions by origin, without those of called functions.
pub type Instructions = BTreeMap<CodeOrigin, u64>;

/// Reads the text of a profile (format: valgrind's manual, "Callgrind Format Specification").
pub fn instructions(profile: &str) -> Instructions {
    let mut origins = BTreeMap::new();
    let mut sums = Instructions::new();
    let mut function = CodeOrigin::Other;
    let mut is_call = false;
    for line in profile.lines() {
        if let Some(name) = line
            .strip_prefix("fn=")
            .or_else(|| line.strip_prefix("cfn="))
        {
            // A name stands only where its number occurs first.
            let (number, name) = name.split_once(' ').unwrap_or((name, ""));
            let origin = origins
                .entry(number)
                .or_insert_with(|| CodeOrigin::of(name));
            if line.starts_with("fn=") {
                function = *origin;
            }
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let count = line
                .split(' ')
                .nth(1)
                .and_then(|count| count.parse::<u64>().ok());
            // The line after a call counts what the called function did.
            if let (false, Some(count)) = (std::mem::take(&mut is_call), count) {
                *sums.entry(function).or_default() += count;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_function_without_its_callees() {
        let profile = "events: Ir\n\nfl=(1) a\nfn=(1) gatefold_proxy::hooks::f\n10 5\n+1 2\ncfn=(2) tokio::spawn\n\
                       calls=3 1\n* 900\n-1 1\n\nfn=(2)\n7 40\n\nfn=(3) main\n1 2\n";
        let expected = [
            (CodeOrigin::Gatefold, 8),
            (CodeOrigin::Tokio, 40),
            (CodeOrigin::Other, 2),
        ];
        assert_eq!(instructions(profile), expected.into());
    }

    #[test]
    fn generic_function_belongs_to_the_crate_that_is_named_first() {
        for (function, origin) in [
            (
                "<pingora_proxy::HttpProxy<gatefold_proxy::Gatefold> as X>::f",
                CodeOrigin::Pingora,
            ),
            (
                "<gatefold_listen::http_stream::HttpStream<S> as tokio::io::AsyncRead>::poll_read",
                CodeOrigin::Gatefold,
            ),
            ("http::header::map::HeaderMap<T>::get", CodeOrigin::Http),
            (
                "pingora_core::protocols::http::v1::server::f",
                CodeOrigin::Pingora,
            ),
            ("__memcpy_avx_unaligned_erms", CodeOrigin::Copying),
            ("_rjem_malloc", CodeOrigin::Allocator),
            ("pthread_mutex_trylock", CodeOrigin::Other),
        ] {
            assert_eq!(CodeOrigin::of(function), origin, "{function}");
        }
    }
}

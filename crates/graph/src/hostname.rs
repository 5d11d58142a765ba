//! The intersection of the hostnames of a listener and a route (API: `Listener.hostname`, `HTTPRouteSpec.hostnames`).

use gatefold_manifest::api::Hostname;

/// Whether any name matches both hostname patterns. A wildcard matches one or more labels, so `*.example.com` intersects
/// with `a.b.example.com`, but not with `example.com`.
fn intersect(left: &Hostname, right: &Hostname) -> bool {
    covers(left, right) || covers(right, left)
}

/// Whether `wide` matches every name that `narrow` matches.
pub(crate) fn covers(wide: &Hostname, narrow: &Hostname) -> bool {
    let Some(suffix) = wide.wildcard_suffix() else {
        return wide == narrow;
    };
    // A wildcard is covered like a name: for `*.b.example.com` and `*.example.com` the rest is `*.b.`.
    let rest = narrow.as_str().strip_suffix(suffix);
    rest.is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// Returns the hostnames of a route that apply at a listener: those that intersect with the listener's hostname. Returns
/// `None` if none does. An empty list means any name.
///
/// The result contains the route's own hostnames, not their intersections with the listener's: "when multiple HTTPRoutes
/// attach to the same Listener and yield identical Listener/Route intersected hostnames, implementations SHOULD evaluate
/// precedence using the original hostnames configured on the Route" (API v1.7.0: `HTTPRouteSpec.hostnames`). A listener
/// receives no request for a host that its own hostname doesn't match, so this admits no further requests.
pub(crate) fn applying(listener: Option<&Hostname>, route: &[Hostname]) -> Option<Vec<Hostname>> {
    let mut applying: Vec<Hostname> = Vec::with_capacity(route.len());
    for hostname in route {
        let applies = listener.is_none_or(|listener| intersect(listener, hostname));
        if applies && !applying.contains(hostname) {
            applying.push(hostname.clone());
        }
    }
    (route.is_empty() || !applying.is_empty()).then_some(applying)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostname(text: &str) -> Hostname {
        Hostname::parse(text).expect("a hostname")
    }

    #[test]
    fn hostnames_intersect_as_the_specification_says() {
        let cases = [
            ("a.example.com", "a.example.com", true),
            ("a.example.com", "b.example.com", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "*.example.com", true),
            ("*.example.com", "*.b.example.com", true),
            ("*.example.com", "badexample.com", false),
            ("*.example.com", "*.example.net", false),
            ("*.b.example.com", "a.example.com", false),
        ];
        for (left, right, expected) in cases {
            let (left, right) = (hostname(left), hostname(right));
            assert_eq!(intersect(&left, &right), expected, "{left} and {right}");
            assert_eq!(intersect(&right, &left), expected, "{right} and {left}");
        }
    }

    #[test]
    fn route_without_hostnames_applies_to_any_name_of_the_listener() {
        let listener = hostname("*.example.com");
        assert_eq!(applying(Some(&listener), &[]), Some(vec![]));
        assert_eq!(applying(None, &[]), Some(vec![]));
    }

    #[test]
    fn leaves_out_hostnames_that_do_not_intersect_with_the_listeners() {
        let listener = hostname("*.example.com");
        let route = [hostname("a.example.net"), hostname("a.example.com")];
        let found = applying(Some(&listener), &route);
        assert_eq!(found, Some(vec![hostname("a.example.com")]));
        assert_eq!(applying(Some(&listener), &route[..1]), None);
    }

    #[test]
    fn returns_the_hostnames_as_the_route_spells_them() {
        let listener = hostname("a.example.com");
        let route = ["*.com", "*.example.com", "*.com"].map(hostname);
        let found = applying(Some(&listener), &route);
        assert_eq!(found.as_deref(), Some(&route[..2]));
    }
}

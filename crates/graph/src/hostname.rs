//! Where the hostnames of a listener and of a route meet (API: `Listener.hostname`, `HTTPRouteSpec.hostnames`).

use gatefold_manifest::api::Hostname;

/// Whether some name matches both of two hostname patterns. A wildcard stands for one or more labels, so
/// `*.example.com` meets `a.b.example.com`, but not `example.com`.
pub fn meet(left: &Hostname, right: &Hostname) -> bool {
    covers(left, right) || covers(right, left)
}

/// Whether every name that `narrow` matches is matched by `wide`.
pub fn covers(wide: &Hostname, narrow: &Hostname) -> bool {
    let Some(suffix) = wide.wildcard_suffix() else {
        return wide == narrow;
    };
    // `*.b.example.com` is covered by `*.example.com` just as a name is: what is left is `*.b.`.
    let rest = narrow.as_str().strip_suffix(suffix);
    rest.is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// The hostnames of a route that are in force at a listener: those that meet the listener's. `None` if there are none;
/// an empty list stands for any name.
///
/// They are the route's own, not their intersections with the listener's: "when multiple HTTPRoutes attach to the same
/// Listener and yield identical Listener/Route intersected hostnames, implementations SHOULD evaluate precedence using
/// the original hostnames configured on the Route" (API v1.7.0: `HTTPRouteSpec.hostnames`). A listener gets no request
/// for a host that its own hostname doesn't match, so nothing more is let in.
pub fn in_force(listener: Option<&Hostname>, route: &[Hostname]) -> Option<Vec<Hostname>> {
    let mut met: Vec<Hostname> = Vec::with_capacity(route.len());
    for hostname in route {
        let meets = listener.is_none_or(|listener| meet(listener, hostname));
        if meets && !met.contains(hostname) {
            met.push(hostname.clone());
        }
    }
    (route.is_empty() || !met.is_empty()).then_some(met)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostname(text: &str) -> Hostname {
        Hostname::parse(text).expect("a hostname")
    }

    #[test]
    fn hostnames_meet_as_the_specification_says() {
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
            assert_eq!(meet(&left, &right), expected, "{left} and {right}");
            assert_eq!(meet(&right, &left), expected, "{right} and {left}");
        }
    }

    #[test]
    fn a_route_without_hostnames_is_for_any_name_of_the_listener() {
        let listener = hostname("*.example.com");
        assert_eq!(in_force(Some(&listener), &[]), Some(vec![]));
        assert_eq!(in_force(None, &[]), Some(vec![]));
    }

    #[test]
    fn hostnames_that_do_not_meet_the_listeners_are_left_out() {
        let listener = hostname("*.example.com");
        let route = [hostname("a.example.net"), hostname("a.example.com")];
        let met = in_force(Some(&listener), &route);
        assert_eq!(met, Some(vec![hostname("a.example.com")]));
        assert_eq!(in_force(Some(&listener), &route[..1]), None);
    }

    #[test]
    fn hostnames_in_force_are_those_that_the_route_is_written_with() {
        let listener = hostname("a.example.com");
        let route = ["*.com", "*.example.com", "*.com"].map(hostname);
        let met = in_force(Some(&listener), &route);
        assert_eq!(met.as_deref(), Some(&route[..2]));
    }
}

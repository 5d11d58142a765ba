//! Where the hostnames of a listener and of a route meet (API: `Listener.hostname`, `HTTPRouteSpec.hostnames`).

use crate::manifest::api::Hostname;

/// What both of two hostname patterns match: the narrower one, or nothing. A wildcard stands for one or
/// more labels, so `*.example.com` meets `a.b.example.com`, but not `example.com`.
pub fn intersection<'a>(left: &'a Hostname, right: &'a Hostname) -> Option<&'a Hostname> {
    if covers(left, right) {
        Some(right)
    } else if covers(right, left) {
        Some(left)
    } else {
        None
    }
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

/// The hostnames in force where a route meets a listener: none at all (`None`), or a list, of which an
/// empty one means any name.
pub fn in_force(listener: Option<&Hostname>, route: &[Hostname]) -> Option<Vec<Hostname>> {
    match listener {
        None => Some(route.to_vec()),
        Some(listener) if route.is_empty() => Some(vec![listener.clone()]),
        Some(listener) => {
            let mut met: Vec<Hostname> = Vec::new();
            for hostname in route
                .iter()
                .filter_map(|hostname| intersection(listener, hostname))
            {
                if !met.contains(hostname) {
                    met.push(hostname.clone());
                }
            }
            (!met.is_empty()).then_some(met)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostname(text: &str) -> Hostname {
        Hostname::parse(text).expect("a hostname")
    }

    fn meet(left: &str, right: &str) -> Option<String> {
        let (left, right) = (hostname(left), hostname(right));
        let there = intersection(&left, &right).map(Hostname::to_string);
        let back = intersection(&right, &left).map(Hostname::to_string);
        assert_eq!(
            there, back,
            "the order of {left} and {right} must not matter"
        );
        there
    }

    #[test]
    fn hostnames_meet_as_the_specification_says() {
        let cases = [
            ("a.example.com", "a.example.com", Some("a.example.com")),
            ("a.example.com", "b.example.com", None),
            ("*.example.com", "a.example.com", Some("a.example.com")),
            ("*.example.com", "a.b.example.com", Some("a.b.example.com")),
            ("*.example.com", "example.com", None),
            ("*.example.com", "*.example.com", Some("*.example.com")),
            ("*.example.com", "*.b.example.com", Some("*.b.example.com")),
            ("*.example.com", "badexample.com", None),
            ("*.example.com", "*.example.net", None),
            ("*.b.example.com", "a.example.com", None),
        ];
        for (left, right, expected) in cases {
            assert_eq!(meet(left, right).as_deref(), expected, "{left} and {right}");
        }
    }

    #[test]
    fn a_route_without_hostnames_takes_the_listeners() {
        let listener = hostname("*.example.com");
        assert_eq!(in_force(Some(&listener), &[]), Some(vec![listener.clone()]));
        assert_eq!(in_force(None, &[]), Some(vec![]), "any name");
    }

    #[test]
    fn hostnames_that_do_not_meet_the_listeners_are_left_out() {
        let listener = hostname("*.example.com");
        let route = [hostname("a.example.net"), hostname("a.example.com")];
        let met = in_force(Some(&listener), &route);
        assert_eq!(met, Some(vec![hostname("a.example.com")]));
        assert_eq!(in_force(Some(&listener), &route[..1]), None);
    }
}

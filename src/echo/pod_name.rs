use crate::stable_hash::fnv1a;
use gatefold_manifest::api::NamespacedName;

/// The letters and digits that Kubernetes makes random names of: none that forms or resembles words.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A name as a Deployment's pods have them, `backend-6c5b7d9f4-x2x9q`: always the same for the same
/// Service, so that outputs can be compared.
pub fn pod_name(service: &NamespacedName) -> String {
    let hash = fnv1a(service.to_string().as_bytes());
    let replica_set = letters(hash, 9);
    let pod = letters(fnv1a(&hash.to_be_bytes()), 5);
    format!("{}-{replica_set}-{pod}", service.name)
}

fn letters(mut number: u64, count: usize) -> String {
    let base = ALPHABET.len() as u64;
    (0..count)
        .map(|_| {
            // The remainder is below the alphabet's length.
            let letter = ALPHABET[(number % base) as usize];
            number /= base;
            char::from(letter)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_shape_of_a_deployments_pods() {
        let name = pod_name(&NamespacedName::new("default", "backend-2"));
        let rest = name
            .strip_prefix("backend-2-")
            .unwrap_or_else(|| panic!("{name} must begin with the Service's name"));
        let parts: Vec<&str> = rest.split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [9, 5],
            "{name}"
        );
        assert!(
            rest.bytes().all(|b| b == b'-' || ALPHABET.contains(&b)),
            "{name} has a letter that Kubernetes doesn't use"
        );
    }

    #[test]
    fn names_differ_by_namespace_and_stay_the_same() {
        let here = pod_name(&NamespacedName::new("default", "backend"));
        assert_eq!(here, pod_name(&NamespacedName::new("default", "backend")));
        assert_ne!(here, pod_name(&NamespacedName::new("other", "backend")));
    }
}

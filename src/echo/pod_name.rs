//! Pod names of echo backends.

use crate::stable_hash::fnv1a;
use gatefold_manifest::api::NamespacedName;

/// The characters of Kubernetes' random names. They form no words.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Returns a name like that of a Deployment's pod, `backend-6c5b7d9f4-x2x9q`. It depends only on the Service, so that
/// outputs can be compared.
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
            // The remainder is less than the alphabet's length.
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
    fn names_have_the_format_of_a_deployments_pods() {
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
    fn names_depend_on_the_namespace_and_are_stable() {
        let here = pod_name(&NamespacedName::new("default", "backend"));
        assert_eq!(here, pod_name(&NamespacedName::new("default", "backend")));
        assert_ne!(here, pod_name(&NamespacedName::new("other", "backend")));
    }
}

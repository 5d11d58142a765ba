//! The value of `--backend`.

use super::ServicePort;
use gatefold_manifest::api::NamespacedName;
use std::str::FromStr;

/// `--backend NS/NAME[:PORT]=HOST:PORT`: the address of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedBackend {
    /// The Service.
    pub service: NamespacedName,
    /// The Service's port; `None` for every port.
    pub service_port: Option<u16>,
    /// A host name or an IP address.
    pub host: String,
    /// The port of the host.
    pub port: u16,
}

impl FixedBackend {
    /// Whether this is the address of a Service's port.
    pub(super) fn serves(&self, (service, port): &ServicePort) -> bool {
        self.service == *service && self.service_port.is_none_or(|it| it == *port)
    }

    /// The Service's port, if the flag names one.
    pub(super) fn named_port(&self) -> Option<ServicePort> {
        Some((self.service.clone(), self.service_port?))
    }
}

impl FromStr for FixedBackend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` isn't of the form NAMESPACE/NAME[:PORT]=HOST:PORT");
        let (service, target) = text.split_once('=').ok_or_else(form)?;
        let (service, service_port) = match service.split_once(':') {
            Some((service, port)) => (service, Some(port.parse().map_err(|_| form())?)),
            None => (service, None),
        };
        let (namespace, name) = service.split_once('/').unwrap_or(("default", service));
        let (host, port) = target.rsplit_once(':').ok_or_else(form)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if namespace.is_empty() || name.is_empty() || host.is_empty() {
            return Err(form());
        }
        Ok(FixedBackend {
            service: NamespacedName::new(namespace, name),
            service_port,
            host: host.to_owned(),
            port: port.parse().map_err(|_| form())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_a_fixed_backend() {
        let parsed: FixedBackend = "shop/cart:80=127.0.0.1:3000".parse().expect("well formed");
        assert_eq!(parsed.service, NamespacedName::new("shop", "cart"));
        assert_eq!(parsed.service_port, Some(80));
        assert_eq!((parsed.host.as_str(), parsed.port), ("127.0.0.1", 3000));
        let parsed: FixedBackend = "cart=[::1]:3000".parse().expect("well formed");
        assert_eq!(parsed.service, NamespacedName::new("default", "cart"));
        assert_eq!((parsed.service_port, parsed.host.as_str()), (None, "::1"));
    }

    #[test]
    fn an_invalid_fixed_backend_is_refused_with_the_expected_form() {
        for text in [
            "cart",
            "cart=host",
            "cart:x=host:1",
            "/cart=host:1",
            "a/b=host:99999",
        ] {
            let error = text.parse::<FixedBackend>().expect_err(text);
            assert!(error.contains("NAMESPACE/NAME[:PORT]=HOST:PORT"), "{error}");
        }
    }
}

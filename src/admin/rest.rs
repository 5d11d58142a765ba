//! Kubernetes' REST shape: from a path to an object, a list, or a `Status` that says why not.

use super::failure::Failure;
use super::kind::{Entry, Kind};
use super::object::object_json;
use super::{discovery, gateway_service, table};
use crate::reload::Published;
use serde_json::{Value, json};
use time::OffsetDateTime;

/// How a client wants to see objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    Objects,
    /// As a table.
    Table,
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
struct Target<'p> {
    kind: &'static Kind,
    namespace: Option<&'p str>,
    name: Option<&'p str>,
}

/// Answers a path below `/api` or `/apis`.
pub(super) fn answer(path: &str, form: Form, published: &Published) -> Result<Value, Failure> {
    let not_found = || Failure::not_found("the server could not find the requested resource");
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match *segments.as_slice() {
        ["api"] => Ok(discovery::core_versions()),
        ["apis"] => Ok(discovery::groups()),
        ["apis", group] => discovery::group(group).ok_or_else(not_found),
        ["api", version] => discovery::resources("", version).ok_or_else(not_found),
        ["apis", group, version] => discovery::resources(group, version).ok_or_else(not_found),
        ["api", version, ref rest @ ..] => {
            let target = target("", version, rest).ok_or_else(not_found)?;
            show(&target, form, published)
        }
        ["apis", group, version, ref rest @ ..] => {
            let target = target(group, version, rest).ok_or_else(not_found)?;
            show(&target, form, published)
        }
        _ => Err(not_found()),
    }
}

fn target<'p>(group: &str, version: &str, rest: &[&'p str]) -> Option<Target<'p>> {
    let (namespace, resource, name) = match *rest {
        // `/api/v1/namespaces/NAME` is the Namespace itself.
        ["namespaces", name] => (None, "namespaces", Some(name)),
        ["namespaces", namespace, resource] => (Some(namespace), resource, None),
        ["namespaces", namespace, resource, name] => (Some(namespace), resource, Some(name)),
        [resource] => (None, resource, None),
        [resource, name] => (None, resource, Some(name)),
        _ => return None,
    };
    let kind = Kind::all()
        .iter()
        .find(|kind| kind.group == group && kind.version == version && kind.resource == resource)?;
    // One object of a namespaced kind needs its namespace, and no other kind has one.
    let fits = match (kind.namespaced, namespace) {
        (true, Some(_)) | (false, None) => true,
        (true, None) => name.is_none(),
        (false, Some(_)) => false,
    };
    fits.then_some(Target {
        kind,
        namespace,
        name,
    })
}

fn show(target: &Target<'_>, form: Form, published: &Published) -> Result<Value, Failure> {
    let Target {
        kind,
        namespace,
        name,
    } = *target;
    let wanted = |entry: &Entry<'_>| {
        namespace.is_none_or(|namespace| &*entry.meta.namespace == namespace)
            && name.is_none_or(|name| &*entry.meta.name == name)
    };
    let objects = kind.objects(&published.loaded.resources);
    let mut found: Vec<Value> = objects
        .iter()
        .filter(|entry| wanted(entry))
        .map(|entry| object_json(kind, entry, &published.statuses))
        .collect();
    if kind.kind == "Service" {
        let made = gateway_service::services(published).into_iter();
        found.extend(made.filter(|service| {
            let is = |field: &str, wanted: Option<&str>| {
                wanted.is_none_or(|wanted| service["metadata"][field] == wanted)
            };
            is("namespace", namespace) && is("name", name)
        }));
    }
    let version = published.generations.applied.to_string();
    match (name, form) {
        (Some(name), _) if found.is_empty() => {
            let resource = match kind.group {
                "" => kind.resource.to_owned(),
                group => format!("{}.{group}", kind.resource),
            };
            Err(Failure::not_found(format!(
                "{resource} \"{name}\" not found"
            )))
        }
        (_, Form::Table) => Ok(table::table(
            kind,
            &found,
            &version,
            OffsetDateTime::now_utc(),
        )),
        (Some(_), Form::Objects) => Ok(found.swap_remove(0)),
        (None, Form::Objects) => Ok(json!({
            "apiVersion": kind.api_version(),
            "kind": format!("{}List", kind.kind),
            "metadata": {"resourceVersion": version},
            "items": found,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> Option<(&'static str, Option<String>, Option<String>)> {
        let segments: Vec<&str> = path.split('/').collect();
        let found = target("gateway.networking.k8s.io", "v1", &segments)
            .or_else(|| target("", "v1", &segments))?;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Some((found.kind.kind, owned(found.namespace), owned(found.name)))
    }

    #[test]
    fn paths_name_a_kind_a_namespace_and_an_object() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts("gateways"), Some(("Gateway", None, None)));
        assert_eq!(
            parts("namespaces/shop/gateways"),
            Some(("Gateway", some("shop"), None))
        );
        assert_eq!(
            parts("namespaces/shop/httproutes/one"),
            Some(("HTTPRoute", some("shop"), some("one")))
        );
        assert_eq!(
            parts("gatewayclasses/c"),
            Some(("GatewayClass", None, some("c")))
        );
        assert_eq!(
            parts("namespaces/shop"),
            Some(("Namespace", None, some("shop")))
        );
        assert_eq!(parts("namespaces"), Some(("Namespace", None, None)));
    }

    #[test]
    fn scope_must_fit_the_kind() {
        assert_eq!(
            parts("gateways/edge"),
            None,
            "an object needs its namespace"
        );
        assert_eq!(parts("namespaces/shop/gatewayclasses/c"), None);
        assert_eq!(parts("namespaces/shop/deployments"), None);
    }

    #[test]
    fn a_missing_object_is_not_found() {
        let path = "/api/v1/namespaces/default/services/nobody";
        assert!(answer(path, Form::Objects, &Published::default()).is_err());
        assert!(answer(path, Form::Table, &Published::default()).is_err());
        let list = answer("/api/v1/services", Form::Objects, &Published::default());
        assert_eq!(list.expect("a list")["kind"], "ServiceList");
    }
}

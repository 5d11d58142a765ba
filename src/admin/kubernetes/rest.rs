//! Answers requests of the Kubernetes API: from a path to an object, a list, a discovery document or an error.

use super::object::object_json;
use super::rest_path::RestPath;
use super::status_error::StatusError;
use super::{discovery, gateway_service, table};
use crate::reload::Published;
use gatefold_manifest::api::NamespacedName;
use gatefold_manifest::{Kind, ObjectRef};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The form in which a client requests objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum Form {
    /// Whole objects.
    Objects,
    /// A table with a row for each object.
    Table,
}

/// Answers a path below `/api` or `/apis`.
pub(in crate::admin) fn answer(
    path: &str,
    form: Form,
    published: &Published,
) -> Result<Value, StatusError> {
    let not_found = || StatusError::not_found("the server could not find the requested resource");
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, version, rest) = match *segments.as_slice() {
        ["api"] => return Ok(discovery::core_versions()),
        ["apis"] => return Ok(discovery::groups()),
        ["apis", group] => return discovery::group(group).ok_or_else(not_found),
        ["api", version, ref rest @ ..] => ("", version, rest),
        ["apis", group, version, ref rest @ ..] => (group, version, rest),
        _ => return Err(not_found()),
    };
    if rest.is_empty() {
        return discovery::resources(group, version).ok_or_else(not_found);
    }
    let path = RestPath::parse(group, version, rest).ok_or_else(not_found)?;
    show(path, form, published)
}

fn show(path: RestPath<'_>, form: Form, published: &Published) -> Result<Value, StatusError> {
    let RestPath { kind, name, .. } = path;
    let mut found = find(path, published);
    let version = published.generations.applied.to_string();
    match (name, form) {
        (Some(name), _) if found.is_empty() => {
            let resource = match kind.group() {
                "" => kind.plural().to_owned(),
                group => format!("{}.{group}", kind.plural()),
            };
            let message = format!("{resource} \"{name}\" not found");
            Err(StatusError::not_found(message))
        }
        (_, Form::Table) => {
            let now = OffsetDateTime::now_utc();
            Ok(table::table(kind, &found, &version, now))
        }
        (Some(_), Form::Objects) => Ok(found.swap_remove(0)),
        (None, Form::Objects) => Ok(json!({
            "apiVersion": kind.api_version(),
            "kind": format!("{}List", kind.name()),
            "metadata": {"resourceVersion": version},
            "items": found,
        })),
    }
}

/// The objects at a path, as JSON.
fn find(path: RestPath<'_>, published: &Published) -> Vec<Value> {
    let (kind, resources) = (path.kind, &published.loaded.resources);
    let objects: Vec<ObjectRef<'_>> = match path.name {
        Some(name) => {
            let key = NamespacedName::new(path.namespace.unwrap_or_default(), name);
            let object = resources.get(kind, &key);
            object.into_iter().collect()
        }
        None => {
            let objects = resources.objects(kind);
            let wanted = |it: &ObjectRef<'_>| {
                let namespace = &*it.meta.namespace;
                path.namespace.is_none_or(|wanted| wanted == namespace)
            };
            objects.filter(wanted).collect()
        }
    };
    let objects = objects.into_iter();
    let objects = objects.map(|object| object_json(kind, object, &published.statuses));
    let mut found: Vec<Value> = objects.collect();
    if kind == Kind::Service {
        let services = gateway_service::services(published).into_iter();
        found.extend(services.filter(|service| {
            let is = |field: &str, wanted: Option<&str>| {
                wanted.is_none_or(|wanted| service["metadata"][field] == wanted)
            };
            is("namespace", path.namespace) && is("name", path.name)
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_object_is_an_error_and_an_empty_list_is_not() {
        let path = "/api/v1/namespaces/default/services/missing";
        assert!(answer(path, Form::Objects, &Published::default()).is_err());
        assert!(answer(path, Form::Table, &Published::default()).is_err());
        let list = answer("/api/v1/services", Form::Objects, &Published::default());
        assert_eq!(list.expect("a list")["kind"], "ServiceList");
    }
}

use super::*;
use crate::filter::Filters;
use crate::filter::cors::{Allowed, Credentials, Exposed, Origins};
use crate::filter::request_mirror::Share;
use api_key::{KeySource, Sanitize};
use http::{HeaderName, HeaderValue};

fn cors(max_age: u32) -> Arc<Cors> {
    Arc::new(Cors {
        origins: Origins::Any,
        credentials: Credentials::Omitted,
        methods: Allowed::Unset,
        headers: Allowed::Unset,
        expose: Exposed::Unset,
        max_age: HeaderValue::from(max_age),
    })
}

fn policy() -> SecurityFilters {
    let users = b"a:{SHA}tESsBmE/yNY3lb6a0L6vVQEZNqw=";
    let sources = vec![KeySource::Header(HeaderName::from_static("x-key"))];
    let keys = ApiKeyFilter::new([("a", &b"k"[..])], sources, None, Sanitize::Keep);
    SecurityFilters {
        oidc: None,
        cors: Some(cors(1)),
        csrf: Some(Arc::new(csrf::CsrfFilter {
            enforced: Share::new(1, 1, 0),
            additional: Vec::new(),
        })),
        api_key: Some(Arc::new(keys.expect("keys"))),
        basic_auth: Some(Arc::new(
            BasicAuthFilter::parse(users, None).expect("users"),
        )),
        jwt: Some(Arc::new(JwtFilter {
            providers: Vec::new(),
            requirement: jwt::TokenRequirement::Required,
        })),
        authorization: Some(Arc::default()),
    }
}

fn shown(own: Vec<Filter>) -> String {
    let mut filters = own;
    policy().add_to(&mut filters);
    Filters::new(filters).to_string()
}

#[test]
fn filters_of_a_policy_come_in_the_order_of_envoy_gateway_before_those_of_the_route() {
    let redirect = Filter::UrlRewrite(crate::filter::url_rewrite::UrlRewrite {
        hostname: Some(HeaderValue::from_static("b.example")),
        path: None,
    });
    let rewrite = Filters::new(vec![redirect]).to_string();
    let redirect = Filter::UrlRewrite(crate::filter::url_rewrite::UrlRewrite {
        hostname: Some(HeaderValue::from_static("b.example")),
        path: None,
    });
    assert_eq!(
        shown(vec![redirect]),
        format!(
            " cors [origins *, max age 1] csrf [all] api key [clients 1, header x-key] basic auth [users 1] \
             jwt [required] authorization [default deny]{rewrite}"
        )
    );
}

#[test]
fn cors_of_the_route_takes_precedence() {
    let own = shown(vec![Filter::Cors(cors(2))]);
    assert!(
        own.starts_with(" cors [origins *, max age 2] csrf"),
        "{own}"
    );
    assert_eq!(own.matches("cors").count(), 1, "{own}");
}

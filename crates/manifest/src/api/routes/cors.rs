//! The filter of type CORS.

use crate::Decoder;
use crate::api::{HeaderName, check_unique, object, refuse, rule};
use gatefold_diagnostic::yaml::Node;

object! {
    /// Which cross-origin requests browsers may send.
    pub closed HTTPCORSFilter checked by HTTPCORSFilter::check {
        /// The allowed origins.
        "allowOrigins" => allow_origins: Vec<String> where rule::origin [0..=64],
        /// Whether credentials such as cookies are allowed.
        "allowCredentials" => allow_credentials: bool = false,
        /// The allowed methods.
        "allowMethods" => allow_methods: Vec<String> where method [0..=9],
        /// The allowed request headers.
        "allowHeaders" => allow_headers: Vec<HeaderName> [0..=64],
        /// The response headers that scripts may read.
        "exposeHeaders" => expose_headers: Vec<HeaderName> [0..=64],
        /// How long the browser may cache the result of a preflight request, in seconds.
        "maxAge" => max_age: i32 = 5,
    }
}

fn method(text: &str) -> Result<(), String> {
    let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*",
    ];
    if methods.contains(&text) {
        Ok(())
    } else {
        Err(format!("`{text}` isn't one of {}", methods.join(", ")))
    }
}

impl HTTPCORSFilter {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        let names = |names: &[HeaderName]| names.iter().map(|name| name.to_string()).collect();
        let lists: [(&'static str, Vec<String>); 4] = [
            ("allowOrigins", self.allow_origins.clone()),
            ("allowMethods", self.allow_methods.clone()),
            ("allowHeaders", names(&self.allow_headers)),
            ("exposeHeaders", names(&self.expose_headers)),
        ];
        for (field, list) in &lists {
            check_unique(node, field, list.iter().map(Some), "appears twice", decoder);
            let any = list.len() > 1 && list.iter().any(|text| text == "*");
            if any && *field != "exposeHeaders" {
                refuse(
                    node,
                    field,
                    "`*` allows everything, so it must be the only entry",
                    decoder,
                );
            }
        }
        if self.max_age < 1 {
            refuse(node, "maxAge", "must be at least 1", decoder);
        }
    }
}

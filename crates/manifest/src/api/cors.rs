use super::{HeaderName, check_unique, object, refuse, rule};
use crate::Decoder;
use gatefold_diagnostic::yaml::Node;

object! {
    /// What is answered to browsers that ask from another origin.
    pub closed HTTPCORSFilter checked by HTTPCORSFilter::check {
        /// The origins that may ask.
        "allowOrigins" => allow_origins: Vec<String> where rule::origin [0..=64],
        /// Whether with cookies and the like.
        "allowCredentials" => allow_credentials: bool = false,
        /// With these methods.
        "allowMethods" => allow_methods: Vec<String> where method [0..=9],
        /// With these headers.
        "allowHeaders" => allow_headers: Vec<HeaderName> [0..=64],
        /// Response headers that scripts may see.
        "exposeHeaders" => expose_headers: Vec<HeaderName> [0..=64],
        /// How long the browser may keep the answer, in seconds.
        "maxAge" => max_age: i32 = 5,
    }
}

fn method(text: &str) -> Result<(), String> {
    let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*",
    ];
    match methods.contains(&text) {
        true => Ok(()),
        false => Err(format!("`{text}` isn't one of {}", methods.join(", "))),
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
            check_unique(node, field, list.iter().map(Some), "stands twice", decoder);
            let any = list.len() > 1 && list.iter().any(|text| text == "*");
            if any && *field != "exposeHeaders" {
                refuse(
                    node,
                    field,
                    "`*` stands for all, so it stands alone",
                    decoder,
                );
            }
        }
        if self.max_age < 1 {
            refuse(node, "maxAge", "must be at least 1", decoder);
        }
    }
}

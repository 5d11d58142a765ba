//! What fuzzers call: each module has a function `check`, which gets any bytes and panics if gatefold would do something wrong
//! with them.
//!
//! `./x fuzz` runs them under libFuzzer. The tests run them on the seeds and on what fuzzing has found, in `fuzz/seeds`.

pub mod access_log_format;
pub mod client_certificate;
pub mod csrf_origin;
pub mod json_web_key_set;
pub mod json_web_token;
pub mod manifests;
pub mod path;
pub mod proxy_header;

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Runs a target on its seeds.
    fn check_seeds(target: &str, check: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("seeds")
            .join(target);
        let files = folder.read_dir().expect("a folder of seeds");
        let seeds: Vec<Vec<u8>> = files
            .map(|file| std::fs::read(file.expect("an entry").path()).expect("a seed"))
            .collect();
        assert!(!seeds.is_empty(), "{target} has no seeds");
        seeds.iter().for_each(|seed| check(seed));
    }

    #[test]
    fn access_log_formats() {
        check_seeds("access_log_format", crate::access_log_format::check);
    }

    #[test]
    fn client_certificates() {
        check_seeds("client_certificate", crate::client_certificate::check);
    }

    #[test]
    fn csrf_origins() {
        check_seeds("csrf_origin", crate::csrf_origin::check);
    }

    #[test]
    fn json_web_key_sets() {
        check_seeds("json_web_key_set", crate::json_web_key_set::check);
    }

    #[test]
    fn json_web_tokens() {
        check_seeds("json_web_token", crate::json_web_token::check);
    }

    #[test]
    fn manifests() {
        check_seeds("manifests", crate::manifests::check);
    }

    #[test]
    fn paths() {
        check_seeds("path", crate::path::check);
    }

    #[test]
    fn proxy_headers() {
        check_seeds("proxy_header", crate::proxy_header::check);
    }
}

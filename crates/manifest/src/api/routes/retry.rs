//! Retries of rules.

use crate::Decoder;
use crate::api::{Duration, check_unique, object, refuse};
use gatefold_diagnostic::yaml::Node;

object! {
    /// When a request is retried.
    pub closed HTTPRouteRetry checked by HTTPRouteRetry::check {
        /// The status codes that cause a retry, 400 to 599.
        "codes" => codes: Vec<i32>,
        /// The maximum number of retries after the first attempt; 0 for none.
        "attempts" => attempts: i32 = 1,
        /// The base for the pauses before retries.
        "backoff" => backoff: Option<Duration>,
    }
}

impl HTTPRouteRetry {
    fn check(&self, node: &Node, decoder: &mut Decoder) {
        if let Some(code) = self.codes.iter().find(|code| !(400..=599).contains(*code)) {
            let why = format!("{code} isn't a status from 400 to 599");
            refuse(node, "codes", &why, decoder);
        }
        let codes = self.codes.iter().map(Some);
        check_unique(node, "codes", codes, "the status appears twice", decoder);
        if self.attempts < 0 {
            refuse(node, "attempts", "must be at least 0", decoder);
        }
    }
}

//! `SecurityPolicy.spec.csrf`.

use super::cors::origin;
use crate::api::{Fraction, object};

object! {
    /// Protection against requests that another site makes a browser send.
    #[derive(Default)]
    pub closed CSRF {
        /// The share of requests that are only observed; absent for none.
        "shadowFraction" => shadow_fraction: Option<Fraction>,
        /// Origins that may send requests, too. Their schemes don't matter.
        "additionalOrigins" => additional_origins: Vec<String> where origin [0..=16],
    }
}

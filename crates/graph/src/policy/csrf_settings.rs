//! `csrf` of a SecurityPolicy.

use gatefold_dataplane::filter::request_mirror::Share;
use gatefold_dataplane::filter::security::csrf::{CsrfFilter, HostPattern};
use gatefold_manifest::api::{CSRF, Fraction};

/// Reads the settings.
///
/// # Errors
/// If an origin can't be compared. Contains the message.
pub(super) fn read(fields: &CSRF) -> Result<CsrfFilter, String> {
    let patterns = fields.additional_origins.iter().map(|text| {
        let pattern = HostPattern::parse(text);
        pattern.ok_or_else(|| format!("gatefold can't compare origins with `{text}`"))
    });
    Ok(CsrfFilter {
        enforced: enforced(fields.shadow_fraction.as_ref()),
        additional: patterns.collect::<Result<_, _>>()?,
    })
}

/// Returns the share of requests that aren't only observed. The decoder has checked the fraction.
fn enforced(observed: Option<&Fraction>) -> Share {
    let Some(fraction) = observed else {
        return Share::new(1, 1, 0);
    };
    let denominator = u32::try_from(fraction.denominator).unwrap_or(1);
    let observed = u32::try_from(fraction.numerator).unwrap_or(0);
    Share::new(denominator.saturating_sub(observed), denominator, 0)
}

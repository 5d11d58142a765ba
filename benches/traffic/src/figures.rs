//! Statistics of measurements.

/// The smallest value such that this share (0 to 1) of all values is at most as large; zero if there are no values.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

//! Suggestions for words that are probably slips of the pen.

/// "did you mean `http`?", when one of the known words is near.
pub fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    // Nothing that long is a slip of the pen, and comparing it would cost.
    if word.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|candidate| {
            let distance =
                strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase());
            (distance, *candidate)
        })
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}

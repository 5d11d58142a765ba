//! Suggestions for words that are probably typing errors.

/// Returns "did you mean `http`?" if one of the known words is similar.
pub fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    nearest(word, known).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// The most similar of the known words. `None` if none is so similar that the word is probably a typing error.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // A word this long is no typing error, and comparing it would be expensive.
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
        .map(|(_, candidate)| candidate)
}

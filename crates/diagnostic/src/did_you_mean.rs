//! Suggestions for words that are probably slips of the pen.

/// "did you mean `http`?", when one of the known words is near.
pub fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    nearest(word, known).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// The nearest of the known words, if it is so near that the word is probably a slip.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
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
        .map(|(_, candidate)| candidate)
}

/// The longest name that is compared: the time that takes grows with its length.
const MOST_BYTES: usize = 253;

/// Returns the candidate that `name` is most likely a misspelling of.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > MOST_BYTES {
        return None;
    }
    let name = name.to_lowercase();
    let most = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&name, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_found_and_another_word_is_not() {
        let columns = ["name", "namespace", "kind", "ts"];
        assert_eq!(nearest("nmaespace", columns), Some("namespace"));
        assert_eq!(nearest("KIND", columns), Some("kind"));
        assert_eq!(nearest("t", columns), Some("ts"));
        assert_eq!(nearest("replicas", columns), None);
    }
}

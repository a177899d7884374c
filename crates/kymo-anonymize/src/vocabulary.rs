//! Words that everybody uses, and that tell nothing of who did.

use std::collections::HashSet;
use std::sync::LazyLock;

macro_rules! lists {
    ($($(#[$meta:meta])* $name:ident = $file:literal;)+) => {
        $($(#[$meta])* pub(crate) static $name: List = List(LazyLock::new(|| {
            words(include_str!(concat!("vocabulary/", $file)))
        }));)+

        #[cfg(test)]
        const LISTS: &[(&str, &List)] = &[$((stringify!($name), &$name),)+];
    };
}

/// A closed list of words.
pub(crate) struct List(LazyLock<HashSet<&'static str>>);

impl List {
    /// Tells whether a word is on the list, spelled as it is there.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.contains(word)
    }
}

lists! {
    /// Types, phases, reasons, verbs, protocols.
    WORDS = "words.txt";
    /// Groups, resources, drivers, controllers, finalizers.
    API = "api.txt";
    /// Kinds.
    KINDS = "kinds.txt";
    /// Keys of labels and taints.
    LABEL_KEYS = "label-keys.txt";
    /// Keys of annotations.
    ANNOTATION_KEYS = "annotation-keys.txt";
    /// Names that every cluster has.
    NAMES = "names.txt";
    /// Fields of objects.
    FIELDS = "fields.txt";
    /// Words of messages.
    TEXT = "text.txt";
    /// Names of environment variables.
    ENVIRONMENT = "environment.txt";
    /// Parts of paths.
    PATHS = "paths.txt";
    /// Names of clients.
    AGENTS = "agents.txt";
}

fn words(file: &'static str) -> HashSet<&'static str> {
    file.lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .collect()
}

/// Tells whether a word of a message is one that messages of Kubernetes are made of.
pub(crate) fn is_text(word: &str) -> bool {
    if TEXT.has(word) || WORDS.has(word) || KINDS.has(word) {
        return true;
    }
    // The first word of a sentence.
    let mut letters = word.chars();
    match letters.next() {
        Some(first) if first.is_ascii_uppercase() => {
            let mut small = first.to_ascii_lowercase().to_string();
            small.push_str(letters.as_str());
            TEXT.has(&small)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_has_words_and_no_word_twice() {
        for (name, list) in LISTS {
            assert!(list.0.len() > 20, "{name}");
        }
        for file in [
            include_str!("vocabulary/words.txt"),
            include_str!("vocabulary/text.txt"),
            include_str!("vocabulary/names.txt"),
        ] {
            let lines = file.lines().skip(1).flat_map(str::split_whitespace);
            assert_eq!(lines.count(), words(file).len());
        }
    }

    #[test]
    fn words_of_messages_may_begin_a_sentence() {
        assert!(is_text("pulling") && is_text("Pulling") && is_text("FailedScheduling"));
        assert!(!is_text("PULLING") && !is_text("acme") && !is_text(""));
    }
}

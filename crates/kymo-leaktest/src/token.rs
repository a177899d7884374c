use std::collections::{BTreeMap, BTreeSet};

use crate::leak::Place;
use crate::vocabulary::{is_phrase, is_public, is_word};

/// What a token identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Class {
    /// What a rule for secrets matches.
    Secret,
    /// A person or program that acted.
    User,
    /// An e-mail address.
    Email,
    /// An IP address.
    Ip,
    /// A uid, machine id, container id or other number of one thing.
    Id,
    /// A host name or URL.
    Host,
    /// The name of an object, or of a part of it.
    Name,
    /// A label's key or value, a taint's or a topology's.
    Label,
    /// A part of an image reference.
    Image,
    /// The value of an environment variable.
    Env,
    /// A word of a command.
    Argument,
    /// A key or value of a `ConfigMap` or `Secret`.
    Data,
    /// The value of an annotation.
    Annotation,
    /// A text of a custom resource.
    Custom,
    /// An API group or a kind that is not Kubernetes' own.
    Type,
}

impl Class {
    /// Returns the word for it in a report.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::User => "user",
            Self::Email => "e-mail",
            Self::Ip => "IP address",
            Self::Id => "id",
            Self::Host => "host",
            Self::Name => "name",
            Self::Label => "label",
            Self::Image => "image",
            Self::Env => "environment value",
            Self::Argument => "argument",
            Self::Data => "data",
            Self::Annotation => "annotation",
            Self::Custom => "custom resource",
            Self::Type => "type",
        }
    }

    /// Whether a token of it counts even if its words are public.
    fn is_sure(self) -> bool {
        matches!(self, Self::Secret | Self::Email | Self::Ip | Self::Id)
    }

    /// Whether people and programs write it in words of the API: options, variables, keys.
    fn is_phrased(self) -> bool {
        matches!(
            self,
            Self::Env | Self::Argument | Self::Data | Self::Annotation | Self::Custom
        )
    }

    /// Whether its words are split at hyphens.
    fn has_words(self) -> bool {
        matches!(
            self,
            Self::Name | Self::Label | Self::Image | Self::Host | Self::User | Self::Type
        )
    }
}

/// The longest text that is searched for as it is; of longer ones this many bytes are.
const MAX_TOKEN_BYTES: usize = 96;
/// Shorter words are too common to be searched for.
const MIN_TOKEN_BYTES: usize = 4;
/// From this length on, a token counts wherever it stands.
const STRONG_BYTES: usize = 8;
/// Runs of this many hyphenated words are made of a name.
const MAX_WORDS: usize = 8;

/// Where a token came from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) class: Class,
    /// The token as it was written.
    pub(crate) cased: String,
    pub(crate) place: Place,
}

/// The identifying tokens of a trace, in lower case.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    found: BTreeMap<String, Origin>,
    short: BTreeSet<String>,
}

impl Tokens {
    /// Takes a text that identifies, and the parts of it that would.
    pub(crate) fn add(&mut self, class: Class, text: &str, place: &dyn Fn() -> Place) {
        // `web-` is the stem of generated names.
        let text = text.trim().trim_end_matches('-');
        let whole = text.to_lowercase();
        if !class.is_sure() && (is_plain_value(&whole) || is_public(&whole)) {
            return;
        }
        self.add_one(class, text, class.is_sure(), place);
        if class == Class::Secret {
            return;
        }
        let pieces = text.split(|c: char| "/:@=,;\"'()[]{}<>".contains(c) || c.is_whitespace());
        for piece in pieces {
            let piece = piece.trim_matches(['.', '-', '_']);
            if piece.is_empty() {
                continue;
            }
            self.add_one(class, piece, false, place);
            if class.has_words() {
                for label in piece.split('.') {
                    self.add_one(class, label, false, place);
                    self.add_runs(class, label, place);
                }
            }
        }
    }

    /// Takes every run of words of a hyphenated name.
    fn add_runs(&mut self, class: Class, name: &str, place: &dyn Fn() -> Place) {
        let words: Vec<&str> = name.split(['-', '_']).take(MAX_WORDS).collect();
        for first in 0..words.len() {
            for last in first + 1..=words.len() {
                let run = words.get(first..last).unwrap_or_default();
                // A run of public words alone is a name only as a whole.
                let is_public = run.iter().all(|word| is_word(&word.to_lowercase()));
                if run.len() < words.len() && is_public {
                    continue;
                }
                self.add_one(class, &run.join("-"), false, place);
            }
        }
    }

    /// Takes one token; of one that is not sure, plain values and public names are none.
    fn add_one(&mut self, class: Class, token: &str, is_sure: bool, place: &dyn Fn() -> Place) {
        let mut end = token.len().min(MAX_TOKEN_BYTES);
        while !token.is_char_boundary(end) {
            end -= 1;
        }
        let cased = token.get(..end).unwrap_or_default();
        let token = cased.to_lowercase();
        if token.is_empty() || self.found.contains_key(&token) {
            return;
        }
        if is_word(&token) || !is_sure && (is_public(&token) || is_plain_value(&token)) {
            return;
        }
        if class.is_phrased() && is_phrase(&token) {
            return;
        }
        // Four hexadecimal digits are a part of every second uid.
        let is_hex = token.bytes().all(|byte| byte.is_ascii_hexdigit());
        if token.len() < MIN_TOKEN_BYTES || token.len() == MIN_TOKEN_BYTES && is_hex {
            self.short.insert(token);
            return;
        }
        let origin = Origin {
            class,
            cased: cased.to_owned(),
            place: place(),
        };
        self.found.insert(token, origin);
    }

    /// Returns the tokens in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.found
            .iter()
            .map(|(token, origin)| (token.as_str(), origin))
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// Returns how many words were too short to be searched for.
    pub(crate) fn too_short(&self) -> usize {
        self.short.len()
    }
}

/// Tells whether a token counts wherever it stands, and not only as a word of its own.
pub(crate) fn is_strong(token: &str) -> bool {
    token.len() >= STRONG_BYTES
}

/// Truth values, numbers, quantities and times: they are values of everything.
fn is_plain_value(token: &str) -> bool {
    if matches!(token, "true" | "false" | "null" | "none") {
        return true;
    }
    let digits = token.bytes().filter(u8::is_ascii_digit).count();
    if digits == 0 {
        return false;
    }
    let is_time = token.len() >= 20
        && token
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"-:.tz+".contains(&byte));
    let letters = token.bytes().filter(u8::is_ascii_alphabetic).count();
    let is_number = letters <= 2
        && token
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_digit() || byte == b'-')
        && token
            .bytes()
            .skip_while(|byte| byte.is_ascii_digit() || b".-%".contains(byte))
            .all(|byte| b"mkgtpeinusdh".contains(&byte));
    // As Go writes it: `1h30m0s`.
    let is_duration = token.ends_with(['s', 'm', 'h'])
        && digits <= 6
        && token.starts_with(|first: char| first.is_ascii_digit())
        && token
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"hmsun.".contains(&byte));
    // Long numbers are account numbers and the like.
    is_time || is_duration || is_number && digits < STRONG_BYTES
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn tokens(class: Class, text: &str) -> Vec<String> {
        let mut tokens = Tokens::default();
        tokens.add(class, text, &Place::default);
        tokens.iter().map(|(token, _)| token.to_owned()).collect()
    }

    #[test]
    fn a_name_gives_its_words_and_their_runs_but_not_public_words() {
        assert_eq!(
            tokens(Class::Name, "checkout-api-7d9f8c6b5-x2x4z"),
            [
                "7d9f8c6b5",
                "7d9f8c6b5-x2x4z",
                "api-7d9f8c6b5",
                "api-7d9f8c6b5-x2x4z",
                "checkout",
                "checkout-api",
                "checkout-api-7d9f8c6b5",
                "checkout-api-7d9f8c6b5-x2x4z",
                "x2x4z",
            ]
        );
    }

    #[test]
    fn a_name_of_public_words_is_one_token() {
        assert_eq!(tokens(Class::Name, "node-service"), ["node-service"]);
    }

    #[rstest]
    #[case("true")]
    #[case("500m")]
    #[case("128Mi")]
    #[case("1.5")]
    #[case("10m0s")]
    #[case("2026-01-01T00:00:00Z")]
    #[case("kube-system")]
    fn plain_values_identify_nobody(#[case] text: &str) {
        assert_eq!(tokens(Class::Label, text), Vec::<String>::new());
    }

    #[test]
    fn account_numbers_identify() {
        assert_eq!(tokens(Class::Annotation, "123456789012"), ["123456789012"]);
    }

    #[test]
    fn short_words_are_counted() {
        let mut tokens = Tokens::default();
        tokens.add(Class::Name, "xy", &Place::default);
        assert_eq!((tokens.len(), tokens.too_short()), (0, 1));
    }
}

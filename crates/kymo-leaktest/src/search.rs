use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::Error;
use crate::spelling::spellings;
use crate::token::{Class, Tokens, is_strong};
use crate::vocabulary;

/// How many tokens one automaton searches for: its size in memory is bounded so.
const TOKENS_EACH: usize = 50_000;
/// How far around a token is looked for what it is a part of.
const MOST_AROUND: usize = 128;
/// Parts of names from this length on are told from the beginnings of others.
const SHORT_PART: usize = 4;

/// What a text was found to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hit {
    /// The number of the token, in their order.
    pub(crate) token: usize,
    pub(crate) spelling: &'static str,
}

/// Searches texts for all tokens at once.
#[derive(Debug)]
pub(crate) struct Search {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    automaton: AhoCorasick,
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    hit: Hit,
    /// Whether letters and figures may stand before and behind it.
    goes_on: (bool, bool),
    bytes: usize,
}

impl Search {
    pub(crate) fn new(tokens: &Tokens) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut texts = Vec::new();
        let mut patterns = Vec::new();
        for (number, (token, origin)) in tokens.iter().enumerate() {
            let is_word = !is_strong(token) && !matches!(origin.class, Class::Secret);
            for spelling in spellings(token, origin) {
                patterns.push(Pattern {
                    hit: Hit {
                        token: number,
                        spelling: spelling.name,
                    },
                    // A short address ends where its digits end.
                    goes_on: if is_word || origin.class == Class::Ip {
                        (false, false)
                    } else {
                        open_ends(&spelling.text)
                    },
                    bytes: spelling.text.len(),
                });
                texts.push(spelling.text);
            }
            if (number + 1) % TOKENS_EACH == 0 || number + 1 == tokens.len() {
                let automaton = AhoCorasick::builder()
                    .ascii_case_insensitive(true)
                    .match_kind(MatchKind::Standard)
                    .kind(Some(AhoCorasickKind::ContiguousNFA))
                    .build(&texts)
                    .map_err(|source| Error::Search {
                        tokens: tokens.len(),
                        source,
                    })?;
                texts.clear();
                parts.push(Part {
                    automaton,
                    patterns: std::mem::take(&mut patterns),
                });
            }
        }
        Ok(Self { parts })
    }

    /// Returns what a text holds, each token once.
    pub(crate) fn hits(&self, text: &[u8]) -> Vec<Hit> {
        self.find(text, 0)
    }

    /// Returns what bytes hold that are not text throughout: chance makes short words of them, so
    /// only longer tokens count.
    pub(crate) fn hits_in_bytes(&self, bytes: &[u8]) -> Vec<Hit> {
        self.find(bytes, 8)
    }

    fn find(&self, text: &[u8], at_least: usize) -> Vec<Hit> {
        let mut hits = Vec::new();
        for part in &self.parts {
            for found in part.automaton.find_overlapping_iter(text) {
                let Some(pattern) = part.patterns.get(found.pattern().as_usize()) else {
                    continue;
                };
                let is_meant = ends_at(text, found.start(), found.end(), pattern.goes_on);
                let is_long = pattern.bytes >= at_least;
                if is_meant && is_long && !is_in_public(text, found.start(), found.end()) {
                    hits.push(pattern.hit);
                }
            }
        }
        hits.sort_unstable();
        hits.dedup_by_key(|hit| hit.token);
        hits
    }
}

/// Tells whether what was found is a part of something longer that every cluster has: of a word of
/// the API (`policy` of `trafficPolicy`), of a public key or of a public name.
fn is_in_public(text: &[u8], start: usize, end: usize) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric();
    let is_key = |byte: u8| is_word(byte) || b"._/-".contains(&byte);
    longer(text, start, end, is_word).is_some_and(|word| vocabulary::is_word(&word))
        || longer(text, start, end, is_key).is_some_and(|key| vocabulary::is_known(&key))
}

/// Returns, in small letters, the run of such bytes around what was found, if it is longer.
fn longer(text: &[u8], start: usize, end: usize, goes_on: impl Fn(u8) -> bool) -> Option<String> {
    let before = text.get(..start)?.iter().rev().take(MOST_AROUND);
    let behind = text.get(end..)?.iter().take(MOST_AROUND);
    let first = start - before.take_while(|byte| goes_on(**byte)).count();
    let last = end + behind.take_while(|byte| goes_on(**byte)).count();
    let run = std::str::from_utf8(text.get(first..last)?).ok()?;
    let run = run.trim_matches(['.', '_', '/', '-']);
    (run.len() > end - start).then(|| run.to_ascii_lowercase())
}

/// Tells at which ends a token may go on: not where a part of it is too short to be told from the
/// beginning of another one, as in `api-1` and `api-17`.
fn open_ends(token: &str) -> (bool, bool) {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric();
    let count =
        |bytes: &mut dyn Iterator<Item = &u8>| bytes.take_while(|byte| is_letter(byte)).count();
    let bytes = token.as_bytes();
    let is_long = |count: usize| count == 0 || count >= SHORT_PART;
    (
        is_long(count(&mut bytes.iter())),
        is_long(count(&mut bytes.iter().rev())),
    )
}

/// Tells whether what was found ends where it must.
fn ends_at(text: &[u8], start: usize, end: usize, (before, behind): (bool, bool)) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let first = start.checked_sub(1).and_then(|before| text.get(before));
    (before || is_edge(first)) && (behind || is_edge(text.get(end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak::Place;

    fn search(class: Class, token: &str) -> Search {
        let mut tokens = Tokens::default();
        tokens.add(class, token, &Place::default);
        Search::new(&tokens).unwrap()
    }

    #[test]
    fn long_names_are_found_inside_words_and_short_ones_as_words() {
        let long = search(Class::Name, "checkout");
        assert_eq!(long.hits(b"MYCHECKOUTS").len(), 1);
        let short = search(Class::Name, "shopx");
        assert_eq!(short.hits(b"the shopx/web").len(), 1);
        assert_eq!(short.hits(b"workshopx").len(), 0);
    }

    #[test]
    fn a_part_of_what_every_cluster_has_is_no_survivor_and_next_to_it_one_is() {
        let field = search(Class::Type, "trafficpolicy");
        assert_eq!(field.hits(b"internalTrafficPolicy").len(), 0);
        assert_eq!(field.hits(b"zebraTrafficPolicy").len(), 1);
        assert_eq!(field.hits(b"trafficPolicy").len(), 1);
        let key = search(Class::Label, "cert-manager");
        assert_eq!(key.hits(b"cert-manager.io/cluster-issuer").len(), 0);
        assert_eq!(key.hits(b"cert-manager.zebra.io/cluster-issuer").len(), 1);
        assert_eq!(
            key.hits(b"cert-manager.io/cluster-issuer: cert-manager")
                .len(),
            1
        );
    }

    #[test]
    fn a_short_part_at_an_end_is_not_found_in_a_longer_one() {
        let search = search(Class::Name, "namespace-x1");
        assert_eq!(search.hits(b"namespace-x17").len(), 0);
        assert_eq!(search.hits(b"namespace.x1").len(), 1);
        assert_eq!(search.hits(b"mynamespace-x1").len(), 1);
    }

    #[test]
    fn an_address_is_not_found_in_a_longer_one() {
        let search = search(Class::Ip, "10.1.2.3");
        assert_eq!(search.hits(b"10.1.2.33").len(), 0);
        assert_eq!(search.hits(b"ip-10-1-2-3.lan").len(), 1);
    }
}

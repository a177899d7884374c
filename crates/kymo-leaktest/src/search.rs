use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::Error;
use crate::spelling::spellings;
use crate::token::{Class, Tokens, is_strong};

/// How many tokens one automaton searches for: its size in memory is bounded so.
const TOKENS_EACH: usize = 50_000;

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
    /// It counts only as a word of its own.
    is_word: bool,
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
                    is_word: is_word || origin.class == Class::Ip,
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
                let is_meant = !pattern.is_word || is_word_at(text, found.start(), found.end());
                if is_meant && pattern.bytes >= at_least {
                    hits.push(pattern.hit);
                }
            }
        }
        hits.sort_unstable();
        hits.dedup_by_key(|hit| hit.token);
        hits
    }
}

fn is_word_at(text: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|before| text.get(before));
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    is_edge(before) && is_edge(text.get(end))
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
    fn an_address_is_not_found_in_a_longer_one() {
        let search = search(Class::Ip, "10.1.2.3");
        assert_eq!(search.hits(b"10.1.2.33").len(), 0);
        assert_eq!(search.hits(b"ip-10-1-2-3.lan").len(), 1);
    }
}

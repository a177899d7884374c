//! Free text: messages of Events and conditions.

use super::label::is_small_number;
use super::name::is_uuid;
use crate::anonymizer::Anonymizer;
use crate::failure::Failure;
use crate::names::{Known, Parts};
use crate::policy::Text;
use crate::tokens::{Domain, TOKEN};
use crate::vocabulary;

/// What stands for words that are not kept.
pub(crate) const REDACTED: &str = "⟨redacted⟩";
/// Where words end.
const DELIMITERS: &[char] = &[
    '"', '\'', '`', '(', ')', '[', ']', '{', '}', '<', '>', ',', ';', '|', '\\', '=', '&', '!',
    '?', '#', '$', '^', '~', '*', '+', '“', '”', '‘', '’',
];

impl Anonymizer {
    /// Replaces known names, keeps words that messages of Kubernetes are made of, numbers and
    /// marks; everything else goes.
    pub(crate) fn text(&mut self, text: &str) -> Result<String, Failure> {
        if self.policy.text == Text::Drop {
            return Ok(REDACTED.to_owned());
        }
        let mut replaced = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(ends_word).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            self.text_word(word, &mut replaced)?;
            let mut letters = behind.chars();
            if let Some(mark) = letters.next() {
                replaced.push(if mark.is_control() && !mark.is_whitespace() {
                    ' '
                } else {
                    mark
                });
            }
            rest = letters.as_str();
        }
        Ok(collapse(&replaced))
    }

    /// Replaces a word with the marks of a sentence around it.
    fn text_word(&mut self, word: &str, out: &mut String) -> Result<(), Failure> {
        if word.is_empty() {
            return Ok(());
        }
        if let Some(whole) = self.text_token(word)? {
            out.push_str(&whole);
            return Ok(());
        }
        let core = word.trim_end_matches(['.', ':', '-', '/']);
        let (core, tail) = word.split_at(core.len());
        let begin = core.trim_start_matches(['-', '/', '.', ':']);
        let (head, core) = core.split_at(core.len() - begin.len());
        out.push_str(head);
        if !core.is_empty() {
            match self.text_token(core)? {
                Some(token) => out.push_str(&token),
                None => match self.text_compound(core)? {
                    Some(compound) => out.push_str(&compound),
                    None => out.push_str(REDACTED),
                },
            }
        }
        out.push_str(tail);
        Ok(())
    }

    /// Replaces one word; `None` if nothing is known of it.
    fn text_token(&mut self, word: &str) -> Result<Option<String>, Failure> {
        if let Some(known) = self.spelled(word)? {
            return Ok(Some(known));
        }
        if vocabulary::is_text(word) || is_figure(word) {
            return Ok(Some(word.to_owned()));
        }
        if let Some(replaced) = self.by_form(word)? {
            return Ok(Some(replaced));
        }
        if vocabulary::API.has(word)
            || vocabulary::NAMES.has(word)
            || vocabulary::LABEL_KEYS.has(word)
        {
            return Ok(Some(word.to_owned()));
        }
        if let Some((user, host)) = word.split_once('@')
            && host.contains('.')
            && !host.contains(['@', '/', ':'])
        {
            let user = self.tokens.token(Domain::Actor, user, TOKEN)?;
            return Ok(Some(format!("{user}@{}", self.outer_host(host)?)));
        }
        if word.starts_with("system:") {
            return self.actor(word).map(Some);
        }
        if word.contains("://") {
            return self.url(word).map(Some);
        }
        // A name that is made as others are.
        if matches!(
            self.names.parts(word),
            Parts::Derived(..) | Parts::Joined(..)
        ) {
            return self.name(word).map(Some);
        }
        Ok(None)
    }

    /// Replaces a known name in any of its spellings: as it is, in small letters, with dashes for
    /// underscores.
    fn spelled(&mut self, word: &str) -> Result<Option<String>, Failure> {
        if let Some(known) = self.names.known(word) {
            return self.known_text(known, word).map(Some);
        }
        if vocabulary::is_text(word) || !word.bytes().any(|b| b.is_ascii_uppercase() || b == b'_') {
            return Ok(None);
        }
        let small = word.to_ascii_lowercase();
        for spelling in [small.replace('_', "-"), small] {
            if let Some(known @ (Known::Name | Known::Namespace)) = self.names.known(&spelling) {
                return self.known_text(known, &spelling).map(Some);
            }
        }
        Ok(None)
    }

    /// Replaces what is written in several parts, if each of them is known.
    fn text_compound(&mut self, word: &str) -> Result<Option<String>, Failure> {
        for mark in ['/', ':', '@'] {
            if !word.contains(mark) {
                continue;
            }
            let mut parts = Vec::new();
            for (place, part) in word.split(mark).enumerate() {
                let replaced = match part {
                    "" => Some(String::new()),
                    // `namespace/name`
                    part if mark == '/' && place == 0 && self.names.is_namespace(part) => {
                        Some(self.namespace(part)?)
                    }
                    part => match self.text_token(part)? {
                        Some(token) => Some(token),
                        None if mark == '/' && vocabulary::PATHS.has(part) => Some(part.to_owned()),
                        None if mark == '@' => None,
                        None => self.text_compound(part)?,
                    },
                };
                match replaced {
                    Some(part) => parts.push(part),
                    None => return Ok(None),
                }
            }
            return Ok(Some(parts.join(&mark.to_string())));
        }
        Ok(None)
    }

    /// Replaces the names in the path of a field: `spec.containers{web}`, `metadata.labels['app']`.
    pub(crate) fn field_path(&mut self, path: &str) -> Result<String, Failure> {
        let end = path.find(['{', '[']).unwrap_or(path.len());
        let (fields, inside) = path.split_at(end);
        let mut replaced = Vec::new();
        for field in fields.split('.') {
            replaced.push(match field {
                "" => String::new(),
                field => self.field_name(field)?,
            });
        }
        let replaced = replaced.join(".");
        let strip = |text: &str, open: &str, close: &str| {
            text.strip_prefix(open)
                .and_then(|text| text.strip_suffix(close))
                .map(str::to_owned)
        };
        if let Some(name) = strip(inside, "{", "}") {
            return Ok(format!("{replaced}{{{}}}", self.name(&name)?));
        }
        if let Some(key) = strip(inside, "['", "']").or_else(|| strip(inside, "[\"", "\"]")) {
            let key = if fields.ends_with("annotations") {
                self.qualified_key(&key, &vocabulary::ANNOTATION_KEYS)?
            } else {
                self.label_key(&key)?
            };
            return Ok(format!("{replaced}['{key}']"));
        }
        if let Some(index) = strip(inside, "[", "]")
            && is_small_number(&index)
        {
            return Ok(format!("{replaced}[{index}]"));
        }
        Ok(replaced)
    }
}

fn ends_word(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || DELIMITERS.contains(&letter)
}

/// Tells whether a word is a figure: numbers of up to six digits with the marks of fractions,
/// versions of nothing, shares and units of time and memory.
fn is_figure(word: &str) -> bool {
    if is_uuid(word) {
        return false;
    }
    let mut digits = 0_usize;
    let mut run = 0_usize;
    let mut letters = String::new();
    for letter in word.chars() {
        match letter {
            '0'..='9' => {
                digits += 1;
                run += 1;
                if run > 9 {
                    return false;
                }
            }
            '.' | '/' | '%' | '-' => run = 0,
            'a'..='z' | 'A'..='Z' => {
                run = 0;
                letters.push(letter);
            }
            _ => return false,
        }
    }
    let is_unit = matches!(
        letters.as_str(),
        "" | "s"
            | "m"
            | "h"
            | "d"
            | "ms"
            | "us"
            | "ns"
            | "mins"
            | "hm"
            | "hms"
            | "x"
            | "ks"
            | "Ki"
            | "Mi"
            | "Gi"
            | "Ti"
            | "k"
            | "K"
            | "M"
            | "G"
            | "T"
            | "KB"
            | "MB"
            | "GB"
            | "B"
    );
    // Four numbers with dots are an address, and are treated as one.
    let dots = word.bytes().filter(|byte| *byte == b'.').count();
    digits > 0 && is_unit && dots <= 2 && !(letters.is_empty() && digits > 9)
}

/// Makes one of several marks in a row.
fn collapse(text: &str) -> String {
    let double = format!("{REDACTED} {REDACTED}");
    if !text.contains(&double) {
        return text.to_owned();
    }
    let mut text = text.to_owned();
    while text.contains(&double) {
        text = text.replace(&double, REDACTED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("0/10", true)]
    #[case("97%", true)]
    #[case("12.5s", true)]
    #[case("1m30s", true)]
    #[case("128Mi", true)]
    #[case("123456789012", false)]
    #[case("10.1.2.3", false)]
    #[case("v2", false)]
    #[case("acme7", false)]
    fn figures_are_short(#[case] word: &str, #[case] is_one: bool) {
        assert_eq!(is_figure(word), is_one);
    }

    #[test]
    fn marks_in_a_row_become_one() {
        let text = format!("a {REDACTED} {REDACTED} {REDACTED} b");
        assert_eq!(collapse(&text), format!("a {REDACTED} b"));
    }
}

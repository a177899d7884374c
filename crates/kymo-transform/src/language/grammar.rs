//! The grammar as data: sentences made of the forms are read, and the files that show the forms
//! show these.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::{Union, ValueTree};
use proptest::test_runner::TestRunner;

use crate::language::{FORMS, LEAVES, LanguageError, Script};

/// What a form says.
#[derive(Clone, Debug)]
enum Node {
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Optional(Box<Node>),
    Repeated(Box<Node>),
    Word(String),
    Leaf(String),
    Sign(char),
}

/// Reads the notation of forms.
struct Notation<'a> {
    rest: &'a str,
}

impl Notation<'_> {
    fn read(text: &str) -> Node {
        let mut notation = Notation { rest: text };
        let node = notation.choice();
        assert_eq!(notation.rest.trim(), "", "{text}");
        node
    }

    fn choice(&mut self) -> Node {
        let mut choices = vec![self.sequence()];
        while self.takes("|") {
            choices.push(self.sequence());
        }
        if choices.len() == 1 {
            choices.remove(0)
        } else {
            Node::Choice(choices)
        }
    }

    fn sequence(&mut self) -> Node {
        let mut nodes = Vec::new();
        while let Some(node) = self.one() {
            let node = if self.takes("...") {
                Node::Repeated(Box::new(inner(node)))
            } else {
                node
            };
            nodes.push(node);
        }
        Node::Sequence(nodes)
    }

    fn one(&mut self) -> Option<Node> {
        if self.takes("[") {
            let node = self.choice();
            assert!(self.takes("]"), "no `]` before {}", self.rest);
            return Some(Node::Optional(Box::new(node)));
        }
        if self.takes("{") {
            let node = self.choice();
            assert!(self.takes("}"), "no `}}` before {}", self.rest);
            return Some(node);
        }
        for sign in [',', '(', ')', '='] {
            if self.takes(&sign.to_string()) {
                return Some(Node::Sign(sign));
            }
        }
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return None;
        }
        self.rest = rest;
        let is_word = word.chars().all(|c| c.is_ascii_uppercase());
        Some(if is_word {
            Node::Word(word.to_owned())
        } else {
            Node::Leaf(word.to_owned())
        })
    }

    fn takes(&mut self, sign: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// `[ ]...` is none, one or several times what is inside.
fn inner(node: Node) -> Node {
    match node {
        Node::Optional(inner) => *inner,
        other => other,
    }
}

impl Node {
    fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Node)) {
        visit(self);
        match self {
            Self::Sequence(nodes) | Self::Choice(nodes) => {
                for node in nodes {
                    node.walk(visit);
                }
            }
            Self::Optional(node) | Self::Repeated(node) => node.walk(visit),
            Self::Word(_) | Self::Leaf(_) | Self::Sign(_) => {}
        }
    }

    /// Makes sentences.
    fn sentences(&self) -> BoxedStrategy<String> {
        match self {
            Self::Sequence(nodes) => {
                let parts: Vec<_> = nodes.iter().map(Self::sentences).collect();
                parts.prop_map(|parts| parts.join(" ")).boxed()
            }
            Self::Choice(nodes) => Union::new(nodes.iter().map(Self::sentences)).boxed(),
            Self::Optional(node) => prop_oneof![Just(String::new()), node.sentences()].boxed(),
            Self::Repeated(node) => proptest::collection::vec(node.sentences(), 0..3)
                .prop_map(|parts| parts.join(" "))
                .boxed(),
            Self::Word(word) => prop_oneof![Just(word.clone()), Just(word.to_lowercase())].boxed(),
            Self::Leaf(name) => {
                let leaf = LEAVES.iter().find(|leaf| leaf.name == name).expect(name);
                select(leaf.examples).prop_map(str::to_owned).boxed()
            }
            Self::Sign(sign) => Just(sign.to_string()).boxed(),
        }
    }

    /// Writes it in the notation of the XML specification.
    fn ebnf(&self) -> String {
        let all = |nodes: &[Node], between: &str| {
            nodes
                .iter()
                .map(Node::ebnf)
                .collect::<Vec<_>>()
                .join(between)
        };
        let group = |node: &Node| match node {
            Node::Sequence(nodes) if nodes.len() > 1 => format!("( {} )", node.ebnf()),
            _ => node.ebnf(),
        };
        match self {
            Self::Sequence(nodes) => all(nodes, " "),
            Self::Choice(nodes) => format!("( {} )", all(nodes, " | ")),
            Self::Optional(node) => format!("{}?", group(node)),
            Self::Repeated(node) => format!("{}*", group(node)),
            Self::Word(word) => format!("'{word}'"),
            Self::Leaf(name) => name.clone(),
            Self::Sign(sign) => format!("'{sign}'"),
        }
    }
}

fn statements() -> BoxedStrategy<String> {
    let forms = FORMS
        .iter()
        .map(|form| Notation::read(form.text).sentences());
    let statement = Union::new(forms);
    (any::<bool>(), statement)
        .prop_map(|(explain, text)| {
            if explain {
                format!("EXPLAIN {text}")
            } else {
                text
            }
        })
        .boxed()
}

/// What a sentence of right form can still have wrong: windows that end before they begin, and a
/// column named twice.
fn makes_no_sense(error: &LanguageError) -> bool {
    let message = error.to_string();
    matches!(error, LanguageError::Value { .. })
        && (message.starts_with("nothing is between") || message.ends_with(" twice"))
}

fn scripts() -> impl Strategy<Value = String> {
    proptest::collection::vec(statements(), 1..4).prop_map(|statements| statements.join(";\n"))
}

/// Returns what a script says without where it says it.
fn meaning(script: &Script) -> String {
    let mut shown = format!("{:?}", script.statements);
    while let Some(start) = shown.find("Place {") {
        let end = shown[start..].find('}').unwrap() + start + 1;
        shown.replace_range(start..end, "_");
    }
    shown
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_sentence_of_the_forms_is_read(text in statements()) {
        if let Err(error) = Script::parse(&text) {
            prop_assert!(makes_no_sense(&error), "{text}: {error}");
        }
    }

    #[test]
    fn canonical_text_says_the_same_and_is_its_own_canonical_text(text in scripts()) {
        let Ok(script) = Script::parse(&text) else {
            return Ok(());
        };
        let canonical = script.to_string();
        let again = Script::parse(&canonical);
        prop_assert!(again.is_ok(), "{canonical}: {:?}", again);
        let again = again.unwrap();
        prop_assert_eq!(meaning(&again), meaning(&script));
        prop_assert_eq!(again.to_string(), canonical);
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place_in_it(text in "\\PC{0,80}") {
        refused_in_its_place(&text)?;
    }

    #[test]
    fn a_script_with_slips_is_read_or_refused_at_a_place_in_it(
        text in scripts(),
        slips in proptest::collection::vec((any::<Index>(), slip()), 1..6),
    ) {
        let mut characters: Vec<char> = text.chars().collect();
        for (index, slip) in slips {
            let at = index.index(characters.len() + 1);
            match slip {
                Slip::Insert(text) => {
                    characters.splice(at..at, text.chars());
                }
                Slip::Drop(count) => {
                    let end = (at + count).min(characters.len());
                    characters.drain(at..end);
                }
            }
        }
        refused_in_its_place(&String::from_iter(characters))?;
    }
}

fn refused_in_its_place(text: &str) -> Result<(), TestCaseError> {
    let Err(error) = Script::parse(text) else {
        return Ok(());
    };
    if let Some(place) = error.place() {
        prop_assert!(
            text.get(place.start..place.end).is_some(),
            "{text}: {error:?}"
        );
        prop_assert!(place.length(text) > 0);
    }
    prop_assert!(!error.to_string().is_empty());
    Ok(())
}

#[derive(Clone, Debug)]
enum Slip {
    Insert(String),
    Drop(usize),
}

fn slip() -> impl Strategy<Value = Slip> {
    let words = select(vec![
        "'", "''", "\"", "$$", "$a$", ";", "--", "/*", "*/", "(", ")", "[", "{", "->", "::", "-",
        "/", ".", " AS OF ", " WHERE ", " FROM ", " BY ", " µ", "\n", "\\", "0", "e", "?", "@",
        "E'", "U&'",
    ]);
    prop_oneof![
        words.prop_map(|word| Slip::Insert(word.to_owned())),
        "\\PC{1,3}".prop_map(Slip::Insert),
        (1..12usize).prop_map(Slip::Drop),
    ]
}

#[test]
fn a_form_begins_with_its_word_and_names_only_what_is_explained() {
    let mut used = BTreeSet::new();
    for form in FORMS {
        let node = Notation::read(form.text);
        assert!(form.text.starts_with(form.word), "{}", form.text);
        node.walk(&mut |node| {
            if let Node::Leaf(name) = node {
                used.insert(name.clone());
            }
        });
    }
    let explained: BTreeSet<String> = LEAVES.iter().map(|leaf| leaf.name.to_owned()).collect();
    assert_eq!(used, explained);
}

/// Where a statement is cut off, the error says which words could follow.
#[test]
fn the_parser_looks_for_the_words_of_the_forms_and_no_others() {
    let mut runner = TestRunner::deterministic();
    for form in FORMS {
        let node = Notation::read(form.text);
        let mut words = BTreeSet::new();
        node.walk(&mut |node| {
            if let Node::Word(word) = node {
                words.insert(word.clone());
            }
        });
        let mut looked_for = BTreeSet::from([form.word.to_owned()]);
        let sentences = node.sentences();
        for _ in 0..1_000 {
            let sentence = sentences.new_tree(&mut runner).unwrap().current();
            for (end, _) in sentence.match_indices(' ').chain([(sentence.len(), "")]) {
                let cut = format!("{} }}}}", &sentence[..end]);
                if let Err(LanguageError::Unexpected { expected, .. }) = Script::parse(&cut) {
                    let quoted = expected.split('`').skip(1).step_by(2);
                    let word = |word: &&str| word.starts_with(|c: char| c.is_ascii_uppercase());
                    looked_for.extend(quoted.filter(word).map(str::to_owned));
                }
            }
        }
        assert_eq!(looked_for, words, "{}", form.text);
    }
}

/// `KYMO_WRITE_DOCS=1` writes it.
#[test]
fn the_grammar_in_schema_is_that_of_the_forms() {
    let mut text = String::from(
        "/* Scripts of kymo transform, in the notation of the XML specification.\n\
         \x20  Words are read in capitals and in small letters. Spaces, line breaks and comments\n\
         \x20  (-- and slash star) stand between words. expression, query, identifier, text and\n\
         \x20  number are SQL's, in the dialect of PostgreSQL. */\n\n\
         script ::= statement? ( ';' statement? )*\n\
         statement ::= 'EXPLAIN'? ( ",
    );
    let names: Vec<String> = FORMS.iter().map(|form| form.word.to_lowercase()).collect();
    writeln!(text, "{} )\n", names.join(" | ")).unwrap();
    for form in FORMS {
        let node = Notation::read(form.text);
        writeln!(text, "{} ::= {}", form.word.to_lowercase(), node.ebnf()).unwrap();
    }
    text.push('\n');
    for leaf in LEAVES.iter().filter(|leaf| leaf.name != leaf.is) {
        writeln!(text, "{} ::= {} /* {} */", leaf.name, leaf.is, leaf.meaning).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/transform.ebnf");
    if std::env::var_os("KYMO_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

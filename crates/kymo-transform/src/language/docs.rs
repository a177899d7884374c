//! The reference in `docs/transform.md`: it shows every form, and its examples are read.

use crate::language::{FORMS, Form, LanguageError, Script};

const PAGE: &str = include_str!("../../../../docs/transform.md");

/// Returns the blocks of a language, in order.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    let parts = page.split(begin.as_str()).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_reference_has_a_section_with_the_form_and_examples_of_each_statement() {
    for form in FORMS {
        let heading = format!("\n### {}\n\n`{}`\n", form.word, form.text);
        let (_, section) = PAGE
            .split_once(&heading)
            .unwrap_or_else(|| panic!("{heading}"));
        let section = section.split("\n##").next().unwrap();
        let examples = blocks(section, "sql");
        assert!(!examples.is_empty(), "{}", form.word);
        for example in examples {
            let script = Script::parse(example).unwrap_or_else(|error| panic!("{example}{error}"));
            assert_eq!(script.statements.len(), 1, "{example}");
            assert!(example.starts_with(form.word), "{example}");
        }
    }
    let sections = PAGE.lines().filter_map(|line| line.strip_prefix("### "));
    let without_form: Vec<_> = sections.filter(|word| Form::find(word).is_none()).collect();
    assert_eq!(without_form, Vec::<&str>::new());
}

#[test]
fn the_error_that_the_reference_shows_is_the_one_that_is_made() {
    let texts = blocks(PAGE, "text");
    let [script, shown] = texts.as_slice() else {
        panic!("{texts:?}");
    };
    let error = Script::parse(script).unwrap_err();
    assert!(
        matches!(error, LanguageError::Unexpected { .. }),
        "{error:?}"
    );
    let place = error.place().unwrap();
    let position = place.position(script);
    let indent = " ".repeat(usize::try_from(position.column - 1).unwrap());
    let mark = "^".repeat(place.length(script));
    let expected = format!(
        "error: {error}\n    |\n  {} | {script}    | {indent}{mark}\nhint: {}\n",
        position.line,
        error.hint().unwrap()
    );
    assert_eq!(*shown, expected);
}

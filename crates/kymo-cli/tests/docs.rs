//! The commands of README.md and docs/ work: every line of a `console` block that begins with
//! `$ kymo` is run in a folder that has `fixtures/` and `queries/`.
#![cfg(feature = "query")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn documents() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut documents: Vec<PathBuf> = docs
        .chain([root().join("README.md")])
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    documents.sort();
    documents
}

/// Returns the commands of a document, without the prompt.
fn commands(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside && line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            found.push(command.to_owned());
        }
    }
    found
}

#[test]
fn every_command_of_the_documents_works_in_their_order() {
    let bin = Path::new(env!("CARGO_BIN_EXE_kymo")).parent().unwrap();
    let path = format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut count = 0;
    for document in documents() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["fixtures", "queries"] {
            std::os::unix::fs::symlink(root().join(name), folder.path().join(name)).unwrap();
        }
        for command in commands(&fs::read_to_string(&document).unwrap()) {
            let output = Command::new("sh")
                .args(["-c", &command])
                .current_dir(folder.path())
                .env("PATH", &path)
                .env("HOME", folder.path())
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}: {command}\n{}{}",
                document.display(),
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr),
            );
            count += 1;
        }
    }
    assert!(count >= 6, "only {count} commands were found");
}

#[test]
fn commands_are_found_in_console_blocks_only() {
    let text = "```sh\n$ a\n```\n$ b\n```console\n$ kymo c\nout\n$ kymo d\n```\n";
    assert_eq!(commands(text), ["kymo c", "kymo d"]);
}

//! What is written beside the trace: the report, which tells no original, and the map, which tells
//! all of them.

use std::io::Write as _;
use std::path::Path;

use kymo_anonymize::{AnonymizationPolicy, Key, Touched, open, seal};
use kymo_transform::Anonymized;
use serde_json::json;

use crate::answer::NewFile;
use crate::command_error::{CommandError, Kind};
use crate::ui::Ui;

/// What a reader of the copy may still learn.
const RESIDUAL: &[&str] = &[
    "quantities and counts: an object whose requests, replicas or capacity are unique can be recognized by who knows them",
    "distances in time: a pattern of bursts or outages can be recognized by who saw it",
    "names of kinds, reasons and drivers of public extensions tell which of them are installed",
    "the same key links all traces that were anonymized with it",
];

/// The files that were asked for. They get their names at the end.
pub(super) struct Files {
    report: Option<NewFile>,
    map: Option<NewFile>,
    map_key: Option<Key>,
}

impl Files {
    pub(super) fn create(
        report: Option<&Path>,
        map: Option<&Path>,
        map_key: Option<Key>,
    ) -> Result<Self, CommandError> {
        Ok(Self {
            report: report.map(NewFile::create).transpose()?,
            map: map.map(NewFile::create).transpose()?,
            map_key,
        })
    }

    pub(super) fn write(
        self,
        policy: &AnonymizationPolicy,
        done: &Anonymized,
    ) -> Result<(), CommandError> {
        if let Some(file) = self.report {
            let report = json!({
                "tool": concat!("kymo ", env!("CARGO_PKG_VERSION")),
                "policy": policy.name,
                "read": done.read,
                "written": done.summary.rows,
                "pseudonyms": done.pseudonyms,
                "rules": done.touched,
                "residual": RESIDUAL,
            });
            put(file, &text_of(&report)?)?;
        }
        if let Some(file) = self.map {
            let mut content = text_of(&json!({"policy": policy.name, "kinds": done.map}))?;
            if let Some(key) = &self.map_key {
                content = seal(key, &content)
                    .map_err(|error| CommandError::of(Kind::Environment, &error))?;
            }
            put(file, &content)?;
        }
        Ok(())
    }
}

/// Shows a map that was encrypted.
pub(super) fn open_map(ui: &Ui, map: &Path, key: &Path) -> Result<(), CommandError> {
    let key = Key::read(key)?;
    let cannot = || CommandError::environment(format!("cannot read `{}`", map.display()));
    let sealed = std::fs::read(map).map_err(|error| cannot().caused_by(&error))?;
    let content = open(&key, &sealed).map_err(|error| {
        CommandError::usage(format!("cannot open `{}`", map.display())).caused_by(&error)
    })?;
    let mut out = ui.stdout(false);
    out.write_all(&content)?;
    out.flush()?;
    Ok(())
}

/// Lists which rule touched which field.
pub(super) fn explain(ui: &Ui, touched: &[Touched]) -> Result<(), CommandError> {
    let mut out = ui.stdout(false);
    let width = |of: fn(&Touched) -> usize| touched.iter().map(of).max().unwrap_or_default();
    let fields = width(|rule| rule.field.len()).max(5);
    let treatments = width(|rule| rule.treatment.len()).max(9);
    writeln!(
        out,
        "{:fields$}  {:treatments$}  {:>8}  {:>8}  samples",
        "field", "treatment", "seen", "changed"
    )?;
    for rule in touched {
        writeln!(
            out,
            "{:fields$}  {:treatments$}  {:>8}  {:>8}  {}",
            rule.field,
            rule.treatment,
            rule.seen,
            rule.changed,
            rule.samples.join("  ")
        )?;
    }
    out.flush()?;
    Ok(())
}

fn text_of(value: &serde_json::Value) -> Result<Vec<u8>, CommandError> {
    let mut text =
        serde_json::to_vec_pretty(value).map_err(|error| CommandError::bug(error.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

fn put(file: NewFile, content: &[u8]) -> Result<(), CommandError> {
    let mut writer = file.writer()?;
    writer.write_all(content)?;
    writer.flush()?;
    drop(writer);
    file.finish()
}

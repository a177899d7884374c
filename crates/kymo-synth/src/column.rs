//! A column of numbers in a file of comma-separated values.

use std::path::Path;

use crate::Error;
use crate::manifest::read_text;

/// Reads the numbers of a column; fields that are empty are left out.
///
/// # Errors
///
/// A file that is none or too large, a column that is not there, a field that is no number.
pub fn column(path: &Path, name: &str) -> Result<Vec<f64>, Error> {
    let text = read_text(path)?;
    let refused = |reason: String| Error::File {
        path: path.to_owned(),
        reason,
    };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader
        .headers()
        .map_err(|error| refused(format!("is no table: {error}")))?;
    let Some(place) = headers.iter().position(|header| header.trim() == name) else {
        return Err(refused(format!("has no column `{name}`")));
    };
    let mut values = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| refused(format!("is no table: {error}")))?;
        let field = record.get(place).unwrap_or_default().trim();
        if field.is_empty() {
            continue;
        }
        match field.parse::<f64>() {
            Ok(value) if value.is_finite() => values.push(value),
            _ => {
                let line = record.position().map_or(0, csv::Position::line);
                return Err(refused(format!("has no number in line {line}: `{field}`")));
            }
        }
    }
    if values.is_empty() {
        return Err(refused(format!("has no value in the column `{name}`")));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_read_and_what_is_wrong_is_told_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("runs.csv");
        std::fs::write(&path, "name,seconds\na, 1.5\nb,\nc,3\n").unwrap();
        assert_eq!(column(&path, "seconds").unwrap(), [1.5, 3.0]);
        let error = column(&path, "hours").unwrap_err().to_string();
        assert!(error.ends_with("has no column `hours`"), "{error}");
        let error = column(&path, "name").unwrap_err().to_string();
        assert!(error.ends_with("has no number in line 2: `a`"), "{error}");
        std::fs::write(&path, "seconds\n").unwrap();
        let error = column(&path, "seconds").unwrap_err().to_string();
        assert!(
            error.ends_with("has no value in the column `seconds`"),
            "{error}"
        );
    }
}

//! A place in a statement, shown.

/// Shows a line of the statement with a mark below a place. `first` is the number of its first
/// line in what was read.
pub(crate) fn excerpt(
    sql: &str,
    first: u64,
    (line, column): (u64, u64),
    length: usize,
) -> Option<String> {
    let text = sql
        .lines()
        .nth(usize::try_from(line.checked_sub(1)?).ok()?)?;
    let before = usize::try_from(column.saturating_sub(1))
        .ok()?
        .min(text.chars().count());
    // Tabs stay tabs, so that the mark stands below what it means.
    let indent: String = text
        .chars()
        .take(before)
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let room = (text.chars().count() - before).max(1);
    let number = line.saturating_add(first).saturating_sub(1).to_string();
    let margin = " ".repeat(number.len());
    let mark = "^".repeat(length.clamp(1, room));
    Some(format!(
        "{margin} |\n{number} | {text}\n{margin} | {indent}{mark}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_below_the_place() {
        assert_eq!(
            excerpt("SELECT\n\tcount, nme\nFROM events", 1, (2, 9), 3).unwrap(),
            "  |\n2 | \tcount, nme\n  | \t       ^^^",
        );
        assert_eq!(
            excerpt("SELECT", 9, (2, 1), 3),
            None,
            "there is no such line"
        );
        assert_eq!(
            excerpt("SELECT", 10, (1, 99), 3).unwrap(),
            "   |\n10 | SELECT\n   |       ^"
        );
    }
}

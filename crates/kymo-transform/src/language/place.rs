//! From bytes of a script to lines and columns, and back.

use kymo_query::Position;

use super::{Condition, Place};

impl Place {
    /// Returns the line and the column of its first character, counted from 1.
    pub fn position(self, text: &str) -> Position {
        let before = text.get(..self.start).unwrap_or(text);
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count();
        Position {
            line: line as u64 + 1,
            column: column as u64 + 1,
        }
    }

    /// Returns how many characters of its first line it covers; at least one.
    pub fn length(self, text: &str) -> usize {
        let covered = text.get(self.start..self.end).unwrap_or_default();
        covered
            .lines()
            .next()
            .map_or(1, |line| line.chars().count().max(1))
    }
}

impl Condition {
    /// Returns where in the script it is that an error points at a position of a larger statement.
    ///
    /// `statement` is what was run, in which the condition's own text begins at byte `start`. A
    /// position outside of that text is no place in the script.
    pub fn place_of(
        &self,
        statement: &str,
        start: usize,
        position: Position,
        length: usize,
    ) -> Option<Place> {
        let offset = byte_at(statement, position)?.checked_sub(start)?;
        let rest = self.sql.get(offset..)?;
        let covered: usize = rest.chars().take(length).map(char::len_utf8).sum();
        let begin = self.place.start + offset;
        Some(Place {
            start: begin,
            end: begin + covered,
        })
    }
}

/// Returns the byte at a line and column; behind the end of a line, that is the line's end.
pub(super) fn byte_at(text: &str, position: Position) -> Option<usize> {
    let mut start = 0;
    for _ in 1..position.line {
        start += text.get(start..)?.find('\n')? + 1;
    }
    let line = text.get(start..)?;
    let line = line.split('\n').next().unwrap_or(line);
    let column = usize::try_from(position.column.checked_sub(1)?).ok()?;
    let offset = line.char_indices().nth(column).map(|(offset, _)| offset);
    Some(start + offset.unwrap_or(line.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_has_a_line_and_a_column_and_they_have_the_byte() {
        let text = "a\nµµ\tx\n";
        for (start, line, column) in [(0, 1, 1), (2, 2, 1), (4, 2, 2), (7, 2, 4), (9, 3, 1)] {
            let position = Position { line, column };
            let place = Place { start, end: start };
            assert_eq!(place.position(text), position);
            assert_eq!(byte_at(text, position), Some(start));
        }
        assert_eq!(byte_at(text, Position { line: 1, column: 9 }), Some(1));
        assert_eq!(byte_at(text, Position { line: 9, column: 1 }), None);
    }

    #[test]
    fn a_place_covers_characters_of_one_line() {
        let text = "µµ\nabc";
        let length = |start, end| Place { start, end }.length(text);
        assert_eq!((length(0, 4), length(2, 7), length(8, 8)), (2, 1, 1));
    }

    #[test]
    fn a_place_in_a_statement_made_of_a_condition_is_one_in_the_script() {
        let condition = Condition {
            sql: "knd =\n'Pod'".to_owned(),
            place: Place { start: 30, end: 41 },
            ..Condition::default()
        };
        let statement = "SELECT 1\nFROM events WHERE (knd =\n'Pod') AND x";
        let start = statement.find("knd").unwrap();
        let place = |line, column, length| {
            let position = Position { line, column };
            condition.place_of(statement, start, position, length)
        };
        assert_eq!(place(2, 20, 3), Some(Place { start: 30, end: 33 }));
        assert_eq!(place(3, 1, 5), Some(Place { start: 36, end: 41 }));
        assert_eq!(place(1, 1, 1), None);
        assert_eq!(place(3, 12, 1), None);
    }
}

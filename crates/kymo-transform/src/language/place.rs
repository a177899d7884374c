//! From bytes of a script to lines and columns, and back.

use kymo_query::Position;

use super::Place;

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

    /// Returns where in the script it is that an error points at, whose position counts lines and
    /// columns from the beginning of this place on.
    ///
    /// A position behind its end is no place.
    pub fn within(self, text: &str, position: Position, length: usize) -> Option<Self> {
        let own = text.get(self.start..self.end)?;
        let offset = byte_at(own, position)?;
        let rest = own.get(offset..)?;
        let covered: usize = rest.chars().take(length).map(char::len_utf8).sum();
        let start = self.start + offset;
        Some(Self {
            start,
            end: start + covered,
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
    fn a_position_in_an_expression_is_a_place_in_the_script() {
        let text = "KEEP EVENTS WHERE knd =\n'µ' AND x";
        let start = text.find("knd").unwrap();
        let end = text.len();
        let place = |line, column, length| {
            let place = Place { start, end }.within(text, Position { line, column }, length)?;
            Some(&text[place.start..place.end])
        };
        assert_eq!(place(1, 1, 3), Some("knd"));
        assert_eq!(place(2, 1, 3), Some("'µ'"));
        assert_eq!(place(2, 9, 7), Some("x"));
        assert_eq!(place(3, 1, 1), None);
    }
}

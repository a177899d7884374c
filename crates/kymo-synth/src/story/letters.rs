use std::collections::HashSet;

use rand::Rng;

use crate::Error;
use crate::random::suffix;

/// After so many draws that all were taken, there is no room for another name.
const DRAWS: usize = 1000;

/// The letters at the ends of names, which are drawn again when they are taken: the API server
/// refuses a name that lives, and its client asks for another one.
#[derive(Debug, Default)]
pub(super) struct Letters {
    /// A group in the upper half, letters in the lower one: 27 to the fifth fit.
    taken: HashSet<u64>,
}

impl Letters {
    /// Draws letters that no other pod of a group has or had.
    pub(super) fn draw(&mut self, group: u32, rng: &mut impl Rng) -> Result<[u8; 5], Error> {
        for _ in 0..DRAWS {
            let letters = suffix(rng);
            let code = letters
                .iter()
                .fold(0, |code: u64, letter| code << 5 | u64::from(letter & 31));
            // Figures and letters must not share a code.
            let figures = letters.iter().fold(0, |bits: u64, letter| {
                bits << 1 | u64::from(letter.is_ascii_digit())
            });
            if self
                .taken
                .insert(u64::from(group) << 32 | figures << 25 | code)
            {
                return Ok(letters);
            }
        }
        Err(Error::TooMany {
            what: "names for the pods of one owner",
            limit: 27_u64.pow(5),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn letters_are_given_once_in_a_group_and_again_in_another() {
        let mut letters = Letters::default();
        let rng = || ChaCha8Rng::seed_from_u64(7);
        let first = letters.draw(1, &mut rng()).unwrap();
        let second = letters.draw(1, &mut rng()).unwrap();
        assert_ne!(first, second);
        assert_eq!(letters.draw(2, &mut rng()).unwrap(), first);
    }

    #[test]
    fn no_two_of_many_are_the_same() {
        let mut letters = Letters::default();
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let drawn: BTreeSet<[u8; 5]> = (0..60_000)
            .map(|_| letters.draw(0, &mut rng).unwrap())
            .collect();
        assert_eq!(drawn.len(), 60_000);
        assert_eq!(letters.taken.len(), 60_000);
    }
}

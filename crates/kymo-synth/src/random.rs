//! Numbers that are drawn: streams of one seed that do not depend on each other.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

/// The name space of seeds: UUIDs of version 5, RFC 9562.
const NAMESPACE: Uuid = Uuid::from_u128(0x7c11_5a0e_94d8_4f0b_a6b1_6b79_6d6f_0006);

/// What all draws begin with. What is drawn for one thing does not change what is drawn for another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(Uuid);

impl Seed {
    /// Makes the seed of a number and of what is already there.
    pub(crate) fn new(number: u64, salt: &str) -> Self {
        Self(Uuid::new_v5(
            &NAMESPACE,
            format!("{number}/{salt}").as_bytes(),
        ))
    }

    /// Returns the stream of the `number`-th thing of a sort.
    pub(crate) fn stream(&self, sort: &str, number: u64) -> ChaCha8Rng {
        let id = self.derive(sort, number);
        let mut key = [0; 32];
        for (place, byte) in key.iter_mut().zip(id.as_bytes()) {
            *place = *byte;
        }
        ChaCha8Rng::from_seed(key)
    }

    /// Returns the uid of the `number`-th object.
    pub(crate) fn uid(&self, number: u64) -> Uuid {
        let id = self.derive("uid", number);
        uuid::Builder::from_random_bytes(id.into_bytes()).into_uuid()
    }

    /// Returns the uid of something that is not counted, by its name.
    pub(crate) fn named_uid(&self, name: &str) -> Uuid {
        let id = Uuid::new_v5(&self.0, name.as_bytes());
        uuid::Builder::from_random_bytes(id.into_bytes()).into_uuid()
    }

    fn derive(&self, sort: &str, number: u64) -> Uuid {
        let mut name = [0; 24];
        let parts = sort.bytes().take(16).chain(number.to_le_bytes());
        for (place, byte) in name.iter_mut().zip(parts) {
            *place = byte;
        }
        Uuid::new_v5(&self.0, &name)
    }
}

/// The letters of names that Kubernetes makes up: none of them spells a word.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Draws the five letters at the end of a name.
pub(crate) fn suffix(rng: &mut impl Rng) -> [u8; 5] {
    let mut letters = [b'b'; 5];
    for letter in &mut letters {
        *letter = letter_of(rng.random_range(0..LETTERS.len()));
    }
    letters
}

/// Returns the hash of a pod template as it stands in names: the decimal number, digit by digit in
/// the letters of names.
pub(crate) fn template_hash(text: &str) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in text.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string()
        .bytes()
        .map(|digit| char::from(letter_of(usize::from(digit) % LETTERS.len())))
        .collect()
}

fn letter_of(place: usize) -> u8 {
    LETTERS.get(place).copied().unwrap_or(b'b')
}

/// Returns 64 hexadecimal digits that stand for a text, as digests of images and ids of containers.
pub(crate) fn digest(text: &str) -> String {
    let half = |part: u8| Uuid::new_v5(&NAMESPACE, format!("{part}{text}").as_bytes());
    format!("{}{}", half(0).simple(), half(1).simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_depend_on_the_seed_the_sort_and_the_number_alone() {
        let draw = |seed: Seed, sort, number| seed.stream(sort, number).random::<u64>();
        let seed = Seed::new(1, "");
        assert_eq!(draw(seed, "pod", 7), draw(Seed::new(1, ""), "pod", 7));
        assert_ne!(draw(seed, "pod", 7), draw(seed, "pod", 8));
        assert_ne!(draw(seed, "pod", 7), draw(seed, "node", 7));
        assert_ne!(draw(seed, "pod", 7), draw(Seed::new(2, ""), "pod", 7));
        assert_ne!(draw(seed, "pod", 7), draw(Seed::new(1, "x"), "pod", 7));
    }

    #[test]
    fn a_template_hash_has_the_letters_of_names() {
        let hash = template_hash("{}");
        assert!(hash.bytes().all(|byte| LETTERS.contains(&byte)), "{hash}");
        assert!((7..=10).contains(&hash.len()), "{hash}");
        assert_eq!(hash, template_hash("{}"));
        assert_ne!(hash, template_hash("{} "));
    }
}

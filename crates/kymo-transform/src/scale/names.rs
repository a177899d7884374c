use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

/// What Kubernetes makes random suffixes of: no vowels, and no digits that look like one.
/// Source: k8s.io/apimachinery/pkg/util/rand.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX: usize = 5;

/// Names, uids and addresses that no recorded object has.
#[derive(Debug)]
pub(crate) struct Names {
    taken: HashSet<String>,
    addresses: HashSet<String>,
    next_address: u32,
}

impl Names {
    /// Knows the names and addresses that are taken.
    pub(crate) fn new(taken: HashSet<String>, addresses: HashSet<String>) -> Self {
        Self {
            taken,
            addresses,
            next_address: 1,
        }
    }

    /// Draws a name as its owner would have: the sibling's, with another suffix.
    pub(crate) fn sibling(&mut self, name: &str, random: &mut ChaCha8Rng) -> String {
        let stem = match name.rsplit_once('-') {
            Some((stem, suffix)) if suffix.len() == SUFFIX => stem,
            _ => name,
        };
        loop {
            let mut drawn = String::with_capacity(stem.len() + 1 + SUFFIX);
            drawn.push_str(stem);
            drawn.push('-');
            for _ in 0..SUFFIX {
                let letter = ALPHABET.get(random.random_range(0..ALPHABET.len()));
                drawn.push(char::from(letter.copied().unwrap_or(b'b')));
            }
            if self.taken.insert(drawn.clone()) {
                return drawn;
            }
        }
    }

    /// Returns an address like `other` that is not taken: of 100.64.0.0/10, or of `fd00::/8`.
    pub(crate) fn address(&mut self, other: &str) -> String {
        loop {
            let number = self.next_address;
            self.next_address = self.next_address.wrapping_add(1);
            let address = if other.contains(':') {
                let low = u128::from(number);
                Ipv6Addr::from_bits(0xfd00_6b79_6d6f_u128 << 80 | low).to_string()
            } else {
                let base = u32::from(Ipv4Addr::new(100, 64, 0, 0));
                Ipv4Addr::from_bits(base | (number & 0x003f_ffff)).to_string()
            };
            if self.addresses.insert(address.clone()) {
                return address;
            }
        }
    }
}

/// Returns the uid of a copy of an object: the same label, original and number give the same.
pub(crate) fn uid(label: &str, original: &str, copy: u64) -> String {
    Uuid::new_v5(
        &Uuid::NAMESPACE_OID,
        format!("kymo/{label}/{copy}/{original}").as_bytes(),
    )
    .to_string()
}

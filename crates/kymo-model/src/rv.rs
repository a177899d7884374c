use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A resourceVersion: opaque, and comparable only inside one resource and one epoch.
///
/// KEP-5504 (stable in Kubernetes 1.35) fixes the form: decimal digits without a leading zero,
/// at most 2^128 - 1, ordered as numbers. Extension API servers may not follow it; then only
/// equality means anything and [`Rv::compare`] says so by returning `None`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rv(String);

impl Rv {
    /// Wraps the text that the server sent.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text as the server sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether the text has the form of KEP-5504, so that order means something.
    pub fn is_ordered(&self) -> bool {
        let bytes = self.0.as_bytes();
        matches!(bytes.first(), Some(b'1'..=b'9'))
            && bytes.iter().all(u8::is_ascii_digit)
            && self.0.parse::<u128>().is_ok()
    }

    /// Compares two versions of one resource and epoch; `None` where there is no order.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        if self == other {
            return Some(Ordering::Equal);
        }
        if !self.is_ordered() || !other.is_ordered() {
            return None;
        }
        Some(
            self.0
                .len()
                .cmp(&other.0.len())
                .then_with(|| self.0.cmp(&other.0)),
        )
    }

    /// Tells whether `self` is certainly newer than `other`.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.compare(other) == Some(Ordering::Greater)
    }
}

impl fmt::Display for Rv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Rv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rv({})", self.0)
    }
}

impl From<&str> for Rv {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("9", "10", Some(Ordering::Less))]
    #[case("10", "10", Some(Ordering::Equal))]
    #[case("11", "10", Some(Ordering::Greater))]
    #[case("abc", "abc", Some(Ordering::Equal))]
    #[case("abc", "10", None)]
    #[case("010", "9", None)]
    #[case("", "1", None)]
    #[case("0", "1", None)]
    #[case(
        "340282366920938463463374607431768211455",
        "340282366920938463463374607431768211454",
        Some(Ordering::Greater)
    )]
    #[case("340282366920938463463374607431768211456", "1", None)]
    fn versions_compare_as_kep_5504_says(
        #[case] a: &str,
        #[case] b: &str,
        #[case] expected: Option<Ordering>,
    ) {
        assert_eq!(Rv::from(a).compare(&Rv::from(b)), expected);
    }

    proptest::proptest! {
        #[test]
        fn order_of_text_is_order_of_numbers(a in 1u128.., b in 1u128..) {
            let (x, y) = (Rv::new(a.to_string()), Rv::new(b.to_string()));
            proptest::prop_assert_eq!(x.compare(&y), Some(a.cmp(&b)));
        }
    }
}

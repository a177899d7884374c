/// How many there are of one, and with which remainder counting begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ratio {
    pub(crate) numerator: u64,
    pub(crate) denominator: u64,
    /// Where counting begins, below the denominator; drawn, so that no slot is always the one that
    /// is left out.
    pub(crate) phase: u64,
}

impl Ratio {
    /// Returns how many copies a slot has. Any `denominator` neighbours together have `numerator`.
    pub(crate) fn copies(self, slot: u64) -> u64 {
        self.up_to(slot + 1).saturating_sub(self.up_to(slot))
    }

    fn up_to(self, slot: u64) -> u64 {
        let total = u128::from(slot) * u128::from(self.numerator) + u128::from(self.phase);
        u64::try_from(total / u128::from(self.denominator.max(1))).unwrap_or(u64::MAX)
    }

    /// Returns how many become of the parts of a work: one at least, as long as there are any.
    pub(crate) fn of_work(self, count: u64) -> u64 {
        let least = u64::from(count > 0 && self.numerator > 0);
        self.of(count).max(least)
    }

    /// Returns how many become of a number, rounded.
    pub(crate) fn of(self, count: u64) -> u64 {
        let denominator = u128::from(self.denominator.max(1));
        let total = u128::from(count) * u128::from(self.numerator) + denominator / 2;
        u64::try_from(total / denominator).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn neighbouring_slots_have_the_copies_of_their_number(
            numerator in 0u64..5000, denominator in 1u64..100, start in 0u64..1000, phase in 0u64..100,
        ) {
            let ratio = Ratio { numerator, denominator, phase: phase % denominator };
            let all: u64 = (start..start + denominator).map(|slot| ratio.copies(slot)).sum();
            prop_assert_eq!(all, numerator);
        }
    }
}

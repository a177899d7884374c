use std::collections::BTreeSet;

use crate::Profile;

/// How far apart two traces are.
#[derive(Clone, Debug, PartialEq)]
pub struct Distance {
    /// For each kind how many events the one and the other has.
    pub counts: Vec<(String, u64, u64)>,
    /// The Kolmogorov-Smirnov distance of the times from a pod's creation until it runs.
    pub startup: Option<f64>,
    /// The same of the times from when a pod runs until it ends or is deleted.
    pub lifetime: Option<f64>,
}

impl Distance {
    /// Compares two traces.
    pub fn between(one: &Profile, other: &Profile) -> Self {
        let kinds = one.counts.keys().chain(other.counts.keys());
        let kinds: BTreeSet<&String> = kinds.collect();
        let count = |profile: &Profile, kind: &str| profile.counts.get(kind).copied().unwrap_or(0);
        Self {
            counts: kinds
                .into_iter()
                .map(|kind| (kind.clone(), count(one, kind), count(other, kind)))
                .collect(),
            startup: kolmogorov_smirnov(&one.startups, &other.startups),
            lifetime: kolmogorov_smirnov(&one.lifetimes, &other.lifetimes),
        }
    }
}

/// The largest difference of the shares of values up to any value; `None` without values.
pub(super) fn kolmogorov_smirnov(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values
    };
    let (one, other) = (sorted(one), sorted(other));
    let share = |values: &[f64], at: f64| {
        values.partition_point(|value| *value <= at) as f64 / values.len() as f64
    };
    one.iter()
        .chain(&other)
        .map(|at| (share(&one, *at) - share(&other, *at)).abs())
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_two_samples_is_the_largest_difference_of_their_shares() {
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[1.0, 2.0]), Some(0.0));
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0], &[3.0]), Some(1.0));
        assert_eq!(kolmogorov_smirnov(&[1.0, 2.0, 3.0, 4.0], &[2.5]), Some(0.5));
        assert_eq!(kolmogorov_smirnov(&[], &[1.0]), None);
    }
}

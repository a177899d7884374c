//! How long things take.

use std::sync::Arc;

use rand::Rng;
use rand_distr::{Distribution as _, Exp1, StandardNormal};

/// The longest time that is ever drawn: a hundred years, in nanoseconds.
const LONGEST: f64 = 100.0 * 365.25 * 86_400.0 * 1e9;

/// The standard normal quantile of 0.99.
const Z99: f64 = 2.326_347_874_040_840_8;

/// A distribution of durations. All parameters are nanoseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(f64),
    /// Between two bounds, each time as likely as any other.
    Uniform {
        /// The shortest.
        min: f64,
        /// The longest.
        max: f64,
    },
    /// Exponential.
    Exponential {
        /// The mean.
        mean: f64,
    },
    /// Lognormal, by two of its percentiles.
    Lognormal {
        /// The median.
        p50: f64,
        /// The 99th percentile; not below the median.
        p99: f64,
    },
    /// Pareto: a few are very long.
    Pareto {
        /// The shortest.
        min: f64,
        /// The exponent of the tail; the smaller the heavier.
        shape: f64,
    },
    /// As measured: values in growing order, each as likely, and what lies between two neighbours.
    Empirical(Arc<[f64]>),
    /// One value after the other, and again from the first; infinite: never.
    Dealt(Arc<[f64]>),
}

impl Distribution {
    /// Draws a duration for the so-manieth in nanoseconds, never negative; `i64::MAX`: never.
    pub fn nth(&self, number: u64, rng: &mut impl Rng) -> i64 {
        match self {
            Self::Dealt(values) => dealt(values, number),
            other => other.sample(rng),
        }
    }

    /// Draws a duration in nanoseconds, never negative.
    pub fn sample(&self, rng: &mut impl Rng) -> i64 {
        let drawn = match self {
            Self::Constant(value) => *value,
            Self::Uniform { min, max } => min + (max - min) * rng.random::<f64>(),
            Self::Exponential { mean } => {
                let one: f64 = Exp1.sample(rng);
                mean * one
            }
            Self::Lognormal { p50, p99 } => {
                let z: f64 = StandardNormal.sample(rng);
                p50 * (z * (p99 / p50).ln() / Z99).exp()
            }
            Self::Pareto { min, shape } => {
                let one: f64 = Exp1.sample(rng);
                min * (one / shape).exp()
            }
            Self::Empirical(values) => quantile(values, rng.random::<f64>()),
            Self::Dealt(values) => return dealt(values, rng.random()),
        };
        if drawn.is_nan() {
            return 0;
        }
        drawn.clamp(0.0, LONGEST) as i64
    }
}

fn dealt(values: &[f64], number: u64) -> i64 {
    let place = number % (values.len() as u64).max(1);
    match values.get(place as usize) {
        Some(value) if value.is_infinite() => i64::MAX,
        Some(value) => value.clamp(0.0, LONGEST) as i64,
        None => 0,
    }
}

/// Returns the quantile of values in growing order, on the line between the two nearest.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else {
        return 0.0;
    };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let at = |index: usize| values.get(index.min(last)).copied().unwrap_or_default();
    at(below) + (at(below + 1) - at(below)) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;
    use rstest::rstest;

    use super::*;

    fn drawn(distribution: &Distribution) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut drawn: Vec<f64> = (0..20_000)
            .map(|_| distribution.sample(&mut rng) as f64)
            .collect();
        drawn.sort_by(f64::total_cmp);
        drawn
    }

    #[rstest]
    #[case(Distribution::Constant(5e9), 5e9, 5e9)]
    #[case(Distribution::Uniform { min: 1e9, max: 3e9 }, 2e9, 2.98e9)]
    #[case(Distribution::Exponential { mean: 1e9 }, 0.693e9, 4.605e9)]
    #[case(Distribution::Lognormal { p50: 2e9, p99: 9e9 }, 2e9, 9e9)]
    #[case(Distribution::Pareto { min: 1e9, shape: 2.0 }, 1.414e9, 1e10)]
    #[case(Distribution::Empirical(Arc::from([1e9, 2e9, 4e9])), 2e9, 3.96e9)]
    fn what_is_drawn_has_the_percentiles_that_were_asked_for(
        #[case] distribution: Distribution,
        #[case] p50: f64,
        #[case] p99: f64,
    ) {
        let drawn = drawn(&distribution);
        let near = |found: f64, asked: f64| (found / asked - 1.0).abs() < 0.06;
        assert!(near(quantile(&drawn, 0.5), p50), "{distribution:?}");
        assert!(near(quantile(&drawn, 0.99), p99), "{distribution:?}");
    }

    #[test]
    fn dealt_values_come_in_their_order_and_again() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let dealt = Distribution::Dealt(Arc::from([3.0, f64::INFINITY, 1.0]));
        let drawn: Vec<i64> = (0..4).map(|number| dealt.nth(number, &mut rng)).collect();
        assert_eq!(drawn, [3, i64::MAX, 1, 3]);
        assert_eq!(Distribution::Dealt(Arc::from([])).nth(5, &mut rng), 0);
    }

    #[test]
    fn nothing_is_longer_than_a_hundred_years_or_negative() {
        let tail = Distribution::Pareto {
            min: 1e9,
            shape: 0.001,
        };
        assert!(
            drawn(&tail)
                .iter()
                .all(|drawn| (0.0..=LONGEST).contains(drawn))
        );
        assert_eq!(drawn(&Distribution::Constant(-1.0)).first(), Some(&0.0));
        assert_eq!(
            drawn(&Distribution::Empirical(Arc::from([]))).first(),
            Some(&0.0)
        );
    }
}

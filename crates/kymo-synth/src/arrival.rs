//! When things come.

use std::f64::consts::TAU;
use std::sync::Arc;

use rand::Rng;
use rand_distr::{Distribution as _, Exp1};

use crate::distribution::quantile;

const SECOND: f64 = 1e9;

/// What lies between two arrivals. Times are nanoseconds, rates are arrivals per second.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrival {
    /// One after the other with the same gap.
    Uniform {
        /// Arrivals per second; above zero.
        rate: f64,
    },
    /// At random: a Poisson process.
    Poisson {
        /// Arrivals per second; above zero.
        rate: f64,
    },
    /// Many at once.
    Burst {
        /// How many at once.
        size: u64,
        /// From one burst to the next, in nanoseconds.
        every: f64,
    },
    /// At random, with a rate that goes up and down as a sine does; it begins at its lowest.
    Diurnal {
        /// The mean rate.
        rate: f64,
        /// The highest rate divided by the lowest; at least 1.
        peak: f64,
        /// From one lowest to the next, in nanoseconds.
        period: f64,
    },
    /// At these times after the beginning, in nanoseconds and in growing order.
    Times(Arc<[i64]>),
    /// As measured: times in growing order, and as many arrivals between any two neighbours.
    Empirical(Arc<[f64]>),
}

/// The times of one process, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    arrival: Arrival,
    /// How many there are in all.
    count: u64,
    number: u64,
    now: f64,
}

impl Arrivals {
    /// Times of `count` arrivals, which are spread over measured times; other processes go on behind
    /// them.
    pub(crate) fn new(arrival: Arrival, count: u64) -> Self {
        Self {
            arrival,
            count,
            number: 0,
            now: 0.0,
        }
    }

    /// Returns the next time, in nanoseconds after the beginning; `None` when nothing comes any more.
    pub(crate) fn next(&mut self, rng: &mut impl Rng) -> Option<i64> {
        let number = self.number;
        self.number += 1;
        match &self.arrival {
            Arrival::Uniform { rate } => self.now = number as f64 * SECOND / rate,
            Arrival::Poisson { rate } => {
                let gap: f64 = Exp1.sample(rng);
                self.now += gap * SECOND / rate;
            }
            Arrival::Burst { size, every } => {
                self.now = (number / (*size).max(1)) as f64 * every;
            }
            Arrival::Diurnal { rate, peak, period } => {
                // Candidates of the highest rate, of which as many are taken as the rate has it.
                let swing = (peak - 1.0) / (peak + 1.0);
                let highest = rate * (1.0 + swing);
                loop {
                    let gap: f64 = Exp1.sample(rng);
                    self.now += gap * SECOND / highest;
                    let here = rate * (1.0 - swing * (TAU * self.now / period).cos());
                    if rng.random::<f64>() * highest <= here {
                        break;
                    }
                }
            }
            Arrival::Times(times) => {
                return usize::try_from(number)
                    .ok()
                    .and_then(|number| times.get(number))
                    .copied();
            }
            Arrival::Empirical(times) => {
                if number >= self.count {
                    return None;
                }
                let last = self.count.saturating_sub(1).max(1);
                self.now = quantile(times, number as f64 / last as f64);
            }
        }
        // Nothing happens after the year 2262.
        (self.now < 9e18).then_some(self.now as i64)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn times(arrival: Arrival, count: usize) -> Vec<i64> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut arrivals = Arrivals::new(arrival, count as u64);
        std::iter::from_fn(|| arrivals.next(&mut rng))
            .take(count)
            .collect()
    }

    #[test]
    fn even_arrivals_and_bursts_come_on_time() {
        assert_eq!(
            times(Arrival::Uniform { rate: 2.0 }, 3),
            [0, 500_000_000, 1_000_000_000]
        );
        let burst = Arrival::Burst {
            size: 2,
            every: 1e9,
        };
        assert_eq!(
            times(burst, 5),
            [0, 0, 1_000_000_000, 1_000_000_000, 2_000_000_000]
        );
        assert_eq!(times(Arrival::Times(Arc::from([5, 9])), 5), [5, 9]);
        let measured = || Arrival::Empirical(Arc::from([0.0, 10.0, 100.0]));
        assert_eq!(times(measured(), 5), [0, 5, 10, 55, 100]);
        assert_eq!(times(measured(), 2), [0, 100]);
        assert_eq!(times(measured(), 1), [0]);
        assert_eq!(times(Arrival::Empirical(Arc::from([])), 2), [0, 0]);
    }

    #[test]
    fn random_arrivals_have_the_rate_that_was_asked_for() {
        let poisson = times(Arrival::Poisson { rate: 50.0 }, 10_000);
        let seconds = *poisson.last().unwrap() as f64 / 1e9;
        assert!((seconds / 200.0 - 1.0).abs() < 0.05, "{seconds}");
        assert!(poisson.is_sorted());
        let day = Arrival::Diurnal {
            rate: 1.0,
            peak: 4.0,
            period: 1000e9,
        };
        let day = times(day, 10_000);
        let seconds = *day.last().unwrap() as f64 / 1e9;
        assert!((seconds / 10_000.0 - 1.0).abs() < 0.05, "{seconds}");
        // The middle half of a period has the peak in it.
        let in_peak = |at: &&i64| (250..750).contains(&((**at / 1_000_000_000) % 1000));
        let share = day.iter().filter(in_peak).count() as f64 / 10_000.0;
        let expected = 0.5 + 0.6 / std::f64::consts::PI;
        assert!((share - expected).abs() < 0.03, "{share} {expected}");
    }
}

use std::time::Duration;

use kymo_model::Timestamp;
use rand::Rng;

/// The longest wait that a server's `Retry-After` is followed for.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);

/// How long to wait after failures: doubling, with jitter, starting over after a time of health.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    reset: Duration,
    failures: u32,
    last_failure: Option<Timestamp>,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration, reset: Duration) -> Self {
        Self {
            min,
            max,
            reset,
            failures: 0,
            last_failure: None,
        }
    }

    /// Counts a failure and returns how long to wait. What the server asked for comes first and is
    /// lengthened by up to a tenth, so that its clients do not come back all at once.
    pub(crate) fn after_failure(
        &mut self,
        now: Timestamp,
        retry_after: Option<Duration>,
        random: &mut impl Rng,
    ) -> Duration {
        if self
            .last_failure
            .is_some_and(|last| now.since(last) >= self.reset + self.max)
        {
            self.failures = 0;
        }
        self.last_failure = Some(now);
        let base = self
            .min
            .saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = (self.failures + 1).min(16);
        match retry_after {
            Some(asked) => asked
                .min(RETRY_AFTER_MAX)
                .mul_f64(random.random_range(1.0..1.1)),
            None => base.mul_f64(random.random_range(1.0..2.0)).min(self.max),
        }
    }

    /// Starts over after `healthy` without a failure, if that is long enough.
    pub(crate) fn healthy_for(&mut self, healthy: Duration) {
        if healthy >= self.reset {
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn backoff() -> Backoff {
        Backoff::new(
            Duration::from_millis(800),
            Duration::from_secs(30),
            Duration::from_mins(2),
        )
    }

    #[test]
    fn waits_double_up_to_the_maximum_and_start_over_after_health() {
        let mut random = StdRng::seed_from_u64(1);
        let mut backoff = backoff();
        let now = Timestamp(0);
        for expected in [0.8_f64, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0] {
            let wait = backoff.after_failure(now, None, &mut random).as_secs_f64();
            assert!(
                (expected..=(2.0 * expected).min(30.0)).contains(&wait),
                "{wait}"
            );
        }
        backoff.healthy_for(Duration::from_secs(119));
        assert_eq!(backoff.failures, 8);
        backoff.healthy_for(Duration::from_mins(2));
        assert_eq!(backoff.failures, 0);
        for _ in 0..40 {
            backoff.after_failure(now, None, &mut random);
        }
        let later = now.saturating_add(Duration::from_secs(151));
        assert!(backoff.after_failure(later, None, &mut random) < Duration::from_secs(2));
    }

    #[test]
    fn what_the_server_asks_for_is_never_cut_short() {
        let mut random = StdRng::seed_from_u64(1);
        for seconds in [1, 17, 120] {
            let asked = Duration::from_secs(seconds);
            let wait = backoff().after_failure(Timestamp(0), Some(asked), &mut random);
            assert!(wait >= asked && wait <= asked.mul_f64(1.1), "{wait:?}");
        }
        let hostile = Duration::from_secs(u64::MAX);
        assert!(
            backoff().after_failure(Timestamp(0), Some(hostile), &mut random)
                <= Duration::from_secs(330)
        );
    }
}

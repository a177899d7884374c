/// How the times of a recorded life become those of a clone's: straight between knots, which both
/// rise. What is before the first knot moves with it, what is behind the last one stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Warp {
    /// From where to where, in nanoseconds.
    knots: Vec<(i64, i64)>,
    /// Times before this are of no matter to the life and stay.
    since: i64,
}

impl Warp {
    /// Makes a warp. Knots that would turn time back are left out.
    pub(crate) fn new(knots: impl IntoIterator<Item = (i64, i64)>, since: i64) -> Self {
        let mut kept: Vec<(i64, i64)> = Vec::new();
        for knot in knots {
            if kept
                .last()
                .is_none_or(|last| knot.0 > last.0 && knot.1 > last.1)
            {
                kept.push(knot);
            }
        }
        Self { knots: kept, since }
    }

    /// Returns the time that a time becomes.
    pub(crate) fn apply(&self, time: i64) -> i64 {
        if time < self.since {
            return time;
        }
        let behind = self.knots.partition_point(|(from, _)| *from <= time);
        let before = behind
            .checked_sub(1)
            .and_then(|index| self.knots.get(index));
        match (before, self.knots.get(behind)) {
            (None, None) => time,
            (None, Some((from, to))) | (Some((from, to)), None) => {
                time.saturating_add(to.saturating_sub(*from))
            }
            (Some(low), Some(high)) => {
                let (width, part) = (i128::from(high.0 - low.0), i128::from(time - low.0));
                let moved = i128::from(high.1 - low.1) * part / width.max(1);
                low.1.saturating_add(i64::try_from(moved).unwrap_or(0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_of_times_is_kept(
            knots in prop::collection::vec((0i64..1000, 0i64..1000), 0..5),
            a in 0i64..2000, b in 0i64..2000,
        ) {
            let warp = Warp::new(knots, 0);
            prop_assert!(warp.apply(a.min(b)) <= warp.apply(a.max(b)));
        }
    }

    #[test]
    fn a_start_that_takes_longer_ends_where_the_life_does() {
        let warp = Warp::new([(100, 110), (120, 150), (200, 200)], 90);
        assert_eq!(warp.apply(80), 80, "before the life");
        assert_eq!(warp.apply(95), 105);
        assert_eq!(warp.apply(110), 130);
        assert_eq!(warp.apply(160), 175);
        assert_eq!(warp.apply(200), 200);
        assert_eq!(warp.apply(250), 250);
    }
}

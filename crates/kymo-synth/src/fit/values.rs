//! Values as a script has them: one by one, or a table of their quantiles.

use serde_json::Value;

use crate::clock::{MILLI, SECOND};
use crate::distribution::quantile;

/// How many times or names are written one by one; of more, so many quantiles.
pub(super) const MOST: usize = 64;

/// The same of what is said of single pods.
pub(super) const MOST_PODS: usize = 200;

/// Writes when things come, one by one, or quantiles of the times where there are more than `most`.
pub(super) fn arrival(times: &[i64], most: usize) -> String {
    let word = if times.len() > most {
        "empirical"
    } else {
        "at"
    };
    let mut sorted: Vec<f64> = times.iter().map(|at| *at as f64).collect();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len().min(most);
    let last = count.saturating_sub(1).max(1) as f64;
    let texts: Vec<String> = (0..count)
        .map(|place| duration(quantile(&sorted, place as f64 / last) as i64))
        .collect();
    format!("{word}({})", texts.join(", "))
}

/// Writes things that come at a rate.
pub(super) fn rate(count: usize, span: i64) -> String {
    let seconds = (span.max(MILLI) as f64) / SECOND as f64;
    format!("uniform(rate => {})", number(count as f64 / seconds))
}

/// Writes values in their order; of too many those in the middle of as many equal parts.
///
/// So many pods as there are values get each of them once, so the share of pods with at most a
/// certain value differs from the recorded one by at most half a part, and by as much as the last
/// round is not full.
pub(super) fn dealt(values: &[i64]) -> String {
    let texts: Vec<String> = table(values).into_iter().map(life).collect();
    format!("dealt({})", texts.join(", "))
}

/// Writes values of which most are `never`, so many that the others keep their share.
pub(super) fn dealt_rare(values: &[i64], most: usize) -> String {
    let finite = values.iter().filter(|value| **value < i64::MAX).count();
    if values.len() <= most || finite == 0 {
        let texts: Vec<String> = values.iter().copied().map(life).collect();
        return format!("dealt({})", texts.join(", "));
    }
    let mut known: Vec<i64> = values.to_vec();
    known.retain(|value| *value < i64::MAX);
    known.sort_unstable();
    let kept = (finite * most / values.len()).max(1);
    let mut texts = vec!["'never'".to_owned(); most];
    for number in 0..kept {
        let value = known.get((2 * number + 1) * finite / (2 * kept)).copied();
        if let Some(text) = texts.get_mut((2 * number + 1) * most / (2 * kept)) {
            *text = life(value.unwrap_or(i64::MAX));
        }
    }
    format!("dealt({})", texts.join(", "))
}

/// Returns values as they are, or quantiles of them in an order in which short and long ones take
/// turns.
fn table(values: &[i64]) -> Vec<i64> {
    if values.len() <= MOST_PODS {
        return values.to_vec();
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let middle = |part: usize| {
        sorted
            .get((2 * part + 1) * sorted.len() / (2 * MOST_PODS))
            .copied()
    };
    // A stride that has no divisor in common with their number meets each of them once.
    let stride = 77;
    (0..MOST_PODS)
        .filter_map(|place| middle(place * stride % MOST_PODS))
        .collect()
}

/// Writes names in the order of those that things have, or of too many in about the shares that
/// they have.
pub(super) fn names(names: &[&str]) -> String {
    let mut distinct = names.to_vec();
    distinct.sort_unstable();
    let picked: Vec<&str> = if names.len() > MOST {
        let part = |part: usize| (2 * part + 1) * distinct.len() / (2 * MOST);
        let parts = (0..MOST).map(|place| part(place * 27 % MOST));
        parts
            .filter_map(|place| distinct.get(place).copied())
            .collect()
    } else {
        names.to_vec()
    };
    let texts: Vec<String> = picked.into_iter().map(quote).collect();
    format!("({})", texts.join(", "))
}

fn life(value: i64) -> String {
    match value {
        i64::MAX => "'never'".to_owned(),
        value => duration(value),
    }
}

/// Writes a number with up to six decimals.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// Writes a share so that as many of `n` come of it as it was measured of: not less than it is.
pub(super) fn share(part: usize, whole: usize) -> String {
    let share = part as f64 / whole.max(1) as f64;
    // Adding zero takes the sign off a zero.
    number((share * 1e6 - 1e-6).ceil().clamp(0.0, 1e6) / 1e6 + 0.0)
}

/// Writes a duration in seconds and whole milliseconds, in quotes.
pub(super) fn duration(ns: i64) -> String {
    let millis = (ns as f64 / MILLI as f64).round() / 1000.0;
    format!("'{millis}s'")
}

pub(super) fn quoted(value: &Value) -> String {
    quote(&value.to_string())
}

pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fit::distance::kolmogorov_smirnov;

    #[test]
    fn values_are_written_one_by_one_or_so_many_of_them() {
        assert_eq!(
            dealt(&[3_000_000_000, i64::MAX, 1_500_000]),
            "dealt('3s', 'never', '0.002s')"
        );
        let many: Vec<i64> = (0..1000).map(|value| value * SECOND).collect();
        assert_eq!(dealt(&many).split(", ").count(), MOST_PODS);
        assert_eq!(arrival(&[0, 5 * MILLI], MOST), "at('0s', '0.005s')");
        let written = arrival(&many, MOST);
        assert!(
            written.starts_with("empirical('0s', '15.857s', "),
            "{written}"
        );
        assert!(written.ends_with(", '999s')"), "{written}");
    }

    #[test]
    fn what_happens_seldom_keeps_its_share() {
        let mut values = vec![i64::MAX; 1000];
        for place in [3, 500, 501, 502, 900] {
            values[place] = SECOND;
        }
        let written = dealt_rare(&values, 400);
        assert_eq!(written.matches("'1s'").count(), 2);
        assert_eq!(written.matches("'never'").count(), 398);
        assert_eq!(dealt_rare(&[SECOND, i64::MAX], 400), "dealt('1s', 'never')");
    }

    #[test]
    fn a_share_is_not_written_as_less_than_it_is() {
        for whole in 1..500 {
            for part in 0..=whole {
                let written: f64 = share(part, whole).parse().unwrap();
                let made = (written * whole as f64 + 1e-9).floor();
                assert_eq!(made as usize, part, "of {whole}");
            }
        }
    }

    #[test]
    fn names_keep_their_shares() {
        assert_eq!(names(&["b", "a", "b"]), "('b', 'a', 'b')");
        let mut many = vec!["a"; 150];
        many.extend(["b"; 50]);
        assert_eq!(names(&many).matches("'a'").count(), MOST * 3 / 4);
    }

    proptest! {
        /// However many values there are and however they lie, what is dealt for as many pods is not
        /// farther from them than 0.05.
        #[test]
        fn a_table_of_quantiles_is_as_near_as_is_asked_for(
            values in prop::collection::vec(prop_oneof![
                0..20_000_i64,
                0..5_i64,
                Just(i64::MAX),
            ], 1..1500),
        ) {
            let table = table(&values);
            prop_assert!(table.len() <= MOST_PODS);
            let made: Vec<f64> = (0..values.len()).map(|pod| table[pod % table.len()] as f64).collect();
            let recorded: Vec<f64> = values.iter().map(|value| *value as f64).collect();
            let distance = kolmogorov_smirnov(&recorded, &made).unwrap_or(0.0);
            prop_assert!(distance < 0.05, "{distance} of {} values", values.len());
        }
    }
}

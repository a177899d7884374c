use std::sync::Arc;

use super::forest::Tree;
use super::{Forest, Timelines};
use crate::Error;
use crate::language::{Condition, Factor, Place, Stretch};
use crate::plan::Input;
use crate::times::TimeMap;

/// Finds what moves where, and how many events are of it. Without `Timelines` nothing does.
pub(crate) async fn plan(
    what: Stretch,
    factor: Factor,
    condition: Option<&Condition>,
    place: Place,
    input: &Input,
) -> Result<(Option<Timelines>, u64), Error> {
    let forest = Forest::find(condition, &input.session).await?;
    let start = input.span.start.0;
    let stretch = TimeMap {
        origin: start,
        target: start,
        numerator: factor.numerator,
        denominator: factor.denominator,
    };
    if stretch.apply(input.span.end.0).is_none() {
        return Err(Error::Statement {
            message: "the trace would leave the years 1677 to 2262".to_owned(),
            place: factor.place,
            hint: None,
        });
    }
    let (maps, named) = forest.maps(|tree| map(tree, what, stretch));
    let moves = maps.values().any(|map| !map.is_identity());
    let timelines = moves.then(|| Timelines {
        maps: Arc::new(maps),
        place,
    });
    Ok((timelines, named))
}

/// Returns where the times of a tree go; `None`: they stay. `stretch` is that of all time.
fn map(tree: &Tree, what: Stretch, stretch: TimeMap) -> Option<TimeMap> {
    if !tree.is_named {
        return None;
    }
    if tree.is_place {
        return spanned(tree, stretch);
    }
    match what {
        Stretch::Arrivals if tree.arrives => Some(TimeMap {
            origin: tree.first,
            target: stretch.apply(tree.first)?,
            ..TimeMap::IDENTITY
        }),
        Stretch::Lifetimes => Some(TimeMap {
            origin: tree.first,
            target: tree.first,
            ..stretch
        }),
        Stretch::Arrivals | Stretch::Time => None,
    }
}

/// Lets a place begin no later and end no earlier than it did, nor than what is in it: no tree
/// moves further than all time would.
fn spanned(tree: &Tree, stretch: TimeMap) -> Option<TimeMap> {
    let begin = if tree.arrives {
        stretch.apply(tree.first)?.min(tree.first)
    } else {
        tree.first
    };
    let shift = TimeMap {
        origin: tree.first,
        target: begin,
        ..TimeMap::IDENTITY
    };
    let Some(end) = tree.end.filter(|end| *end > tree.first) else {
        return Some(shift);
    };
    let last = stretch.apply(end)?.max(end);
    Some(TimeMap {
        numerator: u64::try_from(last.checked_sub(begin)?).ok()?,
        denominator: u64::try_from(end.checked_sub(tree.first)?).ok()?,
        ..shift
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRETCH: TimeMap = TimeMap {
        origin: 100,
        target: 100,
        numerator: 1,
        denominator: 2,
    };

    fn tree(first: i64, end: Option<i64>) -> Tree {
        Tree {
            first,
            end,
            arrives: true,
            is_place: false,
            is_named: true,
        }
    }

    #[test]
    fn arrivals_move_whole_timelines_and_lifetimes_their_ends() {
        let pod = tree(140, Some(200));
        let arrival = map(&pod, Stretch::Arrivals, STRETCH).unwrap();
        assert_eq!(
            [140, 160, 200].map(|time| arrival.apply(time).unwrap()),
            [120, 140, 180]
        );
        let life = map(&pod, Stretch::Lifetimes, STRETCH).unwrap();
        assert_eq!(
            [140, 160, 200].map(|time| life.apply(time).unwrap()),
            [140, 150, 170]
        );
    }

    #[test]
    fn what_was_there_does_not_arrive() {
        let pod = Tree {
            arrives: false,
            ..tree(100, Some(200))
        };
        assert_eq!(map(&pod, Stretch::Arrivals, STRETCH), None);
    }

    #[test]
    fn a_node_is_there_before_and_after_what_is_on_it() {
        let node = Tree {
            is_place: true,
            ..tree(140, Some(200))
        };
        let sooner = map(&node, Stretch::Arrivals, STRETCH).unwrap();
        assert_eq!(
            [140, 200].map(|time| sooner.apply(time).unwrap()),
            [120, 200]
        );
        let later = TimeMap {
            numerator: 3,
            denominator: 1,
            ..STRETCH
        };
        let later = map(&node, Stretch::Arrivals, later).unwrap();
        assert_eq!(
            [140, 200].map(|time| later.apply(time).unwrap()),
            [140, 400]
        );
        let stays = Tree { end: None, ..node };
        let shift = map(&stays, Stretch::Lifetimes, STRETCH).unwrap();
        assert_eq!(
            [140, 150].map(|time| shift.apply(time).unwrap()),
            [120, 130]
        );
    }
}

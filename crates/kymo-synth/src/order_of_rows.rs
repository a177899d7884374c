//! In which order objects stand in a segment.

use std::cmp::Ordering;

use crate::Error;
use crate::pod::NameForm;
use crate::story::{GONE, ObjectRef, Sort, Story};
use crate::timeline::Lives;

/// The objects in the order of a segment, with what happened to each.
#[derive(Debug)]
pub(crate) struct Index {
    /// The numbers of all objects, in order.
    pub(crate) objects: Vec<u32>,
    /// What happened to them, by their places among those.
    pub(crate) lives: Lives,
}

impl Index {
    pub(crate) fn of(story: &Story<'_>) -> Result<Self, Error> {
        let objects = sorted(story);
        let mut ranks = vec![0; objects.len()];
        for (rank, object) in objects.iter().enumerate() {
            if let Some(place) = ranks.get_mut(*object as usize) {
                *place = rank as u32;
            }
        }
        Ok(Self {
            lives: story.timeline.by_object(&ranks)?,
            objects,
        })
    }
}

fn sorted(story: &Story<'_>) -> Vec<u32> {
    let mut keyed: Vec<Keyed> = Vec::with_capacity(story.objects.len());
    let mut plurals: Vec<String> = story
        .catalog
        .feeds()
        .into_iter()
        .map(|(_, feed)| feed.resource.resource)
        .collect();
    plurals.sort_unstable();
    plurals.dedup();
    let ranks = ranks(story);
    let feeds = story.catalog.feeds();
    let place_of = |plural: &str| {
        plurals
            .binary_search_by(|known| known.as_str().cmp(plural))
            .unwrap_or_default() as u32
    };
    let (pods, nodes, leases, events) = (
        place_of("pods"),
        place_of("nodes"),
        place_of("leases"),
        place_of("events"),
    );
    let of_feeds: Vec<u32> = feeds
        .iter()
        .map(|(_, feed)| place_of(&feed.resource.resource))
        .collect();
    for (number, object) in story.objects.iter().enumerate() {
        let bucket = match object.sort {
            Sort::Pod => pods,
            Sort::Node => nodes,
            Sort::Lease => leases,
            Sort::Event => events,
            Sort::Plain => {
                let plain = story.plains.get(object.index as usize);
                let feed = plain.map_or(0, |plain| plain.feed.0 as usize);
                of_feeds.get(feed).copied().unwrap_or_default()
            }
        };
        keyed.push(Keyed {
            letters: letters(story, *object),
            bucket,
            number: number as u32,
        });
    }
    keyed.sort_unstable_by(|a, b| {
        let by_letters = match (a.letters, b.letters) {
            (Some((group, first)), Some((other, second))) if group == other => first.cmp(&second),
            _ => Ordering::Equal,
        };
        a.bucket
            .cmp(&b.bucket)
            .then(by_letters)
            .then_with(|| compare(story, &ranks, a.number, b.number))
            .then(a.number.cmp(&b.number))
    });
    keyed.into_iter().map(|keyed| keyed.number).collect()
}

/// An object that is about to be sorted.
struct Keyed {
    /// For a pod that ends with letters its group and these.
    letters: Option<(u32, [u8; 5])>,
    bucket: u32,
    number: u32,
}

/// What tells pods of a group apart, so that most need not be looked up to be compared.
fn letters(story: &Story<'_>, object: ObjectRef) -> Option<(u32, [u8; 5])> {
    if object.sort != Sort::Pod {
        return None;
    }
    let pod = story.pods.get(object.index as usize)?;
    let group = story.groups.get(pod.group as usize)?;
    (group.form == NameForm::Letters).then_some((pod.group, pod.suffix))
}

/// Returns for each object that Events are about its place among those, by namespace and by name
/// with a dot behind it.
fn ranks(story: &Story<'_>) -> Vec<u32> {
    if story.events.is_empty() {
        return Vec::new();
    }
    let mut ranks = vec![GONE; story.objects.len()];
    let mut abouts: Vec<u32> = story.events.iter().map(|event| event.about).collect();
    abouts.sort_unstable();
    abouts.dedup();
    abouts.sort_by_cached_key(|about| {
        let (namespace, name) = key_of(story, *about);
        (namespace, format!("{name}."))
    });
    for (rank, about) in abouts.iter().enumerate() {
        if let Some(place) = ranks.get_mut(*about as usize) {
            *place = rank as u32;
        }
    }
    ranks
}

/// Compares two objects of resources of one name.
fn compare(story: &Story<'_>, ranks: &[u32], a: u32, b: u32) -> Ordering {
    let of = |number: u32| story.objects.get(number as usize).copied();
    let (Some(first), Some(second)) = (of(a), of(b)) else {
        return a.cmp(&b);
    };
    match (first.sort, second.sort) {
        (Sort::Pod, Sort::Pod) => pods(story, first, second),
        (Sort::Event, Sort::Event) => {
            let key = |object: ObjectRef| {
                let event = story.events.get(object.index as usize);
                event.map(|event| {
                    let rank = ranks.get(event.about as usize).copied();
                    (rank, event.stamp)
                })
            };
            key(first).cmp(&key(second))
        }
        _ => key_of(story, a).cmp(&key_of(story, b)),
    }
}

fn pods(story: &Story<'_>, a: ObjectRef, b: ObjectRef) -> Ordering {
    let (Some(first), Some(second)) = (
        story.pods.get(a.index as usize),
        story.pods.get(b.index as usize),
    ) else {
        return a.index.cmp(&b.index);
    };
    let of = |group: u32| story.groups.get(group as usize);
    let (Some(own), Some(other)) = (of(first.group), of(second.group)) else {
        return a.index.cmp(&b.index);
    };
    let uid = |object: u32| story.seed.uid(u64::from(object)).to_string();
    let by_uid = || uid(first.object).cmp(&uid(second.object));
    if first.group == second.group && own.form == NameForm::Letters {
        return first.suffix.cmp(&second.suffix).then_with(by_uid);
    }
    own.namespace
        .cmp(&other.namespace)
        .then_with(|| story.pod_name(first).cmp(&story.pod_name(second)))
        .then_with(by_uid)
}

/// Returns namespace and name of an object.
pub(crate) fn key_of(story: &Story<'_>, number: u32) -> (String, String) {
    let Some(object) = story.objects.get(number as usize) else {
        return Default::default();
    };
    let index = object.index as usize;
    match object.sort {
        Sort::Pod => story.pods.get(index).map(|pod| {
            let group = story.groups.get(pod.group as usize);
            let namespace = group.map(|group| group.namespace.clone());
            (namespace.unwrap_or_default(), story.pod_name(pod))
        }),
        Sort::Node => story
            .nodes
            .get(index)
            .map(|node| (String::new(), node.host.name.clone())),
        Sort::Lease => story
            .nodes
            .get(index)
            .map(|node| ("kube-node-lease".to_owned(), node.host.name.clone())),
        Sort::Plain => story
            .plains
            .get(index)
            .map(|plain| (plain.namespace.to_string(), plain.name.to_string())),
        Sort::Event => story.events.get(index).map(|event| {
            let (namespace, about) = key_of(story, event.about);
            (namespace, event.name(&about))
        }),
    }
    .unwrap_or_default()
}

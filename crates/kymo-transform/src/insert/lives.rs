//! What added events are to the objects of a trace.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::arrow::array::Array;
use kymo_model::{EventType, GroupResource};
use uuid::Uuid;

use super::{Light, Order};
use crate::Error;
use crate::plan::Input;
use crate::rows::{each_batch, instants, literal, texts};

/// What a row becomes.
#[derive(Clone, Debug)]
pub(super) struct Fate {
    pub(super) uid: String,
    pub(super) event_type: EventType,
}

/// Names that are asked for at a time.
const CHUNK: usize = 500;

/// A resource, a namespace and a name.
type Name = (GroupResource, String, String);

/// Something that happens under a name.
#[derive(Clone, Debug)]
struct Happening {
    ts: i64,
    uid: Option<String>,
    event_type: Option<EventType>,
    /// The added row; `None`: it was recorded.
    row: Option<usize>,
}

/// Finds types and uids, and fails where a row would break the life cycle of an object, its name or
/// its uid.
pub(super) async fn fates(
    order: &Order<'_>,
    lights: &[Light],
    input: &Input,
) -> Result<Vec<Fate>, Error> {
    let mut timelines: BTreeMap<Name, Vec<Happening>> = BTreeMap::new();
    let mut uids: BTreeMap<String, Name> = BTreeMap::new();
    for (row, light) in lights.iter().enumerate() {
        let Some(feed) = input.feeds.get(&light.feed) else {
            return Err(Error::Changed);
        };
        let name = (
            feed.resource.group_resource(),
            light.namespace.clone(),
            light.name.clone(),
        );
        if let Some(uid) = &light.uid {
            let owner = uids.entry(uid.clone()).or_insert_with(|| name.clone());
            if *owner != name {
                return Err(shared(order, row, light, &owner.2));
            }
        }
        timelines.entry(name).or_default().push(Happening {
            ts: light.ts,
            uid: light.uid.clone(),
            event_type: light.event_type,
            row: Some(row),
        });
    }
    recorded(order, lights, &uids, &mut timelines, input).await?;
    let mut fates = vec![None; lights.len()];
    for ((resource, namespace, name), mut happenings) in timelines {
        // What was recorded comes first.
        happenings.sort_by_key(|happening| (happening.ts, happening.row.is_some(), happening.row));
        let label = format!(
            "{}/{}/{}/{namespace}/{name}",
            order.seed, resource.group, resource.resource
        );
        follow(order, &label, &name, &happenings, &mut fates)?;
    }
    fates
        .into_iter()
        .collect::<Option<_>>()
        .ok_or(Error::Changed)
}

fn shared(order: &Order<'_>, row: usize, light: &Light, other: &str) -> Error {
    let message = format!("its uid is that of `{other}` (rule `unique-uids`)");
    let hint = "take it out with `json_remove(object, '/metadata/uid')`, and a new one is issued";
    order.wrong_row(row, &light.name, &message, Some(hint))
}

/// Adds what was recorded under the same names, and looks for the uids under others.
async fn recorded(
    order: &Order<'_>,
    lights: &[Light],
    uids: &BTreeMap<String, Name>,
    timelines: &mut BTreeMap<Name, Vec<Happening>>,
    input: &Input,
) -> Result<(), Error> {
    let names: BTreeSet<String> = timelines.keys().map(|(_, _, name)| literal(name)).collect();
    let mut asked: Vec<String> = names
        .into_iter()
        .map(|name| format!("name = {name}"))
        .collect();
    asked.extend(uids.keys().map(|uid| format!("uid = {}", literal(uid))));
    for some in asked.chunks(CHUNK) {
        let sql = format!(
            "SELECT ts, api_group, resource, namespace, name, uid, type FROM events \
             WHERE ({}) AND certainty <> 'reported' ORDER BY seq",
            some.join(" OR ")
        );
        let mut taken: Option<(String, String)> = None;
        each_batch(&input.session, &sql, |batch| {
            let column = |index| texts(batch, index);
            let (groups, resources, namespaces) = (column(1)?, column(2)?, column(3)?);
            let (names, owners, types) = (column(4)?, column(5)?, column(6)?);
            for (row, ts) in instants(batch, 0)?.enumerate() {
                let text = |array: &datafusion::arrow::array::StringArray| {
                    let text = array.is_valid(row).then(|| array.value(row));
                    text.unwrap_or_default().to_owned()
                };
                let name = (
                    GroupResource::new(text(&groups), text(&resources)),
                    text(&namespaces),
                    text(&names),
                );
                let uid = text(&owners);
                if uids.get(&uid).is_some_and(|own| *own != name) {
                    taken.get_or_insert((uid, name.2));
                    continue;
                }
                let event_type = match text(&types).as_str() {
                    "ADDED" => EventType::Added,
                    "MODIFIED" => EventType::Modified,
                    "DELETED" => EventType::Deleted,
                    _ => continue,
                };
                if let (Some(ts), Some(timeline)) = (ts, timelines.get_mut(&name)) {
                    timeline.push(Happening {
                        ts,
                        uid: Some(uid),
                        event_type: Some(event_type),
                        row: None,
                    });
                }
            }
            Ok(())
        })
        .await?;
        if let Some((uid, other)) = taken
            && let Some((row, light)) = lights
                .iter()
                .enumerate()
                .find(|(_, light)| light.uid.as_ref() == Some(&uid))
        {
            return Err(shared(order, row, light, &other));
        }
    }
    Ok(())
}

/// Follows what happens under a name.
fn follow(
    order: &Order<'_>,
    label: &str,
    name: &str,
    happenings: &[Happening],
    fates: &mut [Option<Fate>],
) -> Result<(), Error> {
    let mut alive: Option<String> = None;
    // Whether an added row made it what it is.
    let mut last_added: Option<usize> = None;
    let mut is_first = true;
    for happening in happenings {
        let event_type = happening.event_type.unwrap_or(match alive {
            Some(_) => EventType::Modified,
            None => EventType::Added,
        });
        let uid = happening
            .uid
            .clone()
            .or_else(|| alive.clone())
            .unwrap_or_else(|| {
                let label = format!("{label}/{}", happening.ts);
                Uuid::new_v5(&Uuid::NAMESPACE_OID, label.as_bytes()).to_string()
            });
        let broken = match (&alive, event_type) {
            (Some(other), _) if *other != uid => {
                Some("another object has the name then (rule `unique-names`)")
            }
            (Some(_), EventType::Added) => {
                Some("it is ADDED while the object is there (rule `life-cycle`)")
            }
            (None, EventType::Modified | EventType::Deleted)
                if !is_first || happening.row.is_some() =>
            {
                Some("the object is not there then (rule `life-cycle`)")
            }
            _ => None,
        };
        if let (Some(broken), Some(row)) = (broken, happening.row.or(last_added)) {
            let hint =
                "leave `type` out, and what fits is issued; another name makes another object";
            return Err(order.wrong_row(row, name, broken, Some(hint)));
        }
        alive = (event_type != EventType::Deleted).then(|| uid.clone());
        last_added = happening.row;
        is_first = false;
        if let Some(fate) = happening.row.and_then(|row| fates.get_mut(row)) {
            *fate = Some(Fate { uid, event_type });
        }
    }
    Ok(())
}

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::Array as _;
use kymo_query::QuerySession;
use serde_json::Value;

use super::listing::{Entry, Form, Listing, Noted, State, each_list, pod_of, withdraw};
use crate::Error;
use crate::language::Workload;
use crate::rows::{each_batch, literal, numbers, texts};
use crate::scale::fleet::Pod;

/// The most addresses that a slice has. Source: `maxEndpointsPerSlice` of the controller, by default.
pub(super) const IN_SLICE: usize = 100;
/// The most addresses that Endpoints have. Source: `maxCapacity` of the endpoints controller.
pub(crate) const IN_ENDPOINTS: usize = 1000;

/// Finds what lists pods of the workload that are cloned or leave. `places` has the pods by uid.
pub(in crate::scale) async fn read(
    workload: &Workload,
    pods: &[Pod],
    places: &HashMap<&str, usize>,
    session: &QuerySession,
) -> Result<Vec<Listing>, Error> {
    if pods.iter().all(|pod| pod.stays && pod.clones.is_empty()) {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT seq, ts, uid, name, resource, type, object FROM events \
         WHERE (api_group, resource) IN (('discovery.k8s.io', 'endpointslices'), ('', 'endpoints')) \
         AND namespace = {} AND object IS NOT NULL ORDER BY uid, seq",
        literal(&workload.namespace)
    );
    let mut reader = Reader {
        pods,
        places,
        found: Vec::new(),
        present: Listing::default(),
        before: Before::default(),
        has_pods: false,
    };
    each_batch(session, &sql, |batch| {
        let (uids, names) = (texts(batch, 2)?, texts(batch, 3)?);
        let (resources, types, objects) = (texts(batch, 4)?, texts(batch, 5)?, texts(batch, 6)?);
        let rows = numbers(batch, 0)?.zip(numbers(batch, 1)?).enumerate();
        for (row, (seq, ts)) in rows {
            let (Some(seq), Some(ts)) = (seq, ts) else {
                continue;
            };
            if uids.value(row) != reader.present.uid {
                reader.end();
                uids.value(row).clone_into(&mut reader.present.uid);
                names.value(row).clone_into(&mut reader.present.name);
                if resources.value(row) == "endpoints" {
                    reader.present.form = Form::Endpoints;
                }
            }
            let is_end = types.is_valid(row) && types.value(row) == "DELETED";
            if let Ok(object) = serde_json::from_str(objects.value(row)) {
                reader.row(seq.unsigned_abs(), ts, is_end, object);
            }
        }
        Ok(())
    })
    .await?;
    reader.end();
    Ok(reader.found)
}

/// What a pod is said to be: where, and the text.
type Said = Vec<(usize, Arc<str>)>;

/// What the row before said.
#[derive(Default)]
struct Before {
    said: HashMap<usize, Said>,
    /// Digests of what is in it: all, and what stays of it.
    all: Option<blake3::Hash>,
    rest: Option<blake3::Hash>,
    generation: Option<i64>,
    entries: HashMap<usize, usize>,
    most: usize,
}

struct Reader<'a> {
    pods: &'a [Pod],
    places: &'a HashMap<&'a str, usize>,
    found: Vec<Listing>,
    present: Listing,
    before: Before,
    has_pods: bool,
}

impl Reader<'_> {
    fn row(&mut self, seq: u64, ts: i64, is_end: bool, mut object: Value) {
        let form = self.present.form;
        let generation = object
            .pointer("/metadata/generation")
            .and_then(Value::as_i64);
        let all = digest(&object);
        let mut said: HashMap<usize, Said> = HashMap::new();
        let mut listed: Vec<(Arc<str>, bool, usize, Arc<str>)> = Vec::new();
        let (pods, places) = (self.pods, self.places);
        let mut leaving = false;
        each_list(form, &mut object, |ports, is_ready, addresses| {
            let ports: Arc<str> = Arc::from(ports.to_string());
            for address in addresses.iter() {
                let place = pod_of(address).and_then(|uid| places.get(uid));
                let Some(place) = place else { continue };
                let Some(pod) = pods.get(*place) else {
                    continue;
                };
                leaving |= !pod.stays;
                if !pod.clones.is_empty() {
                    let text = Arc::from(address.to_string());
                    listed.push((Arc::clone(&ports), is_ready, *place, text));
                }
            }
        });
        for (ports, is_ready, place, text) in listed {
            let spot = self.spot(ports, is_ready);
            said.entry(place).or_default().push((spot, text));
        }
        if form == Form::Slice
            && let Some(ports) = object.get("ports").filter(|ports| ports.is_array())
            && self
                .present
                .ports
                .last()
                .is_none_or(|(_, last)| last != ports)
        {
            self.present.ports.push((ts, ports.clone()));
        }
        self.present.shrinks |= leaving;
        self.has_pods |= leaving || !said.is_empty();
        let rest = if leaving {
            let leaves = |address: &Value| {
                let place = pod_of(address).and_then(|uid| places.get(uid));
                let pod = place.and_then(|place| pods.get(*place));
                pod.is_some_and(|pod| !pod.stays)
            };
            withdraw(form, &mut object, leaves);
            digest(&object)
        } else {
            all
        };
        let mut count = 0;
        each_list(form, &mut object, |_, _, addresses| {
            count += addresses.len();
        });
        self.before.most = self.before.most.max(count);
        let is_first = self.present.rows.is_empty();
        let (is_other, is_changed) = (self.before.all != Some(all), self.before.rest != Some(rest));
        let shift = match (generation, self.before.generation) {
            (Some(generation), Some(before)) if !is_end => {
                let recorded = generation.saturating_sub(before);
                let step = if is_changed { recorded.max(1) } else { 0 };
                step - recorded
            }
            _ => 0,
        };
        self.present.rows.push(Noted {
            seq,
            ts,
            is_void: !is_first && !is_end && is_other && !is_changed,
            is_changed,
            shift,
        });
        if is_end {
            self.present.ended = Some(ts);
            return;
        }
        self.note(ts, said);
        self.before.all = Some(all);
        self.before.rest = Some(rest);
        self.before.generation = generation;
    }

    fn spot(&mut self, ports: Arc<str>, is_ready: bool) -> usize {
        let spot = (ports, is_ready);
        let spots = &mut self.present.spots;
        spots
            .iter()
            .position(|known| *known == spot)
            .unwrap_or_else(|| {
                spots.push(spot);
                spots.len() - 1
            })
    }

    /// Notes what has changed about pods.
    fn note(&mut self, ts: i64, said: HashMap<usize, Said>) {
        let before = std::mem::take(&mut self.before.said);
        let gone = before.keys().filter(|pod| !said.contains_key(*pod));
        let gone = gone.map(|pod| (*pod, Said::new()));
        let changed = said
            .iter()
            .filter(|(pod, said)| before.get(*pod) != Some(*said))
            .map(|(pod, said)| (*pod, said.clone()));
        let mut changes: Vec<(usize, Said)> = gone.chain(changed).collect();
        changes.sort_by_key(|(pod, _)| *pod);
        for (pod, said) in changes {
            let entries = &mut self.present.entries;
            let place = *self.before.entries.entry(pod).or_insert_with(|| {
                let states = Vec::new();
                entries.push(Entry { pod, states });
                entries.len() - 1
            });
            if let Some(entry) = entries.get_mut(place) {
                entry.states.push(State { ts, said });
            }
        }
        self.before.said = said;
    }

    /// The present object has no more rows.
    fn end(&mut self) {
        let mut listing = std::mem::take(&mut self.present);
        let before = std::mem::take(&mut self.before);
        if std::mem::take(&mut self.has_pods) {
            let most = match listing.form {
                Form::Slice => IN_SLICE,
                Form::Endpoints => IN_ENDPOINTS,
            };
            listing.room = most.saturating_sub(before.most);
            self.found.push(listing);
        }
    }
}

/// Returns a digest of what makes another generation.
fn digest(object: &Value) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let fields = ["addressType", "endpoints", "ports", "subsets"].map(|field| object.get(field));
    let labels = object.pointer("/metadata/labels");
    for value in fields.into_iter().chain([labels]) {
        let text = value.map(Value::to_string).unwrap_or_default();
        hasher.update(text.as_bytes()).update(b"\n");
    }
    hasher.finalize()
}

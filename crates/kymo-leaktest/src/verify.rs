use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use kymo_store::Trace;
use kymo_store::segment::Row;
use serde_json::Value;

use crate::Error;
use crate::decode::{Inside, MAX_DEPTH, inside};
use crate::identify::each_text;
use crate::leak::{Leak, LeakReport, Place};
use crate::physical::{self, Bytes};
use crate::search::{Hit, Search};
use crate::trace;
use crate::uniqueness::Shapes;

/// How many places of a token are told.
const PLACES: usize = 3;
/// How many texts are remembered as searched; then they are searched again.
const REMEMBERED: usize = 8 << 20;

/// Searches an anonymized trace, `out`, for whatever identifies in the `original`.
///
/// `progress` is told how many events were read, of both traces.
///
/// All identifying tokens of the original are held in memory; the output is read as a stream.
pub fn verify(original: &Path, out: &Path, progress: &dyn Fn(u64)) -> Result<LeakReport, Error> {
    let original = Trace::open(original)?;
    let tokens = trace::tokens(&original)?;
    let mut scan = Scan {
        search: Search::new(&tokens)?,
        searched: HashSet::new(),
        found: BTreeMap::new(),
        texts: 0,
    };
    let output = Trace::open(out)?;
    let mut shapes = Shapes::default();
    if let Ok(meta) = serde_json::to_value(output.meta()) {
        scan.value("metadata", None, &meta, 0);
    }
    for (number, row) in output.rows()?.enumerate() {
        let row = row?;
        let resource = output
            .feeds()
            .get(&row.event.feed)
            .map(|feed| &feed.resource);
        let is_pod =
            resource.is_some_and(|resource| resource.group.is_empty() && resource.kind == "Pod");
        scan.row(&row, is_pod.then_some(&mut shapes));
        if number % 1024 == 0 {
            progress(number as u64);
        }
    }
    let mut bytes = 0;
    for file in physical::files(out)? {
        physical::visit(&file, &mut |part, found| {
            let hits = match found {
                Bytes::Raw(raw) => {
                    bytes += raw.len() as u64;
                    scan.search.hits_in_bytes(raw)
                }
                Bytes::Page(page) => {
                    bytes += page.len() as u64;
                    scan.search.hits(page)
                }
            };
            scan.take(hits, None, &format!("{part} of the file"));
        })?;
    }
    let leaks = tokens
        .iter()
        .enumerate()
        .filter_map(|(number, (token, origin))| {
            let found = scan.found.remove(&number)?;
            Some(Leak {
                token: token.to_owned(),
                class: origin.class,
                spelling: found.spelling,
                original: origin.place.clone(),
                places: found.places,
                count: found.count,
            })
        });
    let mut leaks: Vec<Leak> = leaks.collect();
    leaks.sort_by(|a, b| (a.class, &a.token).cmp(&(b.class, &b.token)));
    Ok(LeakReport {
        leaks,
        tokens: tokens.len(),
        too_short: tokens.too_short(),
        texts: scan.texts,
        bytes,
        uniqueness: shapes.report(),
    })
}

struct Scan {
    search: Search,
    searched: HashSet<u64>,
    found: BTreeMap<usize, Found>,
    texts: u64,
}

struct Found {
    spelling: &'static str,
    places: Vec<Place>,
    count: u64,
}

impl Scan {
    fn row(&mut self, row: &Row, pods: Option<&mut Shapes>) {
        let seq = Some(row.seq);
        let key = &row.event.key;
        for (path, text) in [
            ("namespace", &key.namespace),
            ("name", &key.name),
            ("uid", &key.uid),
        ] {
            self.text(path, seq, text, 0);
        }
        if let Some(request) = &row.event.request
            && let Ok(request) = serde_json::to_value(request.as_ref())
        {
            self.value("request", seq, &request, 0);
        }
        let Some(body) = &row.event.body else {
            return;
        };
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            let hits = self.search.hits(body);
            self.take(hits, seq, "an unreadable line");
            return;
        };
        if let Some(pods) = pods {
            pods.pod(&key.uid, &value);
        }
        self.value("object", seq, &value, 0);
    }

    fn value(&mut self, path: &str, seq: Option<u64>, value: &Value, depth: usize) {
        each_text(&mut path.to_owned(), value, &mut |path, text| {
            self.text(path, seq, text, depth);
        });
    }

    fn text(&mut self, path: &str, seq: Option<u64>, text: &str, depth: usize) {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        if self.searched.len() >= REMEMBERED {
            self.searched.clear();
        }
        if !self.searched.insert(hasher.finish()) {
            return;
        }
        self.texts += 1;
        let hits = self.search.hits(text.as_bytes());
        self.take(hits, seq, path);
        if depth >= MAX_DEPTH {
            return;
        }
        for found in inside(text) {
            match found {
                Inside::Json(value) => self.value(path, seq, &value, depth + 1),
                Inside::Text(text) => self.text(path, seq, &text, depth + 1),
            }
        }
    }

    fn take(&mut self, hits: Vec<Hit>, seq: Option<u64>, path: &str) {
        for hit in hits {
            let found = self.found.entry(hit.token).or_insert_with(|| Found {
                spelling: hit.spelling,
                places: Vec::new(),
                count: 0,
            });
            found.count += 1;
            if found.places.len() < PLACES {
                found.places.push(Place {
                    seq,
                    path: path.to_owned(),
                });
            }
        }
    }
}

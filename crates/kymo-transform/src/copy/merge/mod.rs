//! `MERGE TRACE`: two traces become one.
//!
//! Parts of one recording share a session, so their events have the same numbers: these are put
//! together again ([`Parts`]). Any other trace is another world beside the first one ([`Worlds`]): its
//! sessions, feeds and coverage stay its own.

mod collisions;
mod order;
mod parts;
mod records;
mod worlds;

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use kymo_model::{GroupResource, Timestamp};
use kymo_query::{Limits, QuerySession, Source, TraceSource};
use kymo_store::Trace;
use kymo_store::segment::Row;
use serde_json::Value;

pub(crate) use parts::Parts;
pub(crate) use worlds::Worlds;

use super::{Order, Whole};
use crate::Error;
use crate::language::{Place, TimePoint};
use crate::lineage::Merged;
use crate::plan::{self, Input};

/// A statement `MERGE TRACE`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) path: &'a str,
    pub(crate) at: Option<&'a TimePoint>,
    pub(crate) prefix: Option<&'a str>,
}

/// What a merge does, and what the lineage says of the other trace.
pub(crate) struct Plan {
    pub(crate) whole: Whole,
    pub(crate) merged: Merged,
    /// How many events the other trace has.
    pub(crate) named: u64,
}

/// Opens the other trace and finds out how the two go together.
pub(crate) async fn merge(order: &Order, wanted: Wanted<'_>, input: &Input) -> Result<Plan, Error> {
    let path = resolved(order.place, wanted.path, &input.base)?;
    join(order, &path, wanted.at, wanted.prefix, input).await
}

/// The same for a trace whose path does not come from a script.
pub(crate) async fn join(
    order: &Order,
    path: &Path,
    at: Option<&TimePoint>,
    prefix: Option<&str>,
    input: &Input,
) -> Result<Plan, Error> {
    let other = Input::open(path, &input.limits, &input.base).map_err(|error| match error {
        Error::Store { source } => {
            order.wrong(source.to_string(), "a script can read traces of kymo only")
        }
        error => error,
    })?;
    let mut merged = Merged::of(&other.trace)?;
    let both = session(input.trace.path(), path, &input.limits)?;
    let named = super::count(&other.session, "SELECT count(*) FROM events").await?;
    let sessions: Vec<_> = input.trace.sessions().collect();
    let is_part = other.trace.sessions().any(|one| sessions.contains(&one));
    let whole = if is_part && at.is_none() && prefix.is_none() {
        Whole::Parts(Arc::new(Parts::of(order, input, &other).await?))
    } else {
        let to = match at {
            Some(at) => plan::point(at, input.span)?,
            None => other.span.start,
        };
        let shift = i128::from(to.0) - i128::from(other.span.start.0);
        let fits = i64::try_from(shift)
            .ok()
            .filter(|shift| other.span.end.0.checked_add(*shift).is_some());
        let Some(shift) = fits else {
            return Err(order.wrong(
                "the trace would end outside the years 1677 to 2262",
                "let it begin at another time",
            ));
        };
        merged.partial.extend(seen_by_one(input, &other));
        let worlds = Worlds::of(order, prefix, shift, input, &other, &both).await?;
        Whole::Worlds(Arc::new(worlds))
    };
    Ok(Plan {
        whole,
        merged,
        named,
    })
}

/// Returns the path of a trace as a script may name it: relative to the script.
fn resolved(place: Place, path: &str, base: &Path) -> Result<PathBuf, Error> {
    let wrong = |message: String, hint: &str| Error::Statement {
        message,
        place,
        hint: Some(hint.to_owned()),
    };
    let named = Path::new(path);
    let is_relative = named
        .components()
        .all(|part| !matches!(part, Component::RootDir | Component::Prefix(_)));
    if !is_relative {
        return Err(wrong(
            format!("`{path}` does not begin at the script"),
            "write the path as it is seen from the directory of the script",
        ));
    }
    let found = base.join(named);
    let kind = std::fs::metadata(&found).map_err(|error| {
        wrong(
            format!("cannot open `{}`: {error}", found.display()),
            "the path begins at the directory of the script, or else at the current one",
        )
    })?;
    if !kind.is_file() && !kind.is_dir() {
        return Err(wrong(
            format!("`{}` is no trace", found.display()),
            "a script can read traces of kymo only",
        ));
    }
    Ok(found)
}

/// Opens both traces to ask of one what the other has: `ours` and `theirs`.
fn session(ours: &Path, theirs: &Path, limits: &Limits) -> Result<QuerySession, Error> {
    let open =
        |path: &Path| -> Result<Arc<dyn Source>, Error> { Ok(Arc::new(TraceSource::open(path)?)) };
    let sources = [
        ("ours".to_owned(), open(ours)?),
        ("theirs".to_owned(), open(theirs)?),
    ];
    Ok(QuerySession::over(&sources, limits.clone())?)
}

/// Returns the resources that only one of two traces has: of these not all objects are known.
fn seen_by_one(ours: &Input, theirs: &Input) -> BTreeSet<GroupResource> {
    let resources = |input: &Input| -> BTreeSet<GroupResource> {
        let feeds = input.feeds.values();
        feeds.map(|feed| feed.resource.group_resource()).collect()
    };
    resources(ours)
        .symmetric_difference(&resources(theirs))
        .cloned()
        .collect()
}

/// Returns the resources that steps of a lineage call partial.
pub(crate) fn partial(lineage: &[Value]) -> BTreeSet<GroupResource> {
    let text = |value: &Value, field: &str| value.get(field)?.as_str().map(str::to_owned);
    lineage
        .iter()
        .filter_map(|step| step.get("partial")?.as_array())
        .flatten()
        .filter_map(|resource| {
            Some(GroupResource::new(
                text(resource, "api_group").unwrap_or_default(),
                text(resource, "resource")?,
            ))
        })
        .collect()
}

type Source2 = Box<dyn Iterator<Item = Result<Row, kymo_store::Error>> + Send>;

/// Rows of two traces, ours and theirs, each in the order of a segment.
struct Two {
    ours: Peekable<Source2>,
    theirs: Peekable<Source2>,
}

impl Two {
    fn of(ours: &Trace, theirs: &Trace) -> Result<Self, Error> {
        let ours: Source2 = Box::new(ours.rows()?);
        let theirs: Source2 = Box::new(theirs.rows()?);
        Ok(Self {
            ours: ours.peekable(),
            theirs: theirs.peekable(),
        })
    }
}

/// Returns a time that 64 bits can hold, moved by `shift` nanoseconds.
fn later(time: Timestamp, shift: i64) -> Timestamp {
    Timestamp(time.0.saturating_add(shift))
}

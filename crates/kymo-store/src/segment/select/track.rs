use std::borrow::Cow;
use std::sync::Arc;

use super::super::SegmentError;
use super::super::chain::{MANAGED, patch, value_text};
use super::super::decode::{Docs, parse};
use super::super::json::{At, Doc, Edit, is_under, push_segment, segments};
use super::super::stored::{Content, Op};
use super::path::{JsonPath, Step, find};

/// Where the value of a path is found.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// In a column, or where that is null in the followed value with this index: what is not in its
    /// usual form (`"creationTimestamp": null`) stays in the body.
    Head(HeadMember, usize),
    /// In the followed value with this index, further down at these steps.
    Followed { index: usize, rest: Vec<Step> },
    /// Only in the whole body: it is the root, `metadata`, or below a member that a column holds.
    Whole,
}

/// A member of an object that a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadMember {
    Kind,
    ApiVersion,
    Name,
    Namespace,
    Uid,
    ResourceVersion,
    Generation,
    Created,
    Deleted,
}

const HEAD: [(&str, HeadMember); 9] = [
    ("/kind", HeadMember::Kind),
    ("/apiVersion", HeadMember::ApiVersion),
    ("/metadata/name", HeadMember::Name),
    ("/metadata/namespace", HeadMember::Namespace),
    ("/metadata/uid", HeadMember::Uid),
    ("/metadata/resourceVersion", HeadMember::ResourceVersion),
    ("/metadata/generation", HeadMember::Generation),
    ("/metadata/creationTimestamp", HeadMember::Created),
    ("/metadata/deletionTimestamp", HeadMember::Deleted),
];

/// A value that is followed through patches, at the longest part of a path that certainly names
/// members only: indices of arrays shift.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Track {
    pointer: String,
    is_managed: bool,
}

/// Which values are followed.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracks(Vec<Track>);

/// The followed values of one version.
#[derive(Clone, Debug, Default)]
pub(super) struct Values(Vec<Option<Arc<Doc>>>);

impl Values {
    /// Returns the followed value with this index.
    pub(super) fn get(&self, index: usize) -> Option<&Doc> {
        self.0.get(index)?.as_deref()
    }
}

impl Tracks {
    /// Finds out where the value of a path is found, and follows what is needed for it.
    pub(super) fn source_of(&mut self, path: &JsonPath) -> Source {
        let steps = path.steps();
        let (mut pointer, mut names) = (String::new(), 0);
        for step in steps {
            match step {
                Step::Name(name) if name.parse::<i64>().is_err() && name != "-" => {
                    push_segment(&mut pointer, name);
                    names += 1;
                }
                _ => break,
            }
        }
        let rest = steps.get(names..).unwrap_or_default();
        let member = HEAD.iter().find(|(path, _)| *path == pointer);
        if let (Some((_, member)), []) = (member, rest) {
            return Source::Head(*member, self.follow(pointer));
        }
        if HEAD.iter().any(|(path, _)| is_under(&pointer, path)) {
            return Source::Whole;
        }
        if pointer.is_empty() || pointer == "/metadata" {
            return Source::Whole;
        }
        Source::Followed {
            index: self.follow(pointer),
            rest: rest.to_vec(),
        }
    }

    /// Returns the index of the value at `pointer` among those that are followed.
    fn follow(&mut self, pointer: String) -> usize {
        let track = Track {
            is_managed: is_under(&pointer, MANAGED),
            pointer,
        };
        self.0
            .iter()
            .position(|known| *known == track)
            .unwrap_or_else(|| {
                self.0.push(track);
                self.0.len() - 1
            })
    }

    /// Tells whether something in managedFields is followed.
    pub(super) fn need_managed_fields(&self) -> bool {
        self.0.iter().any(|track| track.is_managed)
    }

    /// Returns the followed values of a whole version.
    pub(super) fn of_keyframe(
        &self,
        number: u64,
        body: &str,
        managed: Option<&str>,
        docs: Option<&Docs>,
    ) -> Result<Values, SegmentError> {
        let (mut own_body, mut own_managed) = (None, None);
        let mut values = Vec::with_capacity(self.0.len());
        for track in &self.0 {
            let (own, known, text, root) = if track.is_managed {
                let Some(managed) = managed else {
                    values.push(None);
                    continue;
                };
                let known = docs.map(|docs| &docs.managed);
                (&mut own_managed, known, managed, MANAGED)
            } else {
                (&mut own_body, docs.map(|docs| &docs.body), body, "")
            };
            let doc = match (known, own) {
                (Some(doc), _) => doc,
                (None, Some(doc)) => doc,
                (None, own) => own.insert(parse(number, text)?),
            };
            values.push(below(
                doc,
                track.pointer.get(root.len()..).unwrap_or_default(),
            ));
        }
        Ok(Values(values))
    }

    /// Changes the followed values of the version that a patch refers to into those after it.
    pub(super) fn patch(
        &self,
        number: u64,
        ts: i64,
        content: &Content<'_>,
        values: &mut Values,
    ) -> Result<(), SegmentError> {
        let Content::Patch { body, managed, .. } = content else {
            return Ok(());
        };
        for (track, value) in self.0.iter().zip(&mut values.0) {
            let ops = if track.is_managed { managed } else { body };
            for op in ops {
                touch(number, ts, &track.pointer, value, op)?;
            }
        }
        Ok(())
    }
}

/// Applies one operation to a followed value, if it touches it.
fn touch(
    number: u64,
    ts: i64,
    pointer: &str,
    value: &mut Option<Arc<Doc>>,
    op: &Op<'_>,
) -> Result<(), SegmentError> {
    if is_under(op.path, pointer) {
        if op.path.len() == pointer.len() {
            *value = match op.edit {
                Edit::Remove => None,
                Edit::Add | Edit::Replace => {
                    Some(Arc::new(parse(number, &value_text(number, ts, op.value)?)?))
                }
            };
            return Ok(());
        }
        let Some(doc) = value else {
            return Err(SegmentError::Row {
                row: number,
                what: "its patch changes a part of what is not there",
            });
        };
        let doc = Arc::make_mut(doc);
        return patch(number, ts, doc, pointer, std::slice::from_ref(op));
    }
    if is_under(pointer, op.path) {
        *value = match op.edit {
            Edit::Remove => None,
            Edit::Add | Edit::Replace => {
                let doc = parse(number, &value_text(number, ts, op.value)?)?;
                below(&doc, pointer.get(op.path.len()..).unwrap_or_default())
            }
        };
    }
    Ok(())
}

/// Copies out what stands at a pointer of member names.
fn below(doc: &Doc, pointer: &str) -> Option<Arc<Doc>> {
    let steps: Vec<Step> = segments(pointer)?
        .map(|name: Cow<'_, str>| Step::Name(name.into_owned()))
        .collect();
    find(doc, At::ROOT, &steps).map(|at| Arc::new(doc.extract(at)))
}

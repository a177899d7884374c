use std::borrow::Cow;

use kymo_model::{Feed, ObjectKey};

use super::SegmentError;
use super::json::{Doc, Edit, apply};
use super::stored::{Content, Op, OpValue, Stored};
use super::times::write_seconds;

/// The pointer under which managedFields live.
pub(super) const MANAGED: &str = "/metadata/managedFields";

/// Follows rows in order and keeps the versions that a patch may refer to: the last one of the
/// present object, and for each group of the present resource the first one of its last object that
/// has any. Rows without a version are passed over.
///
/// `V` is what is kept of a version: whole documents, or the values at some paths.
#[derive(Debug)]
pub(super) struct Chain<V> {
    row: u64,
    last: Option<Kept<V>>,
    firsts: Vec<Kept<V>>,
    resource: String,
}

#[derive(Clone, Debug)]
struct Kept<V> {
    row: u64,
    key: ObjectKey,
    group: String,
    has_version: bool,
    /// `None` also while it is given away.
    version: Option<V>,
}

impl<V> Default for Chain<V> {
    fn default() -> Self {
        Self::starting_at(0)
    }
}

impl<V> Chain<V> {
    /// Starts at a row that need not be the first.
    pub(super) fn starting_at(row: u64) -> Self {
        Self {
            row,
            last: None,
            firsts: Vec::new(),
            resource: String::new(),
        }
    }
}

impl<V: Clone> Chain<V> {
    /// Returns the versions that are kept.
    pub(super) fn versions(&self) -> impl Iterator<Item = &V> {
        let kept = self.last.iter().chain(&self.firsts);
        kept.filter_map(|kept| kept.version.as_ref())
    }

    /// Takes the next row; `make` gets the version that its patch refers to, if it has a patch.
    pub(super) fn advance(
        &mut self,
        row: &Stored<'_>,
        feed: &Feed,
        make: impl FnOnce(u64, Option<V>) -> Result<V, SegmentError>,
    ) -> Result<Option<V>, SegmentError> {
        let number = self.row;
        self.row += 1;
        if self.resource != feed.resource.resource {
            self.resource.clone_from(&feed.resource.resource);
            self.firsts.clear();
        }
        let version = match &row.content {
            Content::Nothing | Content::Raw(_) => None,
            Content::Keyframe { .. } => Some(make(number, None)?),
            Content::Patch { base, .. } => {
                let base = self.base(number, *base)?;
                Some(make(number, Some(base))?)
            }
        };
        let group = &feed.resource.group;
        let mut is_first = version.is_some();
        match &mut self.last {
            Some(last)
                if last.key.uid == row.uid.as_deref().unwrap_or_default()
                    && last.key.name == row.name.unwrap_or_default()
                    && last.key.namespace == row.namespace.unwrap_or_default()
                    && last.group == *group =>
            {
                if version.is_some() {
                    is_first = !last.has_version;
                    last.row = number;
                    last.has_version = true;
                    last.version.clone_from(&version);
                }
            }
            last => {
                *last = Some(Kept {
                    row: number,
                    key: key_of(row),
                    group: group.clone(),
                    has_version: version.is_some(),
                    version: version.clone(),
                });
            }
        }
        if let (true, Some(kept)) = (is_first, &self.last) {
            match self.firsts.iter_mut().find(|first| first.group == *group) {
                Some(first) => *first = kept.clone(),
                None => self.firsts.push(kept.clone()),
            }
        }
        Ok(version)
    }

    /// Finds the version that a patch refers to; the last one is given away, not copied.
    fn base(&mut self, number: u64, base: u32) -> Result<V, SegmentError> {
        let wanted = number.checked_sub(u64::from(base));
        let last = match &mut self.last {
            Some(last) if Some(last.row) == wanted => last.version.take(),
            _ => None,
        };
        last.or_else(|| {
            self.firsts
                .iter()
                .find(|first| Some(first.row) == wanted)
                .and_then(|first| first.version.clone())
        })
        .ok_or(SegmentError::Row {
            row: number,
            what: "its patch refers to a row that holds no version",
        })
    }
}

/// Returns the object's key as the columns have it.
pub(super) fn key_of(row: &Stored<'_>) -> ObjectKey {
    ObjectKey {
        namespace: row.namespace.unwrap_or_default().to_owned(),
        name: row.name.unwrap_or_default().to_owned(),
        uid: row.uid.as_deref().unwrap_or_default().to_owned(),
    }
}

/// Returns the value of an operation as JSON text; empty for a removal.
pub(super) fn value_text(
    row: u64,
    ts: i64,
    value: OpValue<'_>,
) -> Result<Cow<'_, str>, SegmentError> {
    match value {
        OpValue::None => Ok(Cow::Borrowed("")),
        OpValue::Json(text) => Ok(Cow::Borrowed(text)),
        OpValue::Age(age) => write_seconds(ts.div_euclid(1_000_000_000) - i64::from(age))
            .map(|time| Cow::Owned(format!("\"{time}\"")))
            .ok_or(SegmentError::Row {
                row,
                what: "a time in its patch is out of range",
            }),
    }
}

/// Applies operations below `root` to the document that stands there.
pub(super) fn patch(
    row: u64,
    ts: i64,
    doc: &mut Doc,
    root: &str,
    ops: &[Op<'_>],
) -> Result<(), SegmentError> {
    for op in ops {
        let path = op.path.strip_prefix(root).ok_or(SegmentError::Row {
            row,
            what: "a patch leads outside of its document",
        })?;
        if path.is_empty() && op.edit == Edit::Remove {
            doc.clear();
            continue;
        }
        let value = value_text(row, ts, op.value)?;
        apply(doc, op.edit, path, value.as_bytes())
            .map_err(|source| SegmentError::Patch { row, source })?;
    }
    Ok(())
}

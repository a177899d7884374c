use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::Write;

use kymo_model::{Feed, FeedId};
use parquet::file::metadata::KeyValue;

use super::checksum::ChecksumWriter;
use super::column_digest::group_digest;
use super::encode::{Encoder, Source};
use super::form::NewRow;
use super::group_writer::GroupWriter;
use super::kept::KeptRow;
use super::physical::Columns;
use super::stored::segment_digest;
use super::{Row, RowKey, SegmentError, SegmentMeta, SegmentOptions, SegmentSummary};
use crate::Format;

/// Key-value metadata of the file.
pub(super) const KEY_FORMAT: &str = "kymo.format";
pub(super) const KEY_META: &str = "kymo.segment";
pub(super) const KEY_DIGEST: &str = "kymo.digest";
pub(super) const KEY_GROUPS: &str = "kymo.row_group_digests";
pub(super) const KEY_COLUMNS: &str = "kymo.column_digests";
pub(super) const KEY_ROWS: &str = "kymo.rows";
pub(super) const KEY_TRACE: &str = "kymo.trace";
pub(super) const KEY_CLUSTER: &str = "kymo.cluster";
pub(super) const KEY_LINEAGE: &str = "kymo.lineage";

/// Rows are handed to Parquet in batches of about this many stored bytes.
const BATCH_BYTES: usize = 2 << 20;
/// And of no more than this many rows.
const BATCH_ROWS: usize = 8192;

/// Writes one segment.
///
/// Memory is bounded by the options: one row group compressed, one batch, one version of each kind
/// that patches may refer to.
#[derive(Debug)]
pub struct SegmentWriter<W: Write + Send> {
    parquet: GroupWriter<W>,
    encoder: Encoder,
    feeds: BTreeMap<FeedId, Feed>,
    options: SegmentOptions,
    columns: Columns,
    /// Of the columns of each row group.
    digests: Vec<Vec<[u8; 32]>>,
    rows: u64,
    group_rows: usize,
    group_bytes: usize,
    bounds: Option<(u64, u64)>,
    last: Option<OwnedKey>,
}

#[derive(Clone, Debug, Default)]
struct OwnedKey {
    resource: String,
    namespace: String,
    name: String,
    uid: String,
    group: String,
    seq: u64,
}

impl OwnedKey {
    /// Compares the objects of two rows.
    fn cmp_object(&self, key: &RowKey<'_>) -> Ordering {
        let own = RowKey {
            resource: &self.resource,
            namespace: &self.namespace,
            name: &self.name,
            uid: &self.uid,
            group: &self.group,
            seq: key.seq,
        };
        own.cmp(key)
    }

    fn set(&mut self, key: RowKey<'_>) {
        let Self {
            resource,
            namespace,
            name,
            uid,
            group,
            seq,
        } = self;
        key.resource.clone_into(resource);
        key.namespace.clone_into(namespace);
        key.name.clone_into(name);
        key.uid.clone_into(uid);
        key.group.clone_into(group);
        *seq = key.seq;
    }
}

impl<W: Write + Send> SegmentWriter<W> {
    /// Begins a segment whose rows name only `feeds`.
    pub fn new(
        output: W,
        feeds: &[(FeedId, Feed)],
        options: SegmentOptions,
    ) -> Result<Self, SegmentError> {
        let feeds: BTreeMap<_, _> = feeds.iter().cloned().collect();
        Ok(Self {
            parquet: GroupWriter::new(ChecksumWriter::new(output), &options)?,
            encoder: Encoder::new(feeds.clone(), options.clone()),
            feeds,
            options,
            columns: Columns::new(),
            digests: Vec::new(),
            rows: 0,
            group_rows: 0,
            group_bytes: 0,
            bounds: None,
            last: None,
        })
    }

    /// Adds a row; it must come behind the one before in the order of [`RowKey`].
    pub fn push(&mut self, row: &Row) -> Result<(), SegmentError> {
        self.put(row, Source::Text)
    }

    /// Adds a row as [`Self::push`] does; a body that another segment holds stays as it is held
    /// there, where it can.
    pub fn push_kept(&mut self, row: &KeptRow) -> Result<(), SegmentError> {
        self.put(
            &row.row,
            row.kept.as_ref().map_or(Source::Text, Source::Kept),
        )
    }

    /// Adds a row as [`Self::push`] does, however its body comes.
    pub fn push_new(&mut self, row: &NewRow) -> Result<(), SegmentError> {
        match row {
            NewRow::Kept(row) => self.push_kept(row),
            NewRow::Filled(row) => self.put(&row.row, Source::Filled(&row.filled)),
        }
    }

    fn put(&mut self, row: &Row, source: Source<'_>) -> Result<(), SegmentError> {
        if self.group_rows >= self.options.row_group_rows
            || self.group_bytes >= self.options.row_group_bytes
        {
            self.end_group()?;
        }
        let feed = self
            .feeds
            .get(&row.event.feed)
            .ok_or(SegmentError::UnknownFeed {
                row: self.rows,
                feed: row.event.feed.0,
            })?;
        let key = RowKey::of(row, feed);
        let object = self.last.as_ref().map(|last| last.cmp_object(&key));
        let is_same = object == Some(Ordering::Equal);
        let last_seq = self.last.as_ref().map_or(0, |last| last.seq);
        if object == Some(Ordering::Greater) || (is_same && last_seq >= row.seq) {
            return Err(SegmentError::OutOfOrder {
                row: self.rows,
                seq: row.seq,
            });
        }
        let encoded = self.encoder.encode(row, source, is_same)?;
        let stored = encoded.stored(self.rows, row, feed, self.options.ages)?;
        let before = self.columns.bytes();
        self.columns.push(&stored, feed)?;
        self.group_bytes += self.columns.bytes() - before;
        self.group_rows += 1;
        self.rows += 1;
        self.bounds = Some(self.bounds.map_or((row.seq, row.seq), |(first, last)| {
            (first.min(row.seq), last.max(row.seq))
        }));
        match &mut self.last {
            Some(last) if is_same => last.seq = row.seq,
            last => last.get_or_insert_default().set(key),
        }
        if self.columns.bytes() >= BATCH_BYTES || self.columns.rows() >= BATCH_ROWS {
            let batch = self.columns.finish()?;
            self.parquet.write(&batch)?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), SegmentError> {
        let batch = self.columns.finish()?;
        self.parquet.write(&batch)?;
        self.digests.extend(self.parquet.flush()?);
        self.encoder.restart();
        (self.group_rows, self.group_bytes) = (0, 0);
        Ok(())
    }

    /// How many patches did not give back what they were made from; those versions are kept whole.
    pub fn mismatches(&self) -> u64 {
        self.encoder.mismatches()
    }

    /// Ends the segment. The output is flushed, not synced.
    pub fn finish(mut self, meta: &SegmentMeta) -> Result<SegmentSummary, SegmentError> {
        self.end_group()?;
        let (entries, digest) = footer(self.rows, &self.digests, meta)?;
        let bytes = self.parquet.finish(entries)?;
        Ok(SegmentSummary {
            rows: self.rows,
            first_seq: self.bounds.map(|(first, _)| first),
            last_seq: self.bounds.map(|(_, last)| last),
            digest,
            bytes,
        })
    }
}

/// Returns what the footer of a segment tells, and the digest of the segment. `digests` has those of
/// the columns of each row group.
pub(super) fn footer(
    rows: u64,
    digests: &[Vec<[u8; 32]>],
    meta: &SegmentMeta,
) -> Result<(impl Iterator<Item = KeyValue> + use<>, [u8; 32]), SegmentError> {
    let metadata = |source| SegmentError::Metadata { source };
    let json = serde_json::to_string(meta).map_err(metadata)?;
    let lineage = serde_json::to_string(&meta.lineage).map_err(metadata)?;
    let groups: Vec<_> = digests
        .iter()
        .map(|columns| group_digest(columns))
        .collect();
    let digest = segment_digest(&groups, &json);
    let groups: Vec<_> = groups.iter().map(|group| hex(group)).collect();
    let columns: Vec<_> = digests
        .iter()
        .map(|group| hex(group.as_flattened()))
        .collect();
    let mut entries = vec![
        (KEY_FORMAT, Format::CURRENT.to_string()),
        (KEY_TRACE, meta.trace_id.to_string()),
        (KEY_LINEAGE, lineage),
        (KEY_ROWS, rows.to_string()),
        (KEY_DIGEST, hex(&digest)),
        (KEY_GROUPS, groups.join(",")),
        (KEY_COLUMNS, columns.join(",")),
        (KEY_META, json),
    ];
    if let Some(cluster) = &meta.cluster_uid {
        entries.push((KEY_CLUSTER, cluster.clone()));
    }
    let entries = entries
        .into_iter()
        .map(|(key, value)| KeyValue::new(key.to_owned(), value));
    Ok((entries, digest))
}

/// Writes bytes as lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

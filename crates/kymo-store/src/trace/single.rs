use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Trace;
use crate::contents::lineage_of;
use crate::directory::Directory;
use crate::error::Error;
use crate::fs::{Filesystem, RealFs};
use crate::maintenance::{merge_meta, records_of, write_and_verify};
use crate::record::SessionInfo;
use crate::segment::{SegmentMeta, SegmentOptions, SegmentSummary};

/// Writes everything of a trace as one sealed `.parquet` file; see [`Trace::write_single`].
pub fn pack(trace: &Path, out: &Path) -> Result<SegmentSummary, Error> {
    let fs = Arc::new(RealFs);
    Trace::open_with(fs.clone(), trace)?.write_single(fs, out, &SegmentOptions::default())
}

impl Trace {
    /// Writes everything readable as one sealed `.parquet` file, which must not exist. The file
    /// gets its name when it is complete, checked and durable.
    pub fn write_single(
        &self,
        fs: Arc<dyn Filesystem>,
        path: &Path,
        options: &SegmentOptions,
    ) -> Result<SegmentSummary, Error> {
        if fs.kind(path).map_err(Error::io("look at", path))?.is_some() {
            return Err(Error::Exists {
                path: path.to_owned(),
            });
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = Path::new(&temporary);
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = Directory::new(fs, parent);
        let (meta, sessions) = self.whole_meta();
        let rows = Box::new(self.merge(false)?);
        let written = write_and_verify(&directory, temporary, rows, meta, &sessions, options);
        let (summary, _) = match written {
            Ok(written) => written,
            Err(error) => {
                drop(directory.fs.remove(temporary));
                return Err(error);
            }
        };
        directory
            .fs
            .rename(temporary, path)
            .map_err(Error::io("rename", temporary))?;
        directory.sync()?;
        Ok(summary)
    }

    /// Puts together what all parts say of themselves.
    pub(crate) fn whole_meta(&self) -> (SegmentMeta, BTreeMap<u32, SessionInfo>) {
        let contents = self.contents();
        let (mut meta, mut sessions) = merge_meta(&contents.segments);
        sessions.extend(contents.sessions.clone());
        let logs: Vec<_> = contents.logs.iter().collect();
        let every = |number: u32| {
            contents.catalog.logs.contains_key(&number)
                || contents
                    .catalog
                    .segments
                    .keys()
                    .any(|(_, segment)| *segment == number)
        };
        let numbers: Vec<u32> = contents
            .missing
            .iter()
            .map(|(number, _)| *number)
            .filter(|number| every(*number))
            .collect();
        meta.records.extend(records_of(contents, &logs, &numbers));
        meta.records.sort_by_key(|record| record.seq);
        meta.trace_id = contents.catalog.identity.trace_id;
        meta.cluster_uid
            .clone_from(&contents.catalog.identity.cluster_uid);
        meta.feeds = contents
            .feeds
            .iter()
            .map(|(id, feed)| (*id, feed.clone()))
            .collect();
        meta.lineage = contents
            .lineage
            .iter()
            .filter(|step| lineage_of(&meta.records).all(|known| known != *step))
            .cloned()
            .collect();
        meta.first_seq = 1;
        meta.last_seq = contents.next_seq.saturating_sub(1);
        (meta, sessions)
    }
}

use kymo_model::Timestamp;
use uuid::Uuid;

use super::catalog::Catalog;
use super::entry::Entry;
use crate::directory::{Directory, MANIFEST};
use crate::error::{Error, Format};
use crate::frame::{Decoder, Step, Walk, kind};
use crate::header::{FileHeader, FileKind, seed};
use crate::record::TraceIdentity;

/// A manifest as it was found.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) catalog: Catalog,
    /// What is wrong with the file, and where.
    pub(crate) faults: Vec<(u64, &'static str)>,
}

/// Reads the manifest of a directory. What is damaged of it is left out and told. A directory
/// without a manifest is a trace only if `trace_id` is known from another file.
pub(crate) fn load(directory: &Directory, trace_id: Option<Uuid>) -> Result<Loaded, Error> {
    let path = directory.join(MANIFEST);
    let mut faults = Vec::new();
    let file = directory
        .fs
        .open_read(&path)
        .map_err(Error::io("open", &path))?;
    let header = FileHeader::read(file.as_ref(), &path, FileKind::Manifest)?;
    if header.is_none() {
        faults.push((0, "the header of the manifest is damaged"));
    }
    let trace_id = header
        .map(|header| header.trace_id)
        .or(trace_id)
        .ok_or_else(|| Error::corrupt(&path, 0, "the header of the manifest"))?;
    let mut catalog = Catalog::new(
        TraceIdentity {
            trace_id,
            cluster_uid: None,
        },
        Timestamp(0),
    );
    let seed = seed(trace_id, 0);
    let start = header.map_or(FileHeader::LENGTH, |header| header.length);
    let mut walk = Walk::new(file, start, None, seed, header.map(|_| seed))
        .map_err(Error::io("read", &path))?;
    let mut decoder = Decoder::default();
    while let Some(step) = walk.step().map_err(Error::io("read", &path))? {
        match step {
            Step::Damage { from, .. } => faults.push((from, "entries of the manifest are damaged")),
            Step::Tail { from, .. } => faults.push((from, "the manifest ends inside an entry")),
            Step::Frame { offset, header } => {
                if header.kind != kind::MANIFEST {
                    if header.must_be_understood() {
                        return Err(Error::UnknownFrame {
                            path,
                            offset,
                            kind: header.kind,
                        });
                    }
                    continue;
                }
                let entry = decoder
                    .decode(&header, walk.payload())
                    .and_then(|raw| rmp_serde::from_slice::<Entry>(raw).ok())
                    .filter(Entry::is_sane);
                match entry {
                    Some(Entry::Created { identity, .. }) if identity.trace_id != trace_id => {
                        faults.push((offset, "an entry of another trace"));
                    }
                    Some(Entry::Created { format, .. }) if !format.is_readable() => {
                        return Err(Error::NewerFormat {
                            path,
                            found: format,
                            supported: Format::CURRENT,
                        });
                    }
                    Some(entry) => catalog.apply(entry),
                    None => faults.push((offset, "an entry of the manifest has no meaning")),
                }
            }
        }
    }
    Ok(Loaded { catalog, faults })
}

//! Opening the trace that is recorded into.

use std::path::Path;
use std::sync::Arc;

use kymo_model::Clock;
use kymo_store::fs::{EntryKind, Filesystem};
use kymo_store::{TraceIdentity, Writer};

use crate::plan::Warning;
use crate::veil::Veil;
use crate::{Cluster, Config, Error};

/// A trace that is ours to write.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) writer: Writer,
    pub(crate) resumed: bool,
    pub(crate) warning: Option<Warning>,
}

/// Makes the trace or opens it to append.
///
/// A trace is continued only for the cluster that it records. Where that cannot be told, because
/// the trace or the session does not know its cluster, it is refused unless the user vouches.
pub(crate) fn open(
    config: &Config,
    cluster: &Cluster,
    clock: &Arc<dyn Clock>,
    fs: &Arc<dyn Filesystem>,
    veil: Option<&mut Veil>,
) -> Result<Opened, Error> {
    let path = &config.trace;
    let options = config.writer.clone();
    let is_there = exists(fs.as_ref(), path);
    if is_there && veil.is_some() {
        let trace = path.clone();
        return Err(Error::Continued { trace });
    }
    if !is_there {
        let mut uid = cluster.uid().map(str::to_owned);
        let mut clock = Arc::clone(clock);
        if let Some(veil) = veil {
            clock = veil.clock(&clock);
            if let Some(uid) = &mut uid {
                *uid = veil
                    .cluster(uid)
                    .map_err(|source| Error::Anonymize { source })?;
            }
        }
        let identity = TraceIdentity::new(uid);
        let writer = Writer::create(Arc::clone(fs), path, identity, clock, options)?;
        return Ok(Opened {
            writer,
            resumed: false,
            warning: cluster.uid().is_none().then_some(Warning::NoIdentity),
        });
    }
    let mut writer = Writer::open(Arc::clone(fs), path, Arc::clone(clock), options)?;
    let expected = writer.identity().cluster_uid.clone();
    let warning = match (&expected, cluster.uid()) {
        (Some(_), Some(uid)) => {
            writer.bind_cluster(uid)?;
            None
        }
        _ if !config.assume_same_cluster => {
            return Err(Error::ClusterUnknown {
                trace: path.clone(),
                expected,
            });
        }
        (None, Some(uid)) => {
            writer.bind_cluster(uid)?;
            Some(Warning::AssumedSameCluster)
        }
        (_, None) => Some(Warning::AssumedSameCluster),
    };
    Ok(Opened {
        writer,
        resumed: true,
        warning,
    })
}

/// Tells whether something other than an empty directory is there.
fn exists(fs: &dyn Filesystem, path: &Path) -> bool {
    match fs.kind(path) {
        Ok(None) => false,
        Ok(Some(EntryKind::Directory)) => fs.list(path).is_ok_and(|entries| !entries.is_empty()),
        // What cannot be looked at is opened, which tells why.
        Ok(Some(_)) | Err(_) => true,
    }
}

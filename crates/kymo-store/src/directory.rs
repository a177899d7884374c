use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::fs::{EntryKind, Filesystem, WriteFile};

pub(crate) const MANIFEST: &str = "manifest";
pub(crate) const LOCK: &str = "lock";
pub(crate) const BALLAST: &str = "ballast";
pub(crate) const QUARANTINE: &str = "quarantine";

/// The directory of a trace, with the names in it.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) fs: Arc<dyn Filesystem>,
    pub(crate) path: PathBuf,
}

pub(crate) fn log_name(number: u32) -> String {
    format!("{number:06}.wal")
}

pub(crate) fn segment_name(number: u32) -> String {
    format!("{number:06}.parquet")
}

/// Returns the number in a name that this crate could have given.
pub(crate) fn number_of(name: &str) -> Option<u32> {
    let (stem, _) = name.split_once('.')?;
    (stem.len() >= 6 && stem.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| stem.parse().ok())
        .flatten()
}

/// Tells whether a name from a manifest stays inside the directory and means what it must:
/// `[0-9a-z-]+` and the extension.
pub(crate) fn is_safe_name(name: &str, extension: &str) -> bool {
    name.strip_suffix(extension)
        .and_then(|stem| stem.strip_suffix('.'))
        .is_some_and(|stem| {
            !stem.is_empty()
                && stem.len() <= 64
                && stem
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-'))
        })
}

impl Directory {
    pub(crate) fn new(fs: Arc<dyn Filesystem>, path: &Path) -> Self {
        Self {
            fs,
            path: path.to_owned(),
        }
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn exists(&self, name: &str) -> Result<bool, Error> {
        let path = self.join(name);
        let kind = self.fs.kind(&path).map_err(Error::io("look at", &path))?;
        Ok(kind == Some(EntryKind::File))
    }

    /// Returns how long a file is, in bytes.
    pub(crate) fn length(&self, name: &str) -> Result<u64, Error> {
        let path = self.join(name);
        let file = self.fs.open_read(&path).map_err(Error::io("open", &path))?;
        file.len().map_err(Error::io("read", &path))
    }

    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.fs
            .sync_dir(&self.path)
            .map_err(Error::io("sync", &self.path))
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.join(name);
        self.fs.remove(&path).map_err(Error::io("remove", &path))
    }

    fn quarantine_dir(&self) -> Result<PathBuf, Error> {
        let path = self.join(QUARANTINE);
        if self
            .fs
            .kind(&path)
            .map_err(Error::io("look at", &path))?
            .is_none()
        {
            self.fs
                .create_dir(&path)
                .map_err(Error::io("create", &path))?;
            self.sync()?;
        }
        Ok(path)
    }

    fn free_place(&self, name: &str) -> Result<PathBuf, Error> {
        let quarantine = self.quarantine_dir()?;
        for attempt in 0..10_000 {
            let path = match attempt {
                0 => quarantine.join(name),
                _ => quarantine.join(format!("{name}.{attempt}")),
            };
            if self
                .fs
                .kind(&path)
                .map_err(Error::io("look at", &path))?
                .is_none()
            {
                return Ok(path);
            }
        }
        Err(Error::Exists {
            path: quarantine.join(name),
        })
    }

    /// Moves a file out of the way, durably.
    pub(crate) fn set_aside(&self, name: &str) -> Result<(), Error> {
        let to = self.free_place(name)?;
        let from = self.join(name);
        self.fs
            .rename(&from, &to)
            .map_err(Error::io("move", &from))?;
        self.fs
            .sync_dir(&self.join(QUARANTINE))
            .map_err(Error::io("sync", &to))?;
        self.sync()
    }

    /// Copies bytes `from..to` of a file out of the way, durably.
    pub(crate) fn keep_bytes(&self, name: &str, from: u64, to: u64) -> Result<(), Error> {
        let source = self.join(name);
        let path = self.free_place(&format!("{name}-{from}-{to}"))?;
        let file = self
            .fs
            .open_read(&source)
            .map_err(Error::io("open", &source))?;
        let mut copy: Box<dyn WriteFile> =
            self.fs.create(&path).map_err(Error::io("create", &path))?;
        let mut buffer = vec![0; 64 * 1024];
        let mut offset = from;
        while offset < to {
            let want = (to - offset).min(buffer.len() as u64) as usize;
            let space = buffer.get_mut(..want).unwrap_or_default();
            let count = crate::fs::read_full_at(file.as_ref(), space, offset)
                .map_err(Error::io("read", &source))?;
            if count == 0 {
                break;
            }
            copy.append(space.get(..count).unwrap_or_default())
                .map_err(Error::io("write", &path))?;
            offset += count as u64;
        }
        copy.sync().map_err(Error::io("sync", &path))?;
        self.fs
            .sync_dir(&self.join(QUARANTINE))
            .map_err(Error::io("sync", &path))
    }

    /// Returns the names of the regular files in the directory.
    pub(crate) fn files(&self) -> Result<Vec<String>, Error> {
        let entries = self
            .fs
            .list(&self.path)
            .map_err(Error::io("list", &self.path))?;
        Ok(entries
            .into_iter()
            .filter(|(_, kind)| *kind == EntryKind::File)
            .map(|(name, _)| name)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault table row 36.
    #[test]
    fn names_that_lead_elsewhere_are_not_safe() {
        for name in [
            "../000001.wal",
            "/etc/passwd.wal",
            "a/b.wal",
            ".wal",
            "..wal",
            "A.wal",
            "000001.parquet",
            "000001.wal.tmp",
            "x\0.wal",
        ] {
            assert!(!is_safe_name(name, "wal"), "{name}");
        }
        assert!(is_safe_name("000001.wal", "wal"));
        assert!(is_safe_name("000001-b.parquet", "parquet"));
        assert_eq!(number_of(&log_name(7)), Some(7));
        assert_eq!(number_of("000007.parquet.tmp"), Some(7));
        assert_eq!(number_of("lock"), None);
    }
}

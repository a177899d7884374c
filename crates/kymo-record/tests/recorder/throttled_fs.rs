//! A file system as slow as it is told to be.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kymo_store::fs::{EntryKind, Filesystem, Lock, ReadFile, WriteFile};

/// Passes everything on; a sync takes the time that is set.
#[derive(Clone, Debug)]
pub(crate) struct ThrottledFs {
    inner: Arc<dyn Filesystem>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    sync_millis: AtomicU64,
    slow_syncs: AtomicU64,
}

impl ThrottledFs {
    pub(crate) fn new(inner: impl Filesystem + 'static) -> Self {
        Self {
            inner: Arc::new(inner),
            state: Arc::default(),
        }
    }

    pub(crate) fn set_sync(&self, time: Duration) {
        let millis = time.as_millis().try_into().unwrap();
        self.state.sync_millis.store(millis, Ordering::SeqCst);
    }

    /// Returns how many syncs were slow.
    pub(crate) fn slow_syncs(&self) -> u64 {
        self.state.slow_syncs.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
struct ThrottledFile {
    inner: Box<dyn WriteFile>,
    state: Arc<State>,
}

impl WriteFile for ThrottledFile {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let millis = self.state.sync_millis.load(Ordering::SeqCst);
        if millis > 0 {
            self.state.slow_syncs.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(millis));
        }
        self.inner.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.inner.truncate(length)
    }

    fn preallocate(&mut self, length: u64) -> io::Result<()> {
        self.inner.preallocate(length)
    }
}

impl ThrottledFs {
    fn throttled(&self, inner: Box<dyn WriteFile>) -> Box<dyn WriteFile> {
        Box::new(ThrottledFile {
            inner,
            state: Arc::clone(&self.state),
        })
    }
}

impl Filesystem for ThrottledFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.inner.create(path).map(|file| self.throttled(file))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        self.inner.open_write(path).map(|file| self.throttled(file))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        self.inner.open_read(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, EntryKind)>> {
        self.inner.list(path)
    }

    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        self.inner.kind(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }

    fn free_space(&self, path: &Path) -> io::Result<Option<u64>> {
        self.inner.free_space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        self.inner.lock(path)
    }
}

//! The door to files: everything the store does to a disk goes through [`Filesystem`].
//!
//! Files are made with mode 0600, directories with 0700, at creation. Nothing is opened through a
//! symbolic link.

mod chunks;
#[cfg(feature = "testing")]
mod model;
mod real;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use chunks::FileChunks;
pub(crate) use chunks::Output;
#[cfg(feature = "testing")]
pub use model::{Fault, ModelFs};
pub use real::RealFs;

/// What a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else, symbolic links among them.
    Other,
}

/// What came of asking for a lock.
#[derive(Debug)]
pub enum Lock {
    /// It is ours until the guard is dropped.
    Held(Box<dyn LockGuard>),
    /// Another process holds it; its id where it could be read.
    Busy(Option<u32>),
}

/// Holds a lock until dropped.
pub trait LockGuard: fmt::Debug + Send {}

/// A file open for writing at its end.
pub trait WriteFile: fmt::Debug + Send {
    /// Returns the length in bytes.
    fn len(&self) -> u64;

    /// Tells whether the file is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds all of `bytes` at the end. After an error any prefix of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes content and length durable: when this returns `Ok` they survive a power loss. After
    /// an error what was written since the last success may be gone, whatever a later call says.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Reserves disk blocks so that the file is at least `length` bytes long.
    fn preallocate(&mut self, length: u64) -> io::Result<()>;
}

/// A file open for reading at any place. It stays readable when its name is removed.
pub trait ReadFile: fmt::Debug + Send + Sync {
    /// Returns the present length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Tells whether the file is empty.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads at most `buffer.len()` bytes from `offset`; 0 only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// Files and directories as the store needs them.
pub trait Filesystem: fmt::Debug + Send + Sync {
    /// Makes a directory that only its owner can enter.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes a file that must not exist yet.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Opens an existing file for writing at its end.
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Opens an existing file for reading.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>>;

    /// Returns the names in a directory with what they are, sorted by name. Names that are not
    /// UTF-8 are left out.
    fn list(&self, path: &Path) -> io::Result<Vec<(String, EntryKind)>>;

    /// Returns what a path is, itself and not what a link points to; `None` if nothing is there.
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>>;

    /// Gives a file another name in the same file system, replacing what had it. Durable after
    /// [`Filesystem::sync_dir`] of the directories concerned.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes the name of a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Returns how many bytes can still be written, where that is known.
    fn free_space(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Asks for the lock of a file, made if need be; writes the process id into it.
    fn lock(&self, path: &Path) -> io::Result<Lock>;
}

/// Reads until `buffer` is full or the file ends; returns how much there was.
pub(crate) fn read_full_at(
    file: &dyn ReadFile,
    buffer: &mut [u8],
    offset: u64,
) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

//! A file system in memory that fails and crashes on request.
//!
//! Every operation that changes something counts. [`ModelFs::fail_at`] lets one of them fail,
//! [`ModelFs::crash_at`] lets that one and all later ones fail; then [`ModelFs::after_crash`]
//! gives a file system as it may be found after a power loss: of what was not synced, any part.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{EntryKind, Filesystem, Lock, LockGuard, ReadFile, WriteFile};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No space is left; half of a write is done before it is noticed.
    NoSpace,
    /// The device fails. After a failed sync the pages it concerned are gone.
    Io,
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::NoSpace => io::Error::from(io::ErrorKind::StorageFull),
            Self::Io => io::Error::other("input/output error of the model"),
        }
    }
}

/// The file system. Clones share one state.
#[derive(Clone, Debug, Default)]
pub struct ModelFs {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, Node>,
    durable_names: BTreeMap<PathBuf, Node>,
    pending_names: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    log: Vec<String>,
    faults: BTreeMap<u64, Fault>,
    crash_at: Option<u64>,
    fired: u64,
    capacity: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(usize),
    Directory,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    data: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    reserved: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Clone, Debug)]
enum NameChange {
    Add(PathBuf, Node),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, Node),
}

impl NameChange {
    fn concerns(&self, directory: &Path) -> bool {
        let inside = |path: &Path| path.parent() == Some(directory);
        match self {
            Self::Add(path, _) | Self::Remove(path) => inside(path),
            Self::Rename(from, to, _) => inside(from) || inside(to),
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Add(path, node) => {
                names.insert(path.clone(), *node);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

fn overwrite(data: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if data.len() < end {
        data.resize(end, 0);
    }
    data[offset..end].copy_from_slice(bytes);
}

/// A small generator: the same seed gives the same crash.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides.max(1)
    }
}

impl State {
    /// Counts an operation; returns the fault that meets it.
    fn step(&mut self, what: &str, path: &Path) -> io::Result<()> {
        self.operations += 1;
        self.log.push(format!("{what} {}", path.display()));
        if self.crash_at.is_some_and(|at| self.operations >= at) {
            self.fired += 1;
            return Err(io::Error::other("the model has crashed"));
        }
        if let Some(fault) = self.faults.remove(&self.operations) {
            self.fired += 1;
            return Err(fault.error());
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        self.names
            .values()
            .filter_map(|node| match node {
                Node::File(inode) => self.inodes.get(*inode),
                Node::Directory => None,
            })
            .map(|inode| (inode.data.len() as u64).max(inode.reserved))
            .sum()
    }

    fn free(&self) -> u64 {
        self.capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used()))
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Node::File(inode)) => Ok(*inode),
            Some(Node::Directory) => Err(io::Error::from(io::ErrorKind::IsADirectory)),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }
}

impl ModelFs {
    /// Makes an empty file system whose root directory is `/`.
    pub fn new() -> Self {
        let fs = Self::default();
        {
            let mut state = fs.state();
            state.names.insert(PathBuf::from("/"), Node::Directory);
            state
                .durable_names
                .insert(PathBuf::from("/"), Node::Directory);
        }
        fs
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many operations have changed something or tried to.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Returns the operations so far, in words.
    pub fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// Lets the `operation`th operation (counted from 1) fail, once.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.state().faults.insert(operation, fault);
    }

    /// Lets the `operation`th operation and every later one fail.
    pub fn crash_at(&self, operation: u64) {
        self.state().crash_at = Some(operation);
    }

    /// Returns how many operations have failed on request.
    pub fn fired(&self) -> u64 {
        self.state().fired
    }

    /// Limits what all files together can hold, in bytes.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Returns what all files together hold, in bytes.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Makes a copy that shares nothing, locks and faults left out.
    #[must_use]
    pub fn fork(&self) -> Self {
        let mut state = self.state().clone();
        state.locks.clear();
        state.faults.clear();
        state.crash_at = None;
        state.fired = 0;
        state.operations = 0;
        state.log.clear();
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Gives the file system as it may be found after a power loss at this moment. Of the writes
    /// and names that were not synced each is kept, torn or lost, as `seed` has it.
    #[must_use]
    pub fn after_crash(&self, seed: u64) -> Self {
        let survivor = self.fork();
        {
            let mut dice = Dice(seed);
            let mut state = survivor.state();
            let mut names = state.durable_names.clone();
            for change in std::mem::take(&mut state.pending_names) {
                if dice.roll(2) == 0 {
                    change.apply(&mut names);
                }
            }
            for inode in &mut state.inodes {
                let mut data = std::mem::take(&mut inode.durable);
                for change in inode.pending.drain(..) {
                    match (dice.roll(3), change) {
                        (0, Change::Write { offset, bytes }) => {
                            overwrite(&mut data, offset, &bytes);
                        }
                        (1, Change::Write { offset, bytes }) => {
                            let kept = dice.roll(bytes.len() + 1);
                            overwrite(&mut data, offset, &bytes[..kept]);
                        }
                        (0 | 1, Change::Truncate(length)) => data.truncate(length),
                        _ => {}
                    }
                }
                inode.durable.clone_from(&data);
                inode.data = data;
            }
            state.durable_names.clone_from(&names);
            state.names = names;
        }
        survivor
    }

    /// Gives the file system as a killed process leaves it: everything written is there.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        self.fork()
    }

    /// Returns the content of a file.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        let inode = state.file(path)?;
        Ok(state.inodes[inode].data.clone())
    }

    /// Replaces the content of a file, made if need be; durable at once, never failing.
    pub fn write(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let inode = state.file(path).unwrap_or_else(|_| {
            let inode = state.inodes.len();
            state.inodes.push(Inode::default());
            state.names.insert(path.to_owned(), Node::File(inode));
            state
                .durable_names
                .insert(path.to_owned(), Node::File(inode));
            inode
        });
        state.inodes[inode] = Inode {
            data: bytes.to_vec(),
            durable: bytes.to_vec(),
            ..Inode::default()
        };
    }
}

#[derive(Debug)]
struct ModelFile {
    fs: ModelFs,
    path: PathBuf,
    inode: usize,
}

impl WriteFile for ModelFile {
    fn len(&self) -> u64 {
        self.fs.state().inodes[self.inode].data.len() as u64
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.fs.state();
        let mut result = state.step("append", &self.path);
        let mut kept = match &result {
            Ok(()) => bytes.len(),
            Err(_) => bytes.len() / 2,
        };
        let free = usize::try_from(state.free()).unwrap_or(usize::MAX);
        if kept > free {
            kept = free;
            state.fired += 1;
            result = Err(Fault::NoSpace.error());
        }
        let inode = &mut state.inodes[self.inode];
        let offset = inode.data.len();
        let bytes = bytes[..kept].to_vec();
        inode.data.extend_from_slice(&bytes);
        inode.pending.push(Change::Write { offset, bytes });
        result
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.fs.state();
        let result = state.step("sync", &self.path);
        let inode = &mut state.inodes[self.inode];
        if result.is_ok() {
            inode.pending.clear();
            inode.durable = inode.data.clone();
        } else {
            // The kernel marks the pages clean and forgets them: what is read back is old.
            let length = inode.data.len();
            inode.data.clone_from(&inode.durable);
            inode.data.resize(length, 0);
            inode.pending.clear();
        }
        result
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.fs.state();
        state.step("truncate", &self.path)?;
        let inode = &mut state.inodes[self.inode];
        inode.data.truncate(length as usize);
        inode.reserved = 0;
        inode.pending.push(Change::Truncate(length as usize));
        Ok(())
    }

    fn preallocate(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.fs.state();
        state.step("preallocate", &self.path)?;
        let more = length.saturating_sub(state.inodes[self.inode].reserved);
        if more > state.free() {
            state.fired += 1;
            return Err(Fault::NoSpace.error());
        }
        state.inodes[self.inode].reserved = length;
        Ok(())
    }
}

impl ReadFile for ModelFile {
    fn len(&self) -> io::Result<u64> {
        Ok(WriteFile::len(self))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.fs.state();
        let data = &state.inodes[self.inode].data;
        let rest = data.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

#[derive(Debug)]
struct ModelLock {
    fs: ModelFs,
    path: PathBuf,
}

impl LockGuard for ModelLock {}

impl Drop for ModelLock {
    fn drop(&mut self) {
        self.fs.state().locks.remove(&self.path);
    }
}

impl Filesystem for ModelFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step("create_dir", path)?;
        if state.names.contains_key(path) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        state.change_name(NameChange::Add(path.to_owned(), Node::Directory));
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let mut state = self.state();
        state.step("create", path)?;
        if state.names.contains_key(path) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        state.change_name(NameChange::Add(path.to_owned(), Node::File(inode)));
        drop(state);
        Ok(Box::new(ModelFile {
            fs: self.clone(),
            path: path.to_owned(),
            inode,
        }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let inode = self.state().file(path)?;
        Ok(Box::new(ModelFile {
            fs: self.clone(),
            path: path.to_owned(),
            inode,
        }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        let inode = self.state().file(path)?;
        Ok(Arc::new(ModelFile {
            fs: self.clone(),
            path: path.to_owned(),
            inode,
        }))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, EntryKind)>> {
        let state = self.state();
        if state.names.get(path) != Some(&Node::Directory) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        Ok(state
            .names
            .iter()
            .filter(|(name, _)| name.parent() == Some(path))
            .filter_map(|(name, node)| {
                let kind = match node {
                    Node::File(_) => EntryKind::File,
                    Node::Directory => EntryKind::Directory,
                };
                Some((name.file_name()?.to_str()?.to_owned(), kind))
            })
            .collect())
    }

    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        Ok(self.state().names.get(path).map(|node| match node {
            Node::File(_) => EntryKind::File,
            Node::Directory => EntryKind::Directory,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step("rename", from)?;
        let inode = state.file(from)?;
        state.change_name(NameChange::Rename(
            from.to_owned(),
            to.to_owned(),
            Node::File(inode),
        ));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step("remove", path)?;
        state.file(path)?;
        state.change_name(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step("sync_dir", path)?;
        let State {
            pending_names,
            durable_names,
            ..
        } = &mut *state;
        pending_names.retain(|change| {
            let concerned = change.concerns(path);
            if concerned {
                change.apply(durable_names);
            }
            !concerned
        });
        Ok(())
    }

    fn free_space(&self, _path: &Path) -> io::Result<Option<u64>> {
        let state = self.state();
        Ok(state.capacity.map(|_| state.free()))
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let mut state = self.state();
        if !state.locks.insert(path.to_owned()) {
            return Ok(Lock::Busy(Some(std::process::id())));
        }
        drop(state);
        Ok(Lock::Held(Box::new(ModelLock {
            fs: self.clone(),
            path: path.to_owned(),
        })))
    }
}

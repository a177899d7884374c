use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags};

use super::{EntryKind, Filesystem, Lock, LockGuard, ReadFile, WriteFile};

const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// The file systems of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    // Without O_NONBLOCK opening a named pipe would wait for its other end.
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(
        path,
        flags,
        Mode::from_raw_mode(FILE_MODE as rustix::fs::RawMode),
    )?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    Ok(file)
}

fn entry_kind(file_type: std::fs::FileType) -> EntryKind {
    if file_type.is_file() {
        EntryKind::File
    } else if file_type.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::Other
    }
}

#[derive(Debug)]
struct RealWriteFile {
    file: File,
    length: u64,
}

impl WriteFile for RealWriteFile {
    fn len(&self) -> u64 {
        self.length
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let result = self.file.write_all(bytes);
        self.length = match result {
            Ok(()) => self.length + bytes.len() as u64,
            Err(_) => self
                .file
                .metadata()
                .map_or(self.length, |metadata| metadata.len()),
        };
        result
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.file)?)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        rustix::fs::ftruncate(&self.file, length)?;
        self.length = length;
        Ok(())
    }

    fn preallocate(&mut self, length: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            Ok(()) => {
                self.length = self.length.max(length);
                Ok(())
            }
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                let zeros = vec![0; 64 * 1024];
                while self.length < length {
                    let step = (length - self.length).min(zeros.len() as u64) as usize;
                    self.append(zeros.get(..step).unwrap_or_default())?;
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl ReadFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }
}

#[derive(Debug)]
struct Flock {
    _file: File,
}

impl LockGuard for Flock {}

impl Filesystem for RealFs {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::DirBuilder::new().mode(DIRECTORY_MODE).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
        let file = open(path, flags)?;
        Ok(Box::new(RealWriteFile { file, length: 0 }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let file = open(path, OFlags::WRONLY | OFlags::APPEND)?;
        let length = file.metadata()?.len();
        Ok(Box::new(RealWriteFile { file, length }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(open(path, OFlags::RDONLY)?))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(String, EntryKind)>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                entries.push((name, entry_kind(entry.file_type()?)));
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        match std::fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(entry_kind(metadata.file_type()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(rustix::fs::fsync(&directory)?)
    }

    fn free_space(&self, path: &Path) -> io::Result<Option<u64>> {
        let space = rustix::fs::statvfs(path)?;
        Ok(Some(space.f_bavail.saturating_mul(space.f_frsize)))
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let mut file = open(path, OFlags::RDWR | OFlags::CREATE)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                rustix::fs::ftruncate(&file, 0)?;
                file.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0)?;
                Ok(Lock::Held(Box::new(Flock { _file: file })))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = [0; 16];
                let count = file.read(&mut text)?;
                let pid = std::str::from_utf8(text.get(..count).unwrap_or_default())
                    .ok()
                    .and_then(|text| text.trim().parse().ok());
                Ok(Lock::Busy(pid))
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn files_and_directories_are_for_their_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("d");
        RealFs.create_dir(&directory).unwrap();
        drop(RealFs.create(&directory.join("f")).unwrap());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join("f")), 0o600);
    }

    #[test]
    fn links_and_directories_are_not_opened_as_files() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("target"), "secret").unwrap();
        let link = root.path().join("link");
        symlink(root.path().join("target"), &link).unwrap();
        assert!(RealFs.open_read(&link).is_err());
        assert!(RealFs.open_write(&link).is_err());
        assert!(RealFs.lock(&link).is_err());
        assert!(RealFs.open_read(root.path()).is_err());
        assert_eq!(RealFs.kind(&link).unwrap(), Some(EntryKind::Other));
    }

    #[test]
    fn a_lock_held_elsewhere_tells_the_process() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lock");
        let Lock::Held(guard) = RealFs.lock(&path).unwrap() else {
            panic!("free lock refused");
        };
        let Lock::Busy(pid) = RealFs.lock(&path).unwrap() else {
            panic!("lock given twice");
        };
        assert_eq!(pid, Some(std::process::id()));
        drop(guard);
        assert!(matches!(RealFs.lock(&path).unwrap(), Lock::Held(_)));
    }

    #[test]
    fn reserved_space_is_part_of_the_file() {
        let root = tempfile::tempdir().unwrap();
        let mut file = RealFs.create(&root.path().join("ballast")).unwrap();
        file.preallocate(100_000).unwrap();
        assert_eq!(file.len(), 100_000);
        file.truncate(7).unwrap();
        assert_eq!(file.len(), 7);
    }
}

//! Reads the headers of a tar archive, front to back.
//!
//! The archive may be long, damaged or made to harm, so headers are read one at a time and
//! nothing is taken into memory because a header says so.

use std::io::{self, Read};

use ::tar::{EntryType, Header, PaxExtensions};
use kymo_model::Timestamp;

use super::cap::Damage;

/// The size of a header; contents are padded to it.
pub(super) const BLOCK_BYTES: usize = 512;
/// The longest name or set of attributes that is read.
const EXTENSION_BYTES: u64 = 1 << 20;

/// What a header says of the entry behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Member {
    /// Its path in the archive.
    pub(super) path: String,
    /// Where its content begins in the archive.
    pub(super) start: u64,
    /// How long its content is.
    pub(super) length: u64,
    /// When it was changed last.
    pub(super) modified: Option<Timestamp>,
    /// What it is.
    pub(super) kind: Kind,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    File,
    Folder,
    /// A link, a device, a file with holes.
    Other,
}

/// Reads the headers of an archive.
pub(super) struct TarReader<R> {
    reader: R,
    position: u64,
    /// Where the next header is.
    next: u64,
}

/// Tells whether a block is the header of an entry: whether its checksum is right.
pub(super) fn is_header(start: &[u8]) -> bool {
    start
        .get(..BLOCK_BYTES)
        .is_some_and(|block| checked(block).is_some())
}

fn checked(block: &[u8]) -> Option<&Header> {
    let header = Header::from_byte_slice(block);
    let is_blank = |index: usize| (148..156).contains(&index);
    let sum = block
        .iter()
        .enumerate()
        .map(|(index, byte)| {
            if is_blank(index) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum::<u32>();
    (header.cksum().ok() == Some(sum) && block.first() != Some(&0)).then_some(header)
}

impl<R: Read> TarReader<R> {
    /// Starts at the beginning of an archive.
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            position: 0,
            next: 0,
        }
    }

    /// Reads on to the next entry, passing over what is left of the one before; `None` at the
    /// end of the archive.
    pub(super) fn next(
        &mut self,
        mut skip: impl FnMut(&mut R, u64) -> io::Result<u64>,
    ) -> io::Result<Option<Member>> {
        let mut member = Member::default();
        let mut has_path = false;
        let mut has_length = false;
        loop {
            while self.position < self.next {
                let skipped = skip(&mut self.reader, self.next - self.position)?;
                if skipped == 0 {
                    return Err(self.damage("the archive ends inside an entry"));
                }
                self.position += skipped;
            }
            let mut block = [0; BLOCK_BYTES];
            match self.read(&mut block)? {
                BLOCK_BYTES => {}
                0 => {
                    return Err(self.damage("the archive ends without its last blocks"));
                }
                _ => return Err(self.damage("the archive ends inside a header")),
            }
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let Some(header) = checked(&block) else {
                return Err(self.damage("a header of the archive is damaged"));
            };
            let Ok(length) = header.entry_size() else {
                return Err(self.damage("a header of the archive tells no length"));
            };
            let kind = header.entry_type();
            match kind {
                EntryType::GNULongName => {
                    let name = self.extension(length)?;
                    let end = name.iter().position(|byte| *byte == 0);
                    let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
                    member.path = String::from_utf8_lossy(name).into_owned();
                    has_path = true;
                }
                EntryType::XHeader => {
                    let attributes = self.extension(length)?;
                    for attribute in PaxExtensions::new(&attributes).flatten() {
                        let value = attribute.value_bytes();
                        match attribute.key_bytes() {
                            b"path" => {
                                member.path = String::from_utf8_lossy(value).into_owned();
                                has_path = true;
                            }
                            b"size" => {
                                if let Some(length) = number(value) {
                                    member.length = length;
                                    has_length = true;
                                }
                            }
                            b"mtime" => member.modified = seconds(value),
                            key if key.starts_with(b"GNU.sparse.") => member.kind = Kind::Other,
                            _ => {}
                        }
                    }
                }
                EntryType::GNULongLink | EntryType::XGlobalHeader => {
                    self.next = self.position.saturating_add(padded(length));
                }
                _ => {
                    if !has_path {
                        member.path = String::from_utf8_lossy(&header.path_bytes()).into_owned();
                    }
                    if !has_length {
                        member.length = length;
                    }
                    let mtime = header
                        .mtime()
                        .ok()
                        .and_then(|mtime| i64::try_from(mtime).ok());
                    member.modified = member.modified.or_else(|| from_seconds(mtime?, 0));
                    member.kind = match kind {
                        EntryType::Regular | EntryType::Continuous
                            if member.path.ends_with('/') =>
                        {
                            Kind::Folder
                        }
                        EntryType::Regular | EntryType::Continuous => member.kind,
                        EntryType::Directory => Kind::Folder,
                        _ => Kind::Other,
                    };
                    while member.path.starts_with("./") {
                        member.path.drain(..2);
                    }
                    member.start = self.position;
                    self.next = self.position.saturating_add(padded(member.length));
                    return Ok(Some(member));
                }
            }
        }
    }

    /// Returns a reader of the content of the entry that was just found.
    pub(super) fn content(&mut self, member: &Member) -> Content<'_, R> {
        Content {
            left: member
                .start
                .saturating_add(member.length)
                .saturating_sub(self.position),
            tar: self,
        }
    }

    /// Reads a name or attributes of the next entry.
    fn extension(&mut self, length: u64) -> io::Result<Vec<u8>> {
        if length > EXTENSION_BYTES {
            return Err(self.damage("the name of an entry is too long"));
        }
        let mut bytes = vec![0; padded(length) as usize];
        if self.read(&mut bytes)? < bytes.len() {
            return Err(self.damage("the archive ends inside a header"));
        }
        bytes.truncate(length as usize);
        Ok(bytes)
    }

    /// Fills `out`, or less at the end.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.reader.read(rest) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.position += filled as u64;
        Ok(filled)
    }

    fn damage(&self, reason: &str) -> io::Error {
        Damage::new(self.position, reason).into()
    }
}

/// Reads the content of one entry.
pub(super) struct Content<'a, R> {
    tar: &'a mut TarReader<R>,
    left: u64,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = self.left.min(out.len() as u64) as usize;
        if room == 0 {
            return Ok(0);
        }
        let length = self
            .tar
            .reader
            .read(out.get_mut(..room).unwrap_or_default())?;
        if length == 0 {
            return Err(self.tar.damage("the archive ends inside the entry"));
        }
        self.tar.position += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

fn padded(length: u64) -> u64 {
    length.saturating_add(BLOCK_BYTES as u64 - 1) & !(BLOCK_BYTES as u64 - 1)
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads seconds with a fraction.
fn seconds(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanos = format!("{fraction:0<9}");
    from_seconds(whole.parse().ok()?, nanos.get(..9)?.parse().ok()?)
}

/// Zero stands for a time that was left out.
fn from_seconds(seconds: i64, nanos: i64) -> Option<Timestamp> {
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
    (nanos > 0).then_some(Timestamp(nanos))
}

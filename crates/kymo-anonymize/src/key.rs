//! The secret on which every pseudonym depends.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER_PERMISSIVE;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use thiserror::Error;

/// The length of a key, in bytes.
pub const KEY_BYTES: usize = 32;
/// What a key file may hold at most; more is no key.
const FILE_BYTES: u64 = 1024;

/// Why there is no key.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key file `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("cannot make the key file `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Others than the owner may read the file.
    #[error(
        "the key file `{}` may be read by others than its owner (mode {mode:04o})",
        path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds too few bits.
    #[error(
        "the key in `{}` is too short: {bits} bits, and {} are needed",
        path.display(),
        KEY_BYTES * 8
    )]
    Short {
        /// The file.
        path: PathBuf,
        /// The bits that it holds.
        bits: usize,
    },
    /// The file is neither 32 bytes nor their spelling.
    #[error(
        "`{}` holds no key: it must be 32 bytes, as they are, in hexadecimal or in base64",
        path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
    },
    /// Every byte of the key is the same.
    #[error("the key in `{}` is one byte over and over", path.display())]
    Weak {
        /// The file.
        path: PathBuf,
    },
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes: {message}")]
    Random {
        /// What it says.
        message: String,
    },
}

/// 256 secret bits. Whoever has them can tell which name a pseudonym stands for by trying names.
#[derive(Clone)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    /// Makes a key of bytes that are secret and random.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads a key file: 32 bytes as they are, or their spelling in hexadecimal or base64. A file
    /// that its group or the world may read is refused.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(KeyError::Readable { path, mode });
        }
        let mut content = Vec::new();
        file.take(FILE_BYTES)
            .read_to_end(&mut content)
            .map_err(failed)?;
        Self::parse(path, &content)
    }

    /// Makes a new random key and writes it, in hexadecimal, to a file with mode 0600, which must
    /// not exist.
    pub fn generate(path: &Path) -> Result<Self, KeyError> {
        let mut bytes = [0; KEY_BYTES];
        OsRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| KeyError::Random {
                message: error.to_string(),
            })?;
        let failed = |source| KeyError::Write {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        writeln!(file, "{}", data_encoding::HEXLOWER.encode(&bytes)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(Self(bytes))
    }

    fn parse(path: &Path, content: &[u8]) -> Result<Self, KeyError> {
        let path = || path.to_owned();
        let bytes = match spelled(content) {
            Some(bytes) => bytes,
            None if content.len() <= KEY_BYTES => content.to_vec(),
            None => return Err(KeyError::Form { path: path() }),
        };
        if bytes.len() < KEY_BYTES {
            let bits = bytes.len() * 8;
            return Err(KeyError::Short { path: path(), bits });
        }
        let Ok(key) = <[u8; KEY_BYTES]>::try_from(bytes) else {
            return Err(KeyError::Form { path: path() });
        };
        if key.iter().all(|byte| Some(byte) == key.first()) {
            return Err(KeyError::Weak { path: path() });
        }
        Ok(Self(key))
    }

    /// Derives the key of one use; keys of different uses tell nothing of each other.
    pub fn derive(&self, purpose: &str) -> [u8; KEY_BYTES] {
        let mut hasher = blake3::Hasher::new_derive_key("kymo 2026-11 anonymize v1");
        hasher.update(&self.0);
        hasher.update(purpose.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// Never tells the bits.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// Reads bytes out of text: hexadecimal first, whose letters are also letters of base64.
fn spelled(content: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(content).ok()?.trim();
    if text.is_empty() {
        return Some(Vec::new());
    }
    if let Ok(bytes) = HEXLOWER_PERMISSIVE.decode(text.as_bytes()) {
        return Some(bytes);
    }
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|form| form.decode(text).ok())
        .filter(|bytes| bytes.len() >= KEY_BYTES || content.len() != KEY_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (directory, path)
    }

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[rstest]
    #[case(HEX.as_bytes().to_vec())]
    #[case(format!("{HEX}\n").into_bytes())]
    #[case(HEX.to_uppercase().into_bytes())]
    #[case(b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n".to_vec())]
    #[case(b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_vec())]
    #[case((0..32).collect())]
    fn the_same_bytes_in_any_spelling_are_the_same_key(#[case] content: Vec<u8>) {
        let (_directory, path) = file(&content, 0o600);
        let key = Key::read(&path).unwrap();
        let expected: Vec<u8> = (0..32).collect();
        assert_eq!(key.0.as_slice(), expected.as_slice());
        assert_eq!(format!("{key:?}"), "Key(..)");
    }

    #[rstest]
    #[case(HEX, 0o640, "may be read by others than its owner (mode 0640)")]
    #[case(HEX, 0o604, "(mode 0604)")]
    #[case("", 0o600, "too short: 0 bits, and 256 are needed")]
    #[case("0011223344", 0o600, "too short: 40 bits")]
    #[case("correct horse battery staple", 0o600, "too short")]
    #[case(
        "this is a long sentence, and no key at all: it is for people",
        0o600,
        "holds no key"
    )]
    #[case(
        "0000000000000000000000000000000000000000000000000000000000000000",
        0o600,
        "one byte over and over"
    )]
    fn what_is_no_good_key_is_refused_with_a_reason(
        #[case] content: &str,
        #[case] mode: u32,
        #[case] reason: &str,
    ) {
        let (_directory, path) = file(content.as_bytes(), mode);
        let error = Key::read(&path).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn a_new_key_is_for_its_owner_alone_and_never_written_over_another() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let made = Key::generate(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Key::read(&path).unwrap().0, made.0);
        assert!(matches!(Key::generate(&path), Err(KeyError::Write { .. })));
    }

    #[test]
    fn keys_of_different_uses_differ() {
        let key = Key::new([7; 32]);
        assert_ne!(key.derive("a"), key.derive("b"));
        assert_eq!(key.derive("a"), key.derive("a"));
        assert_ne!(key.derive("a"), Key::new([8; 32]).derive("a"));
    }
}

//! A file that only another key opens.

use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use thiserror::Error;

use crate::key::Key;

/// How a sealed file begins, and what its seal is bound to.
const MAGIC: &[u8] = b"kymo sealed map 1\n";
/// The length of the random number that each seal has.
const NONCE_BYTES: usize = 24;
/// What the key of the seal is derived for.
const PURPOSE: &str = "sealed map";

/// Why a file is not sealed, or not opened.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum VaultError {
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    Random,
    /// There is more than can be sealed at once.
    #[error("there is more than can be sealed at once")]
    TooLarge,
    /// It is no sealed file.
    #[error("it is not a sealed map of kymo")]
    Form,
    /// The key is another, or bytes were changed.
    #[error("it was sealed with another key, or it is damaged")]
    Sealed,
}

/// Seals bytes with a key.
pub fn seal(key: &Key, content: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE_BYTES];
    OsRng
        .try_fill_bytes(&mut nonce)
        .map_err(|_| VaultError::Random)?;
    let cipher = XChaCha20Poly1305::new(&key.derive(PURPOSE).into());
    let payload = Payload {
        msg: content,
        aad: MAGIC,
    };
    let sealed = cipher
        .encrypt(&XNonce::from(nonce), payload)
        .map_err(|_| VaultError::TooLarge)?;
    Ok([MAGIC, &nonce, &sealed].concat())
}

/// Opens what [`seal`] made with the same key.
pub fn open(key: &Key, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    let rest = sealed.strip_prefix(MAGIC).ok_or(VaultError::Form)?;
    let (nonce, msg) = rest
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(VaultError::Form)?;
    let cipher = XChaCha20Poly1305::new(&key.derive(PURPOSE).into());
    let payload = Payload { msg, aad: MAGIC };
    cipher
        .decrypt(&XNonce::from(*nonce), payload)
        .map_err(|_| VaultError::Sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_opens_what_was_sealed() {
        let key = Key::new([7; 32]);
        let sealed = seal(&key, b"web").unwrap();
        assert!(!sealed.windows(3).any(|three| three == b"web"));
        assert_eq!(open(&key, &sealed).unwrap(), b"web");
        assert_eq!(open(&Key::new([8; 32]), &sealed), Err(VaultError::Sealed));
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(open(&key, &changed), Err(VaultError::Sealed));
        assert_eq!(open(&key, b"web"), Err(VaultError::Form));
        assert_ne!(seal(&key, b"web").unwrap(), sealed);
    }
}

use std::borrow::Cow;

use kymo_model::Timestamp;

use super::names;
use super::seat::Seat;
use super::warp::Warp;
use crate::Error;
use crate::draft::Draft;
use crate::times::move_times;

/// A pod that was not recorded.
#[derive(Clone, Debug)]
pub(crate) struct Clone {
    /// Its uid.
    pub(crate) uid: String,
    /// What stands for what: names, uids and addresses.
    pub(crate) words: Vec<(String, String)>,
    /// Its times.
    pub(crate) warp: Warp,
    /// Its node, where that is another one than the recorded pod's.
    pub(super) seat: Option<Seat>,
}

/// What tells of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Teller {
    /// The pod itself.
    Pod,
    /// An Event about it.
    Event,
}

impl Clone {
    /// Makes a row of the clone, or of something that tells of it, out of the recorded one. `uid` is
    /// that of the new object.
    pub(super) fn row(&self, of: &Draft, teller: Teller, uid: String) -> Result<Draft, Error> {
        let mut draft = of.copy();
        let event = &mut draft.event;
        event.ts = Timestamp(self.warp.apply(event.ts.0));
        event.not_before = event
            .not_before
            .map(|time| Timestamp(self.warp.apply(time.0)));
        event.request = None;
        let old_uid = std::mem::replace(&mut event.key.uid, uid.clone());
        event.key.name = self.words_in(event.key.name.as_bytes());
        if let Some(text) = draft.text()? {
            let mut words = self.words.clone();
            words.push((old_uid, uid));
            let mut text = replaced(text, &words);
            self.renew_containers(&mut text);
            let text = match move_times(&text, |time| Some(self.warp.apply(time))) {
                Cow::Owned(moved) => moved,
                Cow::Borrowed(_) => text,
            };
            draft.set_text(text);
        }
        if let Some(seat) = &self.seat
            && let Some(object) = draft.object()?
        {
            match teller {
                Teller::Pod => seat.pod(object),
                Teller::Event => seat.event(object),
            }
        }
        Ok(draft)
    }

    fn words_in(&self, text: &[u8]) -> String {
        String::from_utf8(replaced(text, &self.words)).unwrap_or_default()
    }

    /// Gives containers other ids: the 64 hexadecimal digits behind `://`.
    fn renew_containers(&self, text: &mut [u8]) {
        const DIGITS: usize = 64;
        let places: Vec<usize> = memchr::memmem::find_iter(text, b"://")
            .map(|place| place + 3)
            .collect();
        for place in places {
            let Some(id) = text.get_mut(place..place + DIGITS) else {
                continue;
            };
            if id.iter().all(u8::is_ascii_hexdigit) {
                let mut hasher = blake3::Hasher::new();
                hasher.update(self.uid.as_bytes()).update(id);
                id.copy_from_slice(hasher.finalize().to_hex().as_bytes());
            }
        }
    }
}

/// Returns the uid of the copy that an Event about a recorded pod has for a clone.
pub(crate) fn event_uid(clone: &Clone, event: &str) -> String {
    names::uid("event", &format!("{}/{event}", clone.uid), 0)
}

/// Replaces words wherever they stand by themselves: not inside of longer words.
pub(super) fn replaced(text: &[u8], words: &[(String, String)]) -> Vec<u8> {
    let mut text = Cow::Borrowed(text);
    for (old, new) in words {
        if old.is_empty() || old == new {
            continue;
        }
        let mut out: Option<Vec<u8>> = None;
        let mut copied = 0;
        for place in memchr::memmem::find_iter(&text, old.as_bytes()) {
            let end = place + old.len();
            let before = place.checked_sub(1).and_then(|at| text.get(at));
            if is_inner(before) || is_inner(text.get(end)) {
                continue;
            }
            let out = out.get_or_insert_with(|| Vec::with_capacity(text.len()));
            out.extend_from_slice(text.get(copied..place).unwrap_or_default());
            out.extend_from_slice(new.as_bytes());
            copied = end;
        }
        if let Some(mut out) = out {
            out.extend_from_slice(text.get(copied..).unwrap_or_default());
            text = Cow::Owned(out);
        }
    }
    text.into_owned()
}

/// Tells whether a byte can stand inside of a name.
fn is_inner(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_replaced_as_a_whole() {
        let words = [("web-1".to_owned(), "web-2".to_owned())];
        let text = br#"{"name":"web-1","message":"web-1.17a3 web-11 a-web-1 shop/web-1"}"#;
        assert_eq!(
            String::from_utf8(replaced(text, &words)).unwrap(),
            r#"{"name":"web-2","message":"web-2.17a3 web-11 a-web-1 shop/web-2"}"#
        );
    }
}

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use kymo_store::segment::KeptRow;

use crate::Error;

/// How many rows and bytes are handed over at once, and how often that is done ahead.
const ROWS: usize = 256;
const BYTES: usize = 1 << 20;
const CHUNKS: usize = 4;

/// Rows that a thread of their own reads ahead, in their order.
pub(crate) struct Ahead<T> {
    chunks: Receiver<Vec<T>>,
    present: std::vec::IntoIter<T>,
    thread: Option<JoinHandle<()>>,
}

/// Begins to read ahead; `bytes` tells about how much memory a row holds for itself.
pub(crate) fn ahead<T: Send + 'static>(
    rows: impl Iterator<Item = T> + Send + 'static,
    bytes: impl Fn(&T) -> usize + Send + 'static,
) -> Result<Ahead<T>, Error> {
    let (send, chunks) = sync_channel(CHUNKS);
    let read = move || {
        let mut rows = rows.fuse();
        loop {
            let mut room = BYTES;
            let mut chunk = Vec::new();
            while room > 0
                && chunk.len() < ROWS
                && let Some(row) = rows.next()
            {
                room = room.saturating_sub(bytes(&row));
                chunk.push(row);
            }
            // Without a receiver nobody wants more.
            if chunk.is_empty() || send.send(chunk).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("kymo-read".to_owned());
    let thread = thread.spawn(read).map_err(|error| Error::Panicked {
        message: format!("no thread can be started: {error}"),
    })?;
    Ok(Ahead {
        chunks,
        present: Vec::new().into_iter(),
        thread: Some(thread),
    })
}

/// About how many bytes of memory the body of a row takes that is not shared with others.
pub(crate) fn bytes<E>(row: &Result<KeptRow, E>) -> usize {
    let body = row
        .as_ref()
        .ok()
        .and_then(|row| row.row.event.body.as_ref());
    body.map_or(0, |body| body.len())
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.present.next() {
                return Some(row);
            }
            if let Ok(chunk) = self.chunks.recv() {
                self.present = chunk.into_iter();
                continue;
            }
            if let Some(thread) = self.thread.take()
                && let Err(panic) = thread.join()
            {
                std::panic::resume_unwind(panic);
            }
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Item = Result<usize, kymo_store::Error>;

    #[test]
    fn rows_come_in_their_order() {
        let rows = ahead((0..10_000).map(|row| -> Item { Ok(row) }), |_| 1).unwrap();
        let found: Vec<usize> = rows.map(Result::unwrap).collect();
        assert_eq!(found, (0..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_is_read_ahead_than_there_is_room_for() {
        let (send, receive) = std::sync::mpsc::channel();
        let large = (0..1_000).map(move |row| -> Item {
            send.send(row).unwrap();
            Ok(row)
        });
        let mut rows = ahead(large, |_| BYTES / 2).unwrap();
        rows.next().unwrap().unwrap();
        drop(rows);
        // One chunk is here, some wait, one was on its way, and one can follow what was taken.
        assert!(receive.iter().count() <= 2 * (CHUNKS + 3));
    }

    #[test]
    fn what_nobody_wants_is_not_read() {
        let (send, receive) = sync_channel::<()>(0);
        let endless = (0..).map(move |row| -> Item {
            let _alive = &send;
            Ok(row)
        });
        let mut rows = ahead(endless, |_| 1).unwrap();
        assert_eq!(rows.next().unwrap().unwrap(), 0);
        drop(rows);
        // The thread ends and lets go of what it held.
        assert!(receive.recv().is_err());
    }

    #[test]
    #[should_panic(expected = "row 300")]
    fn a_panic_is_handed_on() {
        let rows = (0..).map(|row| -> Item {
            assert!(row < 300, "row {row}");
            Ok(row)
        });
        ahead(rows, |_| 1).unwrap().for_each(drop);
    }
}

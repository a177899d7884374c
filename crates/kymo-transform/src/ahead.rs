use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use crate::Error;

/// How many rows are handed over at once, and how often that is done ahead.
const ROWS: usize = 256;
const CHUNKS: usize = 4;

/// Rows that a thread of their own reads ahead, in their order.
pub(crate) struct Ahead<T> {
    chunks: Receiver<Vec<T>>,
    present: std::vec::IntoIter<T>,
    thread: Option<JoinHandle<()>>,
}

/// Begins to read ahead.
pub(crate) fn ahead<T: Send + 'static>(
    rows: impl Iterator<Item = T> + Send + 'static,
) -> Result<Ahead<T>, Error> {
    let (send, chunks) = sync_channel(CHUNKS);
    let read = move || {
        let mut rows = rows.fuse();
        loop {
            let chunk: Vec<T> = rows.by_ref().take(ROWS).collect();
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
        let rows = ahead((0..10_000).map(|row| -> Item { Ok(row) })).unwrap();
        let found: Vec<usize> = rows.map(Result::unwrap).collect();
        assert_eq!(found, (0..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn what_nobody_wants_is_not_read() {
        let (send, receive) = sync_channel::<()>(0);
        let mut rows = ahead((0..).map(move |row| -> Item {
            let _alive = &send;
            Ok(row)
        }))
        .unwrap();
        assert_eq!(rows.next().unwrap().unwrap(), 0);
        drop(rows);
        // The thread ends and lets go of what it held.
        assert!(receive.recv().is_err());
    }

    #[test]
    #[should_panic(expected = "row 300")]
    fn a_panic_is_handed_on() {
        let rows = ahead((0..).map(|row| -> Item {
            assert!(row < 300, "row {row}");
            Ok(row)
        }));
        rows.unwrap().for_each(drop);
    }
}

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
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

impl<T> Ahead<T> {
    /// Returns the next rows that were handed over at once.
    fn next_chunk(&mut self) -> Option<Vec<T>> {
        if let Ok(chunk) = self.chunks.recv() {
            return Some(chunk);
        }
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
        {
            std::panic::resume_unwind(panic);
        }
        None
    }
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.present.next() {
                return Some(row);
            }
            self.present = self.next_chunk()?.into_iter();
        }
    }
}

/// How many make rows beside each other at most. What they make is sorted in runs of their own, each an
/// open file with a window of its stream once all are read together.
const MAKERS: usize = 4;

/// Makes others out of rows, each by itself: as many makers as there are cores, up to [`MAKERS`], take rows
/// in turn. After a failure all of them end.
pub(crate) fn beside<T: Send + 'static, U: Send + 'static>(
    rows: Ahead<T>,
    make: impl Fn(T) -> Result<Vec<U>, Error> + Send + Sync + 'static,
) -> Vec<Box<dyn Iterator<Item = Result<U, Error>> + Send>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rows = Arc::new(Mutex::new(Some(rows)));
    let make = Arc::new(make);
    let maker = |_| {
        let (rows, make) = (Arc::clone(&rows), Arc::clone(&make));
        let mut given = Vec::new().into_iter();
        let mut made = Vec::new().into_iter();
        let next = move || {
            loop {
                if let Some(made) = made.next() {
                    return Some(Ok(made));
                }
                let Some(row) = given.next() else {
                    let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
                    given = rows.as_mut()?.next_chunk()?.into_iter();
                    continue;
                };
                match make(row) {
                    Ok(some) => made = some.into_iter(),
                    Err(error) => {
                        *rows.lock().unwrap_or_else(PoisonError::into_inner) = None;
                        given = Vec::new().into_iter();
                        return Some(Err(error));
                    }
                }
            }
        };
        Box::new(std::iter::from_fn(next)) as Box<dyn Iterator<Item = Result<U, Error>> + Send>
    };
    (0..cores.min(MAKERS)).map(maker).collect()
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
    fn makers_share_the_rows() {
        let rows = ahead(0..10_000, |_| 1).unwrap();
        let makers = beside(rows, |row| Ok(vec![row; row % 3]));
        let threads = makers.into_iter().map(|maker| {
            std::thread::spawn(move || maker.map(Result::unwrap).collect::<Vec<usize>>())
        });
        let threads: Vec<_> = threads.collect();
        let mut made: Vec<usize> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        made.sort_unstable();
        let expected = (0..10_000).flat_map(|row| vec![row; row % 3]);
        assert_eq!(made, expected.collect::<Vec<_>>());
    }

    #[test]
    fn after_a_failure_no_maker_goes_on() {
        let rows = ahead(0.., |_| 1).unwrap();
        let mut makers = beside(rows, |row: usize| match row {
            3 => Err(Error::Stopped),
            row => Ok(vec![row]),
        });
        let first: Vec<_> = makers.remove(0).collect();
        assert_eq!(first.len(), 4);
        assert!(matches!(first.last(), Some(Err(Error::Stopped))));
        assert!(makers.iter_mut().all(|maker| maker.next().is_none()));
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

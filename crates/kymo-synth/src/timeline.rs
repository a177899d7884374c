//! What happened, in the order of time, and then object by object.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::records::{Fields, Reader, Records, record};

/// So many events are sorted at once.
const RUN: usize = 1 << 19;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) ts: i64,
    pub(crate) object: u32,
    /// What: a step of a pod or a node, a version of another object, or [`crate::story::GONE`].
    pub(crate) change: u32,
}

/// Everything that happened, in the order of time. All but the last of it is on the disk.
#[derive(Debug)]
pub(crate) struct Timeline {
    records: Records<16>,
    folder: PathBuf,
    /// When the trace begins.
    begin: i64,
    before: u32,
}

impl Timeline {
    /// Nothing has happened yet. Files are made in `folder`.
    pub(crate) fn new(folder: &Path, begin: i64) -> Self {
        Self {
            records: Records::new(folder),
            folder: folder.to_owned(),
            begin,
            before: 0,
        }
    }

    /// Has none of what happened.
    pub(crate) fn cleared(&self) -> Self {
        Self::new(&self.folder, self.begin)
    }

    /// Returns how many events there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len() as usize
    }

    /// Returns how many events there are before the trace begins.
    pub(crate) fn before(&self) -> u32 {
        self.before
    }

    /// Adds what happened next.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), Error> {
        self.before += u32::from(entry.ts < self.begin);
        let record = record(&[
            &entry.ts.to_le_bytes(),
            &entry.object.to_le_bytes(),
            &entry.change.to_le_bytes(),
        ]);
        let added = self.records.push(&record);
        added.map_err(|source| failed(&self.folder, source))
    }

    /// Tells all of it again.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<Entry, Error>> {
        self.records.iter().map(|record| {
            let record = record.map_err(|source| failed(&self.folder, source))?;
            let mut fields = Fields::of(&record);
            Ok(Entry {
                ts: fields.i64(),
                object: fields.u32(),
                change: fields.u32(),
            })
        })
    }

    /// Sorts it by object, those with lower ranks first.
    pub(crate) fn by_object(&self, ranks: &[u32]) -> Result<Lives, Error> {
        self.in_runs(ranks, RUN)
    }

    fn in_runs(&self, ranks: &[u32], length: usize) -> Result<Lives, Error> {
        let mut lives = Lives {
            folder: self.folder.clone(),
            records: Records::new(&self.folder),
            runs: Vec::new(),
        };
        let mut run = Vec::with_capacity(length.min(self.len()));
        for (number, entry) in self.entries().enumerate() {
            let entry = entry?;
            let happening = Happening {
                number: number as u32,
                ts: entry.ts,
                change: entry.change,
            };
            let rank = ranks.get(entry.object as usize).copied();
            run.push((rank.unwrap_or_default(), happening));
            if run.len() >= length {
                lives.add(&mut run)?;
            }
        }
        lives.add(&mut run)?;
        Ok(lives)
    }
}

/// One event of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    /// The number of the event.
    pub(crate) number: u32,
    pub(crate) ts: i64,
    pub(crate) change: u32,
}

/// What happened, object by object: runs that are each sorted.
#[derive(Debug)]
pub(crate) struct Lives {
    folder: PathBuf,
    records: Records<20>,
    runs: Vec<Range<u64>>,
}

impl Lives {
    /// Sorts a run and puts it behind the others.
    fn add(&mut self, run: &mut Vec<(u32, Happening)>) -> Result<(), Error> {
        run.sort_unstable_by_key(|(rank, happening)| (*rank, happening.number));
        let start = self.records.len();
        for (rank, happening) in run.drain(..) {
            let record = record(&[
                &rank.to_le_bytes(),
                &happening.number.to_le_bytes(),
                &happening.ts.to_le_bytes(),
                &happening.change.to_le_bytes(),
            ]);
            let added = self.records.push(&record);
            added.map_err(|source| failed(&self.folder, source))?;
        }
        self.runs.push(start..self.records.len());
        Ok(())
    }

    /// Begins with the object of the lowest rank.
    pub(crate) fn read(&self) -> LivesReader<'_> {
        let readers = self.runs.iter().map(|run| self.records.read(run.clone()));
        LivesReader {
            folder: &self.folder,
            runs: readers.map(|reader| Run { reader, head: None }).collect(),
            heads: None,
        }
    }
}

/// A run that is read.
struct Run<'l> {
    reader: Reader<'l, 20>,
    /// Its next event, with the rank of the object.
    head: Option<(u32, Happening)>,
}

impl Run<'_> {
    /// Goes on to the next event; returns the rank of its object.
    fn advance(&mut self) -> io::Result<Option<u32>> {
        self.head = self.reader.next().transpose()?.map(|record| {
            let mut fields = Fields::of(&record);
            let rank = fields.u32();
            let happening = Happening {
                number: fields.u32(),
                ts: fields.i64(),
                change: fields.u32(),
            };
            (rank, happening)
        });
        Ok(self.head.map(|(rank, _)| rank))
    }
}

/// Tells what happened, object by object.
pub(crate) struct LivesReader<'l> {
    folder: &'l Path,
    runs: Vec<Run<'l>>,
    /// The ranks of the next objects of the runs; `None` before the first one.
    heads: Option<BinaryHeap<Reverse<(u32, usize)>>>,
}

impl LivesReader<'_> {
    /// Puts what happened to the next object into `life`, in the order of time; returns the rank of
    /// the object.
    pub(crate) fn next(&mut self, life: &mut Vec<Happening>) -> Result<Option<u32>, Error> {
        life.clear();
        self.merge(life)
            .map_err(|source| failed(self.folder, source))
    }

    fn merge(&mut self, life: &mut Vec<Happening>) -> io::Result<Option<u32>> {
        let heads = match self.heads.take() {
            Some(heads) => heads,
            None => self.first()?,
        };
        let heads = self.heads.insert(heads);
        let Some(Reverse((rank, _))) = heads.peek().copied() else {
            return Ok(None);
        };
        // Later runs have later events.
        while let Some(Reverse((next, number))) = heads.peek().copied() {
            if next != rank {
                break;
            }
            heads.pop();
            let Some(run) = self.runs.get_mut(number) else {
                continue;
            };
            while let Some((_, happening)) = run.head.filter(|(next, _)| *next == rank) {
                life.push(happening);
                run.advance()?;
            }
            if let Some((next, _)) = run.head {
                heads.push(Reverse((next, number)));
            }
        }
        Ok(Some(rank))
    }

    fn first(&mut self) -> io::Result<BinaryHeap<Reverse<(u32, usize)>>> {
        let mut heads = BinaryHeap::new();
        for (number, run) in self.runs.iter_mut().enumerate() {
            heads.extend(run.advance()?.map(|rank| Reverse((rank, number))));
        }
        Ok(heads)
    }
}

fn failed(folder: &Path, source: io::Error) -> Error {
    Error::Disk {
        path: folder.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(objects: &[u32]) -> Timeline {
        let mut timeline = Timeline::new(&std::env::temp_dir(), 3);
        for (number, object) in objects.iter().enumerate() {
            let entry = Entry {
                ts: number as i64,
                object: *object,
                change: number as u32 * 10,
            };
            timeline.push(entry).unwrap();
        }
        timeline
    }

    #[test]
    fn what_happened_is_told_object_by_object_for_any_length_of_runs() {
        let objects = [0, 2, 1, 2, 0, 1, 1, 2, 2, 0, 2];
        // Object 2 comes first, then 0, then 1.
        let ranks = [1, 2, 0];
        for length in [1, 2, 3, 5, 100] {
            let lives = timeline(&objects).in_runs(&ranks, length).unwrap();
            // A second reader begins anew.
            for _ in 0..2 {
                let (mut reader, mut life) = (lives.read(), Vec::new());
                for (rank, numbers) in [
                    (0, vec![1, 3, 7, 8, 10]),
                    (1, vec![0, 4, 9]),
                    (2, vec![2, 5, 6]),
                ] {
                    assert_eq!(reader.next(&mut life).unwrap(), Some(rank), "{length}");
                    let happened: Vec<Happening> = numbers
                        .into_iter()
                        .map(|number| Happening {
                            number,
                            ts: i64::from(number),
                            change: number * 10,
                        })
                        .collect();
                    assert_eq!(life, happened, "{length}");
                }
                assert_eq!(reader.next(&mut life).unwrap(), None);
            }
        }
    }

    #[test]
    fn what_happens_before_the_trace_begins_is_counted() {
        let timeline = timeline(&[0, 0, 0, 0, 0]);
        assert_eq!((timeline.before(), timeline.len()), (3, 5));
    }
}

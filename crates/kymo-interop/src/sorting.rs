//! Sorts more records than fit into memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::vec;

use kymo_store::{Aside, Recalled};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Records that are sorted in memory.
const RUN: usize = 1 << 16;
/// Sorted runs that are open at a time.
const RUNS: usize = 32;

/// Takes records in any order.
pub(crate) struct Sorting<T> {
    folder: PathBuf,
    run: Vec<T>,
    run_length: usize,
    runs: Vec<Recalled>,
}

/// Gives records from the least to the greatest.
pub(crate) struct Sorted<T> {
    /// The next record of each source.
    heads: BinaryHeap<Reverse<(T, usize)>>,
    /// Runs on the disk.
    runs: Vec<Recalled>,
    /// The run that never left memory; its number is that behind the last of `runs`.
    run: vec::IntoIter<T>,
}

impl<T: Ord + Serialize + DeserializeOwned> Sorting<T> {
    /// Starts without a record; what does not fit goes to files in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        Self::with_run_length(folder, RUN)
    }

    fn with_run_length(folder: &Path, run_length: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            run: Vec::new(),
            run_length,
            runs: Vec::new(),
        }
    }

    /// Takes a record.
    pub(crate) fn push(&mut self, record: T) -> Result<(), Error> {
        self.run.push(record);
        if self.run.len() < self.run_length {
            return Ok(());
        }
        self.run.sort_unstable();
        let mut aside = Aside::create(&self.folder)?;
        for record in self.run.drain(..) {
            aside.put(&record)?;
        }
        self.runs.push(aside.recall()?);
        if self.runs.len() >= RUNS {
            let runs = std::mem::take(&mut self.runs);
            let mut merged = Sorted::new(runs, Vec::<T>::new())?;
            let mut aside = Aside::create(&self.folder)?;
            while let Some(record) = merged.next()? {
                aside.put(&record)?;
            }
            self.runs.push(aside.recall()?);
        }
        Ok(())
    }

    /// Ends the taking.
    pub(crate) fn finish(mut self) -> Result<Sorted<T>, Error> {
        self.run.sort_unstable();
        Sorted::new(self.runs, self.run)
    }
}

impl<T: Ord + DeserializeOwned> Sorted<T> {
    fn new(runs: Vec<Recalled>, run: Vec<T>) -> Result<Self, Error> {
        let mut this = Self {
            heads: BinaryHeap::new(),
            runs,
            run: run.into_iter(),
        };
        for source in 0..=this.runs.len() {
            this.advance(source)?;
        }
        Ok(this)
    }

    /// Shows the next record.
    pub(crate) fn peek(&self) -> Option<&T> {
        self.heads.peek().map(|Reverse((record, _))| record)
    }

    /// Gives the next record.
    pub(crate) fn next(&mut self) -> Result<Option<T>, Error> {
        let Some(Reverse((record, source))) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(source)?;
        Ok(Some(record))
    }

    fn advance(&mut self, source: usize) -> Result<(), Error> {
        let record = match self.runs.get_mut(source) {
            Some(run) => run.next()?,
            None => self.run.next(),
        };
        self.heads
            .extend(record.map(|record| Reverse((record, source))));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_sorted_whether_they_fit_into_memory_or_not() {
        let folder = tempfile::tempdir().unwrap();
        for run_length in [4, 7, 1000] {
            let mut sorting = Sorting::with_run_length(folder.path(), run_length);
            for number in 0..500u64 {
                sorting.push((number * 7919 % 500, number)).unwrap();
            }
            let mut sorted = sorting.finish().unwrap();
            for expected in 0..500u64 {
                assert_eq!(sorted.peek().map(|(key, _)| *key), Some(expected));
                assert_eq!(sorted.next().unwrap().map(|(key, _)| key), Some(expected));
            }
            assert_eq!(sorted.next().unwrap(), None);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

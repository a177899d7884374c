use super::doc::{At, Child, Doc, Kind};
use super::pointer::{push_key, push_segment};

/// What an operation of a patch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Edit {
    Add,
    Remove,
    Replace,
}

/// One operation from an older to a newer document; its value stands in the newer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) edit: Edit,
    /// Where, as a JSON Pointer.
    pub(crate) path: String,
    /// The value; the root for a removal, which has none.
    pub(crate) value: At,
}

/// Arrays up to this product of lengths are aligned item by item.
const ALIGNED_CELLS: usize = 4096;

/// Appends the operations that turn `old` into `new`, in the order in which they apply.
pub(crate) fn diff(old: &Doc, new: &Doc, prefix: &str, changes: &mut Vec<Change>) {
    let mut differ = Differ {
        old,
        new,
        path: prefix.to_owned(),
        changes,
    };
    differ.value(At::ROOT, At::ROOT);
}

struct Differ<'a> {
    old: &'a Doc,
    new: &'a Doc,
    path: String,
    changes: &'a mut Vec<Change>,
}

impl Differ<'_> {
    fn push(&mut self, edit: Edit, value: At) {
        self.changes.push(Change {
            edit,
            path: self.path.clone(),
            value,
        });
    }

    fn at_key(&mut self, key: &[u8], act: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        push_key(&mut self.path, key);
        act(self);
        self.path.truncate(length);
    }

    fn at_index(&mut self, index: usize, act: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        push_segment(&mut self.path, &index.to_string());
        act(self);
        self.path.truncate(length);
    }

    fn value(&mut self, old: At, new: At) {
        if self.old.value(old) == self.new.value(new) {
            return;
        }
        match (self.old.kind(old), self.new.kind(new)) {
            (Kind::Object, Kind::Object) => self.object(old, new),
            (Kind::Array, Kind::Array) => self.array(old, new),
            _ => self.push(Edit::Replace, new),
        }
    }

    fn object(&mut self, old: At, new: At) {
        // Members come in the same order nearly always: walk both, search only where they part.
        let mut ahead = self.new.children(new);
        for child in self.old.children(old) {
            let mut probe = ahead.clone();
            if probe.next().is_some_and(|other| other.key == child.key) {
                ahead = probe;
            } else if self.new.member(new, child.key).is_none() {
                self.at_key(child.key, |differ| differ.push(Edit::Remove, At::ROOT));
            }
        }
        let mut ahead = self.old.children(old);
        for child in self.new.children(new) {
            let mut probe = ahead.clone();
            let before = match probe.find(|other| other.key == child.key) {
                Some(other) => {
                    ahead = probe;
                    Some(other.at)
                }
                None => self.old.member(old, child.key),
            };
            match before {
                Some(before) if self.old.value(before) == self.new.value(child.at) => {}
                Some(before) => {
                    self.at_key(child.key, |differ| differ.value(before, child.at));
                }
                None => self.at_key(child.key, |differ| differ.push(Edit::Add, child.at)),
            }
        }
    }

    fn array(&mut self, old: At, new: At) {
        let olds: Vec<At> = self.old.children(old).map(|child| child.at).collect();
        let news: Vec<At> = self.new.children(new).map(|child| child.at).collect();
        let pairs = self.align(&olds, &news);
        let mut kept = pairs.iter().rev().peekable();
        for index in (0..olds.len()).rev() {
            if kept.peek().is_some_and(|(i, _)| *i == index) {
                kept.next();
            } else {
                self.at_index(index, |differ| differ.push(Edit::Remove, At::ROOT));
            }
        }
        let mut kept = pairs.iter().peekable();
        for (index, at) in news.iter().enumerate() {
            if let Some((i, _)) = kept.next_if(|(_, j)| *j == index) {
                if let Some(before) = olds.get(*i) {
                    self.at_index(index, |differ| differ.value(*before, *at));
                }
            } else {
                self.at_index(index, |differ| differ.push(Edit::Add, *at));
            }
        }
    }

    /// Pairs items that are versions of each other, in ascending order on both sides.
    fn align(&self, olds: &[At], news: &[At]) -> Vec<(usize, usize)> {
        let alike = |i: usize, j: usize| match (olds.get(i), news.get(j)) {
            (Some(a), Some(b)) => self.alike(*a, *b),
            _ => false,
        };
        let shorter = olds.len().min(news.len());
        let head = (0..shorter).take_while(|i| alike(*i, *i)).count();
        let tail = (0..shorter - head)
            .take_while(|i| alike(olds.len() - 1 - i, news.len() - 1 - i))
            .count();
        let mut pairs: Vec<_> = (0..head).map(|i| (i, i)).collect();
        let (rows, columns) = (olds.len() - head - tail, news.len() - head - tail);
        if rows > 0 && columns > 0 {
            if rows * columns <= ALIGNED_CELLS {
                let middle = longest_common(rows, columns, |i, j| alike(head + i, head + j));
                let mut last = (0, 0);
                for (i, j) in middle.into_iter().chain([(rows, columns)]) {
                    // What is alike in nothing but its place is replaced in place.
                    let (gap_old, gap_new) = (i - last.0, j - last.1);
                    if gap_old == gap_new {
                        pairs.extend((0..gap_old).map(|k| (head + last.0 + k, head + last.1 + k)));
                    }
                    if i < rows {
                        pairs.push((head + i, head + j));
                    }
                    last = (i + 1, j + 1);
                }
            } else {
                pairs.extend((0..rows.min(columns)).map(|i| (head + i, head + i)));
            }
        }
        let (old_tail, new_tail) = (olds.len() - tail, news.len() - tail);
        pairs.extend((0..tail).map(|i| (old_tail + i, new_tail + i)));
        pairs
    }

    /// Tells whether two items are the same thing: equal, or objects of the same identity.
    fn alike(&self, old: At, new: At) -> bool {
        if self.old.value(old) == self.new.value(new) {
            return true;
        }
        if self.old.kind(old) != Kind::Object || self.new.kind(new) != Kind::Object {
            return false;
        }
        match (
            identity(self.old.children(old)),
            identity(self.new.children(new)),
        ) {
            (Some(a), Some(b)) => a.key == b.key && self.old.value(a.at) == self.new.value(b.at),
            _ => false,
        }
    }
}

/// The member that says which item of a list an object is, as merge keys do in Kubernetes.
fn identity<'a>(children: impl Iterator<Item = Child<'a>>) -> Option<Child<'a>> {
    const KEYS: [&[u8]; 6] = [
        b"\"type\"",
        b"\"name\"",
        b"\"uid\"",
        b"\"manager\"",
        b"\"ip\"",
        b"\"key\"",
    ];
    let mut best: Option<(usize, Child<'a>)> = None;
    for child in children {
        if let Some(rank) = KEYS.iter().position(|key| *key == child.key)
            && best.is_none_or(|(found, _)| rank < found)
        {
            best = Some((rank, child));
        }
    }
    best.map(|(_, child)| child)
}

fn longest_common(
    rows: usize,
    columns: usize,
    alike: impl Fn(usize, usize) -> bool,
) -> Vec<(usize, usize)> {
    let width = columns + 1;
    let mut table = vec![0u16; (rows + 1) * width];
    let mut equal = vec![false; rows * columns];
    let cell = |table: &[u16], i: usize, j: usize| table.get(i * width + j).copied().unwrap_or(0);
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            let is_alike = alike(i, j);
            let best = if is_alike {
                cell(&table, i + 1, j + 1) + 1
            } else {
                cell(&table, i + 1, j).max(cell(&table, i, j + 1))
            };
            if let Some(slot) = table.get_mut(i * width + j) {
                *slot = best;
            }
            if let Some(slot) = equal.get_mut(i * columns + j) {
                *slot = is_alike;
            }
        }
    }
    let mut pairs = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < rows && j < columns {
        if equal.get(i * columns + j) == Some(&true) {
            pairs.push((i, j));
            i += 1;
            j += 1;
        } else if cell(&table, i + 1, j) >= cell(&table, i, j + 1) {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

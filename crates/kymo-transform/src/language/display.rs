//! Scripts as canonical text, which says the same and is the same for all that say the same.

use std::fmt::{self, Display, Formatter, Write};

use super::forms::{KINDS, QUERY_WORDS};
use super::{
    Action, Amount, Closure, Condition, Factor, Patch, PatchKind, Scale, Script, Seats, Shift,
    Statement, Stretch, Unit, Window,
};

/// One statement to a line, each with its semicolon.
impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for statement in &self.statements {
            writeln!(f, "{statement};")?;
        }
        Ok(())
    }
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.explain {
            f.write_str("EXPLAIN ")?;
        }
        self.action.fmt(f)
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete {
                unit,
                condition,
                cascade,
            } => {
                write!(f, "DELETE FROM {unit}")?;
                filter(f, condition.as_ref())?;
                f.write_str(if *cascade { " CASCADE" } else { "" })
            }
            Self::Keep {
                unit,
                condition,
                with,
            } => {
                write!(f, "KEEP {unit}")?;
                filter(f, condition.as_ref())?;
                f.write_str(match with {
                    Closure {
                        owners: true,
                        owned: true,
                    } => " WITH OWNERS AND OWNED",
                    Closure { owners: true, .. } => " WITH OWNERS",
                    Closure { owned: true, .. } => " WITH OWNED",
                    Closure { .. } => "",
                })
            }
            Self::Slice(window) => write!(f, "SLICE{window}"),
            Self::Patch {
                unit,
                patch,
                condition,
                window,
            } => {
                write!(f, "PATCH {unit} WITH {patch}")?;
                filter(f, condition.as_ref())?;
                write!(f, "{window}")
            }
            Self::Update {
                unit,
                assignments,
                condition,
            } => {
                write!(f, "UPDATE {unit} SET ")?;
                for (index, assignment) in assignments.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    let column = Name(&assignment.column);
                    write!(f, "{comma}{column} = {}", assignment.value.sql)?;
                }
                filter(f, condition.as_ref())
            }
            Self::Scale(scale) => scale.fmt(f),
            Self::Stretch {
                what,
                factor,
                condition,
            } => {
                let what = match what {
                    Stretch::Time => "TIME",
                    Stretch::Arrivals => "ARRIVALS",
                    Stretch::Lifetimes => "LIFETIMES",
                };
                write!(f, "STRETCH {what} BY {factor}")?;
                filter(f, condition.as_ref())
            }
            Self::Shift(Shift::To(time)) => write!(f, "SHIFT TIME TO {}", Quoted(&time.text)),
            Self::Shift(Shift::By(duration)) => write!(f, "SHIFT TIME BY {}", Length(*duration)),
            Self::Merge {
                path, at, prefix, ..
            } => {
                write!(f, "MERGE TRACE {}", Quoted(path))?;
                if let Some(at) = at {
                    write!(f, " AT {}", Quoted(&at.text))?;
                }
                match prefix {
                    Some(prefix) => write!(f, " PREFIX NAMESPACES {}", Quoted(prefix)),
                    None => Ok(()),
                }
            }
            Self::Repeat { times, every } => {
                write!(f, "REPEAT {times} TIMES")?;
                match every {
                    Some(every) => write!(f, " EVERY {}", Length(*every)),
                    None => Ok(()),
                }
            }
            Self::Synthesize(synthesize) => synthesize.fmt(f),
            Self::Anonymize { policy, .. } => {
                f.write_str("ANONYMIZE")?;
                match policy {
                    Some(policy) => write!(f, " WITH POLICY {}", Quoted(policy)),
                    None => Ok(()),
                }
            }
            Self::Insert { columns, query, .. } => {
                f.write_str("INSERT INTO EVENTS ")?;
                for (index, column) in columns.iter().enumerate() {
                    let before = if index == 0 { "(" } else { ", " };
                    write!(f, "{before}{}", Name(column))?;
                }
                f.write_str(if columns.is_empty() { "" } else { ") " })?;
                f.write_str(query)
            }
        }
    }
}

impl Display for Scale {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workload {
                workload,
                amount,
                ramp,
                placement,
            } => {
                let name = format!("{}/{}", workload.namespace, workload.name);
                let kind = &workload.kind;
                let is_known = KINDS.contains(&kind.as_str());
                let quote = if is_known { "" } else { "\"" };
                write!(f, "SCALE {quote}{kind}{quote} {} {amount}", Quoted(&name))?;
                if matches!(amount, Amount::To(_)) {
                    f.write_str(" REPLICAS")?;
                }
                if let Some(ramp) = ramp {
                    write!(f, " RAMP {}", Length(*ramp))?;
                }
                match placement {
                    Some(Seats::Spread) => f.write_str(" PLACEMENT SPREAD"),
                    Some(Seats::Binpack) => f.write_str(" PLACEMENT BINPACK"),
                    None => Ok(()),
                }
            }
            Self::Namespace { name, amount, .. } => {
                write!(f, "SCALE NAMESPACE {} {amount}", Quoted(name))
            }
            Self::Nodes { amount, condition } => {
                write!(f, "SCALE NODES {amount}")?;
                filter(f, condition.as_ref())
            }
            Self::Everything { amount } => write!(f, "SCALE EVERYTHING {amount}"),
        }
    }
}

impl Display for Unit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Events => "EVENTS",
            Self::Objects => "OBJECTS",
        })
    }
}

impl Display for Patch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            PatchKind::Json => "JSON",
            PatchKind::Merge => "MERGE",
            PatchKind::Strategic => "STRATEGIC",
        };
        write!(f, "{kind} {}", Quoted(&self.document.to_string()))
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(from) = &self.from {
            write!(f, " FROM {}", Quoted(&from.text))?;
        }
        match &self.to {
            Some(to) => write!(f, " TO {}", Quoted(&to.text)),
            None => Ok(()),
        }
    }
}

impl Display for Amount {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(count) => write!(f, "TO {count}"),
            Self::By(factor) => write!(f, "BY {factor}"),
        }
    }
}

impl Display for Factor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            below => write!(f, "{}/{below}", self.numerator),
        }
    }
}

fn filter(f: &mut Formatter<'_>, condition: Option<&Condition>) -> fmt::Result {
    match condition {
        Some(condition) => write!(f, " WHERE {}", condition.sql),
        None => Ok(()),
    }
}

/// A text as SQL writes it.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        for part in self.0.split_inclusive('\'') {
            f.write_str(part)?;
            if part.ends_with('\'') {
                f.write_char('\'')?;
            }
        }
        f.write_char('\'')
    }
}

/// A name as SQL writes it; in quotes where it would be read as another or as a word.
struct Name<'a>(&'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let is_plain = |character: char| character.is_ascii_lowercase() || character == '_';
        if !self.0.is_empty() && self.0.chars().all(is_plain) && !QUERY_WORDS.contains(&self.0) {
            return f.write_str(self.0);
        }
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

/// A duration in the largest unit of which it is a whole number.
pub(super) struct Length(pub(super) i64);

impl Display for Length {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const UNITS: [(i64, &str); 6] = [
            (3_600_000_000_000, "h"),
            (60_000_000_000, "m"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
            (1, "ns"),
        ];
        for (unit, name) in UNITS {
            if self.0 != 0 && self.0 % unit == 0 {
                return write!(f, "'{}{name}'", self.0 / unit);
            }
        }
        f.write_str("'0'")
    }
}

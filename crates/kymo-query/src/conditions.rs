//! What a query asks of events, as far as a trace can answer it by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use kymo_model::Timestamp;

/// A column of `events` that a trace can look up by value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// `type`
    Type,
    /// `api_group`
    ApiGroup,
    /// `resource`
    Resource,
    /// `kind`
    Kind,
    /// `namespace`
    Namespace,
    /// `name`
    Name,
    /// `uid`
    Uid,
    /// `verb`
    Verb,
    /// `subresource`
    Subresource,
    /// `username`
    Username,
    /// `impersonated_username`
    ImpersonatedUsername,
    /// `user_agent`
    UserAgent,
    /// `audit_id`
    AuditId,
}

impl Key {
    /// Every key.
    pub const ALL: [Self; 13] = [
        Self::Type,
        Self::ApiGroup,
        Self::Resource,
        Self::Kind,
        Self::Namespace,
        Self::Name,
        Self::Uid,
        Self::Verb,
        Self::Subresource,
        Self::Username,
        Self::ImpersonatedUsername,
        Self::UserAgent,
        Self::AuditId,
    ];

    /// The columns of the request that made a change; they are null where it is not known.
    pub const OF_REQUEST: [Self; 6] = [
        Self::Verb,
        Self::Subresource,
        Self::Username,
        Self::ImpersonatedUsername,
        Self::UserAgent,
        Self::AuditId,
    ];

    /// Returns the name of the column.
    pub fn column(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::ApiGroup => "api_group",
            Self::Resource => "resource",
            Self::Kind => "kind",
            Self::Namespace => "namespace",
            Self::Name => "name",
            Self::Uid => "uid",
            Self::Verb => "verb",
            Self::Subresource => "subresource",
            Self::Username => "username",
            Self::ImpersonatedUsername => "impersonated_username",
            Self::UserAgent => "user_agent",
            Self::AuditId => "audit_id",
        }
    }

    /// Finds the key of a column.
    pub fn of_column(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.column() == name)
    }
}

/// What every event of a scan must be: all of these at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Not received before; included.
    pub from: Option<Timestamp>,
    /// Not received after; included.
    pub to: Option<Timestamp>,
    /// The column has one of these values. An empty set lets nothing pass.
    pub one_of: BTreeMap<Key, BTreeSet<String>>,
}

impl Conditions {
    /// Tells whether no event can meet them.
    pub fn is_impossible(&self) -> bool {
        let empty = self.one_of.values().any(BTreeSet::is_empty);
        let backwards = matches!((self.from, self.to), (Some(from), Some(to)) if from > to);
        empty || backwards
    }

    /// Tells whether a value of a column meets them.
    pub fn accepts(&self, key: Key, value: &str) -> bool {
        self.one_of
            .get(&key)
            .is_none_or(|values| values.contains(value))
    }

    /// Tells whether a value that may be null meets them; null meets no condition.
    pub fn accepts_nullable(&self, key: Key, value: Option<&str>) -> bool {
        let values = self.one_of.get(&key);
        values.is_none_or(|values| value.is_some_and(|value| values.contains(value)))
    }

    /// Adds a condition to those there are.
    pub(crate) fn and(&mut self, condition: Condition) {
        match condition {
            Condition::From(ts) => self.from = Some(self.from.map_or(ts, |own| own.max(ts))),
            Condition::To(ts) => self.to = Some(self.to.map_or(ts, |own| own.min(ts))),
            Condition::OneOf(key, values) => {
                self.one_of
                    .entry(key)
                    .and_modify(|own| own.retain(|value| values.contains(value)))
                    .or_insert(values);
            }
        }
    }
}

/// One condition, as a filter of a query says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// `ts` is not before this.
    From(Timestamp),
    /// `ts` is not after this.
    To(Timestamp),
    /// The column has one of these values.
    OneOf(Key, BTreeSet<String>),
}

/// How many values of one column EXPLAIN shows.
const SHOWN_VALUES: usize = 5;

/// Writes the form in EXPLAIN: `kind in (Pod), ts >= 2026-11-21T02:07:16.000000000Z`.
impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (key, values) in &self.one_of {
            let mut shown: Vec<&str> = values
                .iter()
                .take(SHOWN_VALUES)
                .map(String::as_str)
                .collect();
            let more = format!("{} more", values.len().saturating_sub(SHOWN_VALUES));
            if values.len() > SHOWN_VALUES {
                shown.push(&more);
            }
            parts.push(format!("{} in ({})", key.column(), shown.join(", ")));
        }
        if let Some(from) = self.from {
            parts.push(format!("ts >= {from}"));
        }
        if let Some(to) = self.to {
            parts.push(format!("ts <= {to}"));
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of(key: Key, values: &[&str]) -> Condition {
        Condition::OneOf(
            key,
            values.iter().map(|value| (*value).to_owned()).collect(),
        )
    }

    #[test]
    fn conditions_on_one_column_must_hold_together() {
        let mut conditions = Conditions::default();
        conditions.and(one_of(Key::Kind, &["Node", "Pod"]));
        conditions.and(one_of(Key::Kind, &["Pod", "Service"]));
        conditions.and(Condition::From(Timestamp(5)));
        conditions.and(Condition::From(Timestamp(3)));
        assert!(conditions.accepts(Key::Kind, "Pod"));
        assert!(!conditions.accepts(Key::Kind, "Node"));
        assert!(conditions.accepts(Key::Name, "anything"));
        assert!(conditions.accepts_nullable(Key::Username, None));
        conditions.and(one_of(Key::Username, &["jane", ""]));
        assert!(conditions.accepts_nullable(Key::Username, Some("jane")));
        assert!(!conditions.accepts_nullable(Key::Username, None));
        assert_eq!(conditions.from, Some(Timestamp(5)));
        assert!(!conditions.is_impossible());
        conditions.and(one_of(Key::Kind, &["Node"]));
        assert!(conditions.is_impossible());
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_impossible() {
        let mut conditions = Conditions::default();
        conditions.and(Condition::From(Timestamp(5)));
        conditions.and(Condition::To(Timestamp(5)));
        assert!(!conditions.is_impossible());
        conditions.and(Condition::To(Timestamp(4)));
        assert!(conditions.is_impossible());
    }

    #[test]
    fn long_lists_are_shown_in_short() {
        let mut conditions = Conditions::default();
        conditions.and(one_of(Key::Uid, &["a", "b", "c", "d", "e", "f", "g"]));
        conditions.and(Condition::To(Timestamp(0)));
        assert_eq!(
            conditions.to_string(),
            "uid in (a, b, c, d, e, 2 more), ts <= 1970-01-01T00:00:00.000000000Z"
        );
    }
}

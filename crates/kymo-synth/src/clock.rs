//! Times as objects have them.

use chrono::{DateTime, SecondsFormat};

/// Writes a time in whole seconds, as most fields of objects have it.
pub(crate) fn seconds(ns: i64) -> String {
    let time = DateTime::from_timestamp_nanos(ns);
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Writes a time in microseconds, as Leases and new Events have it.
pub(crate) fn micros(ns: i64) -> String {
    let time = DateTime::from_timestamp_nanos(ns);
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A second, in nanoseconds.
pub(crate) const SECOND: i64 = 1_000_000_000;
/// A millisecond, in nanoseconds.
pub(crate) const MILLI: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_api_server_writes_them() {
        let time = 1_767_225_600_123_456_789;
        assert_eq!(seconds(time), "2026-01-01T00:00:00Z");
        assert_eq!(micros(time), "2026-01-01T00:00:00.123456Z");
    }
}

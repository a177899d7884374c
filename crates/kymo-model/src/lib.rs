//! The words of kymo: what an event, a resource, a feed and a gap are.
//!
//! Everything above this crate speaks in these types; nothing here does I/O.
//!
//! ```
//! use kymo_model::{EventType, WatchLine};
//!
//! let line = br#"{"type":"ADDED","object":{"apiVersion":"v1","kind":"Pod",
//!     "metadata":{"name":"web-0","namespace":"shop","uid":"u1","resourceVersion":"7"}}}"#;
//! let WatchLine::Event { event_type, object } = WatchLine::parse(line)? else { unreachable!() };
//! assert_eq!(event_type, EventType::Added);
//! assert_eq!(object.head.name, "web-0");
//! # Ok::<(), kymo_model::LineError>(())
//! ```

mod coverage;
mod duration;
mod event;
mod json;
mod object;
mod pod_requests;
mod quantity;
mod request;
mod resource;
mod rv;
mod selector;
mod time;
mod watch_line;

pub use coverage::{Cause, Coverage, CoverageState};
pub use duration::{DurationError, parse_duration};
pub use event::{Certainty, Event, EventType, FeedId, ObjectKey};
pub use json::{JsonError, check_depth, has_exact_numbers};
pub use object::{HeadError, ObjectHead, ObjectText};
pub use pod_requests::pod_requests;
pub use quantity::{QuantityError, parse_quantity};
pub use request::Request;
pub use resource::{Feed, GroupResource, ResourceType, Scope};
pub use rv::Rv;
pub use selector::{LabelSelector, SelectorError, UnknownOperator};
pub use time::{Clock, ClockStep, ManualClock, SessionClock, SystemClock, TimeError, Timestamp};
pub use watch_line::{LineError, WatchLine, WatchStatus};

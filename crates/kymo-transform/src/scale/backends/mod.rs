//! The pods behind Services: what `EndpointSlices` and Endpoints list once there are more or fewer.
//!
//! What each of them says of a recorded pod is read once ([`read`]). A clone is listed as the pod that
//! it is made of, in its own words and as much later as its life is. From when which slice has which
//! clones is found as the controller does ([`Controller`]): it gathers changes, fills slices that have
//! room, makes others, and deletes those that nobody is in any more. The rows are made from the
//! recorded ones on the way ([`Walk`]) and written when they leave ([`Written`]).

mod controller;
mod listing;
mod read;
mod walk;
mod written;

pub(super) use controller::Controller;
pub(super) use listing::Listing;
pub(crate) use listing::{Form, each_list, in_order, mark_as_cut, withdraw};
pub(crate) use read::IN_ENDPOINTS;
pub(super) use read::read;
pub(super) use walk::Walk;
pub(super) use written::second;

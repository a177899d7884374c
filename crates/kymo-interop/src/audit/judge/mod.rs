//! Tells what a request that was answered did to which objects.

mod case;
mod delete;
mod parts;
mod write;

use std::borrow::Cow;

use kymo_model::EventType;

use self::case::Case;
use super::call::{Answer, Call, Stage, Target};
use super::change::{Change, Place};
use super::deletion::is_dry_run;
use super::resources::{ResourceId, Resources};
use super::skim::READS;

/// What a request did.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Nothing that a trace holds; why, for the report.
    LeftOut(Cow<'static, str>),
    /// These objects changed.
    Changes(Vec<Change>),
    /// Something may have changed, and it is not known what; why, for the report.
    Unknown {
        resource: ResourceId,
        why: &'static str,
    },
}

/// Subresources whose requests change no object.
const IDLE: [&str; 6] = ["exec", "attach", "portforward", "proxy", "log", "token"];
/// API groups whose objects are answered and not stored.
const NOT_STORED: [&str; 5] = [
    "authentication.k8s.io",
    "authorization.k8s.io",
    "metrics.k8s.io",
    "custom.metrics.k8s.io",
    "external.metrics.k8s.io",
];

/// Judges a request that was answered or broke down.
pub(super) fn judge(call: &Call<'_>, resources: &mut Resources, place: &Place) -> Verdict {
    let Some(target) = &call.target else {
        return left_out("requests that are not about a resource");
    };
    let verb = call.verb.as_ref();
    if READS.contains(&verb) {
        return Verdict::LeftOut(read_note(verb));
    }
    if !is_change(verb) {
        return left_out("requests with other verbs");
    }
    if IDLE.contains(&target.subresource.as_ref()) {
        return Verdict::LeftOut(format!("left out: requests to {}", target.subresource).into());
    }
    if is_not_stored(target) {
        return left_out("requests whose objects are not stored");
    }
    let resource = resources.id(target);
    if call.stage == Stage::Panicked {
        let why = "the API server broke down while it answered";
        return Verdict::Unknown { resource, why };
    }
    match call.answer {
        // These two say that nothing was tried.
        Answer::Refused { code } if code >= 500 && !matches!(code, 501 | 503) => {
            let why = "an error of the server was answered: it may have changed something";
            return Verdict::Unknown { resource, why };
        }
        Answer::Refused { code } => {
            return Verdict::LeftOut(format!("left out: refused requests ({code})").into());
        }
        Answer::Unknown => {
            let why = "the log does not tell the answer";
            return Verdict::Unknown { resource, why };
        }
        Answer::Accepted { .. } => {}
    }
    if is_dry_run(call) {
        return left_out("dry runs");
    }
    let case = Case {
        call,
        target,
        resource,
        place,
    };
    match (verb, target.subresource.as_ref()) {
        ("delete", "") => case.delete(resources),
        ("deletecollection", "") => case.delete_collection(resources),
        ("create", "binding") => case.binding(resources),
        ("create", "") if target.group.is_empty() && target.resource == "bindings" => {
            case.binding(resources)
        }
        ("create", "eviction") => case.told(EventType::Modified),
        ("update" | "patch", "scale") => case.scale(),
        _ => case.write(resources),
    }
}

/// Whether requests with this verb change objects.
pub(super) fn is_change(verb: &str) -> bool {
    matches!(
        verb,
        "create" | "update" | "patch" | "delete" | "deletecollection"
    )
}

/// Says that reads were left out.
pub(super) fn read_note(verb: &str) -> Cow<'static, str> {
    match verb {
        "get" => Cow::Borrowed("left out: get requests"),
        "list" => Cow::Borrowed("left out: list requests"),
        "watch" => Cow::Borrowed("left out: watch requests"),
        other => Cow::Owned(format!("left out: {other} requests")),
    }
}

fn left_out(what: &str) -> Verdict {
    Verdict::LeftOut(format!("left out: {what}").into())
}

fn is_not_stored(target: &Target<'_>) -> bool {
    NOT_STORED.contains(&target.group.as_ref())
        || target.resource.ends_with("reviews")
        || target.resource == "projectrequests"
}

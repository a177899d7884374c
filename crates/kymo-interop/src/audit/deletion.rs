//! When an object that was asked to go is gone.
//!
//! The API server answers a delete with the object as long as it stays: because of finalizers, or
//! because a pod has time to end. When it is gone at once, the answer of most resources is a
//! Status, and of a few the object as it was last. An update that takes the last finalizer away
//! ends the object too. The rules:
//!
//! - an answer with finalizers: it stays;
//! - a Namespace: it stays until `spec.finalizers` is empty;
//! - an answer with a grace period above zero: it stays, the kubelet deletes it again;
//! - a grace period of zero, or none in the answer to a delete: it is gone;
//! - a Status that says Success: it is gone.

use serde::Deserialize;

use super::call::{Answer, Call};
use super::change::Deletion;
use super::event::Text;
use super::glance::{Glance, Inside};

/// Whether the object in an answer is gone. `text` is the object, where the answer has all of it.
pub(super) fn is_gone(
    glance: &Glance<'_>,
    text: Option<&str>,
    is_delete: bool,
    is_namespace: bool,
) -> bool {
    let metadata = &glance.metadata;
    if metadata.has_finalizers() || !(is_delete || metadata.is_going()) {
        return false;
    }
    if is_namespace {
        return metadata.is_going() && text.is_some_and(|text| !Inside::of(text).has_finalizers());
    }
    metadata.grace().map_or(is_delete, |seconds| seconds <= 0)
}

/// Whether an object that was as `text` before is gone once it was asked to go.
pub(super) fn goes_at_once(
    text: &str,
    deletion: Deletion,
    is_pod: bool,
    is_namespace: bool,
) -> bool {
    let Ok(glance) = Glance::of(text) else {
        return false;
    };
    if deletion.waits || is_namespace || glance.metadata.has_finalizers() {
        return false;
    }
    if !is_pod || deletion.is_last_word || deletion.grace == Some(0) {
        return true;
    }
    let inside = Inside::of(text);
    !inside.has_node() || inside.has_ended()
}

/// `DeleteOptions`, as far as they matter.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options<'a> {
    grace_period_seconds: Option<i64>,
    #[serde(borrow)]
    propagation_policy: Option<Text<'a>>,
    orphan_dependents: Option<bool>,
    #[serde(borrow)]
    dry_run: Option<Vec<Text<'a>>>,
    /// Those of an eviction.
    #[serde(borrow, rename = "deleteOptions")]
    inner: Option<Box<Options<'a>>>,
}

impl<'a> Options<'a> {
    fn of(call: &'a Call<'_>) -> Self {
        let text = call.request.as_deref().filter(|text| text.starts_with('{'));
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    fn is_dry(&self) -> bool {
        self.dry_run
            .as_ref()
            .is_some_and(|stages| !stages.is_empty())
            || self.inner.as_ref().is_some_and(|inner| inner.is_dry())
    }
}

/// Whether a request only asked what would happen.
pub(super) fn is_dry_run(call: &Call<'_>) -> bool {
    if call
        .parameter("dryRun")
        .is_some_and(|value| !value.is_empty())
    {
        return true;
    }
    let target = call.target.as_ref();
    let may_be_told_in_the_body = call.verb.starts_with("delete")
        || target.is_some_and(|target| target.subresource == "eviction");
    may_be_told_in_the_body && Options::of(call).is_dry()
}

/// Reads how an object was asked to go.
pub(super) fn deletion(call: &Call<'_>) -> Deletion {
    let options = Options::of(call);
    let number = |text: &str| text.parse().ok();
    let policy = options.propagation_policy.as_ref();
    let policy = policy.map(|policy| policy.0.as_ref());
    Deletion {
        grace: options
            .grace_period_seconds
            .or_else(|| call.parameter("gracePeriodSeconds").and_then(number)),
        waits: matches!(
            policy.or(call.parameter("propagationPolicy")),
            Some("Foreground" | "Orphan")
        ) || options.orphan_dependents == Some(true),
        is_last_word: call.actor.username.starts_with("system:node:"),
        has_code: matches!(call.answer, Answer::Accepted { code: Some(_), .. }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"metadata":{}}"#, true, true)]
    #[case(r#"{"metadata":{}}"#, false, false)]
    #[case(r#"{"metadata":{"finalizers":["f"]}}"#, true, false)]
    #[case(
        r#"{"metadata":{"deletionTimestamp":"t","deletionGracePeriodSeconds":30}}"#,
        true,
        false
    )]
    #[case(
        r#"{"metadata":{"deletionTimestamp":"t","deletionGracePeriodSeconds":0}}"#,
        true,
        true
    )]
    #[case(
        r#"{"metadata":{"deletionTimestamp":"t","deletionGracePeriodSeconds":0}}"#,
        false,
        true
    )]
    #[case(r#"{"metadata":{"deletionTimestamp":"t"}}"#, false, false)]
    fn an_answer_tells_whether_the_object_is_gone(
        #[case] text: &str,
        #[case] is_delete: bool,
        #[case] expected: bool,
    ) {
        let glance = Glance::of(text).unwrap();
        assert_eq!(is_gone(&glance, Some(text), is_delete, false), expected);
    }

    #[test]
    fn a_namespace_is_gone_when_its_content_is() {
        let gone = |text: &str| is_gone(&Glance::of(text).unwrap(), Some(text), true, true);
        assert!(!gone(
            r#"{"metadata":{"deletionTimestamp":"t"},"spec":{"finalizers":["kubernetes"]}}"#
        ));
        assert!(gone(r#"{"metadata":{"deletionTimestamp":"t"},"spec":{}}"#));
        assert!(!gone(r#"{"metadata":{},"spec":{}}"#));
    }

    #[rstest]
    #[case(r#"{"metadata":{}}"#, Deletion::default(), false, true)]
    #[case(
        r#"{"metadata":{"finalizers":["f"]}}"#,
        Deletion::default(),
        false,
        false
    )]
    #[case(r#"{"metadata":{}}"#, Deletion { waits: true, ..Deletion::default() }, false, false)]
    #[case(
        r#"{"metadata":{},"spec":{"nodeName":"n"}}"#,
        Deletion::default(),
        true,
        false
    )]
    #[case(r#"{"metadata":{},"spec":{"nodeName":"n"}}"#, Deletion { grace: Some(0), ..Deletion::default() }, true, true)]
    #[case(r#"{"metadata":{},"spec":{"nodeName":"n"}}"#, Deletion { is_last_word: true, ..Deletion::default() }, true, true)]
    #[case(
        r#"{"metadata":{},"spec":{"nodeName":"n"},"status":{"phase":"Succeeded"}}"#,
        Deletion::default(),
        true,
        true
    )]
    #[case(r#"{"metadata":{},"spec":{}}"#, Deletion::default(), true, true)]
    fn what_an_object_was_tells_whether_it_goes_at_once(
        #[case] text: &str,
        #[case] deletion: Deletion,
        #[case] is_pod: bool,
        #[case] expected: bool,
    ) {
        assert_eq!(goes_at_once(text, deletion, is_pod, false), expected);
    }
}

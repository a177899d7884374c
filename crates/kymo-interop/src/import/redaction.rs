//! Takes out of an object what is never stored.

use std::borrow::Cow;

use kymo_anonymize::{Policy, redact};
use kymo_model::ResourceType;

/// Returns the text as it is stored, and whether something was taken out; the reason if that
/// cannot be done.
pub(crate) fn redacted(
    policy: Policy,
    resource: &ResourceType,
    text: &str,
) -> Result<(Box<str>, bool), String> {
    let text =
        redact(&policy, resource, text).map_err(|error| format!("cannot be redacted: {error}"))?;
    let is_redacted = matches!(text, Cow::Owned(_));
    Ok((text.into_owned().into_boxed_str(), is_redacted))
}

/// Does the same with a text that need not be copied when nothing is taken out of it.
pub(crate) fn redacted_whole(
    policy: Policy,
    resource: &ResourceType,
    text: String,
) -> Result<(Box<str>, bool), String> {
    let cut = match redact(&policy, resource, &text) {
        Ok(Cow::Borrowed(_)) => None,
        Ok(Cow::Owned(cut)) => Some(cut),
        Err(error) => return Err(format!("cannot be redacted: {error}")),
    };
    let is_redacted = cut.is_some();
    Ok((cut.unwrap_or(text).into_boxed_str(), is_redacted))
}

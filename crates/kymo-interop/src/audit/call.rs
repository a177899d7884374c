//! One request to the API server, whichever log tells of it.

use std::borrow::Cow;
use std::sync::Arc;

use kymo_model::{Request, Timestamp};

/// How far the request was when the log told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// It came; nothing is known of the answer.
    Received,
    /// The answer began and goes on, as a watch does.
    Started,
    /// It was answered.
    Complete,
    /// The handler broke down.
    Panicked,
}

impl Stage {
    /// Reads the word of the log.
    pub(super) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "RequestReceived" => Self::Received,
            "ResponseStarted" => Self::Started,
            "ResponseComplete" => Self::Complete,
            "Panic" => Self::Panicked,
            _ => return None,
        })
    }
}

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) group: Cow<'a, str>,
    pub(super) version: Cow<'a, str>,
    pub(super) resource: Cow<'a, str>,
    /// Empty for the object itself.
    pub(super) subresource: Cow<'a, str>,
    /// Empty for what lives in none.
    pub(super) namespace: Cow<'a, str>,
    /// Empty where the log does not tell it.
    pub(super) name: Cow<'a, str>,
    /// Empty where the log does not tell it.
    pub(super) uid: Cow<'a, str>,
    /// Whether the resource lives in namespaces.
    pub(super) is_namespaced: bool,
}

/// What the API server answered, as far as the log tells without the answer itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// Yes. The code is unknown where the log has none.
    Accepted {
        code: Option<u16>,
        /// Whether the answer was a Status, not an object.
        is_status: bool,
        /// The uid in the Status.
        uid: Cow<'a, str>,
    },
    /// No.
    Refused { code: u16 },
    /// The log does not tell.
    Unknown,
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Actor<'a> {
    pub(super) username: Cow<'a, str>,
    pub(super) groups: Vec<Cow<'a, str>>,
    pub(super) impersonated: Option<Cow<'a, str>>,
    pub(super) agent: Option<Cow<'a, str>>,
    pub(super) ips: Vec<Cow<'a, str>>,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    /// The id that all stages of the request share; empty where the log has none.
    pub(super) id: Cow<'a, str>,
    pub(super) stage: Stage,
    pub(super) verb: Cow<'a, str>,
    /// The path and query; empty where the log does not tell them.
    pub(super) uri: Cow<'a, str>,
    /// `None` for a request that is not about a resource.
    pub(super) target: Option<Target<'a>>,
    pub(super) actor: Actor<'a>,
    pub(super) answer: Answer<'a>,
    /// The JSON text of what was asked, an object or an array.
    pub(super) request: Option<Cow<'a, str>>,
    /// The JSON text of the answer, an object.
    pub(super) response: Option<Cow<'a, str>>,
    /// Whether the API server left out request and answer because they were too long.
    pub(super) is_truncated: bool,
    /// When the request came.
    pub(super) received: Option<Timestamp>,
    /// When the stage was reached.
    pub(super) at: Timestamp,
}

impl Call<'_> {
    /// Returns the value of a parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.uri.split_once('?')?;
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }

    /// Keeps who asked for what.
    pub(super) fn request(&self) -> Arc<Request> {
        let owned = |texts: &[Cow<'_, str>]| texts.iter().map(ToString::to_string).collect();
        let subresource = self.target.as_ref().map(|target| &target.subresource);
        Arc::new(Request {
            audit_id: self.id.to_string(),
            verb: self.verb.to_string(),
            subresource: subresource
                .filter(|subresource| !subresource.is_empty())
                .map(ToString::to_string),
            username: self.actor.username.to_string(),
            groups: owned(&self.actor.groups),
            impersonated_username: self.actor.impersonated.as_ref().map(ToString::to_string),
            user_agent: self.actor.agent.as_ref().map(ToString::to_string),
            source_ips: owned(&self.actor.ips),
        })
    }
}

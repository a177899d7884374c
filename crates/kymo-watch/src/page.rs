//! One page of a list, read without copying it.

use std::borrow::Cow;

use kymo_model::Rv;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// Why a text is not a list.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PageError {
    /// It is not UTF-8.
    #[error("not UTF-8 after byte {valid}")]
    Utf8 {
        /// How many bytes are good.
        valid: usize,
    },
    /// It is not JSON of the right shape.
    #[error("not a list: {source}")]
    Json {
        /// What the parser found, and where.
        #[from]
        source: serde_json::Error,
    },
    /// It has no resourceVersion, so nothing can be watched from it.
    #[error("the list has no resourceVersion")]
    NoVersion,
}

/// What a page says of the list it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageHead {
    /// The version at which the list is consistent; the same in all its pages.
    pub rv: Rv,
    /// The token for the next page; `None` in the last.
    pub continue_token: Option<String>,
    /// `apiVersion` of the list, which is that of its items.
    pub api_version: String,
    /// `kind` of its items: that of the list without `List`.
    pub item_kind: String,
}

/// One page of a list. Its items are pieces of the page's own bytes, which are held once.
///
/// The order of fields does not matter: lists of custom resources have `metadata` behind `items`.
///
/// ```
/// use kymo_watch::page::ListPage;
///
/// let page = ListPage::parse(br#"{"kind":"PodList","apiVersion":"v1",
///     "metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a"}}, {}]}"#)?;
/// assert_eq!(page.head.item_kind, "Pod");
/// assert!(page.items().eq([r#"{"metadata":{"name":"a"}}"#, "{}"]));
/// # Ok::<(), kymo_watch::page::PageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ListPage<'a> {
    /// What it says of the list.
    pub head: PageHead,
    items: Vec<&'a RawValue>,
}

impl<'a> ListPage<'a> {
    /// Reads a page. All of it is checked to be JSON; its items are not looked into.
    ///
    /// # Errors
    /// When it is not a list of the API.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PageError> {
        let text = std::str::from_utf8(bytes).map_err(|error| PageError::Utf8 {
            valid: error.valid_up_to(),
        })?;
        let list: List<'a> = serde_json::from_str(text)?;
        let metadata = list.metadata.unwrap_or_default();
        let rv = metadata
            .resource_version
            .filter(|rv| !rv.is_empty())
            .ok_or(PageError::NoVersion)?;
        let kind = list.kind.as_deref().unwrap_or_default();
        Ok(Self {
            head: PageHead {
                rv: Rv::new(rv.into_owned()),
                continue_token: metadata
                    .r#continue
                    .filter(|token| !token.is_empty())
                    .map(Cow::into_owned),
                api_version: list.api_version.unwrap_or_default().into_owned(),
                item_kind: kind.strip_suffix("List").unwrap_or_default().to_owned(),
            },
            items: list.items.unwrap_or_default(),
        })
    }

    /// Returns the JSON texts of the items, byte for byte.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &'a str> + Clone {
        self.items.clone().into_iter().map(RawValue::get)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    metadata: Option<ListMetadata<'a>>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata<'a> {
    #[serde(borrow)]
    resource_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    r#continue: Option<Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_behind_the_items_is_found() {
        let text = br#"{"apiVersion":"example.com/v1","items":[{"a" : 1.0e2}, {"b":[]}],"kind":"BackupList","metadata":{"continue":"tok","resourceVersion":"1175"}}"#;
        let page = ListPage::parse(text).unwrap();
        assert_eq!(
            page.head,
            PageHead {
                rv: "1175".into(),
                continue_token: Some("tok".into()),
                api_version: "example.com/v1".into(),
                item_kind: "Backup".into(),
            }
        );
        assert_eq!(
            page.items().collect::<Vec<_>>(),
            [r#"{"a" : 1.0e2}"#, r#"{"b":[]}"#]
        );
    }

    #[test]
    fn an_empty_list_has_no_items_in_either_form() {
        for items in ["[]", "null"] {
            let text = format!(
                r#"{{"kind":"PodList","items":{items},"metadata":{{"resourceVersion":"1","continue":""}}}}"#
            );
            let page = ListPage::parse(text.as_bytes()).unwrap();
            assert_eq!(page.items().len(), 0);
            assert_eq!(page.head.continue_token, None);
        }
    }

    #[test]
    fn what_is_no_list_is_refused_with_the_reason() {
        for (text, expected) in [
            (&b"<html>busy</html>"[..], "not a list: expected value"),
            (b"{\"kind\":\"\xff\"}", "not UTF-8 after byte 9"),
            (b"{\"kind\":\"PodList\",\"items\":[]}", "no resourceVersion"),
            (
                b"{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{]}",
                "not a list",
            ),
        ] {
            let error = ListPage::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}

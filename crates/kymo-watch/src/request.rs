use form_urlencoded::Serializer;
use kymo_model::{Feed, Rv};

/// What a machine asks of the API server. All are GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Watch from a version.
    Watch {
        /// The version; events after it are wanted.
        rv: Rv,
        /// After how many seconds the server is to end it.
        seconds: u32,
    },
    /// A list through a watch: all objects, an end mark, then the watch goes on.
    StreamedList {
        /// After how many seconds the server is to end it.
        seconds: u32,
    },
    /// A page of a consistent list.
    Page {
        /// The token of the page before.
        continue_token: Option<String>,
        /// At most how many objects.
        limit: u32,
        /// At exactly this version instead of the newest.
        at: Option<Rv>,
    },
    /// The smallest list, to learn the newest version.
    Probe,
    /// A page of a list of metadata, to compare with the live objects.
    Audit {
        /// At exactly this version.
        at: Rv,
        /// The token of the page before.
        continue_token: Option<String>,
        /// At most how many objects.
        limit: u32,
    },
}

/// Metadata of an object instead of the object, where the server can.
const PARTIAL_OBJECT: &str =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
/// The same of a list.
const PARTIAL_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

impl Request {
    /// Returns the path and the query for a feed.
    pub fn path_and_query(&self, feed: &Feed) -> String {
        let resource = &feed.resource;
        let mut path = if resource.group.is_empty() {
            format!("/api/{}", resource.version)
        } else {
            format!("/apis/{}/{}", resource.group, resource.version)
        };
        if let Some(namespace) = &feed.scope.namespace {
            path.push_str("/namespaces/");
            path.extend(form_urlencoded::byte_serialize(namespace.as_bytes()));
        }
        path.push('/');
        path.push_str(&resource.resource);
        path.push('?');
        let start = path.len();
        let mut query = Serializer::for_suffix(path, start);
        match self {
            Self::Watch { rv, seconds } => {
                query
                    .append_pair("watch", "1")
                    .append_pair("allowWatchBookmarks", "true")
                    .append_pair("resourceVersion", rv.as_str())
                    .append_pair("timeoutSeconds", &seconds.to_string());
            }
            Self::StreamedList { seconds } => {
                query
                    .append_pair("watch", "1")
                    .append_pair("allowWatchBookmarks", "true")
                    .append_pair("sendInitialEvents", "true")
                    .append_pair("resourceVersionMatch", "NotOlderThan")
                    .append_pair("timeoutSeconds", &seconds.to_string());
            }
            Self::Page {
                continue_token,
                limit,
                at,
            } => list_query(&mut query, *limit, continue_token.as_ref(), at.as_ref()),
            Self::Probe => list_query(&mut query, 1, None, None),
            Self::Audit {
                at,
                continue_token,
                limit,
            } => list_query(&mut query, *limit, continue_token.as_ref(), Some(at)),
        }
        if let Some(selector) = &feed.scope.label_selector {
            query.append_pair("labelSelector", selector);
        }
        query.finish()
    }

    /// Returns the value of `Accept`.
    pub fn accept(&self, metadata_only: bool) -> &'static str {
        match self {
            Self::Probe | Self::Audit { .. } => PARTIAL_LIST,
            Self::Page { .. } if metadata_only => PARTIAL_LIST,
            Self::Watch { .. } | Self::StreamedList { .. } if metadata_only => PARTIAL_OBJECT,
            _ => "application/json",
        }
    }

    /// Tells whether the answer is a stream of lines; otherwise it is one document.
    pub fn is_stream(&self) -> bool {
        matches!(self, Self::Watch { .. } | Self::StreamedList { .. })
    }
}

fn list_query(
    query: &mut Serializer<'_, String>,
    limit: u32,
    continue_token: Option<&String>,
    at: Option<&Rv>,
) {
    query.append_pair("limit", &limit.to_string());
    // A token carries its version; the server refuses to be told it twice.
    if let Some(token) = continue_token {
        query.append_pair("continue", token);
    } else if let Some(at) = at {
        query
            .append_pair("resourceVersion", at.as_str())
            .append_pair("resourceVersionMatch", "Exact");
    }
}

#[cfg(test)]
mod tests {
    use kymo_model::{ResourceType, Scope};
    use rstest::rstest;

    use super::*;

    fn feed(group: &str, namespace: Option<&str>, selector: Option<&str>) -> Feed {
        Feed {
            resource: ResourceType {
                group: group.into(),
                version: "v1".into(),
                resource: "things".into(),
                kind: "Thing".into(),
                namespaced: true,
            },
            scope: Scope {
                namespace: namespace.map(Into::into),
                label_selector: selector.map(Into::into),
            },
        }
    }

    #[rstest]
    #[case(
        Request::Watch { rv: "7".into(), seconds: 300 },
        feed("", None, None),
        "/api/v1/things?watch=1&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=300"
    )]
    #[case(
        Request::StreamedList { seconds: 300 },
        feed("apps", None, None),
        "/apis/apps/v1/things?watch=1&allowWatchBookmarks=true&sendInitialEvents=true\
         &resourceVersionMatch=NotOlderThan&timeoutSeconds=300"
    )]
    #[case(
        Request::Page { continue_token: None, limit: 500, at: None },
        feed("apps", Some("shop"), Some("app in (a, b)")),
        "/apis/apps/v1/namespaces/shop/things?limit=500&labelSelector=app+in+%28a%2C+b%29"
    )]
    #[case(
        Request::Page { continue_token: Some("a=/+".into()), limit: 500, at: Some("7".into()) },
        feed("", None, None),
        "/api/v1/things?limit=500&continue=a%3D%2F%2B"
    )]
    #[case(Request::Probe, feed("", None, None), "/api/v1/things?limit=1")]
    #[case(
        Request::Audit { at: "7".into(), continue_token: None, limit: 500 },
        feed("", None, None),
        "/api/v1/things?limit=500&resourceVersion=7&resourceVersionMatch=Exact"
    )]
    fn requests_are_written_as_the_api_takes_them(
        #[case] request: Request,
        #[case] feed: Feed,
        #[case] expected: &str,
    ) {
        assert_eq!(request.path_and_query(&feed), expected);
    }

    #[test]
    fn metadata_is_asked_for_in_the_form_of_the_answer() {
        let watch = Request::Watch {
            rv: "7".into(),
            seconds: 300,
        };
        assert_eq!(watch.accept(false), "application/json");
        assert_eq!(watch.accept(true), PARTIAL_OBJECT);
        assert_eq!(Request::Probe.accept(false), PARTIAL_LIST);
    }
}

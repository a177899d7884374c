use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, request::Parts};

/// A request as it arrived: what a test asserts on, and what a [`RequestMatch`] looks at.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// The method.
    pub method: Method,
    /// The path of the URL, as sent.
    pub path: String,
    /// The query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; the fault proxy passes bodies on and does not keep them.
    pub body: Bytes,
}

impl SeenRequest {
    /// Takes what is known before the body is read.
    pub(crate) fn of(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            headers: parts.headers.clone(),
            body: Bytes::new(),
        }
    }

    /// Returns the first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns a header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Tells whether a watch is asked for.
    pub fn is_watch(&self) -> bool {
        matches!(self.query("watch"), Some("1" | "true"))
    }

    /// Tells whether the path ends in this plural name: a list or watch of the resource.
    pub fn is_of(&self, resource: &str) -> bool {
        self.path.rsplit('/').next() == Some(resource)
    }
}

/// Writes method, path and query on one line, for assertion messages.
impl fmt::Display for SeenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        for (number, (key, value)) in self.query.iter().enumerate() {
            let mark = if number == 0 { '?' } else { '&' };
            write!(f, "{mark}{key}={value}")?;
        }
        Ok(())
    }
}

/// Chooses requests; every condition that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct RequestMatch {
    method: Option<Method>,
    path: Option<String>,
    prefix: Option<String>,
    resource: Option<String>,
    watch: Option<bool>,
    query: Vec<(String, Option<String>)>,
    headers: Vec<(String, String)>,
}

impl RequestMatch {
    /// Matches every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Matches watches of a resource, in all namespaces or in one.
    pub fn watches(resource: &str) -> Self {
        let all = Self::any();
        Self {
            resource: Some(resource.to_owned()),
            watch: Some(true),
            ..all
        }
    }

    /// Matches lists of a resource, in all namespaces or in one; every page counts.
    pub fn lists(resource: &str) -> Self {
        let all = Self::any();
        Self {
            method: Some(Method::GET),
            resource: Some(resource.to_owned()),
            watch: Some(false),
            ..all
        }
    }

    /// Demands a method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Demands exactly this path.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Demands that the path begins so.
    #[must_use]
    pub fn path_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Demands a query parameter with this value.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), Some(value.into())));
        self
    }

    /// Demands that a query parameter is absent.
    #[must_use]
    pub fn without_query(mut self, name: impl Into<String>) -> Self {
        self.query.push((name.into(), None));
        self
    }

    /// Demands that a header contains this text.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, part: impl Into<String>) -> Self {
        self.headers.push((name.into(), part.into()));
        self
    }

    /// Tells whether a request fits.
    pub fn fits(&self, request: &SeenRequest) -> bool {
        let prefix = self.prefix.as_ref();
        let resource = self.resource.as_ref();
        self.method.as_ref().is_none_or(|it| *it == request.method)
            && self.path.as_ref().is_none_or(|it| *it == request.path)
            && prefix.is_none_or(|it| request.path.starts_with(it.as_str()))
            && resource.is_none_or(|it| request.is_of(it))
            && self.watch.is_none_or(|it| it == request.is_watch())
            && self
                .query
                .iter()
                .all(|(name, value)| request.query(name) == value.as_deref())
            && self.headers.iter().all(|(name, part)| {
                request
                    .header(name)
                    .is_some_and(|value| value.contains(part.as_str()))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str) -> SeenRequest {
        let request = http::Request::get(uri).header("accept", "application/json;as=Partial");
        SeenRequest::of(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_match_looks_at_method_path_query_and_headers() {
        let watch = request("/api/v1/namespaces/a/pods?watch=true&labelSelector=a%3Db");
        assert_eq!(watch.query("labelSelector"), Some("a=b"));
        assert!(RequestMatch::any().fits(&watch));
        assert!(RequestMatch::watches("pods").fits(&watch));
        assert!(!RequestMatch::watches("nodes").fits(&watch));
        assert!(!RequestMatch::lists("pods").fits(&watch));
        assert!(
            RequestMatch::any()
                .query("labelSelector", "a=b")
                .fits(&watch)
        );
        assert!(!RequestMatch::any().query("labelSelector", "a").fits(&watch));
        assert!(RequestMatch::any().without_query("continue").fits(&watch));
        assert!(!RequestMatch::any().without_query("watch").fits(&watch));
        assert!(RequestMatch::any().path_prefix("/api/v1/").fits(&watch));
        assert!(!RequestMatch::any().path("/api/v1/pods").fits(&watch));
        assert!(
            RequestMatch::any()
                .header("accept", "as=Partial")
                .fits(&watch)
        );
        assert!(
            !RequestMatch::any()
                .header("accept", "as=Table")
                .fits(&watch)
        );
        assert!(!RequestMatch::any().method(Method::POST).fits(&watch));
        assert!(RequestMatch::lists("pods").fits(&request("/api/v1/pods?limit=5")));
    }
}

use std::time::Duration;

use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, Limited};
use kube::Client;
use kube::client::Body;
use kymo_model::{Clock, Feed, ResourceType, Timestamp};
use kymo_watch::Request;
use kymo_watch::discovery::{self, Catalogue};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::{Connection, Error, Selection, kubeconfig, transport};

/// How long the server may take to answer one of the first requests.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest answer to one of the first requests, in bytes.
const ANSWER_BYTES: usize = 1 << 20;

/// The namespace whose uid stands for the cluster: it is made with it and cannot be deleted.
const IDENTITY_NAMESPACE: &str = "kube-system";

/// A cluster that answers, and what it says of itself.
#[derive(Clone)]
pub struct Cluster {
    connection: Connection,
    client: Client,
    server: String,
    server_version: Option<String>,
    uid: Option<String>,
    clock_offset_ns: Option<i64>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("server", &self.server)
            .field("server_version", &self.server_version)
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    git_version: String,
}

#[derive(Deserialize)]
struct Namespaces {
    #[serde(default)]
    items: Vec<Namespace>,
}

#[derive(Deserialize)]
struct Namespace {
    metadata: NamespaceMetadata,
}

#[derive(Deserialize)]
struct NamespaceMetadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    uid: String,
}

impl Cluster {
    /// Connects, and asks the server for its version, its time and the cluster's identity.
    ///
    /// # Errors
    ///
    /// When there is no usable kubeconfig, no answer, or one that says that we may not ask. That
    /// the identity may not be read is no error: then [`Cluster::uid`] is `None`.
    pub async fn connect(connection: &Connection, clock: &dyn Clock) -> Result<Self, Error> {
        let (client, server) = client(connection).await?;
        let before = clock.now();
        let (version, headers): (Version, _) =
            get(&client, &server, "GET /version", "/version").await?;
        let uid = identity(&client, &server).await?;
        Ok(Self {
            connection: connection.clone(),
            client,
            server,
            server_version: Some(version.git_version).filter(|version| !version.is_empty()),
            uid,
            clock_offset_ns: offset(&headers, before, clock.now()),
        })
    }

    /// Makes a new client from the same connection, reading files and running plugins again.
    pub(crate) async fn renew(&self) -> Result<Client, Error> {
        client(&self.connection).await.map(|(client, _)| client)
    }

    /// Returns the client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the server's URL.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Returns the server's version, such as `v1.36.2`.
    pub fn server_version(&self) -> Option<&str> {
        self.server_version.as_deref()
    }

    /// Returns the uid of the namespace kube-system; `None` where it may not be read.
    pub fn uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }

    /// Returns the server's time less ours, in nanoseconds; HTTP tells whole seconds.
    pub fn clock_offset_ns(&self) -> Option<i64> {
        self.clock_offset_ns
    }

    /// Asks what the server serves.
    pub(crate) async fn catalogue(&self, client: &Client) -> Result<Catalogue, Error> {
        tokio::time::timeout(ANSWER_TIMEOUT, discovery::discover(client))
            .await
            .map_err(|_| self.silent())?
            .map_err(|error| transport::discovery(&self.server, &error))
    }

    /// Returns the resources of a selection.
    ///
    /// # Errors
    ///
    /// When discovery fails, a name is unknown or cannot be recorded, or nothing is left.
    pub async fn resources(&self, selection: &Selection) -> Result<Vec<ResourceType>, Error> {
        selection.resources_of(&self.catalogue(&self.client).await?)
    }

    /// Asks the server whether it takes the label selector of a feed. Any answer but that it does
    /// not is left to the feed.
    pub(crate) async fn check_selector(&self, feed: &Feed) -> Result<(), Error> {
        let Some(selector) = &feed.scope.label_selector else {
            return Ok(());
        };
        let path = Request::Page {
            continue_token: None,
            limit: 1,
            at: None,
        }
        .path_and_query(feed);
        match get::<IgnoredAny>(&self.client, &self.server, "listing", &path).await {
            Err(Error::Refused { message, .. }) => Err(Error::Selector {
                selector: selector.clone(),
                message,
            }),
            _ => Ok(()),
        }
    }

    fn silent(&self) -> Error {
        silent(&self.server)
    }
}

fn silent(server: &str) -> Error {
    Error::Unreachable {
        server: server.to_owned(),
        message: format!("no answer in {} s", ANSWER_TIMEOUT.as_secs()),
    }
}

async fn client(connection: &Connection) -> Result<(Client, String), Error> {
    let config = kubeconfig::load(connection).await?;
    let server = config.cluster_url.to_string();
    let server = server.trim_end_matches('/').to_owned();
    let runtime = tokio::runtime::Handle::current();
    // Plugins that hand out credentials are waited for here.
    let made = tokio::task::spawn_blocking(move || {
        let _context = runtime.enter();
        Client::try_from(config)
    })
    .await;
    match made {
        Ok(Ok(client)) => Ok((client, server)),
        Ok(Err(error)) => Err(transport::classify(&server, "making a client", &error)),
        Err(error) => Err(Error::Client {
            server,
            message: error.to_string(),
        }),
    }
}

async fn get<T: DeserializeOwned>(
    client: &Client,
    server: &str,
    action: &'static str,
    path: &str,
) -> Result<(T, HeaderMap), Error> {
    let malformed = |message: String| Error::NotAnApiServer {
        server: server.to_owned(),
        action,
        message,
    };
    let request = http::Request::get(path)
        .header(header::ACCEPT, "application/json")
        .body(Body::empty())
        .map_err(|error| malformed(error.to_string()))?;
    let exchange = async {
        let response = client
            .send(request)
            .await
            .map_err(|error| transport::classify(server, action, &error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| Error::Unreachable {
                server: server.to_owned(),
                message: error.to_string(),
            })?
            .to_bytes();
        Ok::<_, Error>((head, body))
    };
    let (head, body) = tokio::time::timeout(ANSWER_TIMEOUT, exchange)
        .await
        .map_err(|_| silent(server))??;
    if !head.status.is_success() {
        let status = kymo_model::WatchStatus::parse(&body).unwrap_or_default();
        return Err(transport::answered(
            server,
            action,
            head.status.as_u16(),
            &status.message,
        ));
    }
    let value = serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))?;
    Ok((value, head.headers))
}

/// Reads the cluster's identity with the right to list namespaces or to get this one.
async fn identity(client: &Client, server: &str) -> Result<Option<String>, Error> {
    const ACTION: &str = "reading the namespace kube-system";
    let list = format!("/api/v1/namespaces?fieldSelector=metadata.name%3D{IDENTITY_NAMESPACE}");
    let found = match get::<Namespaces>(client, server, ACTION, &list).await {
        Ok((namespaces, _)) => namespaces
            .items
            .into_iter()
            .find(|namespace| namespace.metadata.name == IDENTITY_NAMESPACE),
        Err(Error::Forbidden { .. } | Error::Refused { .. }) => None,
        Err(error) => return Err(error),
    };
    let found = if found.is_some() {
        found
    } else {
        let one = format!("/api/v1/namespaces/{IDENTITY_NAMESPACE}");
        match get::<Namespace>(client, server, ACTION, &one).await {
            Ok((namespace, _)) => Some(namespace),
            Err(Error::Forbidden { .. } | Error::Refused { .. }) => None,
            Err(error) => return Err(error),
        }
    };
    Ok(found
        .map(|namespace| namespace.metadata.uid)
        .filter(|uid| !uid.is_empty()))
}

/// Compares the `Date` of an answer with the middle of the exchange.
fn offset(headers: &HeaderMap, before: Timestamp, after: Timestamp) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let date = chrono::DateTime::parse_from_rfc2822(date).ok()?;
    // The header is cut to whole seconds: half of one is the best guess at the rest.
    let server = date.timestamp_nanos_opt()?.checked_add(500_000_000)?;
    let middle = before.0 / 2 + after.0 / 2;
    server.checked_sub(middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_date_is_compared_with_the_middle_of_the_exchange() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::DATE,
            "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap(),
        );
        let server: Timestamp = "1994-11-06T08:49:37.5Z".parse().unwrap();
        let (before, after) = (
            Timestamp(server.0 - 4_000_000_000),
            Timestamp(server.0 - 2_000_000_000),
        );
        assert_eq!(offset(&headers, before, after), Some(3_000_000_000));
        assert_eq!(offset(&HeaderMap::new(), before, after), None);
    }
}

//! A small client that sends raw JSON to the API server, for the traffic of tests.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use http_body_util::BodyExt;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// How often [`Api::wait_for`] looks.
const LOOK: Duration = Duration::from_millis(100);

/// Talks to an API server as the user of a kubeconfig. Nothing is tried twice.
#[derive(Clone)]
pub struct Api {
    client: kube::Client,
}

/// An answer of the API server that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What was asked.
    pub method: Method,
    /// Of which path.
    pub path: String,
    /// The start of the answer's body.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}: {}",
            self.method, self.path, self.status, self.message
        )
    }
}

impl std::error::Error for Refusal {}

/// Tells the HTTP status of a [`Refusal`] inside an error, if it is one.
pub fn refusal(error: &anyhow::Error) -> Option<u16> {
    error
        .downcast_ref::<Refusal>()
        .map(|refusal| refusal.status)
}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
}

/// How a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patch {
    /// RFC 7386.
    Merge,
    /// RFC 6902.
    Json,
    /// Kubernetes' strategic merge.
    Strategic,
    /// Server-side apply; the path has to name a `fieldManager`.
    Apply,
}

impl Patch {
    fn content_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Json => "application/json-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

impl Api {
    /// Becomes the user of the current context of a kubeconfig.
    pub async fn from_kubeconfig(path: &Path) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let options = KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        config.default_retry = false;
        config.proxy_url = None;
        let client = kube::Client::try_from(config).context("cannot make a client")?;
        Ok(Self { client })
    }

    /// Sends a request and gives the answer, whatever its status; fails only without an answer.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method.clone()).uri(path);
        let mut bytes = Vec::new();
        if let Some((content_type, content)) = body {
            request = request.header(CONTENT_TYPE, content_type);
            bytes = content;
        }
        let request = request
            .body(bytes.into())
            .with_context(|| format!("{method} {path}"))?;
        let response = self
            .client
            .send(request)
            .await
            .with_context(|| format!("{method} {path}"))?;
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .with_context(|| format!("{method} {path}: the answer broke off"))?
            .to_bytes();
        Ok(Answer { status, body })
    }

    async fn json(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Value> {
        let answer = self.accepted(method, path, body).await?;
        serde_json::from_slice(&answer.body).with_context(|| format!("{path}: not JSON"))
    }

    /// Sends a request and turns a status of 300 or more into a [`Refusal`].
    async fn accepted(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Answer> {
        let body = match body {
            Some((content_type, value)) => Some((content_type, serde_json::to_vec(value)?)),
            None => None,
        };
        let answer = self.request(method.clone(), path, body).await?;
        if answer.status < 300 {
            return Ok(answer);
        }
        let text = String::from_utf8_lossy(&answer.body);
        bail!(Refusal {
            status: answer.status,
            method,
            path: path.to_owned(),
            message: text.chars().take(400).collect(),
        })
    }

    /// Gets an object or list.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.json(Method::GET, path, None).await
    }

    /// Gets something that is not JSON, such as `/readyz`.
    pub async fn get_text(&self, path: &str) -> Result<String> {
        let answer = self.accepted(Method::GET, path, None).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Creates an object; `path` names its collection, such as `/api/v1/namespaces/default/pods`.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value> {
        self.json(Method::POST, path, Some(("application/json", object)))
            .await
    }

    /// Replaces an object.
    pub async fn replace(&self, path: &str, object: &Value) -> Result<Value> {
        self.json(Method::PUT, path, Some(("application/json", object)))
            .await
    }

    /// Patches an object, or its status when the path ends in `/status`.
    pub async fn patch(&self, path: &str, how: Patch, patch: &Value) -> Result<Value> {
        self.json(Method::PATCH, path, Some((how.content_type(), patch)))
            .await
    }

    /// Deletes an object, or all objects of a collection; dependents go in the background.
    pub async fn delete(&self, path: &str) -> Result<Value> {
        let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background" });
        self.json(Method::DELETE, path, Some(("application/json", &options)))
            .await
    }

    /// Deletes an object at once, without waiting for its kubelet.
    pub async fn delete_now(&self, path: &str) -> Result<Value> {
        let options =
            json!({ "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0 });
        self.json(Method::DELETE, path, Some(("application/json", &options)))
            .await
    }

    /// Gets `path` again and again until `done` says yes, and gives that answer.
    ///
    /// Answers of 404, 429 and 503 count as not yet. Fails after `patience`, naming `what` was awaited and the
    /// last answer.
    pub async fn wait_for(
        &self,
        path: &str,
        what: &str,
        patience: Duration,
        done: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let began = Instant::now();
        loop {
            let last = match self.get(path).await {
                Ok(value) if done(&value) => return Ok(value),
                Ok(value) => value.to_string(),
                Err(error) if refusal(&error).is_some_and(|s| [404, 429, 503].contains(&s)) => {
                    error.to_string()
                }
                Err(error) => return Err(error.context(format!("while waiting for {what}"))),
            };
            if began.elapsed() > patience {
                let last: String = last.chars().take(2000).collect();
                bail!("no {what} within {patience:?}; the last answer: {last}");
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until `path` answers 404.
    pub async fn wait_gone(&self, path: &str, patience: Duration) -> Result<()> {
        let began = Instant::now();
        loop {
            match self.get(path).await {
                Err(error) if refusal(&error) == Some(404) => return Ok(()),
                Err(error) => return Err(error),
                Ok(_) if began.elapsed() > patience => {
                    bail!("{path} is still there after {patience:?}")
                }
                Ok(_) => sleep(LOOK).await,
            }
        }
    }
}

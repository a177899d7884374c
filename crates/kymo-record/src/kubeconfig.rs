//! From a kubeconfig, or a pod's service account, to what the client needs.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};

use crate::{Connection, Error};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the configuration of the client.
///
/// Retries are off, so that waiting shows as coverage, and reads have no timeout, because a watch
/// may be silent: feeds have a watchdog of their own.
pub(crate) async fn load(connection: &Connection) -> Result<Config, Error> {
    let mut config = match read(connection)? {
        Some(kubeconfig) => from_kubeconfig(connection, kubeconfig).await?,
        None => Config::incluster().map_err(|_| Error::NoKubeconfig { tried: places() })?,
    };
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.read_timeout = None;
    Ok(config)
}

/// Reads the kubeconfig; `None` where there is none and none was asked for.
fn read(connection: &Connection) -> Result<Option<Kubeconfig>, Error> {
    let is_asked_for = connection.kubeconfig.is_some() || connection.context.is_some();
    let result = match &connection.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    match result {
        Ok(kubeconfig) if !is_asked_for && kubeconfig.contexts.is_empty() => Ok(None),
        Ok(kubeconfig) => Ok(Some(kubeconfig)),
        Err(error) if is_missing(&error) && connection.kubeconfig.is_none() => {
            if is_asked_for {
                Err(Error::NoKubeconfig { tried: places() })
            } else {
                Ok(None)
            }
        }
        Err(source) => Err(unusable(connection, source)),
    }
}

async fn from_kubeconfig(connection: &Connection, kubeconfig: Kubeconfig) -> Result<Config, Error> {
    let known: Vec<String> = kubeconfig
        .contexts
        .iter()
        .map(|context| context.name.clone())
        .collect();
    let Some(context) = connection
        .context
        .clone()
        .or_else(|| kubeconfig.current_context.clone())
        .filter(|context| !context.is_empty())
    else {
        return Err(Error::NoContext { known });
    };
    if !known.contains(&context) {
        return Err(Error::UnknownContext { context, known });
    }
    let authority = authority_file(&kubeconfig, &context);
    let options = KubeConfigOptions {
        context: Some(context),
        ..KubeConfigOptions::default()
    };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|source| unusable(connection, source))?;
    // The client reads the file again now and then, so a rotated authority is followed.
    config.root_cert_file = authority;
    Ok(config)
}

/// Returns the file of the cluster's certificate authority, unless its data stands in line.
fn authority_file(kubeconfig: &Kubeconfig, context: &str) -> Option<PathBuf> {
    let named = kubeconfig.contexts.iter().find(|c| c.name == context)?;
    let cluster = &named.context.as_ref()?.cluster;
    let named = kubeconfig.clusters.iter().find(|c| c.name == *cluster)?;
    let cluster = named.cluster.as_ref()?;
    match &cluster.certificate_authority_data {
        Some(data) if !data.is_empty() => None,
        _ => cluster.certificate_authority.as_ref().map(PathBuf::from),
    }
}

fn is_missing(error: &KubeconfigError) -> bool {
    match error {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(source, _) => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn unusable(connection: &Connection, source: KubeconfigError) -> Error {
    Error::Kubeconfig {
        path: connection.kubeconfig.clone(),
        source: Box::new(source),
    }
}

/// Returns where a kubeconfig is looked for.
fn places() -> Vec<PathBuf> {
    if let Some(paths) = std::env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty()) {
        return std::env::split_paths(&paths).collect();
    }
    std::env::home_dir()
        .map(|home| home.join(".kube").join("config"))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    server: http://127.0.0.1:1\n    certificate-authority: /etc/kymo-no-such-ca.pem\ncontexts:\n- name: one\n  context: {cluster: c, user: u}\n- name: two\n  context: {cluster: c, user: u}\nusers:\n- name: u\n  user: {}\n";

    fn connection(context: Option<&str>) -> Connection {
        Connection {
            kubeconfig: None,
            context: context.map(str::to_owned),
        }
    }

    fn two() -> Kubeconfig {
        Kubeconfig::from_yaml(TWO).unwrap()
    }

    #[tokio::test]
    async fn an_unknown_context_is_told_with_the_known_ones() {
        let error = from_kubeconfig(&connection(Some("three")), two())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "the kubeconfig has no context `three`");
        assert_eq!(
            error.hint().as_deref(),
            Some("`--context` takes one of: one, two")
        );
    }

    #[tokio::test]
    async fn without_a_current_context_one_must_be_named() {
        let error = from_kubeconfig(&connection(None), two()).await.unwrap_err();
        assert!(matches!(error, Error::NoContext { known } if known == ["one", "two"]));
    }

    #[test]
    fn the_file_of_the_authority_is_followed() {
        assert_eq!(
            authority_file(&two(), "two"),
            Some("/etc/kymo-no-such-ca.pem".into())
        );
        assert_eq!(authority_file(&two(), "three"), None);
    }

    #[tokio::test]
    async fn a_missing_file_is_named() {
        let connection = Connection {
            kubeconfig: Some("/nonexistent/kubeconfig".into()),
            context: None,
        };
        let error = load(&connection).await.unwrap_err().to_string();
        assert!(error.contains("/nonexistent/kubeconfig"), "{error}");
    }
}

//! What a running plane tells of itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::audit::{self, AuditEntry};
use super::kubeconfig::{self, Proof, Server, User};
use super::process::Process;
use super::{Component, ControlPlane};
use crate::api::Api;
use crate::oracle::Etcd;

impl ControlPlane {
    /// Gives a client with all rights.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Gives a client of etcd's JSON gateway.
    pub fn etcd(&self) -> Etcd {
        Etcd::new(self.ports.etcd)
    }

    /// Gives the API server's URL, `https://127.0.0.1:port`.
    pub fn api_server_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.api_server)
    }

    /// Gives the certificate of the authority that signed the API server's, PEM.
    pub fn authority_pem(&self) -> String {
        self.authority.certificate()
    }

    /// Gives the certificate chain and key of a user, both PEM, for clients without a kubeconfig.
    pub fn user_pem(&self, name: &str, group: Option<&str>) -> Result<(String, String)> {
        let identity = self.authority.user(name, group)?;
        Ok((identity.certificate, identity.key))
    }

    /// Names the kubeconfig of a user with all rights.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.path.join("admin.kubeconfig")
    }

    /// Writes a kubeconfig `{name}.kubeconfig` into the plane's folder.
    pub fn write_kubeconfig(&self, name: &str, server: &Server, user: &User) -> Result<PathBuf> {
        let url = match server {
            Server::Api => self.api_server_url(),
            Server::Url(url) => url.clone(),
        };
        let proof = match user {
            User::Admin => Proof::Certificate(
                self.authority
                    .user("kymo-test-admin", Some("system:masters"))?,
            ),
            User::Certificate { name, group } => {
                Proof::Certificate(self.authority.user(name, group.as_deref())?)
            }
            User::Token(token) => Proof::Token(token.clone()),
            User::Anonymous => Proof::None,
        };
        let path = self.path.join(format!("{name}.kubeconfig"));
        kubeconfig::write(&path, &url, &self.authority.certificate(), &proof)?;
        Ok(path)
    }

    /// Reads the requests that the API server has answered so far, from
    /// [`Options::audit`](super::Options::audit)'s log.
    pub fn audit(&self) -> Result<Vec<AuditEntry>> {
        audit::read(&self.path.join("audit.log"))
    }

    /// Names the folder with data, logs and kubeconfigs.
    pub fn folder(&self) -> &Path {
        &self.path
    }

    /// Names the log of a program.
    pub fn log(&self, component: Component) -> PathBuf {
        self.path.join(format!("{component}.log"))
    }

    /// Tells the process id of a program, if it runs.
    pub fn process_id(&self, component: Component) -> Option<u32> {
        self.processes
            .iter()
            .find(|process| process.component() == component)
            .map(Process::id)
    }

    /// Tells how long the first start took, from the first program to ready.
    pub fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Names etcd's data folder.
    pub(super) fn etcd_data(&self) -> PathBuf {
        self.path.join("etcd")
    }
}

use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use crate::proxy::kubeconfig;
use crate::proxy::loopback::Loopback;

use super::api::ScriptedApi;

/// A scripted API on a free loopback port. Dropping it closes the port and all connections; the [`ScriptedApi`] in it,
/// which it dereferences to, can live on.
#[derive(Debug)]
pub struct ScriptedServer {
    api: ScriptedApi,
    loopback: Loopback,
}

impl ScriptedServer {
    /// Starts a server of the usual resources.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        Self::serving(ScriptedApi::new()).await
    }

    /// Starts a server of an API.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn serving(api: ScriptedApi) -> io::Result<Self> {
        let loopback = Loopback::start(Arc::new(api.clone())).await?;
        Ok(Self { api, loopback })
    }

    /// Returns a handle that can be moved into tasks.
    pub fn api(&self) -> ScriptedApi {
        self.api.clone()
    }

    /// Returns its address: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.loopback.address())
    }

    /// Returns a kubeconfig that leads to it, with the token it demands.
    pub fn kubeconfig(&self) -> String {
        let token = self.api.world().token.clone();
        kubeconfig(&self.url(), token.as_deref())
    }

    /// Writes the kubeconfig to a file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.kubeconfig())
    }

    /// Closes all connections that are open now.
    pub fn hang_up(&self) {
        self.loopback.hang_up();
    }
}

impl Deref for ScriptedServer {
    type Target = ScriptedApi;

    fn deref(&self) -> &ScriptedApi {
        &self.api
    }
}

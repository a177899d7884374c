//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};
use rand::Rng;

/// Ports for the programs that listen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    /// etcd's clients.
    pub(super) etcd: u16,
    /// etcd's peers, of which there are none.
    pub(super) etcd_peer: u16,
    /// The API server, TLS.
    pub(super) api_server: u16,
}

impl Ports {
    /// Finds ports that are free now.
    ///
    /// They lie below the range that systems give to outgoing connections, so that none of those
    /// takes a port while its program is being restarted.
    pub(super) fn find() -> Result<Self> {
        // Held together, so that the three differ.
        let (etcd, _etcd_held) = free()?;
        let (etcd_peer, _etcd_peer_held) = free()?;
        let (api_server, _api_server_held) = free()?;
        Ok(Self {
            etcd,
            etcd_peer,
            api_server,
        })
    }
}

fn free() -> Result<(u16, TcpListener)> {
    let mut random = rand::rng();
    for _ in 0..200 {
        let port = random.random_range(20_000..32_000);
        if let Ok(held) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok((port, held));
        }
    }
    bail!("no free port on loopback between 20000 and 32000")
}

//! Runs a control plane with fake kubelets until Ctrl-C:
//! `cargo run -p kymo-testkit --example control_plane [nodes]`.

use std::io::Write;

use anyhow::{Context, Result};
use kymo_testkit::control_plane::{ControlPlane, Options};
use kymo_testkit::traffic::objects::ensure_node;

#[tokio::main]
async fn main() -> Result<()> {
    let nodes: u32 = match std::env::args().nth(1) {
        Some(count) => count
            .parse()
            .context("the argument is the number of nodes")?,
        None => 3,
    };
    let plane = ControlPlane::start(Options::with_pods()).await?;
    for node in 0..nodes {
        ensure_node(plane.api(), &format!("node-{node}")).await?;
    }
    let mut out = std::io::stdout();
    writeln!(
        out,
        "ready after {:.1} s, {nodes} nodes",
        plane.ready_after().as_secs_f64()
    )?;
    writeln!(out, "logs and data: {}", plane.folder().display())?;
    writeln!(
        out,
        "export KUBECONFIG={}",
        plane.admin_kubeconfig().display()
    )?;
    out.flush()?;
    tokio::signal::ctrl_c().await?;
    plane.stop().await
}

//! Work for a control plane: nodes, Deployments that are rolled and deleted, `ConfigMap` churn and
//! custom resources that come and go. The same seed sends the same requests; all of it is bounded.

mod assortment;
mod config_maps;
mod custom_resources;
pub mod objects;
mod workloads;

pub use assortment::create_assortment;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::timeout;

use crate::api::Api;

/// What to do. The default is small: a few seconds' work for the whole plane.
#[derive(Debug, Clone)]
pub struct Traffic {
    /// Decides names and values.
    pub seed: u64,
    /// Where namespaced objects go; made if it is not there.
    pub namespace: String,
    /// Fake nodes; those that exist stay.
    pub nodes: u32,
    /// Deployments, made one after the other.
    pub deployments: u32,
    /// Pods of each Deployment.
    pub replicas: u32,
    /// How often each Deployment gets a new image; each time all its pods are replaced.
    pub rolls: u32,
    /// Deletes the Deployments at the end and waits until their pods are gone.
    pub delete_deployments: bool,
    /// Distinct `ConfigMap`s.
    pub config_maps: u32,
    /// Writes to them: creations, changes and deletions.
    pub config_map_writes: u32,
    /// Writes per second; 0 for as many as the server takes, one at a time.
    pub config_map_rate: f64,
    /// Custom resource definitions, made and deleted one after the other.
    pub definitions: u32,
    /// Objects of each of them, there when it is deleted.
    pub custom_objects: u32,
    /// After this all must be done.
    pub limit: Duration,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            seed: 1,
            namespace: "traffic".to_owned(),
            nodes: 0,
            deployments: 0,
            replicas: 0,
            rolls: 0,
            delete_deployments: true,
            config_maps: 10,
            config_map_writes: 100,
            config_map_rate: 0.0,
            definitions: 0,
            custom_objects: 0,
            limit: Duration::from_mins(3),
        }
    }
}

/// What was done; the controllers' own writes are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Objects made.
    pub created: u64,
    /// Objects changed.
    pub changed: u64,
    /// Objects deleted.
    pub deleted: u64,
}

impl Written {
    fn and(self, other: Self) -> Self {
        Self {
            created: self.created + other.created,
            changed: self.changed + other.changed,
            deleted: self.deleted + other.deleted,
        }
    }
}

impl Traffic {
    /// Does all of it, the three kinds at the same time; fails when the limit is over.
    ///
    /// Deployments need a plane [with pods](crate::control_plane::Options::with_pods).
    pub async fn run(&self, api: &Api) -> Result<Written> {
        ensure!(
            self.config_map_writes == 0 || self.config_maps > 0,
            "writes to ConfigMaps need ConfigMaps"
        );
        let all = async {
            let mut written = objects::ensure_namespace(api, &self.namespace).await?;
            for node in 0..self.nodes {
                written = written.and(objects::ensure_node(api, &format!("node-{node}")).await?);
            }
            let (workloads, config_maps, custom_resources) = tokio::try_join!(
                workloads::run(self, api),
                config_maps::run(self, api),
                custom_resources::run(self, api),
            )?;
            Ok(written
                .and(workloads)
                .and(config_maps)
                .and(custom_resources))
        };
        timeout(self.limit, all)
            .await
            .with_context(|| format!("the traffic was not done within {:?}", self.limit))?
    }
}

//! Churn of small objects.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::objects::config_map;
use super::{Traffic, Written};
use crate::api::{Api, Patch};

/// One write in this many deletes its `ConfigMap`.
const DELETE_ONE_IN: u32 = 10;

pub(super) async fn run(traffic: &Traffic, api: &Api) -> Result<Written> {
    let mut random = StdRng::seed_from_u64(traffic.seed);
    let mut written = Written::default();
    let mut live = BTreeSet::new();
    let mut pace = (traffic.config_map_rate > 0.0).then(|| {
        let mut pace = interval(Duration::from_secs_f64(1.0 / traffic.config_map_rate));
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        pace
    });
    let namespace = &traffic.namespace;
    let collection = format!("/api/v1/namespaces/{namespace}/configmaps");
    for _ in 0..traffic.config_map_writes {
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        let number = random.random_range(0..traffic.config_maps);
        let delete = random.random_ratio(1, DELETE_ONE_IN);
        let value = format!("{:016x}", random.random::<u64>());
        let name = format!("settings-{}-{number}", traffic.seed);
        let path = format!("{collection}/{name}");
        if live.insert(number) {
            api.create(&collection, &config_map(namespace, &name, &value))
                .await?;
            written.created += 1;
        } else if delete {
            api.delete(&path).await?;
            live.remove(&number);
            written.deleted += 1;
        } else {
            api.patch(&path, Patch::Merge, &json!({ "data": { "value": value } }))
                .await?;
            written.changed += 1;
        }
    }
    Ok(written)
}

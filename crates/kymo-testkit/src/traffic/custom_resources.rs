//! Resources that come and go while the server runs.

use anyhow::Result;
use serde_json::{Value, json};

use super::objects::definition;
use super::{Traffic, Written};
use crate::api::Api;

/// The group of the resources made here.
const GROUP: &str = "traffic.example.org";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

pub(super) async fn run(traffic: &Traffic, api: &Api) -> Result<Written> {
    let mut written = Written::default();
    for number in 0..traffic.definitions {
        let plural = format!("widgets{}x{number}", traffic.seed);
        let kind = format!("Widget{}x{number}", traffic.seed);
        let path = format!("{DEFINITIONS}/{plural}.{GROUP}");
        api.create(DEFINITIONS, &definition(GROUP, &plural, &kind))
            .await?;
        written.created += 1;
        api.wait_for(
            &path,
            "established definition",
            traffic.limit,
            is_established,
        )
        .await?;

        let collection = format!("/apis/{GROUP}/v1/namespaces/{}/{plural}", traffic.namespace);
        // Established, and yet the handler may need a moment more.
        api.wait_for(
            &collection,
            "list of the new resource",
            traffic.limit,
            |_| true,
        )
        .await?;
        for object in 0..traffic.custom_objects {
            let widget = json!({
                "apiVersion": format!("{GROUP}/v1"),
                "kind": kind,
                "metadata": { "name": format!("widget-{object}"), "namespace": traffic.namespace },
                "spec": { "number": object },
            });
            api.create(&collection, &widget).await?;
            written.created += 1;
        }
        api.delete(&path).await?;
        written.deleted += 1;
        api.wait_gone(&path, traffic.limit).await?;
    }
    Ok(written)
}

fn is_established(definition: &Value) -> bool {
    definition["status"]["conditions"]
        .as_array()
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|c| c["type"] == "Established" && c["status"] == "True")
        })
}

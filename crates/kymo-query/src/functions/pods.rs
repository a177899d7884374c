//! What `kubectl get pods` says of a pod.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Int64Builder, NullBufferBuilder, StringBuilder, StructArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::Result;
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use serde::Deserialize;

use super::texts::{Taken, TextFunction, Texts, all};

/// `pod_status`
pub(super) fn pod_status() -> Arc<ScalarUDF> {
    let documentation = Documentation::builder(
        DOC_SECTION_OTHER,
        "What `kubectl get pods` says of a pod, as a struct: `status`, `ready_containers`, \
         `containers`, `restarts`. Null if the object is not shaped like a pod.",
        "pod_status(object)",
    )
    .with_argument("object", "A pod as JSON.")
    .with_sql_example("SELECT name, pod_status(object)['status'] FROM events WHERE kind = 'Pod'")
    .build();
    TextFunction::udf(
        "pod_status",
        1..=1,
        Taken::AsJson,
        DataType::Struct(fields()),
        documentation,
        compute,
    )
}

fn fields() -> Fields {
    let number = |name| Field::new(name, DataType::Int64, false);
    [
        Field::new("status", DataType::Utf8, false),
        number("ready_containers"),
        number("containers"),
        number("restarts"),
    ]
    .into_iter()
    .collect()
}

fn compute(texts: &[Texts], rows: usize) -> Result<ArrayRef> {
    let mut statuses = StringBuilder::new();
    let mut numbers: [Int64Builder; 3] = Default::default();
    let mut nulls = NullBufferBuilder::new(rows);
    for row in 0..rows {
        let pod = all(texts, row).and_then(|[object]| serde_json::from_str::<Pod>(&object).ok());
        nulls.append(pod.is_some());
        let shown = pod.as_ref().map(Pod::shown).unwrap_or_default();
        statuses.append_value(shown.status);
        let [ready, containers, restarts] = &mut numbers;
        ready.append_value(shown.ready);
        containers.append_value(shown.containers);
        restarts.append_value(shown.restarts);
    }
    let mut columns: Vec<ArrayRef> = vec![Arc::new(statuses.finish())];
    for number in &mut numbers {
        columns.push(Arc::new(number.finish()));
    }
    let pods = StructArray::try_new(fields(), columns, nulls.finish())?;
    Ok(Arc::new(pods))
}

#[derive(Default)]
struct Shown {
    status: String,
    ready: i64,
    containers: i64,
    restarts: i64,
}

#[derive(Deserialize)]
struct Pod {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    deletion_timestamp: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    containers: Vec<Container>,
    init_containers: Vec<Container>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: String,
    restart_policy: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: String,
    reason: String,
    conditions: Vec<Condition>,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    ready: bool,
    started: Option<bool>,
    restart_count: i64,
    state: State,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Waiting>,
    running: Option<Running>,
    terminated: Option<Terminated>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: String,
}

#[derive(Default, Deserialize)]
struct Running {}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    reason: String,
    exit_code: i64,
    signal: i64,
}

impl Terminated {
    fn shown(&self) -> String {
        match self {
            Self { reason, .. } if !reason.is_empty() => reason.clone(),
            Self {
                signal: 0,
                exit_code,
                ..
            } => format!("ExitCode:{exit_code}"),
            Self { signal, .. } => format!("Signal:{signal}"),
        }
    }
}

impl Pod {
    /// Follows the printer of pods in Kubernetes (`pkg/printers/internalversion`, `printPod`).
    fn shown(&self) -> Shown {
        let (spec, status) = (&self.spec, &self.status);
        let sidecars = spec.init_containers.iter().filter(|own| own.is_sidecar());
        let mut shown = Shown {
            status: status.phase.clone(),
            containers: (spec.containers.len() + sidecars.count()) as i64,
            ..Shown::default()
        };
        if !status.reason.is_empty() {
            shown.status.clone_from(&status.reason);
        }
        if status.conditions.iter().any(Condition::is_gated) {
            "SchedulingGated".clone_into(&mut shown.status);
        }
        let mut sidecar_restarts = 0;
        let mut initializing = None;
        for (index, own) in status.init_container_statuses.iter().enumerate() {
            shown.restarts += own.restart_count;
            let is_sidecar = self.is_sidecar(&own.name);
            if is_sidecar {
                sidecar_restarts += own.restart_count;
            }
            match own.initialization(is_sidecar) {
                Initialization::Done => {}
                Initialization::Serving => shown.ready += i64::from(own.ready),
                Initialization::Stuck(reason) => {
                    initializing = Some(format!("Init:{reason}"));
                    break;
                }
                Initialization::Going => {
                    let all = spec.init_containers.len();
                    initializing = Some(format!("Init:{index}/{all}"));
                    break;
                }
            }
        }
        let is_initialized = initializing.is_none();
        if let Some(initializing) = initializing {
            shown.status = initializing;
        }
        if is_initialized || self.has("Initialized") {
            shown.restarts = sidecar_restarts;
            self.show_containers(&mut shown);
        }
        if self.metadata.deletion_timestamp.is_some() {
            if status.reason == "NodeLost" {
                "Unknown".clone_into(&mut shown.status);
            } else if !matches!(status.phase.as_str(), "Failed" | "Succeeded") {
                "Terminating".clone_into(&mut shown.status);
            }
        }
        shown
    }

    /// The first container that says something wins, so they are looked at from the last.
    fn show_containers(&self, shown: &mut Shown) {
        let mut has_running = false;
        for own in self.status.container_statuses.iter().rev() {
            shown.restarts += own.restart_count;
            match &own.state {
                State {
                    waiting: Some(waiting),
                    ..
                } if !waiting.reason.is_empty() => {
                    shown.status.clone_from(&waiting.reason);
                }
                State {
                    terminated: Some(terminated),
                    ..
                } => shown.status = terminated.shown(),
                State {
                    running: Some(_), ..
                } if own.ready => {
                    has_running = true;
                    shown.ready += 1;
                }
                _ => {}
            }
        }
        if shown.status == "Completed" && has_running {
            let status = if self.has("Ready") {
                "Running"
            } else {
                "NotReady"
            };
            status.clone_into(&mut shown.status);
        }
    }

    fn has(&self, condition: &str) -> bool {
        let mut conditions = self.status.conditions.iter();
        conditions.any(|own| own.r#type == condition && own.status == "True")
    }

    fn is_sidecar(&self, name: &str) -> bool {
        let mut containers = self.spec.init_containers.iter();
        containers.any(|own| own.name == name && own.is_sidecar())
    }
}

impl Container {
    fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }
}

impl Condition {
    fn is_gated(&self) -> bool {
        self.r#type == "PodScheduled" && self.reason.as_deref() == Some("SchedulingGated")
    }
}

/// How far an init container is.
enum Initialization {
    Done,
    /// A sidecar that has started goes on beside the containers.
    Serving,
    Stuck(String),
    Going,
}

impl ContainerStatus {
    fn initialization(&self, is_sidecar: bool) -> Initialization {
        let state = &self.state;
        match (&state.terminated, &state.waiting) {
            (Some(Terminated { exit_code: 0, .. }), _) => Initialization::Done,
            _ if is_sidecar && self.started == Some(true) => Initialization::Serving,
            (Some(terminated), _) => Initialization::Stuck(terminated.shown()),
            (None, Some(waiting)) if !matches!(waiting.reason.as_str(), "" | "PodInitializing") => {
                Initialization::Stuck(waiting.reason.clone())
            }
            _ => Initialization::Going,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(pod: Value) -> String {
        let shown = serde_json::from_value::<Pod>(pod).unwrap().shown();
        format!(
            "{} {}/{} {}",
            shown.status, shown.ready, shown.containers, shown.restarts
        )
    }

    fn pod(init: &Value, containers: &Value) -> Value {
        json!({
            "spec": {
                "containers": [{"name": "app"}, {"name": "log"}],
                "initContainers": [{"name": "copy"}, {"name": "proxy", "restartPolicy": "Always"}],
            },
            "status": {
                "phase": "Running",
                "initContainerStatuses": init,
                "containerStatuses": containers,
            },
        })
    }

    // Cases of the printer's own test, `TestPrintPod` and those after it.
    #[test]
    fn a_pod_without_statuses_shows_its_phase() {
        let pending = json!({"spec": {"containers": [{}]}, "status": {"phase": "Pending"}});
        assert_eq!(shown(pending), "Pending 0/1 0");
        let evicted = json!({"spec": {"containers": [{}]},
            "status": {"phase": "Failed", "reason": "Evicted"}});
        assert_eq!(shown(evicted), "Evicted 0/1 0");
        let gated = json!({"spec": {"containers": [{}]}, "status": {"phase": "Pending", "conditions":
            [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}});
        assert_eq!(shown(gated), "SchedulingGated 0/1 0");
    }

    #[test]
    fn init_containers_come_first() {
        let waiting = json!([
            {"name": "copy", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
        ]);
        assert_eq!(
            shown(pod(&waiting, &json!([]))),
            "Init:CrashLoopBackOff 0/3 3"
        );
        let failed = json!([
            {"name": "copy", "restartCount": 2, "state": {"terminated": {"exitCode": 7}}},
        ]);
        assert_eq!(shown(pod(&failed, &json!([]))), "Init:ExitCode:7 0/3 2");
        let going = json!([
            {"name": "copy", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
            {"name": "proxy", "state": {"running": {}}},
        ]);
        assert_eq!(shown(pod(&going, &json!([]))), "Init:1/2 0/3 0");
    }

    #[test]
    fn a_started_sidecar_counts_with_the_containers() {
        let init = json!([
            {"name": "copy", "restartCount": 5, "state": {"terminated": {"exitCode": 0}}},
            {"name": "proxy", "ready": true, "started": true, "restartCount": 1,
                "state": {"running": {}}},
        ]);
        let containers = json!([
            {"name": "app", "ready": true, "restartCount": 2, "state": {"running": {}}},
            {"name": "log", "ready": false, "state": {"waiting": {"reason": "ErrImagePull"}}},
        ]);
        assert_eq!(shown(pod(&init, &containers)), "ErrImagePull 2/3 3");
    }

    #[test]
    fn a_container_that_ended_hides_none_that_runs() {
        let containers = json!([
            {"ready": true, "state": {"running": {}}},
            {"ready": false, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
        ]);
        let mut both = pod(&json!([]), &containers);
        assert_eq!(shown(both.clone()), "NotReady 1/3 0");
        both["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
        assert_eq!(shown(both.clone()), "Running 1/3 0");
        both["metadata"] = json!({"deletionTimestamp": "2026-11-21T02:00:00Z"});
        assert_eq!(shown(both.clone()), "Terminating 1/3 0");
        both["status"]["phase"] = json!("Succeeded");
        assert_eq!(shown(both.clone()), "Running 1/3 0");
        both["status"]["reason"] = json!("NodeLost");
        assert_eq!(shown(both), "Unknown 1/3 0");
    }

    #[test]
    fn a_signal_is_told_where_there_is_no_reason() {
        let containers = json!([{"state": {"terminated": {"exitCode": 137, "signal": 9}}}]);
        assert_eq!(shown(pod(&json!([]), &containers)), "Signal:9 0/3 0");
    }
}

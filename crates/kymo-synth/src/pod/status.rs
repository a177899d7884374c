use std::fmt::Write as _;

use super::shape::{Container, Identity, Shape};
use super::{Host, PodState};
use crate::clock::seconds;
use crate::random::digest;

impl Shape {
    /// Writes the status of a pod, member by member in the order of the API server.
    pub(super) fn write_status(
        &self,
        pod: &Identity<'_>,
        state: &PodState,
        host: Option<&Host>,
        out: &mut String,
    ) {
        if state.accepted.is_some() {
            let generation = match state.ended {
                Some(_) => state.generation(),
                None => 1,
            };
            write!(out, r#"{{"observedGeneration":{generation},"#).ok();
        } else {
            out.push('{');
        }
        write!(out, r#""phase":"{}""#, phase(state)).ok();
        if state.bound.is_some() || state.unschedulable.is_some() {
            self.write_conditions(state, out);
        }
        if let (Some(accepted), Some(host)) = (state.accepted, host) {
            let address = &host.address;
            write!(
                out,
                r#","hostIP":"{address}","hostIPs":[{{"ip":"{address}"}}]"#
            )
            .ok();
            if state.started.is_some() {
                let own = if self.host_network {
                    address
                } else {
                    pod.address
                };
                write!(out, r#","podIP":"{own}","podIPs":[{{"ip":"{own}"}}]"#).ok();
            }
            write!(out, r#","startTime":"{}""#, seconds(accepted)).ok();
            if !self.inits.is_empty() {
                self.write_inits(pod, state, accepted, out);
            }
            out.push_str(r#","containerStatuses":["#);
            for (number, container) in self.containers.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                self.write_container(container, number, pod, state, out);
            }
            out.push(']');
        }
        write!(out, r#","qosClass":"{}"}}"#, self.qos).ok();
    }

    fn write_conditions(&self, state: &PodState, out: &mut String) {
        out.push_str(r#","conditions":["#);
        let Some(bound) = state.bound else {
            let at = seconds(state.unschedulable.unwrap_or(state.created));
            write!(
                out,
                r#"{{"type":"PodScheduled","observedGeneration":1,"status":"False","lastProbeTime":null,"lastTransitionTime":"{at}","reason":"Unschedulable","message":"no nodes are available"}}]"#
            )
            .ok();
            return;
        };
        let observed = if state.accepted.is_some() {
            r#""observedGeneration":1,"#
        } else {
            ""
        };
        write!(
            out,
            r#"{{"type":"PodScheduled",{observed}"status":"True","lastProbeTime":null,"lastTransitionTime":"{}"}}"#,
            seconds(bound)
        )
        .ok();
        if let Some(accepted) = state.accepted {
            self.write_kubelet_conditions(state, accepted, out);
        }
        if let Some((at, is_taint)) = state.disrupted {
            let (reason, message) = if is_taint {
                (
                    "DeletionByTaintManager",
                    "Taint manager: deleting due to NoExecute taint",
                )
            } else {
                ("EvictionByEvictionAPI", "Eviction API: evicting")
            };
            let at = seconds(at);
            write!(
                out,
                r#",{{"type":"DisruptionTarget","observedGeneration":1,"status":"True","lastProbeTime":null,"lastTransitionTime":"{at}","reason":"{reason}","message":"{message}"}}"#
            )
            .ok();
        }
        out.push(']');
    }

    fn write_kubelet_conditions(&self, state: &PodState, accepted: i64, out: &mut String) {
        let generation = match state.ended {
            Some(_) => state.generation(),
            None => 1,
        };
        let mut condition = |kind: &str, generation: u32, is_true: bool, at: i64, rest: &str| {
            let status = if is_true { "True" } else { "False" };
            let at = seconds(at);
            write!(
                out,
                r#",{{"type":"{kind}","observedGeneration":{generation},"status":"{status}","lastProbeTime":null,"lastTransitionTime":"{at}"{rest}}}"#
            )
            .ok();
        };
        let (has_sandbox, since) = match (state.ended, state.started) {
            (Some((at, _)), _) => (false, at),
            (None, Some(at)) => (true, at),
            (None, None) => (false, accepted),
        };
        let since = if state.restarts > 0 && has_sandbox {
            accepted
        } else {
            since
        };
        condition(
            "PodReadyToStartContainers",
            generation,
            has_sandbox,
            since,
            "",
        );
        let names = |list: &[Container]| {
            let names: Vec<&str> = list.iter().map(|each| each.name.as_str()).collect();
            names.join(" ")
        };
        if self.inits.is_empty() || state.started.is_some() {
            let at = match state.started {
                Some(started) if !self.inits.is_empty() && state.restarts == 0 => started,
                _ => accepted,
            };
            condition("Initialized", 1, true, at, "");
        } else {
            let rest = format!(
                r#","reason":"ContainersNotInitialized","message":"containers with incomplete status: [{}]""#,
                names(&self.inits)
            );
            condition("Initialized", 1, false, accepted, &rest);
        }
        let rest = match (state.is_ready, state.ended) {
            (true, _) => String::new(),
            (false, Some((_, true))) => r#","reason":"PodCompleted""#.to_owned(),
            (false, Some((_, false))) => r#","reason":"PodFailed""#.to_owned(),
            (false, None) => format!(
                r#","reason":"ContainersNotReady","message":"containers with unready status: [{}]""#,
                names(&self.containers)
            ),
        };
        for kind in ["Ready", "ContainersReady"] {
            condition(kind, generation, state.is_ready, state.ready_since, &rest);
        }
    }

    fn write_container(
        &self,
        container: &Container,
        number: usize,
        pod: &Identity<'_>,
        state: &PodState,
        out: &mut String,
    ) {
        out.push_str(r#"{"name":"#);
        container.quoted_name(out);
        let Some(started) = state.started else {
            let reason = if state.is_stuck && number == 0 {
                "ImagePullBackOff"
            } else if self.inits.is_empty() {
                "ContainerCreating"
            } else {
                "PodInitializing"
            };
            write!(
                out,
                r#","state":{{"waiting":{{"reason":"{reason}"}}}},"lastState":{{}},"ready":false,"restartCount":0,"image":"{}","imageID":"","started":false{}}}"#,
                container.image, container.mounts
            )
            .ok();
            return;
        };
        // The first container is the one that crashes.
        let restarts = if number == 0 { state.restarts } else { 0 };
        let own_id = |run: u32| format!("containerd://{}", container_id(pod.uid, number, run));
        let id = own_id(restarts);
        let crash = state.crashed.filter(|_| number == 0);
        let terminated = |code: u8, reason: &str, from: i64, to: i64, id: &str| {
            let (from, to) = (seconds(from), seconds(to));
            format!(
                r#"{{"terminated":{{"exitCode":{code},"reason":"{reason}","startedAt":"{from}","finishedAt":"{to}","containerID":"{id}"}}}}"#
            )
        };
        let (code, reason) = self.crash.told();
        let is_crashed = crash.is_some_and(|at| at >= started);
        let now = match (state.ended, crash) {
            (Some((at, true)), _) => terminated(0, "Completed", started, at, &id),
            (Some((at, false)), _) => terminated(1, "Error", started, at, &id),
            (None, Some(at)) if is_crashed => terminated(code, reason, started, at, &id),
            _ => format!(r#"{{"running":{{"startedAt":"{}"}}}}"#, seconds(started)),
        };
        let last = match crash {
            Some(at) if restarts > 0 && !is_crashed => {
                terminated(code, reason, at, at, &own_id(restarts - 1))
            }
            _ => "{}".to_owned(),
        };
        let is_running = state.ended.is_none() && !is_crashed;
        let is_ready = is_running && (state.is_ready || (state.crashed.is_some() && number > 0));
        write!(
            out,
            r#","state":{now},"lastState":{last},"ready":{is_ready},"restartCount":{restarts},"image":"{}","imageID":"{}","containerID":"{id}","started":{is_running}{}{},"user":{{"linux":{{"uid":0,"gid":0,"supplementalGroups":[0]}}}}}}"#,
            container.image, container.image_id, container.resources, container.mounts
        )
        .ok();
    }

    fn write_inits(&self, pod: &Identity<'_>, state: &PodState, accepted: i64, out: &mut String) {
        out.push_str(r#","initContainerStatuses":["#);
        for (number, container) in self.inits.iter().enumerate() {
            if number > 0 {
                out.push(',');
            }
            out.push_str(r#"{"name":"#);
            container.quoted_name(out);
            let Some(started) = state.started else {
                write!(
                    out,
                    r#","state":{{"waiting":{{"reason":"PodInitializing"}}}},"lastState":{{}},"ready":false,"restartCount":0,"image":"{}","imageID":"","started":false{}}}"#,
                    container.image, container.mounts
                )
                .ok();
                continue;
            };
            let id = init_id(pod.uid, number);
            let (from, to) = (seconds(accepted), seconds(started));
            write!(
                out,
                r#","state":{{"terminated":{{"exitCode":0,"reason":"Completed","startedAt":"{from}","finishedAt":"{to}","containerID":"containerd://{id}"}}}},"lastState":{{}},"ready":true,"restartCount":0,"image":"{}","imageID":"{}","containerID":"containerd://{id}","started":false{}{},"user":{{"linux":{{"uid":0,"gid":0,"supplementalGroups":[0]}}}}}}"#,
                container.image, container.image_id, container.resources, container.mounts
            )
            .ok();
        }
        out.push(']');
    }
}

/// Returns the id of a container of a pod, which has been restarted so often.
pub(super) fn container_id(uid: &str, number: usize, run: u32) -> String {
    digest(&format!("{uid}/{number}/{run}"))
}

/// Returns the id of an init container of a pod.
pub(super) fn init_id(uid: &str, number: usize) -> String {
    digest(&format!("{uid}/init/{number}"))
}

fn phase(state: &PodState) -> &'static str {
    match (state.ended, state.started) {
        (Some((_, true)), _) => "Succeeded",
        (Some((_, false)), _) => "Failed",
        (None, Some(_)) => "Running",
        (None, None) => "Pending",
    }
}

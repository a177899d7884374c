//! Starting, ending and asking a control plane.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::audit;
use super::command_line::Layout;
use super::credentials::{Authority, Files};
use super::kubeconfig::{self, Proof};
use super::lock::SuiteLock;
use super::ports::Ports;
use super::process::{Process, tail};
use super::watchdog::Watchdog;
use super::{Component, Options, Token, assets, missing};
use crate::api::Api;

/// kwok's stages.
const STAGES: &str = include_str!("stages.yaml");

/// How long a program may take until it answers; a busy machine with two cores needs 20 s.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a program that is asked to end may take.
const GRACE: Duration = Duration::from_secs(10);

/// A running control plane. Dropping it kills its programs, the last started first, also when the
/// test panics; then the ends of the logs are shown and the folder is kept.
pub struct ControlPlane {
    /// In the order in which they were started.
    pub(super) processes: Vec<Process>,
    watchdog: Watchdog,
    pub(super) options: Options,
    assets: PathBuf,
    pub(super) ports: Ports,
    pub(super) authority: Authority,
    files: Files,
    folder: Option<TempDir>,
    pub(super) path: PathBuf,
    pub(super) api: Api,
    pub(super) ready_after: Duration,
    lock: Arc<SuiteLock>,
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready, after waiting for the end of any other
    /// one on this machine.
    pub async fn start(options: Options) -> Result<Self> {
        let lock = Arc::new(SuiteLock::take().await?);
        Self::start_with(options, lock).await
    }

    /// Starts a second control plane, another cluster, while this one runs.
    pub async fn start_beside(&self, options: Options) -> Result<Self> {
        Self::start_with(options, Arc::clone(&self.lock)).await
    }

    async fn start_with(mut options: Options, lock: Arc<SuiteLock>) -> Result<Self> {
        options.keep_folder |=
            std::env::var_os("KYMO_KEEP_CONTROL_PLANE").is_some_and(|value| value == "1");
        let assets = assets()
            .context("no control plane found; run crates/kymo-testkit/control-plane/build")?;
        let missing = missing(&assets, &options.components());
        ensure!(missing.is_empty(), "{} lacks {missing:?}", assets.display());

        let folder = tempfile::Builder::new()
            .prefix("kymo-control-plane-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        let path = folder.path().to_owned();
        let ports = Ports::find()?;
        let authority = Authority::new()?;
        let files = Files::write(&authority, &path)?;
        let admin = path.join("admin.kubeconfig");
        let url = format!("https://127.0.0.1:{}", ports.api_server);
        let proof = Proof::Certificate(authority.user("kymo-test-admin", Some("system:masters"))?);
        kubeconfig::write(&admin, &url, &authority.certificate(), &proof)?;
        let api = Api::from_kubeconfig(&admin).await?;
        let watchdog = Watchdog::start((!options.keep_folder).then_some(path.as_path()))?;
        let mut plane = Self {
            processes: Vec::new(),
            watchdog,
            options,
            assets,
            ports,
            authority,
            files,
            folder: Some(folder),
            path,
            api,
            ready_after: Duration::ZERO,
            lock,
        };
        plane.write_settings()?;
        let began = Instant::now();
        for component in plane.options.components() {
            plane.start_component(component).await?;
        }
        plane.settle().await?;
        plane.ready_after = began.elapsed();
        Ok(plane)
    }

    /// Writes what the programs read: kubeconfigs, policy, tokens, stages.
    fn write_settings(&self) -> Result<()> {
        let layout = self.layout();
        let authority = self.authority.certificate();
        for (component, name, group) in [
            (
                Component::ControllerManager,
                "system:kube-controller-manager",
                None,
            ),
            (Component::Scheduler, "system:kube-scheduler", None),
            (Component::Kwok, "kwok", Some("system:masters")),
        ] {
            let proof = Proof::Certificate(self.authority.user(name, group)?);
            let path = layout.kubeconfig(component);
            kubeconfig::write(&path, &self.api_server_url(), &authority, &proof)?;
        }
        let mut tokens = String::new();
        for Token {
            token,
            user,
            groups,
        } in &self.options.tokens
        {
            writeln!(tokens, "{token},{user},{user},\"{}\"", groups.join(","))?;
        }
        for (name, text) in [
            ("audit-policy.json", audit::POLICY),
            ("stages.yaml", STAGES),
            ("tokens.csv", &tokens),
        ] {
            fs::write(self.path.join(name), text)
                .with_context(|| format!("cannot write {name}"))?;
        }
        Ok(())
    }

    fn layout(&self) -> Layout<'_> {
        Layout {
            options: &self.options,
            ports: self.ports,
            files: &self.files,
            folder: &self.path,
        }
    }

    /// Starts a program that is not running, and waits until it answers (etcd and kube-apiserver).
    pub async fn start_component(&mut self, component: Component) -> Result<()> {
        ensure!(self.process(component).is_none(), "{component} is running");
        let args = self.layout().arguments(component);
        let program = self.assets.join(component.program());
        let mut process =
            Process::spawn(component, &program, &args, &self.path, self.log(component))?;
        self.watchdog.guard(process.id())?;
        let began = Instant::now();
        while !self.answers(component).await {
            process.ensure_running()?;
            if began.elapsed() > PATIENCE {
                bail!(
                    "{component} did not answer within {PATIENCE:?}; the end of its log:\n{}",
                    tail(&self.log(component), 20)
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
        // Not another program on the same port.
        process.ensure_running()?;
        self.processes.push(process);
        Ok(())
    }

    async fn answers(&self, component: Component) -> bool {
        match component {
            Component::Etcd => self.etcd().revision().await.is_ok(),
            Component::ApiServer => self.api.get_text("/readyz").await.is_ok(),
            _ => true,
        }
    }

    /// Waits for what the controllers make first, so that a test can make pods at once.
    async fn settle(&mut self) -> Result<()> {
        let namespace = "/api/v1/namespaces/default";
        self.api
            .wait_for(namespace, "the default namespace", PATIENCE, |_| true)
            .await?;
        if self.options.controller_manager {
            let account = format!("{namespace}/serviceaccounts/default");
            self.api
                .wait_for(&account, "the default service account", PATIENCE, |_| true)
                .await?;
        }
        self.processes
            .iter_mut()
            .try_for_each(Process::ensure_running)
    }

    fn process(&mut self, component: Component) -> Option<&mut Process> {
        self.processes
            .iter_mut()
            .find(|process| process.component() == component)
    }

    fn running(&mut self, component: Component) -> Result<&mut Process> {
        self.process(component)
            .with_context(|| format!("{component} is not running"))
    }

    /// Kills a program at once, as a crash would.
    pub fn kill(&mut self, component: Component) -> Result<()> {
        let process = self.running(component)?;
        let id = process.id();
        process.kill();
        self.processes
            .retain(|process| process.component() != component);
        self.watchdog.release(id)
    }

    /// Asks a program to end and waits until it has.
    pub async fn stop_component(&mut self, component: Component) -> Result<()> {
        let process = self.running(component)?;
        let id = process.id();
        process.stop(GRACE).await?;
        self.processes
            .retain(|process| process.component() != component);
        self.watchdog.release(id)
    }

    /// Kills a program and starts it again on the same ports and data.
    pub async fn restart(&mut self, component: Component) -> Result<()> {
        self.kill(component)?;
        self.start_component(component).await
    }

    /// Halts a program without ending it: its sockets stay open and silent.
    pub fn pause(&mut self, component: Component) -> Result<()> {
        self.running(component)?.signal(Signal::STOP)
    }

    /// Lets a [paused](Self::pause) program go on.
    pub fn resume(&mut self, component: Component) -> Result<()> {
        self.running(component)?.signal(Signal::CONT)
    }

    /// Asks all programs to end, the last started first. Drop kills them, which is faster.
    pub async fn stop(mut self) -> Result<()> {
        while let Some(mut process) = self.processes.pop() {
            process.stop(GRACE).await?;
            self.watchdog.release(process.id())?;
        }
        Ok(())
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        while let Some(mut process) = self.processes.pop() {
            process.kill();
            // When the watchdog has ended there is nobody to tell.
            drop(self.watchdog.release(process.id()));
        }
        let panicking = std::thread::panicking();
        if !panicking && !self.options.keep_folder {
            return;
        }
        // Fails only when the watchdog has ended, and then it removes nothing.
        drop(self.watchdog.keep_folder());
        if let Some(folder) = self.folder.take() {
            let kept = folder.keep();
            let mut report = vec![format!("control plane kept in {}\n", kept.display())];
            if panicking {
                report.extend(self.options.components().into_iter().map(|component| {
                    let end = tail(&self.log(component), 10);
                    format!("--- the end of {component}.log\n{end}\n")
                }));
            }
            // A test that fails already; there is nowhere else to say it.
            drop(std::io::stderr().write_all(report.concat().as_bytes()));
        }
    }
}

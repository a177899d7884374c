//! The real binary, as a process.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::recording::Recording;

/// How long anything that is waited for may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A folder for a trace, its kubeconfig and the logs of its recorders.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub(crate) fn trace(&self) -> PathBuf {
        self.folder.path().join("trace")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("kymo.log")
    }

    /// Writes a file into the folder, whole or not at all.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let new = self.folder.path().join(format!("{name}.new"));
        fs::write(&new, text).expect("write");
        fs::rename(&new, &path).expect("rename");
        path
    }

    /// Runs `kymo` to its end.
    pub(crate) fn kymo(args: &[&str]) -> std::process::Output {
        command().args(args).output().expect("kymo")
    }

    /// Names the command line of `kymo record` into this place's trace.
    pub(crate) fn record(&self, kubeconfig: &Path, resources: &str) -> Vec<String> {
        let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        let mut args: Vec<String> = ["-v", "record", "--metrics", "127.0.0.1:0", "--kubeconfig"]
            .map(str::to_owned)
            .into();
        args.extend([path(kubeconfig), "--output".into(), path(&self.trace())]);
        if !resources.is_empty() {
            args.extend(["--resources".into(), resources.to_owned()]);
        }
        args
    }

    /// Starts a recorder. Its messages are added to the place's log.
    pub(crate) fn spawn(&self, kubeconfig: &Path, resources: &str) -> Recorder {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .expect("a log");
        let from = fs::metadata(self.log()).expect("the log").len() as usize;
        let child = command()
            .args(self.record(kubeconfig, resources))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle"))
            .stderr(log)
            .spawn()
            .expect("kymo record");
        Recorder {
            child,
            log: self.log(),
            from,
            trace: self.trace(),
        }
    }

    /// Starts a recorder and waits until each of its feeds is in some state.
    pub(crate) async fn start(&self, kubeconfig: &Path, resources: &str) -> Recorder {
        let mut recorder = self.spawn(kubeconfig, resources);
        recorder.until_ready().await;
        recorder
    }

    /// Reads the trace.
    pub(crate) fn recording(&self) -> Recording {
        Recording::read(&self.trace())
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kymo"));
    command
        .env_remove("KUBECONFIG")
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1");
    command
}

/// A running `kymo record`; killed when dropped.
pub(crate) struct Recorder {
    child: Child,
    log: PathBuf,
    /// Where its part of the log begins.
    from: usize,
    trace: PathBuf,
}

impl Recorder {
    fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).expect("signal");
    }

    fn process(&self) -> Pid {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        id.expect("a process id")
    }

    /// Halts the process (SIGSTOP).
    ///
    /// Returns when all its threads have stopped: until then one could still connect anew.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
        let stopped = waitpid(Some(self.process()), WaitOptions::UNTRACED).expect("wait");
        let (_, status) = stopped.expect("a status");
        assert!(status.stopped(), "{status:?}");
    }

    /// Lets a halted process go on (SIGCONT).
    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    /// Kills the process (SIGKILL).
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// Asks the process to end (SIGTERM); returns how it ended and how long that took.
    pub(crate) async fn end(&mut self) -> (ExitStatus, Duration) {
        self.signal(Signal::TERM);
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return (status, began.elapsed());
            }
            assert!(
                began.elapsed() < PATIENCE,
                "SIGTERM does not end kymo\n{}",
                self.said()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends the process as an operator would, and expects that it ends well.
    pub(crate) async fn stop(mut self) {
        let (status, took) = self.end().await;
        assert!(status.success(), "{status} after {took:?}\n{}", self.said());
    }

    /// Returns what this process has said so far.
    pub(crate) fn said(&self) -> String {
        let bytes = fs::read(&self.log).expect("the log");
        String::from_utf8_lossy(bytes.get(self.from..).unwrap_or_default()).into_owned()
    }

    fn ensure_running(&mut self) {
        if let Some(status) = self.child.try_wait().expect("wait") {
            panic!("kymo record ended ({status})\n{}", self.said());
        }
    }

    /// Waits until it says where its metrics are: then it is connected and about to record.
    pub(crate) async fn until_recording(&mut self) -> SocketAddr {
        let began = Instant::now();
        loop {
            let said = self.said();
            let address = said
                .split_once("metrics on http://")
                .and_then(|(_, rest)| rest.split_once("/metrics"))
                .map(|(address, _)| address.parse().expect("an address"));
            if let Some(address) = address {
                return address;
            }
            self.ensure_running();
            assert!(began.elapsed() < PATIENCE, "kymo does not record\n{said}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn until_ready(&mut self) {
        self.until("ready", async |address| {
            ask(address, "/readyz")
                .await
                .is_some_and(|answer| answer.contains(" 200 "))
        })
        .await;
    }

    async fn until(&mut self, what: &str, done: impl AsyncFn(SocketAddr) -> bool) {
        let address = self.until_recording().await;
        let began = Instant::now();
        while !done(address).await {
            self.ensure_running();
            assert!(
                began.elapsed() < PATIENCE,
                "not {what} in time\n{}",
                self.said()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until one of its metrics, written as on the endpoint with labels, has a value.
    pub(crate) async fn until_metric(&mut self, name: &str, done: impl Fn(u64) -> bool) {
        self.until(name, async |address| {
            metric(address, name).await.is_some_and(&done)
        })
        .await;
    }

    /// Returns one of its metrics; 0 when there is none of that name and labels.
    pub(crate) async fn metric(&mut self, name: &str) -> u64 {
        let address = self.until_recording().await;
        metric(address, name).await.unwrap_or_default()
    }

    /// Waits until the trace on disk fits.
    pub(crate) async fn until_trace(&mut self, what: &str, done: impl Fn(&Recording) -> bool) {
        self.until_trace_within(PATIENCE, what, done).await;
    }

    /// Waits, for so long, until the trace on disk fits.
    pub(crate) async fn until_trace_within(
        &mut self,
        patience: Duration,
        what: &str,
        done: impl Fn(&Recording) -> bool,
    ) {
        let began = Instant::now();
        loop {
            let recording = Recording::read(&self.trace);
            if done(&recording) {
                return;
            }
            self.ensure_running();
            assert!(
                began.elapsed() < patience,
                "no {what} in the trace in time\n{recording}\n{}",
                self.said()
            );
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until an object of a resource is in the trace.
    pub(crate) async fn until_recorded(&mut self, resource: &str, name: &str) {
        let what = format!("{resource} {name}");
        self.until_trace(&what, |recording| {
            recording.of(resource).any(|row| row.event.key.name == name)
        })
        .await;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- kymo said:\n{}", self.said());
        }
    }
}

async fn metric(address: SocketAddr, name: &str) -> Option<u64> {
    let text = ask(address, "/metrics").await?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Asks the endpoint; `None` when it does not answer.
async fn ask(address: SocketAddr, path: &str) -> Option<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: kymo\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    timeout(Duration::from_secs(5), exchange).await.ok()?
}

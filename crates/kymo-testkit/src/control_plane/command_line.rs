//! The arguments of each program.

use std::path::{Path, PathBuf};

use super::credentials::Files;
use super::ports::Ports;
use super::{Component, Options, StorageFormat};

/// What the arguments are made from.
pub(super) struct Layout<'a> {
    pub(super) options: &'a Options,
    pub(super) ports: Ports,
    pub(super) files: &'a Files,
    pub(super) folder: &'a Path,
}

impl Layout<'_> {
    /// Gives the arguments of a program.
    pub(super) fn arguments(&self, component: Component) -> Vec<String> {
        match component {
            Component::Etcd => self.etcd(),
            Component::ApiServer => self.api_server(),
            Component::ControllerManager => self.controller_manager(),
            Component::Scheduler => {
                self.client(component, &["--leader-elect=false", "--secure-port=0"])
            }
            Component::Kwok => self.kwok(),
        }
    }

    /// Names the kubeconfig that a program uses.
    pub(super) fn kubeconfig(&self, component: Component) -> PathBuf {
        self.folder.join(format!("{component}.kubeconfig"))
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn etcd(&self) -> Vec<String> {
        let clients = format!("http://127.0.0.1:{}", self.ports.etcd);
        let peers = format!("http://127.0.0.1:{}", self.ports.etcd_peer);
        let mut args = vec![
            "--name=kymo".to_owned(),
            format!("--data-dir={}", self.file("etcd")),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=kymo={peers}"),
            "--quota-backend-bytes=8589934592".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        if !self.options.fsync {
            args.push("--unsafe-no-fsync".to_owned());
        }
        args
    }

    fn api_server(&self) -> Vec<String> {
        let options = self.options;
        let files = self.files;
        let mut args = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.ports.api_server),
            "--endpoint-reconciler-type=none".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!(
                "--service-account-key-file={}",
                files.service_account_public_key.display()
            ),
            format!(
                "--service-account-signing-key-file={}",
                files.service_account_key.display()
            ),
            format!("--client-ca-file={}", files.authority.display()),
            format!("--tls-cert-file={}", files.server_certificate.display()),
            format!("--tls-private-key-file={}", files.server_key.display()),
            "--max-requests-inflight=2000".to_owned(),
            "--max-mutating-requests-inflight=1000".to_owned(),
            format!(
                "--etcd-compaction-interval={}s",
                options
                    .compaction_interval
                    .unwrap_or_default()
                    .as_secs_f64()
            ),
        ];
        if options.storage == StorageFormat::Json {
            args.push("--storage-media-type=application/json".to_owned());
        }
        if !options.watch_cache {
            args.push("--watch-cache=false".to_owned());
        }
        if !options.watch_cache_sizes.is_empty() {
            let sizes: Vec<String> = options
                .watch_cache_sizes
                .iter()
                .map(|(of, size)| format!("{of}#{size}"))
                .collect();
            args.push(format!("--watch-cache-sizes={}", sizes.join(",")));
        }
        if let Some(least) = options.min_watch_duration {
            args.push(format!("--min-request-timeout={}", least.as_secs()));
        }
        if options.audit {
            args.push(format!(
                "--audit-policy-file={}",
                self.file("audit-policy.json")
            ));
            args.push(format!("--audit-log-path={}", self.file("audit.log")));
        }
        if !options.tokens.is_empty() {
            args.push(format!("--token-auth-file={}", self.file("tokens.csv")));
        }
        if !options.controller_manager {
            // Nobody makes the default service account that this plugin asks pods to have.
            args.push("--disable-admission-plugins=ServiceAccount".to_owned());
        }
        args.extend(options.api_server_args.iter().cloned());
        args
    }

    fn controller_manager(&self) -> Vec<String> {
        let mut args = self.client(
            Component::ControllerManager,
            &[
                "--leader-elect=false",
                "--secure-port=0",
                "--use-service-account-credentials=true",
                "--node-monitor-grace-period=40s",
            ],
        );
        args.push(format!("--root-ca-file={}", self.files.authority.display()));
        args.push(format!(
            "--service-account-private-key-file={}",
            self.files.service_account_key.display()
        ));
        args
    }

    fn kwok(&self) -> Vec<String> {
        vec![
            format!(
                "--kubeconfig={}",
                self.kubeconfig(Component::Kwok).display()
            ),
            format!("--config={}", self.file("stages.yaml")),
            "--manage-all-nodes=true".to_owned(),
            "--node-lease-duration-seconds=40".to_owned(),
            "--cidr=10.128.0.0/16".to_owned(),
            "--node-ip=127.0.0.1".to_owned(),
        ]
    }

    fn client(&self, component: Component, more: &[&str]) -> Vec<String> {
        let mut args = vec![
            format!("--kubeconfig={}", self.kubeconfig(component).display()),
            "--kube-api-qps=1000".to_owned(),
            "--kube-api-burst=2000".to_owned(),
        ];
        args.extend(more.iter().map(|&arg| arg.to_owned()));
        args
    }
}

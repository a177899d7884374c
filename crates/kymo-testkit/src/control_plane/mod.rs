//! A real Kubernetes control plane on loopback: etcd, kube-apiserver and, when asked for,
//! kube-controller-manager, kube-scheduler and kwok's fake kubelets.
//!
//! The programs are built by `crates/kymo-testkit/control-plane/build`. One plane runs at a time on
//! a machine: [`ControlPlane::start`] waits for the lock of a suite that is running already. A test
//! begins with [`control_plane_or_skip!`](crate::control_plane_or_skip), which says so aloud when
//! the programs are missing.

mod access;
mod assets;
mod audit;
mod checkpoint;
mod command_line;
mod credentials;
mod kubeconfig;
mod lock;
mod options;
mod plane;
mod ports;
mod process;
mod skip;
mod watchdog;

pub use assets::assets;
use assets::missing;
pub use audit::{AuditEntry, AuditStatus, AuditUser};
pub use checkpoint::Checkpoint;
pub use kubeconfig::{Server, User};
pub use options::{Component, Options, StorageFormat, Token};
pub use plane::ControlPlane;
pub use skip::start_or_skip;

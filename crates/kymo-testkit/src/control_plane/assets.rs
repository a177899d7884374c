//! Finding the programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Component;

/// The script that builds the programs, and finds them with `--find`.
const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/control-plane/build");

/// Finds the folder that holds the programs of the control plane.
///
/// Looks at `$KUBEBUILDER_ASSETS`, then `$KYMO_CONTROL_PLANE`, then where
/// `crates/kymo-testkit/control-plane/build` puts them. `None` when no folder has at least etcd and
/// kube-apiserver.
pub fn assets() -> Option<PathBuf> {
    ["KUBEBUILDER_ASSETS", "KYMO_CONTROL_PLANE"]
        .into_iter()
        .filter_map(|name| env::var_os(name).map(PathBuf::from))
        .find(|folder| has_core(folder))
        .or_else(built)
}

/// Lists those of `components` that `folder` lacks.
pub(super) fn missing(folder: &Path, components: &[Component]) -> Vec<Component> {
    components
        .iter()
        .copied()
        .filter(|component| !folder.join(component.program()).is_file())
        .collect()
}

fn has_core(folder: &Path) -> bool {
    missing(folder, &[Component::Etcd, Component::ApiServer]).is_empty()
}

fn built() -> Option<PathBuf> {
    let output = Command::new(BUILD)
        .arg("--find")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    (output.status.success() && has_core(&folder)).then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_kwok_is_enough_for_the_api_server_but_not_for_pods() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert!(!has_core(folder.path()));
        for program in ["etcd", "kube-apiserver"] {
            std::fs::write(folder.path().join(program), "").expect("write");
        }
        assert!(has_core(folder.path()));
        assert_eq!(
            missing(folder.path(), &[Component::Etcd, Component::Kwok]),
            vec![Component::Kwok]
        );
    }
}

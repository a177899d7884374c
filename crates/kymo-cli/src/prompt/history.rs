//! Where what was typed is kept.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

/// Returns the file, and makes the folder that it is in; `None` if it cannot be kept.
pub(super) fn history_file() -> Option<PathBuf> {
    let path = place(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))?;
    let mut folder = DirBuilder::new();
    folder.recursive(true).mode(0o700);
    folder.create(path.parent()?).ok()?;
    Some(path)
}

fn place(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // A path that is not absolute counts as none.
    let state = state.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(home?.join(".local/state")))?;
    Some(state.join("kymo/history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_in_the_folder_for_state() {
        let place = |state: &str, home: &str| {
            let found = place(Some(state.into()), Some(home.into()));
            found.map(|path| path.to_str().unwrap().to_owned())
        };
        assert_eq!(
            place("/state", "/home/me").as_deref(),
            Some("/state/kymo/history")
        );
        let home = Some("/home/me/.local/state/kymo/history");
        assert_eq!(place("", "/home/me").as_deref(), home);
        assert_eq!(place("state", "/home/me").as_deref(), home);
        assert_eq!(place("", ""), None);
    }
}

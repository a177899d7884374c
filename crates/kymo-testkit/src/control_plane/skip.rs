//! What a test does on a machine without the programs.

use std::env;
use std::io::Write;

use anyhow::{Result, bail};

use super::{ControlPlane, Options, assets, missing};

/// Starts a control plane, or says aloud that `test` does not run because programs are missing.
///
/// `None` means that the test is to return. With `KYMO_REQUIRE_CONTROL_PLANE=1` (set by `./test`)
/// missing programs are an error instead. Tests use
/// [`control_plane_or_skip!`](crate::control_plane_or_skip), which fills in the name.
pub async fn start_or_skip(test: &str, options: Options) -> Result<Option<ControlPlane>> {
    let why = match assets() {
        None => "no control plane".to_owned(),
        Some(folder) => {
            let missing = missing(&folder, &options.components());
            if missing.is_empty() {
                return ControlPlane::start(options).await.map(Some);
            }
            let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
            format!("no {} in {}", missing.join(", "), folder.display())
        }
    };
    let message = format!("{test}: {why} (run crates/kymo-testkit/control-plane/build)");
    if env::var_os("KYMO_REQUIRE_CONTROL_PLANE").is_some_and(|value| value == "1") {
        bail!("{message}, and KYMO_REQUIRE_CONTROL_PLANE=1");
    }
    // Not eprintln!: the test harness would swallow it.
    std::io::stderr().write_all(format!("SKIPPED: {message}\n").as_bytes())?;
    Ok(None)
}

/// Starts a [`ControlPlane`] in an async test that returns `()`, or returns from the test when the
/// programs are missing, with a line on stderr.
///
/// `control_plane_or_skip!()` takes the default [`Options`]; `control_plane_or_skip!(options)` those
/// given. Fails the test when the plane does not start, and also when the programs are missing while
/// `KYMO_REQUIRE_CONTROL_PLANE=1`.
#[macro_export]
macro_rules! control_plane_or_skip {
    () => {
        $crate::control_plane_or_skip!($crate::control_plane::Options::default())
    };
    ($options:expr) => {{
        fn here() {}
        let test = ::std::any::type_name_of_val(&here)
            .trim_end_matches("::here")
            .trim_end_matches("::{{closure}}");
        match $crate::control_plane::start_or_skip(test, $options).await {
            Ok(Some(plane)) => plane,
            Ok(None) => return,
            Err(error) => panic!("the control plane did not start: {error:#}"),
        }
    }};
}

mod leaktest;

use std::path::PathBuf;

use crate::command_error::CommandError;
use crate::ui::Ui;

/// Search an anonymized trace for what identifies in the original
///
/// Every name, label, address, uid, host, image, user, environment value and credential of the original
/// is searched for in all that the other trace holds: values, keys, what is encoded inside them, and
/// the bytes of its files and pages, in upper and lower case and other spellings.
///
/// Exit status: 0 nothing survived; 1 something did.
#[derive(Debug, clap::Args)]
pub(crate) struct AnonymizeArgs {
    /// Search OUT for whatever identifies in ORIGINAL
    #[arg(long, num_args = 2, value_names = ["ORIGINAL", "OUT"], required = true)]
    verify: Vec<PathBuf>,
    /// How many survivors are told
    #[arg(long, value_name = "N", default_value_t = 20, requires = "verify")]
    show: usize,
}

/// Verifies.
pub(crate) fn anonymize(ui: &Ui, args: &AnonymizeArgs) -> Result<(), CommandError> {
    let [original, out] = args.verify.as_slice() else {
        return Err(CommandError::usage("--verify takes two traces"));
    };
    leaktest::verify(ui, original, out, args.show)
}

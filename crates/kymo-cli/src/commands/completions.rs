use crate::cli;
use crate::command_error::CommandError;
use crate::ui::Ui;

/// Print a script that completes kymo's command line in a shell
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Prints the script.
pub(crate) fn completions(ui: &Ui, args: &CompletionsArgs) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::grammar(None), "kymo", &mut script);
    let mut out = ui.stdout(true);
    out.write_all(&script)?;
    out.flush()?;
    Ok(())
}

use kymo_record::{Cluster, rbac as roles};

use super::record::{ConnectionArgs, SelectionArgs};
use crate::command_error::CommandError;
use crate::environment;
use crate::ui::Ui;

/// Print the least role that recording needs, or check what you may do
///
/// Asks the cluster what it serves and prints a cluster role (or a role for each namespace) with
/// `list` and `watch` on just that: never Secrets unless asked for, never anything that writes.
#[derive(Debug, clap::Args)]
pub(crate) struct RbacArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Include Secrets, as `kymo record --secrets-metadata` needs
    #[arg(long)]
    secrets_metadata: bool,
    /// The name of the role
    #[arg(long, default_value = "kymo-recorder", value_name = "NAME")]
    name: String,
    /// Compare with what you may do: exit status 1 if something is missing
    #[arg(long)]
    check: bool,
}

/// Prints the role or the result of the check.
pub(crate) async fn rbac(ui: &Ui, args: &RbacArgs) -> Result<(), CommandError> {
    let clock = environment::clock()?;
    let selection = args.selection.selection(None, args.secrets_metadata);
    let cluster = Cluster::connect(&args.connection.connection(), clock.as_ref()).await?;
    let resources = cluster.resources(&selection).await?;
    let mut out = ui.stdout(false);
    if !args.check {
        let roles = roles::role(&resources, &selection, &args.name);
        out.write_all(roles.to_yaml()?.as_bytes())?;
        out.flush()?;
        return Ok(());
    }
    let check = roles::check(&cluster, &resources, &selection).await?;
    for permission in &check.missing {
        writeln!(out, "missing: {permission}")?;
    }
    for permission in &check.excess {
        writeln!(out, "more than needed: {permission}")?;
    }
    if check.missing.is_empty() {
        writeln!(
            out,
            "nothing is missing to record {} resources",
            resources.len()
        )?;
    }
    out.flush()?;
    if check.missing.is_empty() {
        Ok(())
    } else {
        Err(CommandError::negative())
    }
}

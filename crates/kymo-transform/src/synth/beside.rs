use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use kymo_query::QuerySession;
use kymo_synth::{Known, Plan, Stay};

use super::plan::{plan, unread};
use super::run::write;
use crate::Error;
use crate::language::{Action, Script, Statement};
use crate::plan::{Input, Stage};
use crate::progress::Unwatched;
use crate::rows::{each_batch, texts};

/// Makes what the `SYNTHESIZE` statements of a stage ask for as a trace of its own, with the nodes and
/// the namespaces of the input; `None` if there are none. It lasts as long as the input does.
pub(crate) async fn beside(
    stage: &Stage,
    script: &Script,
    seed: u64,
    input: &Input,
    out: &Path,
) -> Result<Option<PathBuf>, Error> {
    let statements: Vec<&Statement> = stage
        .statements
        .iter()
        .filter_map(|index| script.statements.get(*index))
        .filter(|statement| matches!(statement.action, Action::Synthesize(_)))
        .collect();
    let Some(first) = statements.first() else {
        return Ok(None);
    };
    let place = first.place.start;
    let trace = input.trace.identity().trace_id;
    let base = Plan {
        seed,
        salt: format!("{trace}/{place}"),
        start: input.span.start,
        span: input.span.end.0.checked_sub(input.span.start.0),
        known: Known {
            stays: Stay::of(&input.trace).map_err(unread)?.0,
            ..known(&input.session).await?
        },
        ..Plan::default()
    };
    let planned = plan(&statements, &input.base, base)?;
    if planned.plan.lead > 0 {
        return Err(Error::Statement {
            message: "`AFTER` is for a trace that is made from nothing: this one has begun"
                .to_owned(),
            place: first.place,
            hint: None,
        });
    }
    let name = format!("{trace}/{place}/{}", script.text);
    write(planned, Arc::from(name), seed, Arc::new(Unwatched), out).await?;
    Ok(Some(out.to_owned()))
}

/// Returns the namespaces and the nodes that are there at the end.
async fn known(session: &QuerySession) -> Result<Known, Error> {
    let mut known = Known::default();
    let mut take = |batch: &RecordBatch| -> Result<(), Error> {
        let (kinds, names, objects) = (texts(batch, 0)?, texts(batch, 1)?, texts(batch, 2)?);
        for ((kind, name), object) in kinds.iter().zip(names.iter()).zip(objects.iter()) {
            match (kind, name, object) {
                (Some("Namespace"), Some(name), _) => known.namespaces.push(name.to_owned()),
                (Some("Node"), _, Some(object)) => {
                    known.nodes.extend(serde_json::from_str(object).ok());
                }
                _ => {}
            }
        }
        Ok(())
    };
    each_batch(
        session,
        "SELECT kind, name, CASE WHEN kind = 'Node' THEN object END FROM versions AS OF '-0s' \
         WHERE api_group = '' AND kind IN ('Namespace', 'Node') ORDER BY kind, name",
        &mut take,
    )
    .await?;
    Ok(known)
}

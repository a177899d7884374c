use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use datafusion::arrow::array::{Array as _, AsArray as _};
use datafusion::catalog::TableProvider;
use datafusion::catalog::view::ViewTable;
use datafusion::common::{Result, internal_datafusion_err};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;
use tokio::sync::OnceCell;

use super::custom::CustomResource;
use crate::statement;

/// Plans relations, once the session they belong to is there.
#[derive(Clone, Default)]
pub(crate) struct Planner {
    state: Arc<OnceLock<CurrentState>>,
}

/// Gives the state of a session as long as there is one.
type CurrentState = Box<dyn Fn() -> Option<SessionState> + Send + Sync>;

impl Planner {
    /// Takes the state of the session; later calls change nothing.
    ///
    /// The session must not be kept alive by it, because the session keeps this.
    pub(crate) fn set(&self, state: impl Fn() -> Option<SessionState> + Send + Sync + 'static) {
        let _first = self.state.set(Box::new(state));
    }

    /// Returns the state with a schema in which bare names are looked up.
    fn state(&self, schema: &str) -> Result<SessionState> {
        let state = self.state.get().and_then(|state| state());
        let mut state = state.ok_or_else(|| internal_datafusion_err!("the session is gone"))?;
        let catalog = &mut state.config_mut().options_mut().catalog;
        schema.clone_into(&mut catalog.default_schema);
        Ok(state)
    }
}

impl fmt::Debug for Planner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planner").finish_non_exhaustive()
    }
}

/// A table that is a query.
#[derive(Debug)]
pub(crate) struct Relation {
    definition: Definition,
    planned: OnceCell<Arc<dyn TableProvider>>,
}

/// How a query is found.
#[derive(Debug)]
pub(super) enum Definition {
    /// It is always the same.
    Fixed(&'static str),
    /// It depends on what the trace knows of a resource.
    Custom(CustomResource),
}

impl Relation {
    /// Takes the text of the query.
    pub(super) fn new(definition: Definition) -> Self {
        Self {
            definition,
            planned: OnceCell::new(),
        }
    }

    /// Returns the table, over the other tables of a schema; it is planned the first time.
    pub(crate) async fn table(
        &self,
        planner: &Planner,
        schema: &str,
    ) -> Result<Arc<dyn TableProvider>> {
        let planned = self
            .planned
            .get_or_try_init(|| self.plan(planner, schema))
            .await?;
        Ok(Arc::clone(planned))
    }

    async fn plan(&self, planner: &Planner, schema: &str) -> Result<Arc<dyn TableProvider>> {
        let state = planner.state(schema)?;
        let definition = match &self.definition {
            Definition::Fixed(text) => Cow::Borrowed(*text),
            Definition::Custom(resource) => Cow::Owned(custom_view(&state, resource).await?),
        };
        let plan = logical_plan(&state, &definition).await?;
        let view = ViewTable::new(plan, Some(definition.into_owned()));
        Ok(Arc::new(view))
    }
}

/// Looks the resource's definition up in the trace.
async fn custom_view(state: &SessionState, resource: &CustomResource) -> Result<String> {
    let plan = logical_plan(state, &resource.definition_query()).await?;
    let plan = state.create_physical_plan(&plan).await?;
    let batches = collect(plan, state.task_ctx()).await?;
    let found = batches.iter().find(|batch| batch.num_rows() > 0);
    let object = found.map(|batch| batch.column(0).as_string::<i32>());
    let object = object.filter(|object| object.is_valid(0));
    Ok(resource.view(object.map(|object| object.value(0))))
}

async fn logical_plan(state: &SessionState, definition: &str) -> Result<LogicalPlan> {
    let statement = statement::parse_definition(definition)?;
    state.statement_to_plan(statement).await
}

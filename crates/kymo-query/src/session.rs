use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::DateTime;
use datafusion::common::{ResolvedTableReference, TableReference, plan_err};
use datafusion::config::Dialect;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::TrackConsumersPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::optimizer::{Optimizer, OptimizerRule};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::FutureExt;
use kymo_model::Timestamp;
use tempfile::TempDir;

use crate::answer::{Answer, Deadline};
use crate::catalog::{CATALOG, OnlyCatalog, Traces, belongs};
use crate::error::{Phase, see_text, translate};
use crate::functions::JoinPlanner;
use crate::memory::SharedMemory;
use crate::object_stores::NoObjectStores;
use crate::paths::{ObjectFunctions, ObjectPaths};
use crate::source::{Source, TraceSource};
use crate::statement::{Guard, Named, ReadStatement, tokenize};
use crate::until::ReadUntil;
use crate::wide_top::WideTop;
use crate::{Error, Limits, Parameters, Span, functions, notes, relations, show_functions, table};

/// The column from which on a row of a table holds.
const VALID_FROM: &str = "valid_from";

/// Rows that the engine handles at a time, at most and at least. Objects have some kilobytes each,
/// so its own 8,192 rows would be up to a hundred megabytes.
const MOST_ROWS: usize = 2_048;
const LEAST_ROWS: usize = 16;

/// Memory that a thread needs to be of use, in bytes.
const BYTES_FOR_READER: usize = 32 << 20;

/// Memory of a thread for each row of a batch, in bytes: a sort has to have two batches of each of
/// its runs at a time.
const BYTES_FOR_ROW: usize = 256 << 10;

/// SQL over one or several traces, read only.
///
/// Each trace is a schema under its name (`prod.events`); with one trace the schema can be left
/// out. What a statement can reach is fixed when the session is opened: no statement adds a table,
/// a function, a setting or a file.
pub struct QuerySession {
    context: SessionContext,
    traces: Arc<Traces>,
    limits: Limits,
    now: Option<Timestamp>,
    /// Watches over the traces where statements may do more than read.
    guard: Option<Guard>,
    /// Removed with the session.
    _spill: Option<TempDir>,
}

impl QuerySession {
    /// Opens traces under their names.
    pub fn open(traces: &[(String, PathBuf)], limits: Limits) -> Result<Self, Error> {
        Self::over(&sources(traces)?, limits)
    }

    /// Opens traces under their names for an expert, whose statements are not untrusted: beside
    /// reading they may make tables and views that last as long as the session, change settings,
    /// read files as tables, and copy to new files outside the traces.
    ///
    /// The traces themselves are never changed.
    pub fn open_unsafe(traces: &[(String, PathBuf)], limits: Limits) -> Result<Self, Error> {
        let guard = Guard::over(traces.iter().map(|(_, path)| path));
        Self::new(&sources(traces)?, limits, Some(guard))
    }

    /// Opens a session over sources under their names.
    pub fn over(sources: &[(String, Arc<dyn Source>)], limits: Limits) -> Result<Self, Error> {
        Self::new(sources, limits, None)
    }

    fn new(
        sources: &[(String, Arc<dyn Source>)],
        limits: Limits,
        guard: Option<Guard>,
    ) -> Result<Self, Error> {
        let is_unsafe = guard.is_some();
        let mut traces = if is_unsafe {
            Traces::taking_tables()
        } else {
            Traces::default()
        };
        let mut spans = BTreeMap::new();
        for (name, source) in sources {
            spans.insert(name.clone(), source.span());
            let relations = relations::relations(&source.feeds());
            traces.add(name, table::tables(name, source)?, relations)?;
        }
        let traces = Arc::new(traces);
        let readers = readers(&limits);
        let (runtime, spill) = runtime(&limits, readers, is_unsafe)?;
        let state = state(&traces, spans, runtime, &limits, is_unsafe)?;
        let context = SessionContext::new_with_state(state);
        let current = context.state_weak_ref();
        traces.plan_with(move || current.upgrade().map(|state| state.read().clone()));
        Ok(Self {
            context,
            traces,
            limits,
            now: None,
            guard,
            _spill: spill,
        })
    }

    /// Makes `now()` a fixed time in every statement.
    #[must_use]
    pub fn at_time(mut self, now: Timestamp) -> Self {
        self.now = Some(now);
        self
    }

    /// Plans a statement and begins to run it.
    ///
    /// Must be called inside a Tokio runtime, which does the work. Dropping the answer ends the
    /// query.
    pub async fn sql(&self, text: &str) -> Result<Answer, Error> {
        self.sql_with(text, &Parameters::new()).await
    }

    /// Plans a statement with values for its `$name`s and begins to run it, as [`Self::sql`] does.
    pub async fn sql_with(&self, text: &str, parameters: &Parameters) -> Result<Answer, Error> {
        let mut deadline = self.limits.timeout.map(Deadline::after);
        let planning = AssertUnwindSafe(Box::pin(self.begin(text, parameters))).catch_unwind();
        let begun = match &mut deadline {
            Some(deadline) => tokio::select! {
                biased;
                error = deadline.passed() => return Err(error),
                begun = planning => begun,
            },
            None => planning.await,
        };
        let (plan, notes) = begun.map_err(|panic| Error::Panicked {
            message: table::panic_message(panic.as_ref()),
        })??;
        let stream = execute_stream(plan, self.context.task_ctx())
            .map_err(|error| translate(error, Phase::Running))?;
        Ok(Answer::new(stream, deadline, notes))
    }

    /// Returns the names of the tables of each trace.
    pub(crate) fn table_names(&self) -> Vec<(String, Vec<String>)> {
        self.traces.table_names()
    }

    /// Returns what the engine knows.
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }

    async fn begin(
        &self,
        text: &str,
        parameters: &Parameters,
    ) -> Result<(Arc<dyn ExecutionPlan>, Vec<String>), Error> {
        let mut statement = ReadStatement::parse(text, parameters, self.guard.as_ref())?;
        show_functions::rewrite(&mut statement.statement)?;
        let mut state = self.context.state();
        if let Some(now) = self.now {
            let now = DateTime::from_timestamp_nanos(now.0);
            state.execution_props_mut().query_execution_start_time = Some(now);
        }
        if statement.only_reads {
            self.check_tables(&state, &statement)?;
        }
        self.check_as_of(&statement).await?;
        let planned = match (&self.guard, statement.only_reads) {
            (Some(_), false) => self.change(&state, statement).await,
            _ => plan(&state, statement).await,
        };
        let plan = planned.map_err(|error| {
            let error = translate(error, Phase::Planning);
            see_text(error, &tokenize(text).unwrap_or_default())
        })?;
        let notes = notes::gaps(&plan);
        Ok((plan, notes))
    }

    /// Runs what changes the session, and plans what gives an answer.
    async fn change(
        &self,
        state: &SessionState,
        statement: ReadStatement,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let dropped = Guard::dropped(&statement.statement);
        // The engine would only say that there is none.
        if let Some(table) = dropped.iter().find(|table| self.traces.own(table)) {
            return plan_err!("{}", belongs(table));
        }
        let plan = state.statement_to_plan(statement.statement).await?;
        let done = self.context.execute_logical_plan(plan).await?;
        done.create_physical_plan().await
    }

    /// Finds tables that do not exist before the engine does, to say which one was meant.
    fn check_tables(&self, state: &SessionState, statement: &ReadStatement) -> Result<(), Error> {
        for function in &statement.table_functions {
            let name = function.name.to_string();
            if !state.table_functions().contains_key(&name.to_lowercase()) {
                return Err(Error::UnknownFunction {
                    name,
                    nearest: None,
                    position: function.position,
                });
            }
        }
        let references = state
            .resolve_table_references(&statement.statement)
            .map_err(|error| translate(error, Phase::Planning))?;
        let defaults = &state.config_options().catalog;
        for reference in references {
            let resolved = reference
                .clone()
                .resolve(&defaults.default_catalog, &defaults.default_schema);
            let is_function = named(&statement.table_functions, &reference).is_some();
            if !is_function && !exists(state, resolved) {
                return Err(self.unknown_table(&reference, statement));
            }
        }
        Ok(())
    }

    /// Finds tables without validity of which a time was asked, before the engine misses a column
    /// that the statement does not name.
    async fn check_as_of(&self, statement: &ReadStatement) -> Result<(), Error> {
        for table in &statement.as_of {
            let name = table.name.to_string();
            // What cannot be looked up is told later, or a subquery of the statement has the name.
            let Ok(provider) = self.context.table_provider(name.as_str()).await else {
                continue;
            };
            if provider.schema().index_of(VALID_FROM).is_err() {
                return Err(Error::NoValidity {
                    name,
                    position: table.position,
                });
            }
        }
        Ok(())
    }

    fn unknown_table(&self, reference: &TableReference, statement: &ReadStatement) -> Error {
        Error::UnknownTable {
            name: reference.to_string(),
            nearest: self.traces.nearest(reference.schema(), reference.table()),
            position: named(&statement.relations, reference).and_then(|named| named.position),
        }
    }
}

/// Finds where a statement names what the engine resolved.
fn named<'a>(names: &'a [Named], reference: &TableReference) -> Option<&'a Named> {
    let wanted = reference.to_string();
    names.iter().find(|named| {
        let written = named.name.to_string().replace('"', "");
        written.eq_ignore_ascii_case(&wanted)
    })
}

impl fmt::Debug for QuerySession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuerySession")
            .field("traces", &self.traces)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

async fn plan(
    state: &SessionState,
    statement: ReadStatement,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let plan = state.statement_to_plan(statement.statement).await?;
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)?;
    state.create_physical_plan(&plan).await
}

fn exists(state: &SessionState, reference: ResolvedTableReference) -> bool {
    let table = Arc::clone(&reference.table);
    state
        .schema_for_ref(reference)
        .is_ok_and(|schema| schema.table_exist(&table))
}

/// A source under its name.
type NamedSource = (String, Arc<dyn Source>);

fn sources(traces: &[(String, PathBuf)]) -> Result<Vec<NamedSource>, Error> {
    let mut sources: Vec<NamedSource> = Vec::with_capacity(traces.len());
    for (name, path) in traces {
        sources.push((name.clone(), Arc::new(TraceSource::open(path)?)));
    }
    Ok(sources)
}

fn runtime(
    limits: &Limits,
    readers: usize,
    is_unsafe: bool,
) -> Result<(Arc<RuntimeEnv>, Option<TempDir>), Error> {
    let (mode, spill) = if limits.spill_bytes == 0 {
        (DiskManagerMode::Disabled, None)
    } else {
        let spill = spill_directory(limits)?;
        let mode = DiskManagerMode::Directories(vec![spill.path().to_owned()]);
        (mode, Some(spill))
    };
    let disk = DiskManagerBuilder::default()
        .with_mode(mode)
        .with_max_temp_directory_size(limits.spill_bytes);
    let pool = TrackConsumersPool::new(
        SharedMemory::new(limits.memory_bytes, readers),
        std::num::NonZeroUsize::MIN.saturating_add(2),
    );
    let mut builder = RuntimeEnvBuilder::new()
        .with_disk_manager_builder(disk)
        .with_memory_pool(Arc::new(pool));
    // The engine's own registry has the files of this machine, and nothing of the network.
    if !is_unsafe {
        builder = builder.with_object_store_registry(Arc::new(NoObjectStores));
    }
    let runtime = builder
        .build_arc()
        .map_err(|error| translate(error, Phase::Planning))?;
    Ok((runtime, spill))
}

/// How many threads work on one step of a plan: no more than there is memory for.
fn readers(limits: &Limits) -> usize {
    let threads = match limits.threads {
        Some(threads) => threads,
        None => SessionConfig::new().target_partitions(),
    };
    threads.min(limits.memory_bytes / BYTES_FOR_READER).max(1)
}

fn spill_directory(limits: &Limits) -> Result<TempDir, Error> {
    use std::os::unix::fs::PermissionsExt;

    let parent = limits
        .spill_directory
        .clone()
        .unwrap_or_else(std::env::temp_dir);
    tempfile::Builder::new()
        .prefix("kymo-query-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in(&parent)
        .map_err(|source| Error::SpillDirectory {
            path: parent,
            source: Arc::new(source),
        })
}

/// Builds what the engine knows, piece by piece: no table functions, no settings from the
/// environment, and file formats and table factories only for experts.
fn state(
    traces: &Arc<Traces>,
    spans: BTreeMap<String, Option<Span>>,
    runtime: Arc<RuntimeEnv>,
    limits: &Limits,
    is_unsafe: bool,
) -> Result<SessionState, Error> {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, traces.default_schema());
    let readers = readers(limits);
    config = config.with_target_partitions(readers);
    let rows = limits.memory_bytes / readers / BYTES_FOR_ROW;
    config = config.with_batch_size(rows.clamp(LEAST_ROWS, MOST_ROWS));
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.collect_spans = true;
    // What a sort keeps back for merging what it spilled; the engine's own value does not fit into
    // small pools.
    let merging = &mut options.execution.sort_spill_reservation_bytes;
    *merging = (*merging).min(limits.memory_bytes / 16 / readers);
    let mut builder = SessionStateBuilder::new();
    if is_unsafe {
        builder = builder
            .with_file_formats(SessionStateDefaults::default_file_formats())
            .with_table_factories(SessionStateDefaults::default_table_factories());
    }
    let mut state = builder
        .with_config(config)
        .with_runtime_env(runtime)
        .with_catalog_list(Arc::new(OnlyCatalog(Arc::clone(traces))))
        .with_expr_planners(expr_planners())
        .with_scalar_functions(functions::scalar_functions(spans))
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_optimizer_rules(optimizer_rules())
        .with_physical_optimizer_rule(Arc::new(WideTop::new(limits.memory_bytes, readers)))
        .build();
    datafusion_functions_json::register_all(&mut state)
        .map_err(|error| translate(error, Phase::Planning))?;
    Ok(state)
}

/// Returns the engine's planners, and ours for what they leave.
fn expr_planners() -> Vec<Arc<dyn ExprPlanner>> {
    let mut planners = SessionStateDefaults::default_expr_planners();
    planners.push(Arc::new(JoinPlanner));
    planners
}

/// Returns the engine's rules, and ours before those that push things down.
fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    let place = rules
        .iter()
        .position(|rule| rule.name() == "push_down_limit");
    let paths = ObjectPaths::new(ObjectFunctions::new());
    rules.insert(place.unwrap_or(0), Arc::new(paths));
    // Filters are where they belong, and columns that nobody needs are gone.
    rules.push(Arc::new(ReadUntil));
    rules
}

//! The names that a statement can use: one schema for each trace, and nothing that can be added to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::plan_err;
use datafusion::common::utils::quote_identifier;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::TableType;

use crate::Error;
use crate::error::nearest;
use crate::relations::{Planner, Relation};

/// The name of the only catalog.
pub(crate) const CATALOG: &str = "kymo";

/// The schema in which bare names are looked up when there are several traces: it has no tables,
/// so that nobody reads one trace where the other was meant.
pub(crate) const NO_SCHEMA: &str = "";

const INFORMATION_SCHEMA: &str = "information_schema";

/// The schemas of a session, one for each trace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces {
    schemas: BTreeMap<String, Arc<TraceSchema>>,
    planner: Planner,
    /// Whether statements may add tables beside those of the traces.
    takes_tables: bool,
}

impl Traces {
    /// Lets statements add tables beside those of the traces, which last as long as this does.
    pub(crate) fn taking_tables() -> Self {
        Self {
            takes_tables: true,
            ..Self::default()
        }
    }

    /// Gives the tables that are queries what plans them.
    pub(crate) fn plan_with(
        &self,
        state: impl Fn() -> Option<SessionState> + Send + Sync + 'static,
    ) {
        self.planner.set(state);
    }

    /// Adds the tables of a trace under its name, and the queries that look like tables.
    pub(crate) fn add(
        &mut self,
        name: &str,
        tables: BTreeMap<&'static str, Arc<dyn TableProvider>>,
        relations: BTreeMap<String, Relation>,
    ) -> Result<(), Error> {
        let reason = if name.is_empty() {
            Some("it is empty")
        } else if name.eq_ignore_ascii_case(INFORMATION_SCHEMA) {
            Some("SQL has another use for it")
        } else if self.schemas.contains_key(name) {
            Some("another trace has it")
        } else {
            None
        };
        if let Some(reason) = reason {
            return Err(Error::TraceName {
                name: name.to_owned(),
                reason,
            });
        }
        let schema = Arc::new(TraceSchema {
            name: name.to_owned(),
            tables,
            relations,
            planner: self.planner.clone(),
            added: self.takes_tables.then(Mutex::default),
        });
        self.schemas.insert(name.to_owned(), schema);
        Ok(())
    }

    /// Returns the schema in which bare names are looked up.
    pub(crate) fn default_schema(&self) -> &str {
        match self.schemas.first_key_value() {
            Some((name, _)) if self.schemas.len() == 1 => name,
            _ => NO_SCHEMA,
        }
    }

    /// Returns the names of the tables of each trace.
    pub(crate) fn table_names(&self) -> Vec<(String, Vec<String>)> {
        let schemas = self.schemas.iter();
        schemas
            .map(|(name, schema)| (name.clone(), schema.table_names()))
            .collect()
    }

    /// Tells whether a table of this name belongs to a trace.
    pub(crate) fn own(&self, table: &str) -> bool {
        self.schemas.values().any(|schema| schema.owns(table))
    }

    /// Returns the table that was probably meant by a name that does not exist.
    pub(crate) fn nearest(&self, schema: Option<&str>, table: &str) -> Option<String> {
        let schemas = self.schemas.keys().map(String::as_str);
        let schema = match schema {
            Some(name) if self.schemas.contains_key(name) => name,
            Some(name) => nearest(name, schemas)?,
            None => self.schemas.keys().next()?,
        };
        let table = nearest(table, self.schemas.get(schema)?.names())?;
        if schema == self.default_schema() {
            return Some(table.to_owned());
        }
        Some(format!("{}.{table}", quote_identifier(schema)))
    }
}

impl CatalogProvider for Traces {
    fn schema_names(&self) -> Vec<String> {
        self.schemas.keys().cloned().collect()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        let schema = Arc::clone(self.schemas.get(name)?);
        Some(schema)
    }
}

/// The list of the only catalog.
#[derive(Debug)]
pub(crate) struct OnlyCatalog(pub(crate) Arc<Traces>);

impl CatalogProviderList for OnlyCatalog {
    /// Takes nothing: what a session can name is fixed when it is opened.
    fn register_catalog(
        &self,
        _: String,
        catalog: Arc<dyn CatalogProvider>,
    ) -> Option<Arc<dyn CatalogProvider>> {
        Some(catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        if name != CATALOG {
            return None;
        }
        let catalog = Arc::clone(&self.0);
        Some(catalog)
    }
}

/// Tables that statements added, by name.
type Added = BTreeMap<String, Arc<dyn TableProvider>>;

#[derive(Debug)]
struct TraceSchema {
    name: String,
    tables: BTreeMap<&'static str, Arc<dyn TableProvider>>,
    /// Tables that statements added; `None` where they may not.
    added: Option<Mutex<Added>>,
    /// Queries over the tables and over each other.
    relations: BTreeMap<String, Relation>,
    planner: Planner,
}

/// Says that a table is not the user's.
pub(crate) fn belongs(table: &str) -> String {
    format!("`{table}` belongs to the trace: it cannot be replaced or dropped")
}

impl TraceSchema {
    fn owns(&self, name: &str) -> bool {
        self.tables.contains_key(name) || self.relations.contains_key(name)
    }

    fn added(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        let added = self.added.as_ref()?.lock();
        let added = added.unwrap_or_else(PoisonError::into_inner);
        added.get(name).cloned()
    }

    /// Returns the tables that statements added, if `name` may be one of them.
    fn added_for(&self, name: &str) -> Result<&Mutex<Added>, DataFusionError> {
        if self.owns(name) {
            return plan_err!("{}", belongs(name));
        }
        if let Some(added) = &self.added {
            Ok(added)
        } else {
            plan_err!("nothing can be added to a trace")
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let relations = self.relations.keys().map(String::as_str);
        self.tables.keys().copied().chain(relations)
    }
}

type Registered = Result<Option<Arc<dyn TableProvider>>, DataFusionError>;

#[async_trait]
impl SchemaProvider for TraceSchema {
    fn table_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.names().map(str::to_owned).collect();
        if let Some(added) = &self.added {
            let added = added.lock().unwrap_or_else(PoisonError::into_inner);
            names.extend(added.keys().cloned());
        }
        names
    }

    fn register_table(&self, name: String, table: Arc<dyn TableProvider>) -> Registered {
        let added = self.added_for(&name)?.lock();
        let mut added = added.unwrap_or_else(PoisonError::into_inner);
        Ok(added.insert(name, table))
    }

    fn deregister_table(&self, name: &str) -> Registered {
        let added = self.added_for(name)?.lock();
        let mut added = added.unwrap_or_else(PoisonError::into_inner);
        Ok(added.remove(name))
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if let Some(table) = self.tables.get(name) {
            return Ok(Some(Arc::clone(table)));
        }
        match self.relations.get(name) {
            Some(relation) => relation.table(&self.planner, &self.name).await.map(Some),
            None => Ok(self.added(name)),
        }
    }

    /// Plans nothing, so that listing the tables costs nothing.
    async fn table_type(&self, name: &str) -> Result<Option<TableType>, DataFusionError> {
        if let Some(table) = self.tables.get(name) {
            return Ok(Some(table.table_type()));
        }
        if self.relations.contains_key(name) {
            return Ok(Some(TableType::View));
        }
        Ok(self.added(name).map(|table| table.table_type()))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.owns(name) || self.added(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::RecordBatch;
    use datafusion::arrow::datatypes::Schema;
    use datafusion::catalog::MemTable;

    use super::*;

    fn tables() -> BTreeMap<&'static str, Arc<dyn TableProvider>> {
        let schema = Arc::new(Schema::empty());
        let batch = RecordBatch::new_empty(Arc::clone(&schema));
        let table = MemTable::try_new(schema, vec![vec![batch]]).unwrap();
        BTreeMap::from([("events", Arc::new(table) as Arc<dyn TableProvider>)])
    }

    #[test]
    fn the_only_trace_needs_no_name_and_several_do() {
        let mut traces = Traces::default();
        traces.add("prod", tables(), BTreeMap::new()).unwrap();
        assert_eq!(traces.default_schema(), "prod");
        assert_eq!(traces.nearest(None, "evnts"), Some("events".to_owned()));
        traces.add("Sim", tables(), BTreeMap::new()).unwrap();
        assert_eq!(traces.default_schema(), NO_SCHEMA);
        assert_eq!(
            traces.nearest(Some("sim"), "events"),
            Some("\"Sim\".events".to_owned())
        );
        assert_eq!(
            traces.nearest(Some("prod"), "event"),
            Some("prod.events".to_owned())
        );
        assert_eq!(traces.nearest(None, "pods"), None);
    }

    #[test]
    fn names_that_cannot_be_told_apart_are_refused() {
        let mut traces = Traces::default();
        traces.add("a", tables(), BTreeMap::new()).unwrap();
        for name in ["a", "", "information_schema"] {
            assert!(matches!(
                traces.add(name, tables(), BTreeMap::new()),
                Err(Error::TraceName { .. })
            ));
        }
    }
}

//! The names that a statement can use: one schema for each trace, and nothing that can be added to.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
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
}

impl Traces {
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

#[derive(Debug)]
struct TraceSchema {
    name: String,
    tables: BTreeMap<&'static str, Arc<dyn TableProvider>>,
    /// Queries over the tables and over each other.
    relations: BTreeMap<String, Relation>,
    planner: Planner,
}

impl TraceSchema {
    fn names(&self) -> impl Iterator<Item = &str> {
        let relations = self.relations.keys().map(String::as_str);
        self.tables.keys().copied().chain(relations)
    }
}

#[async_trait]
impl SchemaProvider for TraceSchema {
    fn table_names(&self) -> Vec<String> {
        self.names().map(str::to_owned).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        if let Some(table) = self.tables.get(name) {
            return Ok(Some(Arc::clone(table)));
        }
        match self.relations.get(name) {
            Some(relation) => relation.table(&self.planner, &self.name).await.map(Some),
            None => Ok(None),
        }
    }

    /// Plans nothing, so that listing the tables costs nothing.
    async fn table_type(&self, name: &str) -> Result<Option<TableType>, DataFusionError> {
        if let Some(table) = self.tables.get(name) {
            return Ok(Some(table.table_type()));
        }
        let is_view = self.relations.contains_key(name);
        Ok(is_view.then_some(TableType::View))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.tables.contains_key(name) || self.relations.contains_key(name)
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

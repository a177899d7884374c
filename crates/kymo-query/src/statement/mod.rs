//! Which statements are run: one at a time, and only those that read.

mod as_of;
mod expert;
mod fields;
mod reader;
pub(crate) mod typed;

use std::ops::ControlFlow;

use datafusion::common::internal_datafusion_err;
use datafusion::error::DataFusionError;
use datafusion::sql::parser::{CopyToSource, DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    ObjectName, Query, Select, Statement as SqlStatement, TableFactor, Visit, Visitor,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{
    Location, Token, TokenWithSpan, Tokenizer, TokenizerError,
};

pub use self::reader::{SqlPart, SqlReader};

use self::as_of::Times;
pub(crate) use self::expert::Guard;
use crate::error::{Phase, translate};
use crate::{Error, Parameters, Position, parameters};

/// The longest statement that is parsed, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// How deep a statement may be nested.
const MOST_DEPTH: usize = 50;

/// How many operators and keywords a statement may have.
const MOST_LINKS: usize = 5_000;

const READS_ONLY: &str = "a query only reads; it cannot change anything";
const NO_FILES: &str = "a query reads the traces it was given, never a file that it names";

/// A statement that may be run.
#[derive(Debug)]
pub(crate) struct ReadStatement {
    /// Whether it does nothing but read.
    pub(crate) only_reads: bool,
    /// What the engine plans.
    pub(crate) statement: Statement,
    /// The tables it names.
    pub(crate) relations: Vec<Named>,
    /// The table functions it calls.
    pub(crate) table_functions: Vec<Named>,
    /// The tables of which it asks a time.
    pub(crate) as_of: Vec<Named>,
}

/// A name in a statement.
#[derive(Debug)]
pub(crate) struct Named {
    /// As it was written.
    pub(crate) name: ObjectName,
    /// Where it begins.
    pub(crate) position: Option<Position>,
}

impl Named {
    fn new(name: &ObjectName) -> Self {
        let first = name.0.first().and_then(|part| part.as_ident());
        let start = first.map(|ident| ident.span.start);
        Self {
            name: name.clone(),
            position: start.filter(|start| start.line > 0).map(|start| Position {
                line: start.line,
                column: start.column,
            }),
        }
    }
}

impl ReadStatement {
    /// Parses a text that must hold one statement that only reads, with values for its `$name`s;
    /// with a guard it may do what the guard permits.
    pub(crate) fn parse(
        text: &str,
        parameters: &Parameters,
        guard: Option<&Guard>,
    ) -> Result<Self, Error> {
        if let Some(error) = is_too_long(text) {
            return Err(error);
        }
        let (mut statements, times) =
            parse(text).map_err(|error| translate(error, Phase::Planning))?;
        let mut statement = statements.pop().ok_or_else(|| Error::Statement {
            message: "there is no statement".to_owned(),
            position: None,
        })?;
        if !statements.is_empty() {
            return Err(Error::Refused {
                what: "more than one statement".to_owned(),
                reason: "statements are run one at a time",
            });
        }
        let mut as_of = Vec::new();
        with_sql(&mut statement, |sql| {
            let Some(sql) = sql else {
                return as_of::nothing_left(times);
            };
            fields::name(sql);
            as_of = as_of::put(sql, times)?;
            Ok(())
        })?;
        let mut reader = Reader::default();
        let only_reads = match check(&statement, guard, &mut reader)? {
            Does::Read => true,
            Does::More => false,
        };
        with_sql(&mut statement, |sql| parameters::bind(sql, parameters))?;
        Ok(Self {
            only_reads,
            statement,
            relations: reader.relations,
            table_functions: reader.table_functions,
            as_of,
        })
    }
}

fn parse(text: &str) -> Result<(Vec<Statement>, Times), DataFusionError> {
    let tokens = tokenize(text)?;
    check_chains(&tokens)?;
    let (tokens, times) = as_of::take(&tokens, &PostgreSqlDialect {})?;
    Ok((parse_tokens(tokens)?, times))
}

fn is_too_long(text: &str) -> Option<Error> {
    (text.len() > MOST_BYTES).then(|| Error::Statement {
        message: format!(
            "the text has {} bytes, over the limit of {MOST_BYTES}",
            text.len()
        ),
        position: None,
    })
}

pub(crate) fn tokenize(text: &str) -> Result<Vec<TokenWithSpan>, ParserError> {
    Tokenizer::new(&PostgreSqlDialect {}, text)
        .tokenize_with_location()
        .map_err(|TokenizerError { message, location }| {
            ParserError::TokenizerError(format!("{message}{location}"))
        })
}

/// Fails where a statement chains so many operators that the tree of it is too deep to walk
/// through and to drop: `1 + 1 + 1 …` is a tree of one level for each `+`.
fn check_chains(tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let links = tokens.iter().filter(|token| match &token.token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        Token::Whitespace(_)
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Comma
        | Token::LParen
        | Token::RParen => false,
        _ => true,
    });
    match links.clone().nth(MOST_LINKS) {
        Some(token) => Err(at_place(
            &format!("the statement has more than {MOST_LINKS} operators and keywords"),
            token.span.start,
        )),
        None => Ok(()),
    }
}

fn parse_tokens(tokens: Vec<TokenWithSpan>) -> Result<Vec<Statement>, DataFusionError> {
    let statements = DFParserBuilder::new(tokens)
        .with_dialect(&PostgreSqlDialect {})
        .with_recursion_limit(MOST_DEPTH)
        .build()?
        .parse_statements()?;
    Ok(statements.into())
}

/// Parses the one statement of a relation's definition.
pub(crate) fn parse_definition(text: &str) -> Result<Statement, DataFusionError> {
    let (mut statements, _) = parse(text)?;
    let statement = statements.pop();
    statement.ok_or_else(|| internal_datafusion_err!("a relation without a definition"))
}

/// Changes the statement of SQL that another one is, explains or copies, if there is one.
fn with_sql(
    statement: &mut Statement,
    change: impl FnOnce(Option<&mut SqlStatement>) -> Result<(), Error>,
) -> Result<(), Error> {
    match statement {
        Statement::Statement(sql) => change(Some(sql)),
        Statement::Explain(explain) => with_sql(&mut explain.statement, change),
        Statement::CopyTo(copy) => {
            let CopyToSource::Query(query) = &mut copy.source else {
                return change(None);
            };
            let mut sql = SqlStatement::Query(query.clone());
            change(Some(&mut sql))?;
            if let SqlStatement::Query(changed) = sql {
                *query = changed;
            }
            Ok(())
        }
        Statement::CreateExternalTable(_) | Statement::Reset(_) => change(None),
    }
}

fn at_place(message: &str, place: Location) -> Error {
    Error::Statement {
        message: message.to_owned(),
        position: (place.line > 0).then_some(Position {
            line: place.line,
            column: place.column,
        }),
    }
}

/// What a statement does.
enum Does {
    /// It reads the traces.
    Read,
    /// It changes the session or writes a file.
    More,
}

fn check(statement: &Statement, guard: Option<&Guard>, reader: &mut Reader) -> Result<Does, Error> {
    match (statement, guard) {
        (Statement::CopyTo(copy), Some(guard)) => {
            guard.check_copy(copy)?;
            if let CopyToSource::Query(query) = &copy.source {
                visited(query.visit(reader))?;
            }
            Ok(Does::More)
        }
        (Statement::CreateExternalTable(table), Some(_)) => {
            for location in &table.locations {
                Guard::check_location(location)?;
            }
            Ok(Does::More)
        }
        (Statement::Reset(_), Some(_)) => Ok(Does::More),
        (Statement::Statement(sql), Some(_)) if Guard::permits(sql) => {
            visited(sql.visit(reader))?;
            Ok(Does::More)
        }
        _ => check_reads(statement, reader).map(|()| Does::Read),
    }
}

fn check_reads(statement: &Statement, reader: &mut Reader) -> Result<(), Error> {
    match statement {
        Statement::Statement(sql) => check_sql(sql, reader),
        Statement::Explain(explain) => match explain.statement.as_ref() {
            Statement::Statement(sql) if matches!(**sql, SqlStatement::Query(_)) => {
                check_sql(sql, reader)
            }
            other => Err(refused(&format!("EXPLAIN {}", verb(&other.to_string())))),
        },
        Statement::CreateExternalTable(_) => Err(Error::Refused {
            what: "CREATE EXTERNAL TABLE".to_owned(),
            reason: NO_FILES,
        }),
        Statement::CopyTo(_) => Err(refused("COPY")),
        Statement::Reset(_) => Err(refused("RESET")),
    }
}

fn check_sql(statement: &SqlStatement, reader: &mut Reader) -> Result<(), Error> {
    match statement {
        SqlStatement::Query(_)
        | SqlStatement::ExplainTable { .. }
        | SqlStatement::ShowTables { .. }
        | SqlStatement::ShowColumns { .. }
        | SqlStatement::ShowFunctions { .. } => visited(statement.visit(reader)),
        other => Err(refused(verb(&other.to_string()))),
    }
}

fn visited(flow: ControlFlow<Error>) -> Result<(), Error> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refusal) => Err(refusal),
    }
}

fn refused(what: &str) -> Error {
    Error::Refused {
        what: what.to_owned(),
        reason: READS_ONLY,
    }
}

/// The word that a statement begins with.
fn verb(statement: &str) -> &str {
    statement.split_whitespace().next().unwrap_or("this")
}

/// Walks through a statement: refuses what does more than read, notes the tables.
#[derive(Default)]
struct Reader {
    relations: Vec<Named>,
    table_functions: Vec<Named>,
}

impl Visitor for Reader {
    type Break = Error;

    /// `PostgreSQL` allows `WITH x AS (DELETE …)`.
    fn pre_visit_statement(&mut self, statement: &SqlStatement) -> ControlFlow<Error> {
        match statement {
            SqlStatement::Insert(_)
            | SqlStatement::Update(_)
            | SqlStatement::Delete(_)
            | SqlStatement::Merge(_) => ControlFlow::Break(refused(verb(&statement.to_string()))),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        if query.locks.is_empty() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(refused("FOR UPDATE"))
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        if select.into.is_none() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(refused("SELECT INTO"))
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        if let TableFactor::Table {
            name,
            args: Some(_),
            ..
        } = factor
        {
            self.table_functions.push(Named::new(name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<Error> {
        let mut idents = relation.0.iter().filter_map(|part| part.as_ident());
        if idents.any(|ident| ident.quote_style == Some('\'')) {
            return ControlFlow::Break(Error::Refused {
                what: format!("FROM {relation}"),
                reason: NO_FILES,
            });
        }
        self.relations.push(Named::new(relation));
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn parse_one(text: &str) -> Result<ReadStatement, Error> {
        ReadStatement::parse(text, &Parameters::new(), None)
    }

    #[test]
    fn statements_that_only_read_pass() {
        for text in [
            "SELECT 1",
            "SELECT 1;",
            "WITH a AS (SELECT 1) SELECT * FROM a UNION ALL SELECT 2",
            "VALUES (1), (2)",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE VERBOSE SELECT 1",
            "SHOW TABLES",
            "SHOW COLUMNS FROM events",
            "DESCRIBE events",
        ] {
            assert!(parse_one(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (text, what) in [
            (
                "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/x'",
                "CREATE EXTERNAL TABLE",
            ),
            ("CREATE TABLE t AS SELECT 1", "CREATE"),
            ("CREATE VIEW v AS SELECT 1", "CREATE"),
            ("CREATE FUNCTION f() RETURNS INT RETURN 1", "CREATE"),
            ("DROP TABLE events", "DROP"),
            ("COPY (SELECT 1) TO '/tmp/x.csv'", "COPY"),
            ("INSERT INTO events VALUES (1)", "INSERT"),
            ("UPDATE events SET name = 'x'", "UPDATE"),
            ("DELETE FROM events", "DELETE"),
            ("TRUNCATE TABLE events", "TRUNCATE"),
            ("SET datafusion.execution.batch_size = 1", "SET"),
            ("RESET datafusion.execution.batch_size", "RESET"),
            ("PREPARE p AS SELECT 1", "PREPARE"),
            ("EXECUTE p", "EXECUTE"),
            ("BEGIN", "BEGIN"),
            ("SHOW ALL", "SHOW"),
            ("EXPLAIN COPY (SELECT 1) TO '/tmp/x.csv'", "EXPLAIN COPY"),
            ("EXPLAIN DELETE FROM events", "EXPLAIN DELETE"),
            (
                "WITH d AS (DELETE FROM events RETURNING *) SELECT * FROM d",
                "DELETE",
            ),
            ("SELECT * INTO t FROM events", "SELECT INTO"),
            ("SELECT * FROM events FOR UPDATE", "FOR UPDATE"),
            (
                "SELECT * FROM 'file:///etc/passwd'",
                "FROM 'file:///etc/passwd'",
            ),
            ("SELECT (SELECT count(*) FROM 'a.csv')", "FROM 'a.csv'"),
            ("DESCRIBE 'a.parquet'", "FROM 'a.parquet'"),
            ("SELECT 1; SELECT 2", "more than one statement"),
        ] {
            match parse_one(text) {
                Err(Error::Refused { what: found, .. }) => assert_eq!(found, what, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_guard_permits_what_changes_the_session_and_nothing_else() {
        let guard = Guard::over([]);
        let parse = |text: &str| ReadStatement::parse(text, &Parameters::new(), Some(&guard));
        for text in [
            "SELECT 1",
            "CREATE TABLE t AS SELECT 1",
            "CREATE OR REPLACE VIEW v AS SELECT 1",
            "DROP TABLE t",
            "DROP VIEW IF EXISTS v",
            "SET datafusion.execution.batch_size = 1",
            "RESET datafusion.execution.batch_size",
            "SHOW datafusion.execution.batch_size",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/x'",
            "COPY (SELECT 1) TO '/nonexistent/x.csv'",
            "COPY events TO '/nonexistent/x.csv'",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
        for text in [
            "INSERT INTO t VALUES (1)",
            "DELETE FROM t",
            "UPDATE t SET a = 1",
            "TRUNCATE TABLE t",
            "CREATE SCHEMA s",
            "CREATE FUNCTION f() RETURNS INT RETURN 1",
            "CREATE VIEW v AS SELECT * FROM events FOR UPDATE",
            "CREATE TABLE t AS WITH d AS (DELETE FROM events RETURNING *) SELECT * FROM d",
            "COPY (SELECT * FROM '/etc/passwd') TO '/nonexistent/x.csv'",
            "COPY (SELECT 1) TO '/etc/passwd'",
            "EXPLAIN COPY (SELECT 1) TO '/nonexistent/x.csv'",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'http://127.0.0.1/x.csv'",
            "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://bucket/x.csv'",
            "SELECT * FROM 'file:///etc/passwd'",
            "SELECT 1; SELECT 2",
            "PREPARE p AS SELECT 1",
        ] {
            assert!(matches!(parse(text), Err(Error::Refused { .. })), "{text}");
        }
    }

    #[test]
    fn a_copy_takes_values_and_times() {
        let guard = Guard::over([]);
        let parameters = Parameters::from([("n".to_owned(), crate::Parameter::Number("7".into()))]);
        let text = "COPY (SELECT $n FROM pods AS OF '5s') TO '/nonexistent/x.csv'";
        let copy = ReadStatement::parse(text, &parameters, Some(&guard)).unwrap();
        let copy = copy.statement.to_string();
        assert!(
            copy.contains("SELECT 7") && copy.contains("at('5s')"),
            "{copy}"
        );
        let text = "COPY events AS OF '5s' TO '/nonexistent/x.csv'";
        assert!(ReadStatement::parse(text, &Parameters::new(), Some(&guard)).is_err());
    }

    #[test]
    fn a_syntax_error_says_where() {
        let error = parse_one("SELECT *\nFROM events WHERE = 1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert_eq!(
            error.position(),
            Some(Position {
                line: 2,
                column: 19
            })
        );
        let error = parse_one("SELECT 'open").unwrap_err();
        assert_eq!(error.position().map(|position| position.line), Some(1));
        assert!(parse_one("").is_err());
        assert!(parse_one(" -- nothing\n").is_err());
    }

    #[test]
    fn deep_and_long_statements_end_in_an_error() {
        let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(parse_one(&deep).is_err());
        let chained = format!("SELECT 1{}", " + 1".repeat(MOST_LINKS - 1));
        assert!(parse_one(&chained).is_ok());
        let chained = format!("SELECT 1{}", " + 1".repeat(200_000));
        let error = parse_one(&chained).unwrap_err();
        assert!(
            error.to_string().contains("operators and keywords"),
            "{error}"
        );
        let long = format!("SELECT '{}'", "x".repeat(MOST_BYTES));
        assert!(parse_one(&long).is_err());
    }
}

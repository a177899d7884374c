//! `SHOW FUNCTIONS`: a line for each function. The engine's own answer has one for each type of the
//! arguments, and none for functions that check types themselves.

use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::sqlparser::ast::{ShowStatementFilter, Statement as SqlStatement};

use crate::Error;
use crate::error::{Phase, translate};
use crate::parameters::{Parameter, Parameters, bind};

const ALL: &str = "SELECT routine_name AS function_name, max(syntax_example) AS syntax, \
     max(description) AS description, min(function_type) AS function_type \
     FROM information_schema.routines WHERE routine_name ILIKE $pattern \
     GROUP BY routine_name ORDER BY routine_name";

/// Puts our query in the place of `SHOW FUNCTIONS`; leaves other statements alone.
pub(crate) fn rewrite(statement: &mut Statement) -> Result<(), Error> {
    let Statement::Statement(sql) = statement else {
        return Ok(());
    };
    let SqlStatement::ShowFunctions { filter } = sql.as_ref() else {
        return Ok(());
    };
    let pattern = match filter {
        None => "%",
        Some(ShowStatementFilter::Like(pattern) | ShowStatementFilter::ILike(pattern)) => pattern,
        Some(_) => {
            return Err(Error::Statement {
                message: "SHOW FUNCTIONS takes LIKE and a pattern, or nothing".to_owned(),
                position: None,
            });
        }
    };
    let pattern = Parameter::Text(pattern.to_owned());
    let parameters = Parameters::from([("pattern".to_owned(), pattern)]);
    let parsed = DFParser::parse_sql(ALL).map_err(|error| translate(error, Phase::Planning))?;
    if let Some(Statement::Statement(mut all)) = parsed.into_iter().next() {
        bind(Some(&mut all), &parameters)?;
        *statement = Statement::Statement(all);
    }
    Ok(())
}

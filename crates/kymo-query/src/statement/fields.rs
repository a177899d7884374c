//! `(condition(object, 'Ready')).status`: a field by its name, where the engine wants a text.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Statement as SqlStatement, Value, VisitMut, VisitorMut,
};

/// Writes the names of fields as the engine reads them.
pub(super) fn name(statement: &mut SqlStatement) {
    let _end: ControlFlow<()> = statement.visit(&mut Namer);
}

struct Namer;

impl VisitorMut for Namer {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            for access in access_chain {
                if let AccessExpr::Dot(field) = access
                    && let Expr::Identifier(ident) = field
                {
                    let name = match ident.quote_style {
                        Some(_) => ident.value.clone(),
                        None => ident.value.to_lowercase(),
                    };
                    *field = Expr::value(Value::SingleQuotedString(name));
                }
            }
        }
        ControlFlow::Continue(())
    }
}

//! `a || b` of texts. The engine's own operator has no bound, and doubles a text with every use.

use std::sync::Arc;

use datafusion::arrow::array::StringBuilder;
use datafusion::arrow::compute::can_cast_types;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::scalar::ScalarValue;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::engine::MOST_BYTES;
use super::texts::{Taken, Texts, all, text_type};
use crate::Error;

const NAME: &str = "||";

/// Makes `||` of texts a function that is capped.
#[derive(Debug)]
pub(crate) struct JoinPlanner;

impl ExprPlanner for JoinPlanner {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let is_joined = |expr: &Expr| {
            let data_type = expr.get_type(schema);
            data_type.is_ok_and(|data_type| joined_type(&data_type).is_some())
        };
        if expr.op != BinaryOperator::StringConcat
            || !is_joined(&expr.left)
            || !is_joined(&expr.right)
        {
            return Ok(PlannerResult::Original(expr));
        }
        let function = Arc::new(ScalarUDF::new_from_impl(Joined {
            signature: Signature::user_defined(Volatility::Immutable),
        }));
        let call = ScalarFunction::new_udf(function, vec![expr.left, expr.right]);
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }
}

/// Returns the type in which a value is joined; `None` if it is none that a text can be made of.
fn joined_type(data_type: &DataType) -> Option<DataType> {
    match text_type(data_type) {
        Some(text) => Some(text),
        None if data_type.is_nested() || !can_cast_types(data_type, &DataType::Utf8) => None,
        None => Some(DataType::Utf8),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined {
    signature: Signature,
}

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args
            .iter()
            .map(|arg| arg.schema_name().to_string())
            .collect();
        Ok(names.join(" || "))
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        let names: Vec<String> = args.iter().map(ToString::to_string).collect();
        Ok(names.join(" || "))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let mut joined = Vec::with_capacity(types.len());
        for data_type in types {
            match joined_type(data_type) {
                Some(text) => joined.push(text),
                None => return plan_err!("|| joins texts, not {data_type}"),
            }
        }
        Ok(joined)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let texts = args
            .args
            .iter()
            .map(|arg| Texts::of(arg, Taken::AsText))
            .collect::<Result<Vec<_>>>()?;
        let mut joined = StringBuilder::new();
        let mut bytes = 0_u64;
        for row in 0..rows {
            let Some([left, right]) = all(&texts, row) else {
                joined.append_null();
                continue;
            };
            let length = left.len().saturating_add(right.len());
            bytes = bytes.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            if bytes > MOST_BYTES {
                return Err(Error::TooLarge {
                    function: NAME.to_owned(),
                    bytes,
                    limit: MOST_BYTES,
                }
                .into());
            }
            joined.append_value(left + right);
        }
        let joined = joined.finish();
        if is_constant {
            return ScalarValue::try_from_array(&joined, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(Arc::new(joined)))
    }
}

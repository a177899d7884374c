//! The JSON functions, each of which reads one path.

use datafusion::arrow::array::Array as _;
use datafusion::common::ScalarValue;
use kymo_store::segment::{JsonPath, Step};

use super::registry::{Reading, Reads};

/// Functions that give the same for the value at a path as for the object with the path.
const GETTERS: [&str; 10] = [
    "json_as_text",
    "json_get",
    "json_get_array",
    "json_get_bool",
    "json_get_float",
    "json_get_int",
    "json_get_json",
    "json_get_str",
    "json_length",
    "json_object_keys",
];

/// Tells whether there is something at a path; never null.
const CONTAINS: &str = "json_contains";

pub(super) fn functions() -> impl Iterator<Item = (&'static str, Reading)> {
    let getters = GETTERS.into_iter().map(|name| (name, value as Reading));
    getters.chain([(CONTAINS, presence as Reading)])
}

fn value(arguments: &[ScalarValue]) -> Option<Reads> {
    path(arguments).map(Reads::Value)
}

fn presence(arguments: &[ScalarValue]) -> Option<Reads> {
    path(arguments).map(Reads::Presence)
}

/// Reads arguments as the functions do: texts and integers, or one list of them; none lead nowhere.
fn path(arguments: &[ScalarValue]) -> Option<JsonPath> {
    let mut steps = Vec::with_capacity(arguments.len());
    for argument in arguments {
        match argument {
            ScalarValue::List(list) if list.len() == 1 => {
                let items = list.value(0);
                for index in 0..items.len() {
                    let item = ScalarValue::try_from_array(&items, index).ok()?;
                    steps.push(step(&item)?);
                }
            }
            argument => steps.push(step(argument)?),
        }
    }
    (!steps.is_empty()).then(|| steps.into_iter().collect())
}

fn step(argument: &ScalarValue) -> Option<Step> {
    if let Some(name) = argument.try_as_str() {
        return name.map(|name| Step::Name(name.to_owned()));
    }
    match argument {
        ScalarValue::Int64(index) => index.map(Step::Index),
        ScalarValue::UInt64(index) => Some(Step::Index(i64::try_from((*index)?).ok()?)),
        ScalarValue::Dictionary(_, value) => step(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::DataType;
    use datafusion::execution::SessionStateBuilder;

    use super::*;

    fn text(text: &str) -> ScalarValue {
        ScalarValue::from(text)
    }

    #[test]
    fn constant_arguments_are_a_path() {
        let name = |name: &str| Step::Name(name.to_owned());
        let list = ScalarValue::List(ScalarValue::new_list_nullable(
            &[text("a"), text("0")],
            &DataType::Utf8,
        ));
        for (arguments, steps) in [
            (vec![text("a"), text("b")], vec![name("a"), name("b")]),
            (
                vec![text("a"), ScalarValue::from(-1i64)],
                vec![name("a"), Step::Index(-1)],
            ),
            (vec![list], vec![name("a"), name("0")]),
        ] {
            assert_eq!(path(&arguments), Some(steps.into_iter().collect()));
        }
        for arguments in [
            vec![],
            vec![ScalarValue::Utf8(None)],
            vec![text("a"), ScalarValue::from(1.5)],
            vec![ScalarValue::from(u64::MAX)],
        ] {
            assert_eq!(path(&arguments), None, "{arguments:?}");
        }
    }

    #[test]
    fn every_function_is_one_of_the_session() {
        let mut state = SessionStateBuilder::new().build();
        datafusion_functions_json::register_all(&mut state).unwrap();
        for name in GETTERS.iter().chain([&CONTAINS]) {
            let function = state.scalar_functions().get(*name);
            assert_eq!(function.map(|function| function.name()), Some(*name));
        }
    }
}

//! Objects that are worked out from what was known before and what was asked.
//!
//! What only the server knows is left out of them: resourceVersion, generation and managedFields.

use std::borrow::Cow;

use kymo_model::has_exact_numbers;
use serde_json::{Map, Value};

use super::members::{members, object};

/// Why an object cannot be worked out, for the report.
type Why = &'static str;

const NOT_KNOWN: Why = "what the object was before the change is not known";
const NOT_PLAIN: Why = "the object is nested too deeply, or has numbers that cannot be kept";
const NO_FIT: Why = "the patch does not fit the object that was known";
const AMBIGUOUS: Why = "the patch may be a merge or a strategic merge, which differ here";
const APPLY: Why = "a server-side apply does not tell what it takes away";

/// Members of `metadata` that the server sets.
const SERVER_SIDE: [&str; 3] = ["resourceVersion", "generation", "managedFields"];

fn parse(text: &str) -> Result<Value, Why> {
    if !has_exact_numbers(text.as_bytes()) {
        return Err(NOT_PLAIN);
    }
    serde_json::from_str(text).map_err(|_| NOT_PLAIN)
}

fn written(mut object: Value) -> String {
    if let Some(metadata) = metadata(&mut object) {
        for name in SERVER_SIDE {
            metadata.remove(name);
        }
        if metadata
            .get("creationTimestamp")
            .is_some_and(Value::is_null)
        {
            metadata.remove("creationTimestamp");
        }
    }
    object.to_string()
}

fn metadata(object: &mut Value) -> Option<&mut Map<String, Value>> {
    object.get_mut("metadata")?.as_object_mut()
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The object after a patch. Which kind of patch it is the log does not tell: a list is a JSON
/// patch; directives are of a strategic merge, which custom resources do not have.
pub(super) fn patched(
    last: Option<&str>,
    patch: &str,
    is_apply: bool,
    subresource: &str,
) -> Result<String, Why> {
    let Some(last) = last else {
        return if is_apply {
            requested(None, patch, subresource)
        } else {
            Err(NOT_KNOWN)
        };
    };
    if is_apply {
        return Err(APPLY);
    }
    let (last, patch) = (parse(last)?, parse(patch)?);
    let mut object = last.clone();
    let schema = kymo_patch::schema(text(&last, "apiVersion"), text(&last, "kind"));
    if patch.is_array() {
        kymo_patch::json_patch(&mut object, &patch).map_err(|_| NO_FIT)?;
    } else if schema.is_none() || !has_list(&patch) {
        kymo_patch::merge_patch(&mut object, &patch);
    } else {
        let strategic = kymo_patch::strategic_merge(&mut object, &patch, schema);
        if !has_directive(&patch) {
            let mut merged = last.clone();
            kymo_patch::merge_patch(&mut merged, &patch);
            if strategic.is_err() || merged != object {
                return Err(AMBIGUOUS);
            }
        }
        strategic.map_err(|_| NO_FIT)?;
    }
    if subresource == "status" {
        object = of_status(last, object);
    }
    Ok(written(object))
}

/// A change through `status` keeps everything but status and metadata.
fn of_status(mut last: Value, mut object: Value) -> Value {
    let (Some(to), Some(from)) = (last.as_object_mut(), object.as_object_mut()) else {
        return object;
    };
    for name in ["metadata", "status"] {
        match from.remove(name) {
            Some(value) => to.insert(name.to_owned(), value),
            None => to.remove(name),
        };
    }
    last
}

/// The object that a create or an update asked for, before the server filled in the rest.
pub(super) fn requested(
    last: Option<&str>,
    request: &str,
    subresource: &str,
) -> Result<String, Why> {
    let mut object = parse(request)?;
    let last = last.and_then(|last| parse(last).ok());
    let Some(mut last) = last else {
        return if subresource == "status" {
            Err(NOT_KNOWN)
        } else {
            Ok(written(object))
        };
    };
    if subresource == "status" {
        return Ok(written(of_status(last, object)));
    }
    // An update of the object leaves the status of a built-in kind as it is.
    let is_built_in = kymo_patch::schema(text(&last, "apiVersion"), text(&last, "kind")).is_some();
    if let (Some(to), Some(from)) = (object.as_object_mut(), last.as_object_mut())
        && (is_built_in || !to.contains_key("status"))
    {
        match from.remove("status") {
            Some(status) => to.insert("status".to_owned(), status),
            None => to.remove("status"),
        };
    }
    Ok(written(object))
}

/// The object with other metadata.
pub(super) fn with_metadata(last: Option<&str>, partial: &str) -> Result<String, Why> {
    let mut object = parse(last.ok_or(NOT_KNOWN)?)?;
    let mut partial = parse(partial)?;
    let (Some(to), Some(metadata)) = (object.as_object_mut(), partial.get_mut("metadata")) else {
        return Err(NOT_PLAIN);
    };
    to.insert("metadata".to_owned(), metadata.take());
    Ok(object.to_string())
}

/// The pod that a binding gave a node. The binding's annotations and labels go to the pod.
pub(super) fn bound(last: Option<&str>, binding: &str) -> Result<String, Why> {
    let last = last.ok_or(NOT_KNOWN)?;
    let binding = parse(binding)?;
    let node = binding.pointer("/target/name");
    let node = node.filter(|name| name.is_string()).ok_or(NO_FIT)?;
    with_spec(last, "nodeName", node, binding.get("metadata"))
}

/// The object with another number of replicas.
pub(super) fn scaled(last: Option<&str>, replicas: i64) -> Result<String, Why> {
    with_spec(last.ok_or(NOT_KNOWN)?, "replicas", &replicas.into(), None)
}

/// The object with one other member of its spec, and more annotations and labels. Bindings are
/// many, so the text of everything else is taken over as it is.
fn with_spec(last: &str, name: &str, value: &Value, given: Option<&Value>) -> Result<String, Why> {
    let mut own = members(last).map_err(|_| NOT_PLAIN)?;
    let spec = own.iter().rfind(|(name, _)| name == "spec").ok_or(NO_FIT)?;
    let mut spec = members(spec.1).map_err(|_| NO_FIT)?;
    let value = value.to_string();
    put(&mut spec, name, &value);
    let spec = object(spec.iter().map(|(name, value)| (name.as_ref(), *value)));
    put(&mut own, "spec", &spec);
    let metadata = own.iter().rfind(|(name, _)| name == "metadata");
    let metadata = metadata
        .map(|(_, text)| with_given(text, given))
        .transpose()?;
    if let Some(metadata) = &metadata {
        put(&mut own, "metadata", metadata);
    }
    Ok(object(
        own.iter().map(|(name, value)| (name.as_ref(), *value)),
    ))
}

/// Gives a member another value, or adds it.
fn put<'a>(members: &mut Vec<(Cow<'a, str>, &'a str)>, name: &'a str, value: &'a str) {
    match members.iter_mut().rfind(|(own, _)| own == name) {
        Some(member) => member.1 = value,
        None => members.push((Cow::Borrowed(name), value)),
    }
}

/// The metadata with more annotations and labels, without what the server sets.
fn with_given(metadata: &str, given: Option<&Value>) -> Result<String, Why> {
    let Ok(mut own) = members(metadata) else {
        return Ok(metadata.to_owned());
    };
    own.retain(|(name, value)| {
        let is_unset = name == "creationTimestamp" && *value == "null";
        !is_unset && !SERVER_SIDE.contains(&name.as_ref())
    });
    let mut merged = Vec::new();
    for name in ["annotations", "labels"] {
        let Some(Value::Object(given)) = given.and_then(|given| given.get(name)) else {
            continue;
        };
        let known = own.iter().rfind(|(own, _)| own == name);
        let mut all = match known.map(|(_, text)| parse(text)).transpose()? {
            Some(Value::Object(all)) => all,
            _ => Map::new(),
        };
        all.extend(given.clone());
        merged.push((name, Value::Object(all).to_string()));
    }
    for (name, value) in &merged {
        put(&mut own, name, value);
    }
    Ok(object(
        own.iter().map(|(name, value)| (name.as_ref(), *value)),
    ))
}

/// Whether there is a list in a patch: only lists are merged in different ways.
fn has_list(patch: &Value) -> bool {
    match patch {
        Value::Array(_) => true,
        Value::Object(members) => {
            members.keys().any(|name| name.starts_with('$')) || members.values().any(has_list)
        }
        _ => false,
    }
}

/// Whether a patch has a directive of a strategic merge. The parser has bounded the depth.
fn has_directive(patch: &Value) -> bool {
    match patch {
        Value::Array(values) => values.iter().any(has_directive),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.starts_with('$') || has_directive(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const POD: &str = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","resourceVersion":"7","generation":1,"managedFields":[]},
        "spec":{"containers":[{"name":"a","image":"x"},{"name":"b","image":"y"}]},"status":{"phase":"Pending"}}"#;

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[rstest]
    #[case(
        r#"[{"op":"replace","path":"/spec/containers/0/image","value":"z"}]"#,
        "/spec/containers/0/image",
        "z"
    )]
    #[case(r#"{"metadata":{"name":"q"}}"#, "/metadata/name", "q")]
    #[case(r#"{"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],"containers":[{"name":"b","image":"z"}]}}"#, "/spec/containers/1/image", "z")]
    #[case(
        r#"{"spec":{"containers":[{"name":"a","image":"z"},{"name":"b","image":"y"}]}}"#,
        "/spec/containers/0/image",
        "z"
    )]
    fn patches_are_known_by_their_form(
        #[case] patch: &str,
        #[case] place: &str,
        #[case] expected: &str,
    ) {
        let patched = patched(Some(POD), patch, false, "");
        // The second directive stands where strategic merge does not know the list.
        let Ok(patched) = patched else {
            assert!(patch.contains("$setElementOrder"), "{patch}");
            return;
        };
        let patched = value(&patched);
        assert_eq!(patched.pointer(place).unwrap(), expected);
        assert_eq!(patched["metadata"].get("resourceVersion"), None);
        assert_eq!(patched["metadata"].get("generation"), None);
    }

    #[rstest]
    #[case(
        r#"{"spec":{"containers":[{"name":"a","image":"z"}]}}"#,
        false,
        AMBIGUOUS
    )]
    #[case(r#"[{"op":"test","path":"/spec/x","value":1}]"#, false, NO_FIT)]
    #[case(r#"{"kind":"Pod","apiVersion":"v1","metadata":{}}"#, true, APPLY)]
    #[case(r#"{"spec":{"x":1.0e2}}"#, false, NOT_PLAIN)]
    fn what_cannot_be_known_is_not_guessed(
        #[case] patch: &str,
        #[case] is_apply: bool,
        #[case] why: Why,
    ) {
        assert_eq!(patched(Some(POD), patch, is_apply, ""), Err(why));
    }

    #[test]
    fn lists_of_a_custom_resource_are_replaced() {
        let last = r#"{"kind":"Widget","apiVersion":"example.org/v1","metadata":{},"spec":{"teeth":[1,2]}}"#;
        let patched = patched(Some(last), r#"{"spec":{"teeth":[3]}}"#, false, "").unwrap();
        assert_eq!(value(&patched)["spec"]["teeth"], value("[3]"));
    }

    #[test]
    fn a_change_through_status_leaves_the_rest() {
        let patch = r#"{"spec":{"hostname":"x"},"status":{"phase":"Running"}}"#;
        let patched = value(&patched(Some(POD), patch, false, "status").unwrap());
        assert_eq!(patched["status"]["phase"], "Running");
        assert_eq!(patched["spec"].get("hostname"), None);
        let update = value(&requested(Some(POD), patch, "").unwrap());
        assert_eq!(update["status"]["phase"], "Pending");
        assert_eq!(requested(None, patch, "status"), Err(NOT_KNOWN));
    }

    #[test]
    fn binding_scale_and_metadata_change_what_they_say() {
        let binding =
            r#"{"metadata":{"annotations":{"a":"1"}},"target":{"kind":"Node","name":"n"}}"#;
        let pod = value(&bound(Some(POD), binding).unwrap());
        assert_eq!(pod["spec"]["nodeName"], "n");
        assert_eq!(pod["metadata"]["annotations"]["a"], "1");
        assert_eq!(pod["metadata"].get("resourceVersion"), None);
        assert_eq!(value(&scaled(Some(POD), 3).unwrap())["spec"]["replicas"], 3);
        let partial =
            r#"{"kind":"PartialObjectMetadata","metadata":{"name":"p","labels":{"l":"1"}}}"#;
        let pod = value(&with_metadata(Some(POD), partial).unwrap());
        assert_eq!(pod["kind"], "Pod");
        assert_eq!(pod["metadata"]["labels"]["l"], "1");
        let numbers =
            r#"{"spec":{"replicas":1,"x":1.0e2},"metadata":{"annotations":{"a":"0","b":"2"}}}"#;
        assert_eq!(
            scaled(Some(numbers), 3).unwrap(),
            numbers.replace(":1,", ":3,")
        );
        assert_eq!(
            bound(Some(numbers), binding).unwrap(),
            r#"{"spec":{"replicas":1,"x":1.0e2,"nodeName":"n"},"metadata":{"annotations":{"a":"1","b":"2"}}}"#
        );
        assert_eq!(bound(Some(numbers), "{}"), Err(NO_FIT));
        assert_eq!(bound(None, binding), Err(NOT_KNOWN));
        assert_eq!(scaled(Some(r#"{"kind":"X"}"#), 1), Err(NO_FIT));
    }
}

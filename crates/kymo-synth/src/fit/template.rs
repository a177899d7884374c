//! What a rollout changes of a template.

use serde_json::{Map, Value, json};

use super::thing::difference;
use crate::story::patched;

/// Lists of which the elements are known by their names.
const NAMED: [&str; 4] = ["containers", "initContainers", "env", "volumes"];

/// Returns what has to be merged into a template of pods so that it becomes another one: what is
/// different of each container, or all of it where that does not do.
pub(super) fn change(from: &Value, to: &Value) -> Value {
    let short = difference_by_name(from, to);
    let becomes = |patch: &Value| patched(from, patch) == *to;
    if becomes(&short) {
        return short;
    }
    let mut whole = to.as_object().cloned().unwrap_or_default();
    whole.insert("$patch".to_owned(), json!("replace"));
    Value::Object(whole)
}

fn difference_by_name(from: &Value, to: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (from, to) else {
        return difference(from, to);
    };
    let mut patch = Map::new();
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in new {
        let changed = match old.get(name) {
            Some(known) if known == value => continue,
            Some(Value::Array(known)) if NAMED.contains(&name.as_str()) => {
                let list = value.as_array().map_or(&[] as &[Value], Vec::as_slice);
                if order(known) != order(list) {
                    patch.insert(format!("$setElementOrder/{name}"), order(list));
                }
                elements(known, list)
            }
            Some(known) => difference_by_name(known, value),
            None => value.clone(),
        };
        patch.insert(name.clone(), changed);
    }
    Value::Object(patch)
}

/// The names of the elements of a list.
fn order(list: &[Value]) -> Value {
    let names = list.iter().map(|each| json!({"name": each.get("name")}));
    Value::Array(names.collect())
}

/// What is different of the elements of a list.
fn elements(from: &[Value], to: &[Value]) -> Value {
    let named = |list: &[Value], name: &Value| {
        let found = list.iter().find(|each| each.get("name") == Some(name));
        found.cloned()
    };
    let mut changed = Vec::new();
    for each in to {
        let name = each.get("name").cloned().unwrap_or_default();
        match named(from, &name) {
            Some(known) if known == *each => {}
            Some(known) => {
                let mut patch = difference_by_name(&known, each);
                if let Some(patch) = patch.as_object_mut() {
                    patch.shift_insert(0, "name".to_owned(), name);
                }
                changed.push(patch);
            }
            None => changed.push(each.clone()),
        }
    }
    for each in from {
        let name = each.get("name").cloned().unwrap_or_default();
        if named(to, &name).is_none() {
            changed.push(json!({"name": name, "$patch": "delete"}));
        }
    }
    Value::Array(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(containers: &Value) -> Value {
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}})
    }

    #[test]
    fn of_a_new_image_nothing_is_told_but_the_image() {
        let of = |image: &str, level: &str| {
            template(&json!([
                {"name": "log", "image": "log:1"},
                {"name": "web", "image": image, "args": ["-v"], "env": [
                    {"name": "HOME", "value": "/"},
                    {"name": "LEVEL", "value": level},
                ]},
            ]))
        };
        assert_eq!(
            change(&of("web:1", "info"), &of("web:2", "debug")),
            json!({"spec": {"containers": [{
                "name": "web",
                "image": "web:2",
                "env": [{"name": "LEVEL", "value": "debug"}],
            }]}})
        );
    }

    #[test]
    fn every_change_gives_the_other_template() {
        let log = json!({"name": "log", "image": "log:1"});
        let web = json!({"name": "web", "image": "web:1", "args": ["-v"]});
        let bare = json!({"name": "web", "image": "web:1"});
        let lists = [
            json!([log, web]),
            json!([web, log]),
            json!([web]),
            json!([log]),
            json!([bare]),
            json!([bare, bare]),
        ];
        for from in &lists {
            for to in &lists {
                let (from, to) = (template(from), template(to));
                assert_eq!(patched(&from, &change(&from, &to)), to, "{from} to {to}");
            }
        }
    }
}

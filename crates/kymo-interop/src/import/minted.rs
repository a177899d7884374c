//! Uids for objects of sources that have none.

use kymo_model::ObjectKey;
use uuid::Uuid;

/// The name space of made uids: UUIDs of version 5, RFC 9562.
const NAMESPACE: Uuid = Uuid::from_u128(0x5f2d_83b1_9c04_4be7_8f5e_6b79_6d6f_0001);

/// Makes the uid of the object of that name; `incarnation` counts the objects of the name, from 0.
/// The same input gives the same uid.
pub(crate) fn uid(resource: &str, key: &ObjectKey, incarnation: u32) -> String {
    let name = format!("{resource}/{}/{}/{incarnation}", key.namespace, key.name);
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

/// Returns the text with `metadata.uid`; unchanged where there is no `metadata` to put it into.
pub(super) fn with_uid(text: &str, uid: &str) -> Box<str> {
    let Ok(mut object) = serde_json::from_str::<serde_json::Value>(text) else {
        return text.into();
    };
    match object.get_mut("metadata") {
        Some(serde_json::Value::Object(metadata)) => {
            metadata.insert("uid".to_owned(), uid.into());
            object.to_string().into()
        }
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_uid_depends_on_the_name_and_the_incarnation_alone() {
        let key = ObjectKey {
            namespace: "shop".into(),
            name: "web".into(),
            uid: String::new(),
        };
        let first = uid("pods", &key, 0);
        assert_eq!(first, uid("pods", &key, 0));
        assert_ne!(first, uid("pods", &key, 1));
        assert_ne!(first, uid("deployments.apps", &key, 0));
        let body = r#"{"kind":"Pod","metadata":{"name":"web"}}"#;
        let expected = format!(r#"{{"kind":"Pod","metadata":{{"name":"web","uid":"{first}"}}}}"#);
        assert_eq!(&*with_uid(body, &first), expected);
        assert_eq!(&*with_uid("[]", &first), "[]");
    }
}

use kymo_model::ObjectHead;

/// Puts `kind` and `apiVersion` in front of an item of a list that lacks them, in its text and in
/// its head.
pub(crate) fn typed(text: &str, head: &mut ObjectHead, api_version: &str, kind: &str) -> String {
    let mut typed = String::with_capacity(text.len() + 64);
    typed.push('{');
    let members = [
        ("kind", kind, &mut head.kind),
        ("apiVersion", api_version, &mut head.api_version),
    ];
    for (name, value, known) in members {
        if known.is_empty() {
            value.clone_into(known);
            let value = serde_json::Value::from(value).to_string();
            for part in ["\"", name, "\":", &value, ","] {
                typed.push_str(part);
            }
        }
    }
    // The object has `metadata`, so a member follows the comma.
    typed.push_str(text.trim_start().strip_prefix('{').unwrap_or_default());
    typed
}

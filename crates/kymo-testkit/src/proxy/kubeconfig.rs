/// Writes a kubeconfig with one context, `test`, that leads to a URL; `token` is sent as a bearer token.
pub fn kubeconfig(url: &str, token: Option<&str>) -> String {
    let user = token.map_or_else(
        || "{}".to_owned(),
        |token| format!("{{token: \"{token}\"}}"),
    );
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters:\n- name: test\n  cluster: {{server: \"{url}\"}}\n\
         users:\n- name: test\n  user: {user}\n\
         contexts:\n- name: test\n  context: {{cluster: test, user: test}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_stands_in_the_kubeconfig_only_when_there_is_one() {
        assert!(kubeconfig("http://127.0.0.1:1", None).contains("user: {}"));
        let with = kubeconfig("http://127.0.0.1:1", Some("t"));
        assert!(with.contains("user: {token: \"t\"}"));
        assert!(with.contains("server: \"http://127.0.0.1:1\""));
    }
}

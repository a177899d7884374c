use std::collections::HashSet;
use std::sync::LazyLock;

/// Words that the Kubernetes API and its components use themselves: names of fields, and words that
/// stand in the messages of at least two unrelated clusters.
static WORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words.txt").lines().collect());
/// Names that every cluster has.
static NAMES: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("names.txt").lines().collect());

/// Keys of labels and annotations, groups, plurals and drivers that public projects document.
static KEYS: LazyLock<HashSet<&str>> = LazyLock::new(|| include_str!("keys.txt").lines().collect());

const DOMAINS: [&str; 2] = ["kubernetes.io", "k8s.io"];

/// Tells whether a token, in lower case, says nothing of who it came from.
pub(crate) fn is_public(token: &str) -> bool {
    if WORDS.contains(token) || is_known(token) || token.starts_with("system:") && is_role(token) {
        return true;
    }
    let (host, path) = token.split_once('/').unwrap_or((token, ""));
    let is_public_host = DOMAINS.iter().any(|domain| {
        host.strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    });
    // The name of an APIService: a version and a group.
    let is_version = |word: &str| {
        word.strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let (version, group) = token.split_once('.').unwrap_or_default();
    if is_version(version) && WORDS.contains(group) {
        return true;
    }
    // What a controller of every cluster owns, such as the token of its service account.
    if let Some((name, what)) = token.rsplit_once('-')
        && WORDS.contains(what)
        && NAMES.contains(name)
    {
        return true;
    }
    is_public_host
        && path
            .split(['-', '.', '_'])
            .all(|word| is_word(word) || word.len() < 4)
}

/// Tells whether a token is a name that every cluster has or a documented key.
pub(crate) fn is_known(token: &str) -> bool {
    NAMES.contains(token) || KEYS.contains(token)
}

/// Tells whether a token is one public word or empty.
pub(crate) fn is_word(token: &str) -> bool {
    token.is_empty() || WORDS.contains(token)
}

/// Tells whether a text is made of public words alone: an option, a variable, a path.
pub(crate) fn is_phrase(token: &str) -> bool {
    token
        .split(|c: char| !c.is_ascii_alphanumeric())
        .all(|word| is_word(word) || word.len() < 3)
}

/// Of what begins with `system:`, people's words stand behind the prefixes of accounts and nodes alone.
fn is_role(token: &str) -> bool {
    let of_accounts = token
        .strip_prefix("system:serviceaccount:")
        .or_else(|| token.strip_prefix("system:serviceaccounts:"));
    match of_accounts {
        Some(account) => account
            .split(':')
            .all(|part| WORDS.contains(part) || NAMES.contains(part)),
        None => !token.starts_with("system:node:"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("namespace", true)]
    #[case("kube-system", true)]
    #[case("topology.kubernetes.io/zone", true)]
    #[case("system:masters", true)]
    #[case("v1beta1.policy", true)]
    #[case("v1.zebra", false)]
    #[case("job-controller-token", true)]
    #[case("zebra-token", false)]
    #[case("system:node:worker-7", false)]
    #[case("system:serviceaccount:kube-system:replicaset-controller", true)]
    #[case("system:serviceaccount:zebra:default", false)]
    #[case("acme.kubernetes.io/checkout", false)]
    #[case("notkubernetes.io/name", false)]
    #[case("checkout", false)]
    #[case("node-container", false)]
    fn only_what_every_cluster_has_is_public(#[case] token: &str, #[case] expected: bool) {
        assert_eq!(is_public(token), expected, "{token}");
    }

    #[test]
    fn the_lists_are_in_order_and_name_nothing_twice() {
        for list in [
            include_str!("words.txt"),
            include_str!("names.txt"),
            include_str!("keys.txt"),
        ] {
            let lines: Vec<&str> = list.lines().collect();
            let mut sorted = lines.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(lines, sorted);
        }
    }
}

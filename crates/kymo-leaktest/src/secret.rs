use std::sync::LazyLock;

use regex::Regex;
use regex::RegexSet;

/// Forms of credentials, as those who issue them describe them. The last group of a match, if it has
/// one, is the secret.
const RULES: [&str; 14] = [
    // AWS access key ids.
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    // PEM private keys (RFC 7468).
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----([A-Za-z0-9+/=\s\\]{16,96})",
    // JSON Web Tokens (RFC 7519): two parts that begin as JSON objects do in base64url.
    r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*",
    // GitHub tokens, old and fine-grained.
    r"\bgh[pousr]_[A-Za-z0-9]{36,}\b",
    r"\bgithub_pat_[A-Za-z0-9_]{40,}\b",
    // GitLab personal access tokens.
    r"\bglpat-[A-Za-z0-9_-]{20,}",
    // Slack tokens.
    r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    // Google API keys.
    r"\bAIza[A-Za-z0-9_-]{35}",
    // Stripe secret keys.
    r"\b[rs]k_live_[A-Za-z0-9]{16,}",
    // npm tokens.
    r"\bnpm_[A-Za-z0-9]{36}\b",
    // Bootstrap tokens of Kubernetes.
    r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b",
    // The password of a URL (RFC 3986, userinfo).
    r"://[^/\s:@]+:([^@\s/]{3,})@",
    // HTTP bearer credentials (RFC 6750).
    r"(?i)\bbearer\s+([A-Za-z0-9._~+/-]{16,}=*)",
    // Assignments to what is called a secret.
    r#"(?i)(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|credential)s?["']?\s*[:=]\s*["']?([^\s"',;&]{6,})"#,
];

struct Rules {
    any: RegexSet,
    each: Vec<Regex>,
}

#[expect(clippy::expect_used, reason = "the patterns are constant and tested")]
static COMPILED: LazyLock<Rules> = LazyLock::new(|| Rules {
    any: RegexSet::new(RULES).expect("patterns that compile"),
    each: RULES
        .iter()
        .map(|rule| Regex::new(rule).expect("a pattern that compiles"))
        .collect(),
});

/// Finds credentials in a text.
pub(crate) fn find(text: &str, mut found: impl FnMut(&str)) {
    for rule in &COMPILED.any.matches(text) {
        let Some(rule) = COMPILED.each.get(rule) else {
            continue;
        };
        for hit in rule.captures_iter(text) {
            let groups = hit.iter().flatten();
            // A variable only says where the secret will stand.
            if let Some(secret) = groups.last()
                && !secret.as_str().starts_with('$')
            {
                found(secret.as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("id=AKIAABCDEFGHIJKLMNOP;", "AKIAABCDEFGHIJKLMNOP")]
    #[case("postgres://app:s3cr3t@db/x", "s3cr3t")]
    #[case("DB_PASSWORD=hunter22", "hunter22")]
    #[case("Authorization: Bearer abcdefghijklmnop.qrst", "abcdefghijklmnop.qrst")]
    #[case("token abcdef.0123456789abcdef", "abcdef.0123456789abcdef")]
    fn a_credential_is_found_where_it_stands(#[case] text: &str, #[case] secret: &str) {
        let mut found = Vec::new();
        find(text, |hit| found.push(hit.to_owned()));
        assert_eq!(found, [secret], "{text}");
    }

    #[test]
    fn ordinary_messages_hold_none() {
        for text in [
            "Successfully assigned default/web to node-1",
            "Created container: main",
            "secret \"tls\" not found",
            "--token=$(SERVICE_TOKEN)",
        ] {
            find(text, |hit| panic!("{text}: {hit}"));
        }
    }
}

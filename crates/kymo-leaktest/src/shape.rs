use std::net::IpAddr;
use std::sync::LazyLock;

use regex::Regex;

use crate::token::Class;

/// What can be told by its form alone, wherever it stands.
struct Shape {
    class: Class,
    form: Regex,
    is_meant: fn(&str) -> bool,
}

fn any(_: &str) -> bool {
    true
}

#[expect(clippy::expect_used, reason = "the patterns are constant and tested")]
fn shape(class: Class, form: &str, is_meant: fn(&str) -> bool) -> Shape {
    Shape {
        class,
        form: Regex::new(form).expect("a pattern that compiles"),
        is_meant,
    }
}

static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    vec![
        shape(
            Class::Id,
            r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
            is_set,
        ),
        shape(Class::Id, r"(?i)\b[0-9a-f]{32,128}\b", any),
        shape(
            Class::Ip,
            r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b",
            is_somewhere,
        ),
        shape(
            Class::Ip,
            r"(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}",
            is_somewhere,
        ),
        shape(
            Class::Host,
            r"(?i)\b[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*\.(?:com|org|net|io|dev|internal|local|cloud|corp|lan|ai|app|gov|edu|de|fr|uk|eu|ch|jp|cn|in|us|co)\b",
            any,
        ),
        shape(
            Class::Email,
            r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}",
            any,
        ),
    ]
});

/// Tells whether an id is one: all zeros stand for none.
fn is_set(text: &str) -> bool {
    text.bytes().any(|byte| byte != b'0' && byte != b'-')
}

/// Tells whether an address is of one network and not of every machine.
fn is_somewhere(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let is_everywhere = ip.is_loopback() || ip.is_unspecified() || ip.is_link_local();
            let is_mask = ip.octets().starts_with(&[255]);
            !(is_everywhere || ip.is_multicast() || is_mask)
        }
        Ok(IpAddr::V6(ip)) => {
            let is_everywhere = ip.is_loopback() || ip.is_unspecified();
            !(is_everywhere || ip.is_multicast() || ip.is_unicast_link_local())
        }
        Err(_) => false,
    }
}

/// Finds e-mail addresses, uids, addresses and host names in a text.
pub(crate) fn find(text: &str, mut found: impl FnMut(Class, &str)) {
    for shape in SHAPES.iter() {
        for hit in shape.form.find_iter(text) {
            if (shape.is_meant)(hit.as_str()) {
                found(shape.class, hit.as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(text: &str) -> Vec<(Class, String)> {
        let mut shapes = Vec::new();
        find(text, |class, hit| shapes.push((class, hit.to_owned())));
        shapes
    }

    #[test]
    fn what_identifies_by_its_form_is_found_in_running_text() {
        let text = "dial tcp 10.9.8.7:443 from 2001:db8::17 by ann@acme.com, see vault.acme.internal, uid 6a0a4f0e-1111-4222-8333-444455556666";
        let expected = [
            (Class::Id, "6a0a4f0e-1111-4222-8333-444455556666"),
            (Class::Ip, "10.9.8.7"),
            (Class::Ip, "2001:db8::17"),
            (Class::Host, "acme.com"),
            (Class::Host, "vault.acme.internal"),
            (Class::Email, "ann@acme.com"),
        ];
        let expected: Vec<(Class, String)> = expected
            .into_iter()
            .map(|(class, hit)| (class, hit.to_owned()))
            .collect();
        assert_eq!(shapes(text), expected);
    }

    #[test]
    fn times_versions_and_addresses_of_every_machine_are_not() {
        let text = "at 12:30:45 127.0.0.1 0.0.0.0 ::1 fe80::1 169.254.169.254 v1.36.0 spec.containers{main}";
        assert_eq!(shapes(text), []);
    }
}

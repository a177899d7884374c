use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER;

use crate::token::{Class, Origin};
use crate::vocabulary::{is_public, is_word};

/// One way to write a token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spelling {
    /// What a report calls it.
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// Shorter tokens have no base64 of their own: too little of it does not depend on what stands
/// beside them.
const MIN_BASE64_BYTES: usize = 9;
/// Shorter tokens are not written in hexadecimal digits or without their separators.
const MIN_JOINED_BYTES: usize = 8;
const OTHER: &str = "other separators";
const WITHOUT: &str = "without separators";
const SEPARATED: [&str; 2] = [OTHER, WITHOUT];
const SEPARATORS: [char; 3] = ['.', '-', '_'];

/// Returns the ways in which a token may be written; upper and lower case are one.
pub(crate) fn spellings(token: &str, origin: &Origin) -> Vec<Spelling> {
    let mut all = vec![Spelling {
        name: "as it is",
        text: token.to_owned(),
    }];
    let mut push = |name: &'static str, text: String| {
        // Spelled otherwise it may be a word of the API: `nodeSelector`.
        let is_public = SEPARATED.contains(&name) && (is_word(&text) || is_public(&text));
        if text != token && !is_public && !all.iter().any(|known| known.text == text) {
            all.push(Spelling { name, text });
        }
    };
    if token.contains(SEPARATORS) {
        for separator in SEPARATORS {
            push(
                OTHER,
                token.replace(SEPARATORS, separator.encode_utf8(&mut [0; 4])),
            );
        }
        let joined = token.replace(SEPARATORS, "");
        // Dotted digits without their dots are any number.
        let is_number = joined.bytes().all(|byte| byte.is_ascii_digit());
        if joined.len() >= MIN_JOINED_BYTES && !is_number {
            push(WITHOUT, joined);
        }
    }
    if origin.class == Class::Ip {
        match token.parse() {
            Ok(IpAddr::V4(ip)) => {
                let [a, b, c, d] = ip.octets();
                push("reversed", format!("{d}.{c}.{b}.{a}"));
                push("mapped", ip.to_ipv6_mapped().to_string());
            }
            Ok(IpAddr::V6(ip)) => {
                push("canonical", ip.to_string());
                let groups = ip.segments().map(|group| format!("{group:04x}"));
                push("expanded", groups.join(":"));
            }
            Err(_) => {}
        }
    }
    if token.len() >= MIN_JOINED_BYTES {
        push("hexadecimal", HEXLOWER.encode(origin.cased.as_bytes()));
    }
    if token.len() >= MIN_BASE64_BYTES {
        let cased = (token != origin.cased).then_some(origin.cased.as_str());
        for text in [Some(token), cased].into_iter().flatten() {
            for offset in 0..3 {
                let mut bytes = vec![0; offset];
                bytes.extend_from_slice(text.as_bytes());
                for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                    let encoded = engine.encode(&bytes);
                    // Less the characters that depend on the bytes beside it.
                    let core = (offset * 8).div_ceil(6)..bytes.len() * 8 / 6;
                    push(
                        "base64",
                        encoded.get(core).unwrap_or_default().to_lowercase(),
                    );
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leak::Place;

    fn texts(class: Class, token: &str) -> Vec<(&'static str, String)> {
        let origin = Origin {
            class,
            cased: token.to_owned(),
            place: Place::default(),
        };
        let all = spellings(token, &origin).into_iter();
        all.map(|spelling| (spelling.name, spelling.text)).collect()
    }

    #[test]
    fn addresses_are_dashed_reversed_and_mapped() {
        let all = texts(Class::Ip, "10.1.2.3");
        for text in ["10-1-2-3", "10_1_2_3", "3.2.1.10", "::ffff:10.1.2.3"] {
            assert!(
                all.iter().any(|(_, known)| known == text),
                "{text}: {all:?}"
            );
        }
    }

    #[test]
    fn base64_is_found_at_every_alignment() {
        let all = texts(Class::Name, "checkout-api");
        for before in ["", "x", "xy", "xyz"] {
            let encoded = STANDARD_NO_PAD
                .encode(format!("{before}checkout-api~tail"))
                .to_lowercase();
            let is_found = all
                .iter()
                .any(|(name, text)| *name == "base64" && encoded.contains(text.as_str()));
            assert!(is_found, "{before}");
        }
    }

    #[test]
    fn uids_are_joined_and_underscored() {
        let all = texts(Class::Id, "6a0a4f0e-1111-4222-8333-444455556666");
        for text in [
            "6a0a4f0e111142228333444455556666",
            "6a0a4f0e_1111_4222_8333_444455556666",
        ] {
            assert!(all.iter().any(|(_, known)| known == text), "{text}");
        }
    }
}

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER_PERMISSIVE;
use flate2::read::GzDecoder;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// How deep texts inside texts are followed.
pub(crate) const MAX_DEPTH: usize = 5;
/// How much of a compressed text is looked at, in bytes.
const MAX_INFLATED_BYTES: u64 = 16 << 20;
/// Shorter texts are words, not base64.
const MIN_ENCODED_BYTES: usize = 12;
const BASE64: [GeneralPurpose; 4] = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD];

/// What a text holds in another form.
#[derive(Debug, PartialEq)]
pub(crate) enum Inside {
    Json(Value),
    Text(String),
}

/// Looks into a text: JSON, base64 (of gzip, too), hexadecimal digits, percent-encoding.
pub(crate) fn inside(text: &str) -> Vec<Inside> {
    let trimmed = text.trim();
    let mut found = Vec::new();
    if trimmed.starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str(trimmed)
    {
        found.push(Inside::Json(value));
        return found;
    }
    if trimmed.contains('%') {
        let decoded = percent_decode_str(trimmed).decode_utf8_lossy();
        if decoded != trimmed {
            found.push(Inside::Text(decoded.into_owned()));
        }
    }
    // What looks like base64 may stand between other words.
    for word in trimmed.split(|c: char| c.is_whitespace() || "\"',;:()".contains(c)) {
        if word.len() >= MIN_ENCODED_BYTES {
            found.extend(hex(word).into_iter().chain(base64(word)).map(Inside::Text));
        }
    }
    found
}

fn base64(word: &str) -> Option<String> {
    if word.contains('.') {
        return None;
    }
    let bytes = BASE64.iter().find_map(|engine| engine.decode(word).ok())?;
    Some(text_of(&bytes))
}

fn hex(word: &str) -> Option<String> {
    let bytes = HEXLOWER_PERMISSIVE.decode(word.as_bytes()).ok()?;
    Some(text_of(&bytes))
}

fn text_of(bytes: &[u8]) -> String {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut inflated = Vec::new();
        let read = GzDecoder::new(bytes)
            .take(MAX_INFLATED_BYTES)
            .read_to_end(&mut inflated);
        if read.is_ok() || !inflated.is_empty() {
            return String::from_utf8_lossy(&inflated).into_owned();
        }
    }
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_read() {
        assert_eq!(inside(r#" {"a":"b"}"#), [Inside::Json(json!({"a": "b"}))]);
    }

    #[test]
    fn base64_hexadecimal_and_percent_are_decoded() {
        let text = |text: &str| vec![Inside::Text(text.to_owned())];
        assert_eq!(inside("Y2hlY2tvdXQtYXBp"), text("checkout-api"));
        assert_eq!(inside("a%20checkout%2Fapi"), text("a checkout/api"));
        assert!(inside("636865636b6f7574").contains(&Inside::Text("checkout".to_owned())));
    }

    #[test]
    fn a_bomb_is_cut() {
        let mut gz = GzEncoder::new(Vec::new(), Compression::best());
        gz.write_all(&vec![b'a'; 17 << 20]).unwrap();
        let encoded = STANDARD.encode(gz.finish().unwrap());
        let lengths: Vec<u64> = inside(&encoded)
            .iter()
            .map(|found| match found {
                Inside::Text(text) => text.len() as u64,
                Inside::Json(_) => 0,
            })
            .collect();
        assert_eq!(lengths, [MAX_INFLATED_BYTES]);
    }
}

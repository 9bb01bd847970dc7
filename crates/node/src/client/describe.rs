//! Any reply as JSON.

use clockwise_wire::resp::Reply;
use serde_json::{Map, Value, json};

/// Bytes that are not UTF-8 become `{"hex": …}`, so that nothing is lost. In a map the names become strings.
pub fn to_json(reply: &Reply) -> Value {
    match reply {
        Reply::Simple(bytes) | Reply::Bulk(bytes) | Reply::Verbatim { text: bytes, .. } => text(bytes),
        Reply::Error(bytes) => json!({ "error": text(bytes) }),
        Reply::Integer(number) => json!(number),
        Reply::Boolean(yes) => json!(yes),
        Reply::Null => Value::Null,
        Reply::Double(digits) | Reply::BigNumber(digits) => {
            serde_json::from_slice(digits).unwrap_or_else(|_| text(digits))
        }
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => items.iter().map(to_json).collect(),
        Reply::Map(pairs) => {
            pairs.iter().map(|(name, value)| (label(name), to_json(value))).collect::<Map<_, _>>().into()
        }
        Reply::Attributed { reply, .. } => to_json(reply),
    }
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
    }
}

fn label(name: &Reply) -> String {
    match to_json(name) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

//! Finds the ends of replies in received bytes, with as little work as that takes.
//!
//! Owns nothing. Knows just the reply types that answer SET, GET and WAIT; every other type is
//! [`Found::Broken`], so that a server that answers something unexpected fails the run.

/// One reply at the start of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// More bytes are needed.
    Incomplete,
    /// A status; the reply's length in bytes.
    Status(usize),
    /// A number and the reply's length in bytes.
    Integer(i64, usize),
    /// A value; the reply's length in bytes.
    Value(usize),
    /// The key is absent; the reply's length in bytes.
    Missing(usize),
    /// An error; the reply's length in bytes.
    Error(usize),
    /// Not a reply that a measured command can have.
    Broken,
}

/// Looks at the first reply of `bytes`.
pub fn first_reply(bytes: &[u8]) -> Found {
    if bytes.starts_with(b"+OK\r\n") {
        return Found::Status(5);
    }
    let Some(newline) = bytes.iter().position(|&byte| byte == b'\n') else {
        return if bytes.len() > 4096 { Found::Broken } else { Found::Incomplete };
    };
    let end = newline + 1;
    if newline < 2 || bytes[newline - 1] != b'\r' {
        return Found::Broken;
    }
    let line = &bytes[1..newline - 1];
    match bytes[0] {
        b'+' => Found::Status(end),
        b'-' => Found::Error(end),
        b'_' => Found::Missing(end),
        b':' => number(line).map_or(Found::Broken, |value| Found::Integer(value, end)),
        b'$' => match number(line) {
            Some(-1) => Found::Missing(end),
            Some(length @ 0..=1_048_576) => {
                let whole = end + length as usize + 2;
                if bytes.len() < whole { Found::Incomplete } else { Found::Value(whole) }
            }
            _ => Found::Broken,
        },
        _ => Found::Broken,
    }
}

/// A decimal number with an optional minus sign.
fn number(digits: &[u8]) -> Option<i64> {
    let (negative, digits) = match digits {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::{Found, first_reply};

    #[test]
    fn replies_are_found_only_when_complete() {
        let cases: [(&[u8], Found); 8] = [
            (b"+OK\r\n", Found::Status(5)),
            (b"+PONG\r\n", Found::Status(7)),
            (b":12\r\n", Found::Integer(12, 5)),
            (b"$3\r\nabc\r\n", Found::Value(9)),
            (b"$0\r\n\r\n", Found::Value(6)),
            (b"$-1\r\n", Found::Missing(5)),
            (b"_\r\n", Found::Missing(3)),
            (b"-ERR no\r\n", Found::Error(9)),
        ];
        for (bytes, found) in cases {
            for cut in 0..bytes.len() {
                assert_eq!(first_reply(&bytes[..cut]), Found::Incomplete, "{bytes:?} cut at {cut}");
            }
            assert_eq!(first_reply(bytes), found);
            let followed = [bytes, b"+OK\r\n"].concat();
            assert_eq!(first_reply(&followed), found, "what follows is not looked at");
        }
    }

    #[test]
    fn what_is_no_reply_is_broken() {
        for bytes in [&b"hello\r\n"[..], b"*1\r\n", b"$x\r\n", b"$99999999999\r\n", b":\r\n", b"\n"] {
            assert_eq!(first_reply(bytes), Found::Broken, "{bytes:?}");
        }
    }
}

//! Integers as text, without `core::fmt`: the hottest part of writing replies.

use alloc::vec::Vec;

/// Two digits of every number below 100.
const PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut number = 0;
    while number < 100 {
        pairs[number * 2] = b'0' + (number / 10) as u8;
        pairs[number * 2 + 1] = b'0' + (number % 10) as u8;
        number += 1;
    }
    pairs
};

/// Appends `value` in decimal.
#[inline]
pub fn push_u64(out: &mut Vec<u8>, mut value: u64) {
    if value < 10 {
        out.push(b'0' + value as u8);
        return;
    }
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    while value >= 100 {
        let pair = (value % 100) as usize * 2;
        value /= 100;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if value >= 10 {
        let pair = value as usize * 2;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        digits[at] = b'0' + value as u8;
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `value` in decimal.
#[inline]
pub fn push_i64(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_u64(out, value.unsigned_abs());
}

/// Reads a whole text as an integer, by the strict rule of Redis: no sign `+`, no space, no leading zero.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let magnitude = parse_u64(digits)?;
    match negative {
        false => i64::try_from(magnitude).ok(),
        true if magnitude == 0 => None,
        true => 0i64.checked_sub_unsigned(magnitude),
    }
}

/// Reads a whole text as a natural number, by the same rule.
#[inline]
pub fn parse_u64(digits: &[u8]) -> Option<u64> {
    match digits {
        [] => None,
        [b'0'] => Some(0),
        [b'0', ..] => None,
        _ => digits.iter().try_fold(0u64, |value, &digit| {
            let digit = digit.wrapping_sub(b'0');
            if digit > 9 { None } else { value.checked_mul(10)?.checked_add(u64::from(digit)) }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn writes_what_fmt_writes() {
        let mut numbers = alloc::vec![0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, u64::MAX, i64::MAX as u64];
        let mut rng = fastrand::Rng::with_seed(1);
        numbers.extend((0..2000).map(|_| rng.u64(..) >> rng.u32(0..64)));
        for number in numbers {
            let mut out = Vec::new();
            push_u64(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
            assert_eq!(parse_u64(&out), Some(number));
            let mut out = Vec::new();
            push_i64(&mut out, number as i64);
            assert_eq!(out, (number as i64).to_string().as_bytes());
            assert_eq!(parse_i64(&out), Some(number as i64));
        }
    }

    #[test]
    fn refuses_what_redis_refuses() {
        let bad =
            ["", "-", "+1", "01", "-0", " 1", "1 ", "1.", "a", "9223372036854775808", "-9223372036854775809"];
        for text in bad {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
    }
}

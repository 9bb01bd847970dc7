//! Small changes to an input, of the kinds that find mistakes in parsers.

use fastrand::Rng;

const WORDS: [&[u8]; 22] = [
    b"\r\n",
    b"*3\r\n",
    b"$3\r\n",
    b"$-1\r\n",
    b"*1073741824\r\n",
    b"$1073741824\r\n",
    b"%2\r\n",
    b"|1\r\n",
    b"_\r\n",
    b"GET",
    b"CW.SET",
    b"CONTEXT",
    b"EX",
    b"\"",
    b"'",
    b"\\x4",
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"*",
];

/// Changes `input` in one way.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let at = rng.usize(..=input.len());
    match rng.u8(..9) {
        0 if at < input.len() => input[at] ^= 1 << rng.u8(..8),
        1 if at < input.len() => input[at] = rng.u8(..),
        2 => input.truncate(at),
        3 => insert(input, at, WORDS[rng.usize(..WORDS.len())]),
        4 => {
            let end = rng.usize(at..=input.len());
            input.drain(at..end.min(at + 64));
        }
        5 => {
            let end = rng.usize(at..=input.len()).min(at + 256);
            let piece = input[at..end].to_vec();
            insert(input, at, &piece);
        }
        6 => {
            let from = rng.usize(..=other.len());
            let end = rng.usize(from..=other.len());
            insert(input, at, &other[from..end]);
        }
        7 if at < input.len() && input[at].is_ascii_digit() => input[at] = b'0' + rng.u8(..10),
        _ => insert(input, at, &[rng.u8(..)]),
    }
    input.truncate(64 * 1024);
}

fn insert(input: &mut Vec<u8>, at: usize, piece: &[u8]) {
    input.splice(at..at, piece.iter().copied());
}

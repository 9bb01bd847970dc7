//! Patterns with `*`, `?`, `[set]` and `\`, as Redis reads them.
//!
//! Matching takes at most pattern × text steps: only the last `*` is ever tried again, which is enough, because a
//! later star can take over whatever an earlier one could have swallowed.

/// Whether the whole text matches the whole pattern. Bytes, not characters; `fold` ignores ASCII case.
pub fn matches(pattern: &[u8], text: &[u8], fold: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when a step fails: just behind the last star, and how much that star has swallowed.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
            continue;
        }
        let step = match text.get(t) {
            None if p == pattern.len() => return true,
            // A star could only swallow more, and there is nothing left.
            None => return false,
            Some(&byte) => one(pattern, p, byte, fold),
        };
        match (step, retry) {
            (Some(next), _) => (p, t) = (next, t + 1),
            (None, Some((behind, from))) => {
                retry = Some((behind, from + 1));
                (p, t) = (behind, from + 1);
            }
            (None, None) => return false,
        }
    }
}

/// Matches one byte against the pattern's element at `p`; answers where the next element starts.
fn one(pattern: &[u8], p: usize, byte: u8, fold: bool) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => set(pattern, p + 1, byte, fold),
        b'\\' if p + 1 < pattern.len() => same(pattern[p + 1], byte, fold).then_some(p + 2),
        literal => same(literal, byte, fold).then_some(p + 1),
    }
}

/// Matches one byte against a set; `p` is behind its `[`. A set without `]` ends with the pattern, as in Redis.
fn set(pattern: &[u8], mut p: usize, byte: u8, fold: bool) -> Option<usize> {
    let negated = pattern.get(p) == Some(&b'^');
    p += usize::from(negated);
    let mut found = false;
    let end = loop {
        match pattern.get(p..).unwrap_or_default() {
            [] => break pattern.len(),
            [b']', ..] => break p + 1,
            [b'\\', literal, ..] => {
                found |= same(*literal, byte, fold);
                p += 2;
            }
            [from, b'-', to, ..] => {
                found |= within(*from, *to, byte, fold);
                p += 3;
            }
            [literal, ..] => {
                found |= same(*literal, byte, fold);
                p += 1;
            }
        }
    };
    (found != negated).then_some(end)
}

fn same(a: u8, b: u8, fold: bool) -> bool {
    a == b || (fold && a.eq_ignore_ascii_case(&b))
}

fn within(a: u8, b: u8, byte: u8, fold: bool) -> bool {
    let (a, b, byte) = match fold {
        true => (a.to_ascii_lowercase(), b.to_ascii_lowercase(), byte.to_ascii_lowercase()),
        false => (a, b, byte),
    };
    (a.min(b)..=a.max(b)).contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_rules_of_redis() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeello", true),
            ("h*llo", "hell", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h[a-b]llo", "hcllo", false),
            ("h\\*llo", "h*llo", true),
            ("h\\*llo", "hello", false),
            ("[\\]]", "]", true),
            ("[abc", "b", true),
            ("[", "x", false),
            ("a\\", "a\\", true),
            ("*a*b*c*", "xxaxxbxxcxx", true),
            ("*a*b*c*", "xxaxxcxxbxx", false),
            ("**", "ab", true),
            ("a*", "b", false),
            ("*ab", "aab", true),
            ("?", "", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), expected, "{pattern} {text}");
        }
        assert!(matches(b"MAX*", b"maxmemory", true) && !matches(b"MAX*", b"maxmemory", false));
        assert!(matches(b"[A-Z]", b"q", true));
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = b"a*".repeat(2000);
        let text = b"a".repeat(20_000);
        let mut wrong = pattern.clone();
        wrong.push(b'b');
        assert!(matches(&pattern, &text, false));
        assert!(!matches(&wrong, &text, false));
    }
}

//! Rust source with everything that is not code blanked out, line by line as before.

/// Comments and the insides of strings and characters become spaces, and so do modules behind `#[cfg(test)]`.
pub fn code(text: &str) -> String {
    without_tests(blank(text))
}

fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => find(&chars, at, |c| c == '\n'),
            ('/', Some('*')) => comment_end(&chars, at),
            ('"', _) => string_end(&chars, at + 1),
            ('r', Some('"' | '#')) if !is_word(&chars, at) => raw_end(&chars, at + 1).unwrap_or(at + 1),
            ('\'', Some('\\')) => find(&chars, at + 3, |c| c == '\'') + 1,
            ('\'', Some(_)) if chars.get(at + 2) == Some(&'\'') => at + 3,
            _ => at + 1,
        };
        let end = end.min(chars.len());
        if end == at + 1 {
            out.push(chars[at]);
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
        }
        at = end;
    }
    out
}

fn is_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') && chars[at - 1] != 'b'
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|at| wanted(chars[*at])).unwrap_or(chars.len())
}

fn comment_end(chars: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `from` is behind the `r`.
fn raw_end(chars: &[char], from: usize) -> Option<usize> {
    let quote = find(chars, from, |c| c != '#');
    let hashes = quote - from;
    if chars.get(quote) != Some(&'"') {
        return None;
    }
    let closes = |at: &usize| {
        chars[*at] == '"' && chars[*at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    (quote + 1..chars.len()).find(closes).map(|at| at + 1 + hashes)
}

fn without_tests(code: String) -> String {
    let mut out = code.clone();
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let start = from + found;
        from = start + 1;
        let rest = &code[start..];
        let (Some(open), semicolon) = (rest.find('{'), rest.find(';')) else { continue };
        if semicolon.is_some_and(|semicolon| semicolon < open) {
            continue;
        }
        let mut depth = 0;
        let end = rest[open..].char_indices().find_map(|(at, c)| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth == 0).then_some(open + at + 1)
        });
        let end = start + end.unwrap_or(rest.len());
        let blanked: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        // Same number of bytes only if everything is ASCII, so build anew.
        out = format!("{}{blanked}{}", &out[..start], &code[end..]);
        if !code[start..end].is_ascii() {
            return without_tests(out);
        }
        from = end;
    }
    out
}

/// Whether a word stands in a line as a word.
pub fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(is_part)
            && !line[at + word.len()..].chars().next().is_some_and(is_part)
    })
}

#[test]
fn only_code_is_left() {
    let text = "let a = \"x // y\"; // f64\nlet b = r#\"\"unwrap()\"#; /* a /* b */ c */ let c = '\\'';\n\
                let d = '\"'; fn f<'a>(x: &'a str) {}\n#[cfg(test)]\nmod tests {\n  fn x() { unwrap() }\n}\nfn g() {}\n";
    let code = code(text);
    assert_eq!(code.lines().count(), text.lines().count());
    for gone in ["f64", "unwrap", "//", "mod tests"] {
        assert!(!code.contains(gone), "{gone} in {code}");
    }
    for kept in ["let a =", "let c =", "fn f<'a>(x: &'a str) {}", "fn g() {}"] {
        assert!(code.contains(kept), "{kept} not in {code}");
    }
}

#[test]
fn words_are_whole() {
    assert!(has_word("let x: f64 = y;", "f64"));
    assert!(!has_word("let xf64 = f64s;", "f64"));
}

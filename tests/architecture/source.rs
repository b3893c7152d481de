//! A source file as the rules see it: its words, without comments, literals and test code.

/// One file of Rust.
pub struct Source {
    /// Its path below the folder, with `/`.
    pub path: String,
    /// As it was read.
    pub text: String,
    /// Names and marks, in order; `::` is one of them.
    pub words: Vec<String>,
}

impl Source {
    /// Reads a file.
    pub fn new(path: &str, text: &str) -> Self {
        let words = if is_test(path) {
            Vec::new()
        } else {
            without_tests(words(text))
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            words,
        }
    }

    /// Whether the file holds tests only: its words are then none of the rules' business.
    pub fn is_test(&self) -> bool {
        is_test(&self.path)
    }

    /// The module that the file holds: `log/tail.rs` is `["log", "tail"]`.
    pub fn module(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        let mut parts: Vec<&str> = path.split('/').collect();
        if parts.last().is_some_and(|last| ["mod", "lib"].contains(last)) {
            parts.pop();
        }
        parts
    }

    /// Whether other crates are named of which one passes: `name::` at the start of a path, or `use name;`.
    pub fn names_crate(&self, name: impl Fn(&str) -> bool) -> bool {
        self.words.iter().enumerate().any(|(at, word)| {
            name(word) && self.starts_path(at) && {
                let used = at > 0 && self.word(at - 1) == "use";
                self.word(at + 1) == "::" || (used && [";", "as"].contains(&self.word(at + 1)))
            }
        })
    }

    /// Whether these words follow one another.
    pub fn says(&self, sequence: &[&str]) -> bool {
        self.words.windows(sequence.len()).any(|words| words == sequence)
    }

    /// The modules at the top of this crate that the file names: `crate::log`, `crate::{log, view}`, `super::super::log`.
    pub fn top_modules(&self) -> Vec<&str> {
        let depth = self.module().len();
        let mut named = Vec::new();
        for at in 0..self.words.len() {
            let after = match self.word(at) {
                "crate" if self.word(at + 1) == "::" => Some(at + 2),
                "super" if !self.follows_super(at) => self.after_supers(at, depth),
                _ => None,
            };
            if let Some(after) = after {
                self.first_names(after, &mut named);
            }
        }
        named
    }

    fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// Whether nothing comes before the word in its path, or only a leading `::`.
    fn starts_path(&self, at: usize) -> bool {
        match at.checked_sub(1).map(|before| self.word(before)) {
            Some("::") => at < 2 || !is_name(self.word(at - 2)) || self.word(at - 2) == "use",
            Some("mod" | ".") => false,
            _ => true,
        }
    }

    fn follows_super(&self, at: usize) -> bool {
        at >= 2 && self.word(at - 1) == "::" && self.word(at - 2) == "super"
    }

    /// Where a path of exactly `depth` times `super` goes on: there the top of the crate is meant.
    fn after_supers(&self, at: usize, depth: usize) -> Option<usize> {
        let supers = (0..)
            .take_while(|step| self.word(at + 2 * step) == "super" && self.word(at + 2 * step + 1) == "::")
            .count();
        (supers > 0 && supers == depth).then_some(at + 2 * supers)
    }

    /// The name at `at`, or the first names of the group that begins there.
    fn first_names<'a>(&'a self, at: usize, into: &mut Vec<&'a str>) {
        if self.word(at) != "{" {
            into.push(self.word(at));
            return;
        }
        let mut depth = 0;
        for here in at..self.words.len() {
            match self.word(here) {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
            if depth == 1 && ["{", ","].contains(&self.word(here)) && is_name(self.word(here + 1)) {
                into.push(self.word(here + 1));
            }
        }
    }
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.split('/').any(|part| part == "tests")
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Cuts a text into names and marks; comments, texts, characters and numbers are left out.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (word, length) = next(rest, first);
        words.extend(word.map(str::to_owned));
        rest = &rest[length..];
    }
    words
}

/// The word at the start of `rest`, if it is one, and how many bytes to step over.
fn next(rest: &str, first: char) -> (Option<&str>, usize) {
    if rest.starts_with("//") {
        return (None, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (None, comment(rest));
    }
    if let Some(length) = raw_text(rest) {
        return (None, length);
    }
    if first == '"' {
        return (None, text(rest));
    }
    if first == '\'' {
        return (None, character(rest));
    }
    if rest.starts_with("::") {
        return (Some(&rest[..2]), 2);
    }
    if first.is_alphanumeric() || first == '_' {
        let end = |c: char| !(c.is_alphanumeric() || c == '_');
        let length = rest.find(end).unwrap_or(rest.len());
        let word = &rest[..length];
        return (is_name(word).then_some(word), length);
    }
    let length = first.len_utf8();
    ((!first.is_whitespace()).then(|| &rest[..length]), length)
}

/// The length of a block comment; they nest.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        match here {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of `r"..."`, `r#"..."#` and their byte forms.
fn raw_text(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].strip_prefix('"')?;
    let start = rest.len() - after.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = rest[start..].find(&end)? + end.len();
    Some(start + length)
}

/// The length of `"..."`.
fn text(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character, or 1 where the mark begins a lifetime.
fn character(rest: &str) -> usize {
    if rest[1..].starts_with('\\') {
        let after = rest[3..].find('\'').map_or(rest.len(), |end| end + 4);
        return after.min(rest.len());
    }
    let mut chars = rest[1..].chars();
    let length = chars.next().map_or(0, char::len_utf8);
    if chars.next() == Some('\'') { length + 2 } else { 1 }
}

/// Leaves out every item under `#[cfg(test)]`.
fn without_tests(words: Vec<String>) -> Vec<String> {
    const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let marked = words[at..].iter().zip(CFG_TEST).filter(|(a, b)| a == b).count() == CFG_TEST.len();
        if marked {
            at = item_end(&words, at + CFG_TEST.len());
        } else {
            kept.push(words[at].clone());
            at += 1;
        }
    }
    kept
}

/// The first word after an item: after its `;`, or after the end of its braces.
fn item_end(words: &[String], start: usize) -> usize {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate().skip(start) {
        match word.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            ";" => {}
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    words.len()
}

//! A citation as BibTeX.
//!
//! Whatever stands in a filter, a title or a name is text here and never TeX: what TeX reads as its own is written by name, and
//! so are braces, since BibTeX counts them even behind a backslash.

use super::Cited;
use crate::cli::screen::plain;
use sha2::{Digest, Sha256};

/// The macros of the months.
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// The entry of a citation, without a line feed at its end. The same citation has the same key wherever it is made.
pub fn entry(cited: &Cited) -> String {
    let id = cited.id.to_string();
    let key = hex::encode(&Sha256::digest(&id)[..4]);
    let mut fields = vec![("title", format!("{{{{{}}}}}", text(&cited.title)))];
    if !cited.authors.is_empty() {
        let authors: Vec<String> = cited.authors.iter().map(|name| author(name)).collect();
        fields.push(("author", format!("{{{}}}", authors.join(" and "))));
    }
    if let Some((year, month)) = cited.year_and_month() {
        fields.push(("year", format!("{{{year}}}")));
        let month = month.checked_sub(1).and_then(|month| MONTHS.get(month));
        fields.extend(month.map(|month| ("month", (*month).to_owned())));
    }
    let (origin, position) = (text(&cited.id.origin), cited.id.position);
    fields.push((
        "howpublished",
        format!("{{Chancery archive {origin}, as of position {position}}}"),
    ));
    fields.push((
        "note",
        format!(
            "{{{} under the root {}. To reproduce: {}}}",
            text(&cited.entries()),
            hex::encode(cited.root),
            text(&cited.again())
        ),
    ));
    let fields: String = fields
        .iter()
        .map(|(name, value)| format!("  {name} = {value},\n"))
        .collect();
    format!("@misc{{chancery-{key},\n{fields}}}")
}

/// A name, in braces where BibTeX would take it for two.
fn author(name: &str) -> String {
    let is_two = name
        .split_whitespace()
        .any(|word| word.eq_ignore_ascii_case("and"));
    match is_two {
        true => format!("{{{}}}", text(name)),
        false => text(name),
    }
}

/// A text of which TeX prints every character.
fn text(said: &str) -> String {
    let said = plain(said);
    let mut out = String::with_capacity(said.len());
    for c in said.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '{' => out.push_str("\\textbraceleft{}"),
            '}' => out.push_str("\\textbraceright{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            '%' | '&' | '_' | '#' | '$' => out.extend(['\\', c]),
            // Two of them would be one dash.
            '-' if out.ends_with('-') => out.push_str("{}-"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_tex_would_read_as_its_own_is_written_by_name() {
        let check = |said, written| assert_eq!(text(said), written);
        check("dyad = IRN-PAK", "dyad = IRN-PAK");
        check(
            r#"title : "100% {a_b} \\ & more""#,
            r#"title : "100\% \textbraceleft{}a\_b\textbraceright{} \textbackslash{}\textbackslash{} \& more""#,
        );
        check(
            "#1 $2 x^2 ~ |",
            r"\#1 \$2 x\textasciicircum{}2 \textasciitilde{} \textbar{}",
        );
        check("a >= 1 --cite ---", r"a \textgreater{}= 1 -{}-cite -{}-{}-");
        check("two\nlines", "two lines");
        check("Köln, 北京", "Köln, 北京");
    }

    #[test]
    fn a_name_is_one_name() {
        assert_eq!(author("Jane Doe"), "Jane Doe");
        assert_eq!(author("Doe, Jane"), "Doe, Jane");
        assert_eq!(author("Ferdinand Andersen"), "Ferdinand Andersen");
        assert_eq!(author("Trade and Industry"), "{Trade and Industry}");
    }

    proptest! {
        #[test]
        fn whatever_is_said_the_braces_are_in_pairs_and_nothing_is_left_to_tex(said in "[-a-z\\\\{}%&_#$~^<> ]{0,60}") {
            let written = text(&said);
            let mut depth = 0_i32;
            for c in written.chars() {
                depth += i32::from(c == '{') - i32::from(c == '}');
                prop_assert!((0..=1).contains(&depth), "{}", written);
            }
            prop_assert_eq!(depth, 0);
            prop_assert!(!written.contains("--"));
            for special in ['%', '&', '_', '#', '$'] {
                let bare = written.match_indices(special).filter(|(at, _)| !written[..*at].ends_with('\\'));
                prop_assert_eq!(bare.count(), 0, "{}", written);
            }
        }
    }
}

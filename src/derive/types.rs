//! The tables of types of events, read once from the files of `data/types`.
//!
//! CAMEO codes have a label and a value on the scale of Goldstein, and become types of PLOVER; the event texts of ICEWS stand
//! for CAMEO codes. As with countries the files are our own and compiled in: a test finds a malformed line, and at run time it
//! is left out.

use super::fold::with_folded;
use super::quad::Quad;
use hashbrown::HashMap;
use std::sync::LazyLock;

const CAMEO: &str = include_str!("../../data/types/cameo.tsv");
const ICEWS_TEXT: &str = include_str!("../../data/types/icews-text.tsv");
const CAMEO_PLOVER: &str = include_str!("../../data/types/cameo-plover.tsv");
const PLOVER_QUAD: &str = include_str!("../../data/types/plover-quad.tsv");

static TABLES: LazyLock<Types> = LazyLock::new(Types::read);

/// The scheme of CAMEO codes in content.
pub const CAMEO_SCHEME: &str = "cameo";
/// The scheme of PLOVER types in content.
pub const PLOVER_SCHEME: &str = "plover";
/// The scheme of event texts as ICEWS writes them.
pub const ICEWS_TEXT_SCHEME: &str = "icews-text";
/// The name of the measure that follows from a CAMEO code.
pub const GOLDSTEIN: &str = "goldstein";

/// The tables of this version of the program.
pub fn types() -> &'static Types {
    &TABLES
}

/// A CAMEO code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cameo {
    /// Two to four digits, zeros before them included.
    pub code: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// Its value on the scale of Goldstein, -10 to 10, as decimal text; empty where the table has none.
    pub goldstein: &'static str,
    /// What it becomes in PLOVER; `None` for statements and appeals.
    pub plover: Option<Plover>,
}

/// A type of PLOVER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plover {
    /// The type, in capitals.
    pub code: &'static str,
    /// The mode; empty where it has none.
    pub mode: &'static str,
    /// The contexts.
    pub contexts: Vec<&'static str>,
}

/// Every table.
#[derive(Debug)]
pub struct Types {
    version: &'static str,
    cameo: HashMap<&'static str, Cameo>,
    /// By folded text.
    texts: HashMap<Box<str>, &'static str>,
    quads: HashMap<&'static str, Quad>,
}

impl Types {
    /// The version of the tables, raised with every change to any of them or of those of countries: all have the same.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// What is known of a CAMEO code.
    pub fn cameo(&self, code: &str) -> Option<&Cameo> {
        self.cameo.get(code.trim())
    }

    /// The CAMEO code that an event text of ICEWS stands for.
    pub fn cameo_of_text(&self, text: &str) -> Option<&Cameo> {
        let code = with_folded(text, |folded| self.texts.get(folded.trim()).copied())?;
        self.cameo.get(code)
    }

    /// The quad class of a PLOVER type, in any case.
    pub fn quad_of_plover(&self, code: &str) -> Option<Quad> {
        let mut capitals = [0_u8; 16];
        let capitals = capitals.get_mut(..code.len())?;
        capitals.copy_from_slice(code.as_bytes());
        capitals.make_ascii_uppercase();
        self.quads.get(std::str::from_utf8(capitals).ok()?).copied()
    }

    fn read() -> Self {
        let plover: HashMap<&str, Plover> = lines(CAMEO_PLOVER).filter_map(plover).collect();
        let cameo = |columns: Vec<&'static str>| {
            let [code, label, goldstein] = columns[..] else {
                return None;
            };
            let cameo = Cameo {
                code,
                label,
                goldstein,
                plover: plover.get(code).cloned(),
            };
            Some((code, cameo))
        };
        let text = |columns: Vec<&'static str>| match columns[..] {
            [text, code] => Some((with_folded(text, |folded| Box::from(folded.trim())), code)),
            _ => None,
        };
        let label = |columns: Vec<&'static str>| match columns[..] {
            // Of a root and its first code, which have the same label, the code is meant.
            [code, label, _] if code.len() > 2 => {
                Some((with_folded(label, |folded| Box::from(folded.trim())), code))
            }
            _ => None,
        };
        let quad = |columns: Vec<&'static str>| match columns[..] {
            [code, quad] => Some((code, Quad::parse(quad)?)),
            _ => None,
        };
        let first = CAMEO.lines().next();
        Self {
            version: first
                .and_then(|line| line.strip_prefix("# version\t"))
                .unwrap_or("unknown"),
            cameo: lines(CAMEO).filter_map(cameo).collect(),
            // Labels are texts too; what stands in the table of texts comes after them, and so before them.
            texts: lines(CAMEO)
                .filter_map(label)
                .chain(lines(ICEWS_TEXT).filter_map(text))
                .collect(),
            quads: lines(PLOVER_QUAD).filter_map(quad).collect(),
        }
    }
}

fn plover(columns: Vec<&'static str>) -> Option<(&'static str, Plover)> {
    let [cameo, code, mode, contexts] = columns[..] else {
        return None;
    };
    let contexts = contexts.split(';').map(str::trim);
    let plover = Plover {
        code,
        mode,
        contexts: contexts.filter(|context| !context.is_empty()).collect(),
    };
    Some((cameo, plover))
}

fn lines(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split('\t').collect())
}

/// The codes above a CAMEO code, the nearest first: of `0311` they are `031` and `03`. None of a root, and of what is no code.
pub fn ancestors_of_cameo(code: &str) -> impl Iterator<Item = &str> {
    let is_code = matches!(code.len(), 2..=4) && code.bytes().all(|byte| byte.is_ascii_digit());
    let lengths = if is_code { 2..code.len() } else { 0..0 };
    lengths.rev().map(move |length| &code[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_one_version_and_names_only_known_codes() {
        for file in [CAMEO, ICEWS_TEXT, CAMEO_PLOVER, PLOVER_QUAD] {
            let version = format!("# version\t{}", crate::derive::countries().version());
            assert_eq!(file.lines().next(), Some(version.as_str()));
        }
        let known = |code: &str| types().cameo(code).is_some();
        assert_eq!(types().cameo.len(), lines(CAMEO).count());
        for columns in lines(CAMEO) {
            assert!(
                matches!(columns[0].len(), 2..=4) && !columns[1].is_empty() && columns.len() == 3,
                "{columns:?}"
            );
            let value = columns[2];
            assert!(
                value.is_empty() || value.parse::<f64>().is_ok_and(|value| value.abs() <= 10.0),
                "{columns:?}"
            );
            assert!(ancestors_of_cameo(columns[0]).all(known), "{columns:?}");
        }
        for columns in lines(ICEWS_TEXT) {
            assert!(known(columns[1]), "{columns:?}");
            assert_eq!(
                types().cameo_of_text(columns[0]).map(|cameo| cameo.code),
                Some(columns[1])
            );
        }
        for columns in lines(CAMEO_PLOVER) {
            assert!(
                known(columns[0]) && types().quad_of_plover(columns[1]).is_some(),
                "{columns:?}"
            );
        }
        assert_eq!(lines(PLOVER_QUAD).count(), 16);
    }

    #[test]
    fn a_code_has_its_label_its_value_and_what_it_becomes() {
        let visit = types().cameo("043").unwrap();
        assert_eq!((visit.label, visit.goldstein), ("Host a visit", "2.8"));
        let plover = visit.plover.as_ref().unwrap();
        assert_eq!((plover.code, plover.mode), ("CONSULT", "visit"));
        let investigate = types().cameo("091").unwrap().plover.as_ref().unwrap();
        assert_eq!(investigate.contexts, ["crime", "corruption"]);
        assert_eq!(types().cameo("016").map(|deny| deny.goldstein), Some("-5"));
        assert!(types().cameo("010").unwrap().plover.is_none());
        assert!(types().cameo("43").is_none() && types().cameo("").is_none());
        assert_eq!(
            types().cameo_of_text(" MAKE a visit").map(|cameo| cameo.code),
            Some("042")
        );
        assert_eq!(types().quad_of_plover("assault"), Some(Quad::MaterialConflict));
        assert_eq!(types().quad_of_plover("something longer than any type"), None);
    }

    #[test]
    fn a_text_that_is_a_label_has_the_code_of_that_label() {
        let mut codes: HashMap<&str, Vec<&str>> = HashMap::new();
        for columns in lines(CAMEO) {
            codes.entry(columns[1]).or_default().push(columns[0]);
        }
        for (label, codes) in codes {
            let found = types().cameo_of_text(label).map_or("", |cameo| cameo.code);
            let is_root = codes.iter().all(|code| code.len() == 2);
            assert!(is_root || codes.contains(&found), "{label}: {found}, {codes:?}");
        }
        assert_eq!(
            types()
                .cameo_of_text("Reduce or stop material aid")
                .map(|cameo| cameo.code),
            Some("162")
        );
        assert_eq!(
            types()
                .cameo_of_text("Attack cybernetically")
                .map(|cameo| cameo.code),
            Some("176")
        );
    }

    #[test]
    fn the_codes_above_a_code_come_nearest_first() {
        let above = |code| ancestors_of_cameo(code).collect::<Vec<_>>();
        assert_eq!(above("0311"), ["031", "03"]);
        assert_eq!(above("043"), ["04"]);
        for code in ["04", "0", "", "04a1", "03111", "été"] {
            assert!(above(code).is_empty(), "{code}");
        }
    }

    /// Runs over the real files where `CHANCERY_SHARED` names the folder that holds them.
    #[test]
    fn the_texts_of_icews_stand_for_the_codes_beside_them() {
        let Some(shared) = std::env::var_os("CHANCERY_SHARED") else {
            // What a test prints with a macro is shown only where it fails.
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                b"SKIPPED for lack of data: set CHANCERY_SHARED to the folder that holds data/icews14 to read its texts\n",
            );
            return;
        };
        let data = std::path::Path::new(&shared).join("data");
        let events = std::fs::read_to_string(data.join("icews-events/events.2018-06-01.sample.tab")).unwrap();
        for row in events.lines().skip(1) {
            let columns: Vec<&str> = row.split('\t').collect();
            let found = types().cameo_of_text(columns[5]).map(|cameo| cameo.code);
            assert_eq!(found, Some(columns[6]), "{}", columns[5]);
        }
        let quadruples = std::fs::read_to_string(data.join("icews14/icews14_2014.tsv")).unwrap();
        for row in quadruples.lines() {
            let text = row.split('\t').nth(1).unwrap();
            assert!(types().cameo_of_text(text).is_some(), "{text}");
        }
    }
}

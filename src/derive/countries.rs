//! The tables of countries, read once from the files of `data/countries`.
//!
//! The files are compiled into the program. Their lines are this project's own, so a malformed one is a
//! mistake of ours, which a test finds; at run time such a line is left out.

use super::code::Iso3;
use super::fold::with_folded;
use hashbrown::HashMap;
use std::sync::LazyLock;

const COUNTRIES: &str = include_str!("../../data/countries/countries.tsv");
const NAMES: &str = include_str!("../../data/countries/names.tsv");
const FIPS: &str = include_str!("../../data/countries/fips.tsv");
const COW: &str = include_str!("../../data/countries/cow.tsv");
const CAMEO: &str = include_str!("../../data/countries/cameo.tsv");
const ICEWS: &str = include_str!("../../data/countries/icews.tsv");
const RENAMED: &str = include_str!("../../data/countries/iso-renamed.tsv");

static TABLES: LazyLock<Countries> = LazyLock::new(Countries::read);

/// The tables of this version of the program.
pub fn countries() -> &'static Countries {
    &TABLES
}

/// A way of writing a country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// ISO 3166-1 alpha-3, and our own codes for states of the past.
    Iso3,
    /// ISO 3166-1 alpha-2.
    Iso2,
    /// ISO 3166-1 numeric, three digits; shorter ones are read with zeros before them.
    IsoNumeric,
    /// FIPS 10-4.
    Fips,
    /// Correlates of War, number or letters.
    Cow,
    /// The country codes of CAMEO, which GDELT uses.
    Cameo,
    /// The country names of ICEWS.
    IcewsName,
    /// A name in any language.
    Name,
}

impl Scheme {
    /// Every scheme.
    pub const ALL: [Self; 8] = [
        Self::Iso3,
        Self::Iso2,
        Self::IsoNumeric,
        Self::Fips,
        Self::Cow,
        Self::Cameo,
        Self::IcewsName,
        Self::Name,
    ];

    /// Its name in content and in filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iso3 => "iso3",
            Self::Iso2 => "iso2",
            Self::IsoNumeric => "iso-numeric",
            Self::Fips => "fips",
            Self::Cow => "cow",
            Self::Cameo => "cameo",
            Self::IcewsName => "icews-name",
            Self::Name => "name",
        }
    }

    /// The scheme of that name; `gdelt` is another name of `cameo`, and an empty one means ISO alpha-3.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "" => Some(Self::Iso3),
            "gdelt" => Some(Self::Cameo),
            _ => Self::ALL.into_iter().find(|scheme| scheme.name() == name),
        }
    }
}

/// A state or territory, of today or of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country {
    /// Its code here.
    pub code: Iso3,
    /// ISO 3166-1 alpha-2, or the last one it had; empty where it never had one.
    pub iso2: &'static str,
    /// ISO 3166-1 numeric, three digits, or the last one it had; empty where it never had one.
    pub numeric: &'static str,
    /// Its short name in English.
    pub name: &'static str,
    /// Its first year; `None`: as long as anyone may ask.
    pub from: Option<i32>,
    /// Its last year, inclusive; `None`: it exists.
    pub until: Option<i32>,
}

/// What a bare code of two letters means: always more than one thing could be meant, so it is never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BareCode {
    /// Its country in ISO 3166-1.
    pub iso: Option<Iso3>,
    /// Its country in FIPS 10-4.
    pub fips: Option<Iso3>,
}

/// A code with the years in which it meant a country, both inclusive.
#[derive(Debug, Clone, Copy)]
struct Dated {
    code: Iso3,
    from: Option<i32>,
    until: Option<i32>,
}

impl Dated {
    fn holds_in(&self, year: i32) -> bool {
        self.from.is_none_or(|from| from <= year) && self.until.is_none_or(|until| year <= until)
    }
}

type Codes = HashMap<&'static str, Vec<Dated>>;

/// Every table.
#[derive(Debug)]
pub struct Countries {
    version: &'static str,
    list: Vec<Country>,
    /// By [`Iso3::index`]: 0 for no country, else its place in `list`, from 1.
    by_code: Vec<u16>,
    renamed: HashMap<Iso3, Iso3>,
    iso2: Codes,
    numeric: Codes,
    fips: Codes,
    cow: Codes,
    /// CAMEO codes that differ from ISO; `None`: a region or a sort of organisation.
    cameo: HashMap<Iso3, (Option<Iso3>, &'static str)>,
    names: HashMap<Box<str>, Iso3>,
}

impl Countries {
    /// The version of the tables, raised with every change to any of them or of those of types: all have the same.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// Every country, by code, those of today before those of the past.
    pub fn list(&self) -> &[Country] {
        &self.list
    }

    /// The names in Latin letters and others, each with its country and what sort of name it is, as `names.tsv` has them.
    pub fn listed_names(&self) -> impl Iterator<Item = (Iso3, &'static str, &'static str)> {
        let lines = NAMES.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| {
            let mut cells = line.split('\t');
            Some((Iso3::from_letters(cells.next()?)?, cells.next()?, cells.next()?))
        })
    }

    /// The country of a code of ours; codes that were only renamed (`ROM`, `ZAR`) are not followed.
    pub fn get(&self, code: Iso3) -> Option<&Country> {
        let place = usize::from(*self.by_code.get(code.index())?);
        self.list.get(place.checked_sub(1)?)
    }

    /// The short English name of a country.
    pub fn name(&self, code: Iso3) -> Option<&'static str> {
        self.get(code).map(|country| country.name)
    }

    /// Reads `code` in the scheme of that name. `None` where scheme or code is unknown, and for codes that
    /// name no country, such as CAMEO's `EUR` and `IGO`. Where a code meant several countries, the last one
    /// is meant.
    pub fn from_code(&self, scheme: &str, code: &str) -> Option<Iso3> {
        self.read_code(Scheme::parse(scheme)?, code, None)
    }

    /// The same of something that happened: where the code meant several countries, the one that it meant in `year`, which is
    /// asked for only then; the last one where none is said, or it meant nothing then.
    pub fn from_code_when(
        &self,
        scheme: &str,
        code: &str,
        year: impl FnOnce() -> Option<i32>,
    ) -> Option<Iso3> {
        let scheme = Scheme::parse(scheme)?;
        let last = self.read_code(scheme, code, None)?;
        let has_years = matches!(
            scheme,
            Scheme::Cow | Scheme::Iso2 | Scheme::IsoNumeric | Scheme::Fips
        );
        if !has_years || !self.is_of_several(scheme, code.trim()) {
            return Some(last);
        }
        let then = year().and_then(|year| self.read_code(scheme, code, Some(year)));
        Some(then.unwrap_or(last))
    }

    /// Whether a code meant several countries over the years.
    fn is_of_several(&self, scheme: Scheme, code: &str) -> bool {
        let table = match scheme {
            Scheme::Cow => &self.cow,
            Scheme::Iso2 => &self.iso2,
            Scheme::IsoNumeric => &self.numeric,
            Scheme::Fips => &self.fips,
            Scheme::Iso3 | Scheme::Cameo | Scheme::IcewsName | Scheme::Name => return false,
        };
        let is_number = matches!(scheme, Scheme::Cow | Scheme::IsoNumeric);
        with_table_key(code, is_number, |key| {
            table.get(key).is_some_and(|lines| lines.len() > 1)
        })
        .unwrap_or(false)
    }

    /// The same as of a year: `cow` 365 is the Soviet Union in 1950. `None` also where the code meant nothing
    /// then.
    pub fn from_code_in(&self, scheme: &str, code: &str, year: i32) -> Option<Iso3> {
        let found = self.read_code(Scheme::parse(scheme)?, code, Some(year))?;
        let country = self.get(found)?;
        let lived = Dated {
            code: found,
            from: country.from,
            until: country.until,
        };
        lived.holds_in(year).then_some(found)
    }

    fn read_code(&self, scheme: Scheme, code: &str, year: Option<i32>) -> Option<Iso3> {
        let code = code.trim();
        match scheme {
            Scheme::Iso3 => self.known(Iso3::from_letters(code)?),
            Scheme::Cameo => self.read_cameo_code(code),
            Scheme::IcewsName | Scheme::Name => self.from_name(code),
            Scheme::Iso2 => pick(&self.iso2, code, false, year),
            Scheme::Fips => pick(&self.fips, code, false, year),
            Scheme::IsoNumeric => pick(&self.numeric, code, true, year),
            Scheme::Cow => pick(&self.cow, code, true, year),
        }
    }

    /// A code that names a country, with renamed ones followed.
    fn known(&self, code: Iso3) -> Option<Iso3> {
        match self.by_code.get(code.index()) {
            Some(1..) => Some(code),
            _ => self.renamed.get(&code).copied(),
        }
    }

    fn read_cameo_code(&self, code: &str) -> Option<Iso3> {
        let code = Iso3::from_letters(code)?;
        match self.cameo.get(&code) {
            Some((country, _)) => *country,
            // A code of our own (PAP, MOD) is none of CAMEO's.
            None => self
                .known(code)
                .filter(|code| self.get(*code).is_some_and(|one| !one.iso2.is_empty())),
        }
    }

    /// The label of a CAMEO code that is a region or a sort of organisation: `EUR` is Europe.
    pub fn not_a_country(&self, cameo: &str) -> Option<&'static str> {
        let (country, label) = self.cameo.get(&Iso3::from_letters(cameo)?)?;
        country.is_none().then_some(*label)
    }

    /// The country that a CAMEO actor code begins with: `PAKMIL` is Pakistan, `IGOUNO` no country.
    pub fn from_actor_code(&self, code: &str) -> Option<Iso3> {
        self.read_cameo_code(code.get(..3)?)
    }

    /// The country of a name in any language and form: folded, without article, `&` as `and`, `St.` as
    /// `Saint`.
    pub fn from_name(&self, name: &str) -> Option<Iso3> {
        with_key(name, |key| self.names.get(key).copied())
    }

    /// The country that an actor's name states: the name itself (`Iran`), or the last pair of parentheses at
    /// its end, as ICEWS writes it (`Ministry (Japan)`).
    pub fn from_actor_name(&self, name: &str) -> Option<Iso3> {
        self.from_name(name)
            .or_else(|| self.from_name(in_parentheses(name)?))
    }

    /// What two letters without a scheme could mean; `None` where neither ISO 3166 nor FIPS 10-4 has them.
    pub fn bare_code(&self, code: &str) -> Option<BareCode> {
        if code.len() != 2 {
            return None;
        }
        let meant = BareCode {
            iso: self.read_code(Scheme::Iso2, code, None),
            fips: self.read_code(Scheme::Fips, code, None),
        };
        (meant.iso.is_some() || meant.fips.is_some()).then_some(meant)
    }

    /// The sentence about two letters without a scheme: `Serbia in ISO 3166, Russia in FIPS`.
    pub fn ambiguous_bare_code(&self, code: &str) -> Option<String> {
        let meant = self.bare_code(code)?;
        let said = |code: Option<Iso3>| code.and_then(|code| self.name(code)).unwrap_or("nothing");
        Some(format!(
            "{} in ISO 3166, {} in FIPS",
            said(meant.iso),
            said(meant.fips)
        ))
    }

    /// The country whose name or code is nearest to `text`, for "did you mean"; `None` where nothing is near.
    pub fn nearest(&self, text: &str) -> Option<&Country> {
        with_key(text, |key| {
            let near = |name: &str| strsim::jaro_winkler(key, name);
            let best = self.names.iter().map(|(name, code)| (near(name), name, *code));
            let best = best.max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)))?;
            if best.0 > 0.87 { self.get(best.2) } else { None }
        })
    }
}

/// The text of the last pair of parentheses, where it ends the name. Inner parentheses stay inside.
fn in_parentheses(name: &str) -> Option<&str> {
    let inner = name.trim_end().strip_suffix(')')?;
    let mut depth = 1_u32;
    for (at, byte) in inner.bytes().enumerate().rev() {
        match byte {
            b')' => depth += 1,
            b'(' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&inner[at + 1..]);
        }
    }
    None
}

fn pick(table: &Codes, code: &str, is_number: bool, year: Option<i32>) -> Option<Iso3> {
    let line = with_table_key(code, is_number, |key| {
        let lines = table.get(key)?;
        match year {
            Some(year) => lines.iter().rev().find(|line| line.holds_in(year)),
            None => lines
                .iter()
                .rev()
                .find(|line| line.until.is_none())
                .or(lines.last()),
        }
    });
    line.flatten().map(|line| line.code)
}

/// Calls `then` with the form of a code under which tables keep it: capitals, and numbers with the zeros before them that they
/// may lack. `None` for what is too long for a code.
fn with_table_key<T>(code: &str, is_number: bool, then: impl FnOnce(&str) -> T) -> Option<T> {
    let mut key = [b'0'; 4];
    let zeros = match is_number && code.len() < 3 && code.parse::<u16>().is_ok() {
        true => 3 - code.len(),
        false => 0,
    };
    let end = zeros + code.len();
    key.get_mut(zeros..end)?.copy_from_slice(code.as_bytes());
    key[zeros..end].make_ascii_uppercase();
    std::str::from_utf8(&key[..end]).ok().map(then)
}

/// Calls `then` with the form of `name` under which names are kept.
fn with_key<T>(name: &str, then: impl FnOnce(&str) -> T) -> T {
    with_folded(name, |folded| {
        let mut key = String::with_capacity(folded.len() + 8);
        let words =
            folded.split(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '\'' | '.' | '&'));
        for word in words {
            let word = match word {
                "&" => "and",
                "st" | "st." => "saint",
                "the" if key.is_empty() => continue,
                _ => word,
            };
            let start = key.len();
            key.extend(word.chars().filter(|letter| letter.is_alphanumeric()));
            if key.len() > start {
                key.push(' ');
            }
        }
        then(key.trim_end())
    })
}

/// The columns of the lines of a table.
fn lines(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split('\t').collect())
}

fn version_of(text: &'static str) -> &'static str {
    let first = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("# version\t"));
    first.unwrap_or("unknown")
}

fn year(columns: &[&str], at: usize) -> Option<i32> {
    columns.get(at)?.parse().ok()
}

impl Countries {
    fn read() -> Self {
        let list = read_list();
        let mut by_code = vec![0_u16; Iso3::COUNT];
        for (place, country) in (1..).zip(&list) {
            by_code[country.code.index()] = place;
        }
        let mut tables = Self {
            version: version_of(COUNTRIES),
            by_code,
            renamed: HashMap::new(),
            iso2: read_codes(COUNTRIES, 1, 0, 4),
            numeric: read_codes(COUNTRIES, 2, 0, 4),
            fips: read_codes(FIPS, 0, 1, 2),
            cow: read_codes(COW, 0, 2, 3),
            cameo: read_cameo(),
            names: read_names(),
            list,
        };
        for (letters, lines) in read_codes(COW, 1, 2, 3) {
            tables.cow.insert(letters, lines);
        }
        for columns in lines(RENAMED) {
            if let [old, iso2, now, until] = columns[..]
                && let (Some(old), Some(now)) = (Iso3::from_letters(old), Iso3::from_letters(now))
            {
                tables.renamed.insert(old, now);
                let line = Dated {
                    code: now,
                    from: None,
                    until: until.parse().ok(),
                };
                tables.iso2.entry(iso2).or_default().insert(0, line);
            }
        }
        tables
    }
}

fn read_list() -> Vec<Country> {
    let country = |columns: Vec<&'static str>| {
        Some(Country {
            code: Iso3::from_letters(columns.first()?)?,
            iso2: columns.get(1)?,
            numeric: columns.get(2)?,
            name: columns.get(3)?,
            from: year(&columns, 4),
            until: year(&columns, 5),
        })
    };
    lines(COUNTRIES).filter_map(country).collect()
}

/// A table from the column `key` to the column `code`, with years in the columns `from` and after it.
fn read_codes(text: &'static str, key: usize, code: usize, from: usize) -> Codes {
    let mut codes = Codes::new();
    for columns in lines(text) {
        let (Some(key), Some(code)) = (columns.get(key), columns.get(code)) else {
            continue;
        };
        let Some(code) = Iso3::from_letters(code).filter(|_| !key.is_empty()) else {
            continue;
        };
        let line = Dated {
            code,
            from: year(&columns, from),
            until: year(&columns, from + 1),
        };
        codes.entry(*key).or_default().push(line);
    }
    codes
}

fn read_cameo() -> HashMap<Iso3, (Option<Iso3>, &'static str)> {
    let line = |columns: Vec<&'static str>| {
        let code = Iso3::from_letters(columns.first()?)?;
        Some((code, (Iso3::from_letters(columns.get(2)?), *columns.get(3)?)))
    };
    lines(CAMEO).filter_map(line).collect()
}

fn read_names() -> HashMap<Box<str>, Iso3> {
    let coded = lines(NAMES).map(|line| (line.get(1).copied(), line.first().copied()));
    let icews = lines(ICEWS).map(|line| (line.first().copied(), line.get(1).copied()));
    let mut names = HashMap::new();
    for (name, code) in coded.chain(icews) {
        if let (Some(name), Some(code)) = (name, code.and_then(Iso3::from_letters)) {
            // The first line of a name stands: short names come before longer lists.
            with_key(name, |key| names.entry(key.into()).or_insert(code));
        }
    }
    names
}

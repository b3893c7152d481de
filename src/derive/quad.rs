//! Classes that follow from a CAMEO code: its root, and its quad class.
//!
//! A stated class beats a derived one. Real GDELT files state other classes than this table for the roots 09
//! and 14; what they state stays.

/// The name and version of the table from CAMEO roots to quad classes.
pub const CAMEO_QUAD: &str = "cameo-quad 1";

/// One of the four classes of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quad {
    /// 1: words that bring together.
    VerbalCooperation = 1,
    /// 2: deeds that bring together.
    MaterialCooperation = 2,
    /// 3: words that part.
    VerbalConflict = 3,
    /// 4: deeds that part.
    MaterialConflict = 4,
}

impl Quad {
    /// Every class, from 1 to 4.
    pub const ALL: [Self; 4] = [
        Self::VerbalCooperation,
        Self::MaterialCooperation,
        Self::VerbalConflict,
        Self::MaterialConflict,
    ];

    /// Its number, 1 to 4.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Its name: `verbal-cooperation` and so on.
    pub fn name(self) -> &'static str {
        match self {
            Self::VerbalCooperation => "verbal-cooperation",
            Self::MaterialCooperation => "material-cooperation",
            Self::VerbalConflict => "verbal-conflict",
            Self::MaterialConflict => "material-conflict",
        }
    }

    /// Reads a number from 1 to 4, also written `1.0`, or a name in any case, with spaces or hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let whole = text.strip_suffix(".0").unwrap_or(text);
        Self::ALL.into_iter().find(|quad| {
            whole.parse() == Ok(quad.number()) || text.replace(' ', "-").eq_ignore_ascii_case(quad.name())
        })
    }
}

/// The root of a CAMEO code: its first two digits. `None` where it has none.
pub fn root_of_cameo(code: &str) -> Option<&str> {
    let root = code.get(..2)?;
    root.bytes().all(|byte| byte.is_ascii_digit()).then_some(root)
}

/// The quad class of a CAMEO root `01` to `20`, by the table [`CAMEO_QUAD`].
pub fn quad_of_root(root: &str) -> Option<Quad> {
    match root.parse::<u8>().ok()? {
        1..=5 => Some(Quad::VerbalCooperation),
        6..=8 => Some(Quad::MaterialCooperation),
        9..=13 => Some(Quad::VerbalConflict),
        14..=20 => Some(Quad::MaterialConflict),
        _ => None,
    }
}

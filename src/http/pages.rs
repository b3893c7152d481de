//! The pages that list the layout's files, so that a program that follows links finds all of them.
//!
//! A page lists at most two thousand things: the groups of three digits in which the layout writes numbers are its folders.
//! The front page names the checkpoint before everything else: who follows links in their order then has everything that
//! the checkpoint covers, also while the log grows.

use super::tiles::shown;
use super::{AGAIN, HttpError, Port};
use crate::merkle::tile::{Kind, Tile};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use std::fmt::Write;

/// What the log is, and the way to everything else.
pub async fn front(State(port): State<Port>) -> Result<Response, HttpError> {
    let size = shown(&port)?;
    let mut links = vec![("checkpoint".to_owned(), "the newest signed checkpoint")];
    links.push(("key".into(), "the public key, one line"));
    for level in Tile::levels(size) {
        links.push((folder_of(Kind::Hashes(level)), "hashes of the tree"));
    }
    if size > 0 {
        links.push((folder_of(Kind::Entries), "leaves: what the tree commits to"));
        links.push((
            folder_of(Kind::Payloads),
            "payloads with their salts: what the leaves commit to",
        ));
    }
    let mut list = String::new();
    for (link, what) in links {
        let _ = writeln!(list, "<li><a href=\"{link}\">{link}</a> {what}</li>");
    }
    let origin = escaped(port.log.origin());
    let text = format!(
        "<p>An archive of {size} records, signed for by the newest checkpoint, in the layout of C2SP tlog-tiles. Copy it by \
         following the links from here, and check the copy with <code>chancery verify COPY --key KEY</code>.</p>"
    );
    Ok(page(&origin, &text, &list))
}

/// What lies below a folder of the layout.
pub fn folder(port: &Port, path: &str) -> Result<Response, HttpError> {
    let size = shown(port)?;
    let missing = || HttpError::NotFound(escaped(&path.chars().take(80).collect::<String>()));
    let folder = Folder::of(path).ok_or_else(missing)?;
    let names = folder.names(size);
    if names.is_empty() {
        return Err(missing());
    }
    let mut list = String::new();
    for name in names {
        let _ = writeln!(list, "<li><a href=\"{name}\">{name}</a></li>");
    }
    Ok(page(&escaped(path), "", &list))
}

fn page(title: &str, text: &str, list: &str) -> Response {
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, AGAIN)];
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n<h1>{title}</h1>\n{text}\n\
         <ul>\n{list}</ul>\n</html>\n"
    );
    (headers, html).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A folder of numbers: those of a kind that begin with some groups of three digits.
struct Folder {
    kind: Kind,
    /// The groups, as one number.
    above: u64,
    groups: u32,
}

fn folder_of(kind: Kind) -> String {
    let path = Tile {
        kind,
        index: 0,
        width: 256,
    };
    path.to_string().trim_end_matches("000").to_owned()
}

impl Folder {
    /// Reads `tile/0/`, `tile/entries/x001/` and the like.
    fn of(path: &str) -> Option<Self> {
        let kinds = (0..=crate::merkle::tile::LEVEL_MAX).map(Kind::Hashes);
        let kind = kinds
            .chain([Kind::Entries, Kind::Payloads])
            .find(|kind| path.starts_with(&folder_of(*kind)))?;
        let (mut above, mut groups) = (0_u64, 0);
        for group in path[folder_of(kind).len()..].split_terminator('/') {
            let digits = group.strip_prefix('x').filter(|digits| digits.len() == 3)?;
            above = above.checked_mul(1_000)?.checked_add(digits.parse().ok()?)?;
            groups += 1;
            if above == 0 {
                return None;
            }
        }
        let is_whole = path.ends_with('/');
        is_whole.then_some(Self { kind, above, groups })
    }

    /// The names in the folder, of a log of this size: the files whose numbers have these groups and one more, and the
    /// folders of longer numbers.
    fn names(&self, size: u64) -> Vec<String> {
        let Some((count, last_width)) = Tile::extent(self.kind, size) else {
            return Vec::new();
        };
        let mut names = Vec::new();
        let first = self.above.saturating_mul(1_000);
        for index in first..first.saturating_add(1_000).min(count) {
            let is_partial = index + 1 == count && last_width < 256;
            let width = if is_partial {
                format!(".p/{last_width}")
            } else {
                String::new()
            };
            names.push(format!("{:03}{width}", index % 1_000));
        }
        // No number begins with a group of zeros.
        for group in u64::from(self.groups == 0)..1_000 {
            let above = first.saturating_add(group);
            if above.saturating_mul(1_000) < count {
                names.push(format!("x{group:03}/"));
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// All files that following the links leads to.
    fn followed(path: &str, size: u64, found: &mut BTreeSet<String>) {
        let folder = Folder::of(path).unwrap_or_else(|| panic!("{path}"));
        for name in folder.names(size) {
            let path = format!("{path}{name}");
            if path.ends_with('/') {
                followed(&path, size, found);
            } else {
                assert!(found.insert(path.clone()), "{path} is listed twice");
            }
        }
    }

    #[test]
    fn the_pages_lead_to_every_file_and_to_nothing_else() {
        for kind in [Kind::Hashes(0), Kind::Entries, Kind::Payloads] {
            for size in [1, 255, 256, 257, 256_000, 256_001, 511_999, 256 * 12_345 + 7] {
                let mut found = BTreeSet::new();
                followed(&folder_of(kind), size, &mut found);
                let all: BTreeSet<String> = Tile::all(kind, size).map(|tile| tile.to_string()).collect();
                assert!(found == all, "{kind:?} {size}");
            }
        }
    }

    #[test]
    fn numbers_of_three_groups_have_their_folders() {
        let size = 256 * 1_001_002;
        let names = |path: &str| Folder::of(path).unwrap().names(size);
        assert_eq!(names("tile/0/").last().unwrap(), "x999/");
        assert_eq!(names("tile/0/x001/").last().unwrap(), "x001/");
        assert_eq!(names("tile/0/x001/x001/"), ["000", "001"]);
        assert!(names("tile/0/x001/x002/").is_empty());
    }

    #[test]
    fn other_paths_are_no_folders() {
        for bad in [
            "",
            "tile/",
            "tile/0",
            "tile/8/",
            "tile/0/x000/",
            "tile/0/x1/",
            "tile/0/001/",
            "x",
            "payload",
        ] {
            assert!(Folder::of(bad).is_none(), "{bad}");
        }
        let deep = format!("tile/0/{}", "x999/".repeat(40));
        assert!(Folder::of(&deep).is_none());
    }
}

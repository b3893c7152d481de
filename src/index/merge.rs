//! One volume of several sources: of growing documents, of neighbouring volumes, of a volume without some of its documents.

use super::build::Build;
use super::growing::Growing;
use super::volume::{Cursor, Listed, Volume};
use roaring::RoaringBitmap;
use std::io;

/// What goes into a volume.
pub(super) struct Source<'s> {
    keys: Keys<'s>,
    /// What its numbers are raised by.
    shift: u32,
}

enum Keys<'s> {
    Volume(Cursor<'s>),
    Growing {
        growing: &'s Growing,
        order: std::vec::IntoIter<u32>,
    },
}

impl<'s> Source<'s> {
    pub fn volume(volume: &'s Volume, shift: u32) -> io::Result<Self> {
        Ok(Self {
            keys: Keys::Volume(Cursor::at(volume, &[])?),
            shift,
        })
    }

    pub fn growing(growing: &'s Growing) -> Self {
        Self {
            keys: Keys::Growing {
                growing,
                order: growing.sorted(&[]).into_iter(),
            },
            shift: 0,
        }
    }

    fn key(&self) -> Option<&[u8]> {
        match &self.keys {
            Keys::Volume(cursor) => cursor.key(),
            Keys::Growing { growing, order } => order.as_slice().first().map(|at| growing.key(*at)),
        }
    }

    /// Puts the numbers of the key at the end of a vector, those apart that are forgotten.
    fn append_to(&self, forgotten: &RoaringBitmap, to: &mut Vec<u32>) -> io::Result<()> {
        let before = to.len();
        match &self.keys {
            Keys::Volume(cursor) => cursor.append_to(to)?,
            Keys::Growing { growing, order } => {
                if let Some(at) = order.as_slice().first() {
                    growing.append_to(*at, to);
                }
                // They are what takes the place of the forgotten.
                return Ok(());
            }
        }
        if self.shift > 0 {
            to[before..]
                .iter_mut()
                .for_each(|number| *number = number.saturating_add(self.shift));
        }
        if !forgotten.is_empty() {
            let mut at = 0;
            to.retain(|number| {
                at += 1;
                at <= before || !forgotten.contains(*number)
            });
        }
        Ok(())
    }

    fn advance(&mut self) -> io::Result<()> {
        match &mut self.keys {
            Keys::Volume(cursor) => cursor.advance(),
            Keys::Growing { order, .. } => {
                order.next();
                Ok(())
            }
        }
    }
}

/// Writes all keys of the sources, each with its documents in all of them. Documents of volumes that are forgotten are left out,
/// and keys that nothing else has with them.
pub(super) fn merge(
    mut sources: Vec<Source<'_>>,
    forgotten: &RoaringBitmap,
    to: &mut Build,
) -> io::Result<()> {
    let (mut key, mut numbers) = (Vec::new(), Vec::new());
    while let Some(lowest) = sources.iter().filter_map(Source::key).min() {
        key.clear();
        key.extend(lowest);
        numbers.clear();
        for source in &mut sources {
            if source.key() == Some(&key) {
                source.append_to(forgotten, &mut numbers)?;
                source.advance()?;
            }
        }
        if !numbers.is_sorted() {
            numbers.sort_unstable();
        }
        if !numbers.is_empty() {
            to.push(&key, &numbers)?;
        }
    }
    Ok(())
}

//! Where on the earth a place lies, roughly: cells of a quarter of a degree.
//!
//! An index holds the cells of a record's places; [`cells_near`] says which of them a circle touches. They are a net of parallels and
//! meridians: row 0 begins at the south pole, column 0 at 180 degrees west.

use std::ops::Range;

/// Cells in a degree.
const PER_DEGREE: f64 = 4.0;
const ROWS: u16 = 720;
const COLUMNS: u16 = 1_440;
/// The cell of what lies on no map: degrees beyond the poles or the date line are reckoned with all the same.
pub(super) const OFF_THE_MAP: [u8; 4] = [u8::MAX; 4];
/// A circle of more rows is as good as the whole earth.
const ROWS_MAX: u16 = 240;
/// The radius of the earth in kilometres, as distances are reckoned with.
pub(super) const EARTH_KM: f64 = 6_371.009;
/// What a circle is drawn wider by, in degrees: more than any rounding.
const SLACK: f64 = 1e-3;

/// The degrees of a coordinate.
pub(super) fn degrees(text: &str) -> Option<f64> {
    let number = text.trim().parse::<f64>().ok();
    number.filter(|degrees| degrees.is_finite())
}

/// The bytes of the cell of a place: its row, its column, big-endian.
pub(super) fn cell_of(latitude: f64, longitude: f64) -> [u8; 4] {
    if latitude.abs() > 90.0 || longitude.abs() > 180.0 {
        return OFF_THE_MAP;
    }
    bytes(row(latitude), column(longitude))
}

fn bytes(row: u16, column: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (row.to_be_bytes(), column.to_be_bytes());
    [a, b, c, d]
}

/// Numbers beyond an edge are those of the edge.
fn row(latitude: f64) -> u16 {
    (((latitude + 90.0) * PER_DEGREE) as u16).min(ROWS - 1)
}

fn column(longitude: f64) -> u16 {
    (((longitude + 180.0) * PER_DEGREE) as u16).min(COLUMNS - 1)
}

/// The cells that a circle touches, and perhaps some more, as ranges of their bytes; `None` where they are too many to name.
pub(super) fn cells_near(latitude: f64, longitude: f64, km: f64) -> Option<Vec<Range<Vec<u8>>>> {
    let angle = km / EARTH_KM;
    let reach = angle.to_degrees() + SLACK;
    let (south, north) = (latitude - reach, latitude + reach);
    let rows = row(south.max(-90.0))..=row(north.min(90.0));
    if rows.end() - rows.start() >= ROWS_MAX {
        return None;
    }
    let (one, other) = columns(latitude, longitude, angle, south <= -90.0 || north >= 90.0);
    let spans = || [Some(&one), other.as_ref()].into_iter().flatten();
    let range = |row, span: &Range<u16>| bytes(row, span.start).to_vec()..bytes(row, span.end).to_vec();
    let ranges = rows.flat_map(|row| spans().map(move |span| range(row, span)));
    Some(ranges.collect())
}

/// The columns of a circle, in one span, or two where it crosses the date line.
fn columns(
    latitude: f64,
    longitude: f64,
    angle: f64,
    holds_a_pole: bool,
) -> (Range<u16>, Option<Range<u16>>) {
    let all = (0..COLUMNS, None);
    if holds_a_pole {
        return all;
    }
    // The meridians that touch a circle: sin(width) = sin(angle) / cos(latitude).
    let width = (angle.sin() / latitude.to_radians().cos()).asin().to_degrees() + SLACK;
    // Not a number where the circle holds a pole, but for rounding.
    if width.is_nan() || width >= 179.0 {
        return all;
    }
    let (west, east) = (longitude - width, longitude + width);
    match (west < -180.0, east > 180.0) {
        (false, false) => (column(west)..column(east) + 1, None),
        (true, _) => (0..column(east) + 1, Some(column(west + 360.0)..COLUMNS)),
        (false, true) => (column(west)..COLUMNS, Some(0..column(east - 360.0) + 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::eval::km_between;
    use super::*;
    use proptest::prelude::*;

    fn touches(cells: &Option<Vec<Range<Vec<u8>>>>, cell: [u8; 4]) -> bool {
        let Some(ranges) = cells else { return true };
        ranges.iter().any(|range| range.contains(&cell.to_vec()))
    }

    #[test]
    fn a_circle_of_a_city_is_a_few_cells() {
        let cells = cells_near(33.6, 73.05, 30.0);
        let ranges = cells.as_ref().unwrap();
        assert!(ranges.len() <= 4, "{ranges:?}");
        assert!(touches(&cells, cell_of(33.7, 73.1)));
        assert!(!touches(&cells, cell_of(35.7, 51.4)));
        assert!(!touches(&cells, OFF_THE_MAP));
    }

    #[test]
    fn the_date_line_and_the_poles_are_no_edges() {
        let fiji = cells_near(-17.0, 179.9, 60.0);
        assert!(touches(&fiji, cell_of(-17.0, -179.9)) && touches(&fiji, cell_of(-17.0, 179.5)));
        assert!(!touches(&fiji, cell_of(-17.0, 0.0)));
        let pole = cells_near(89.9, 10.0, 50.0);
        assert!(touches(&pole, cell_of(89.9, -170.0)) && touches(&pole, cell_of(90.0, 180.0)));
    }

    proptest! {
        #[test]
        fn whatever_lies_within_a_circle_lies_in_its_cells(
            latitude in -90.0_f64..=90.0,
            longitude in -180.0_f64..=180.0,
            km in prop_oneof![0.0_f64..50.0, 0.0_f64..20_100.0],
            north in -1.0_f64..1.0,
            east in -1.0_f64..1.0,
        ) {
            // Mostly near to the circle's edge, where it matters.
            let reach = (km / EARTH_KM).to_degrees() * 1.1;
            let place = (
                (latitude + north * reach).clamp(-90.0, 90.0),
                (longitude + east * reach * 3.0 + 540.0).rem_euclid(360.0) - 180.0,
            );
            if km_between((latitude, longitude), place) <= km {
                prop_assert!(touches(&cells_near(latitude, longitude, km), cell_of(place.0, place.1)));
            }
        }
    }
}

//! Files that are written in memory and read back.

use super::*;
use crate::cli::rows::chosen;
use crate::cli::shown::tests::record;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use bytes::Bytes;
use std::sync::Mutex;

/// What was written, also after its writer is gone; fails once it has so many bytes.
#[derive(Clone)]
struct Written {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Written {
    fn with_room(room: usize) -> Self {
        Self {
            bytes: Arc::default(),
            room,
        }
    }

    fn read(&self) -> Result<SerializedFileReader<Bytes>> {
        SerializedFileReader::new(Bytes::from(self.bytes.lock().unwrap().clone()))
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.bytes.lock().unwrap();
        if written.len() + bytes.len() > self.room {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        written.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn columns(names: &[&str]) -> Vec<&'static Column> {
    chosen(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn each_type_is_read_back_as_itself() {
    let record = record(
        r#"{"series":"desk","title":"t","occurred":"1815-06","types":["cameo:043"],
            "places":[{"name":"x","latitude":"-33.60"}]}"#,
    );
    let out = Written::with_room(usize::MAX);
    let names = [
        "type",
        "position",
        "recorded",
        "occurred_from",
        "latitude",
        "longitude",
        "url",
        "reported_from",
    ];
    let mut file = File::new(out.clone(), &columns(&names)).unwrap();
    file.push(&Shown::record(&record).unwrap()).unwrap();
    file.finish().unwrap();
    let reader = out.read().unwrap();
    let row = reader.get_row_iter(None).unwrap().next().unwrap().unwrap();
    assert_eq!(
        row.into_columns(),
        [
            ("type", Field::Str("043".to_owned())),
            ("position", Field::Long(7)),
            ("recorded", Field::Long(1_795_428_000_000_000_001)),
            ("occurred_from", Field::Date(-56_462)),
            ("latitude", Field::Double(-33.6)),
            ("longitude", Field::Null),
            ("url", Field::Null),
            ("reported_from", Field::Null),
        ]
        .map(|(name, field)| (name.to_owned(), field))
    );
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let logical = |at: usize| schema.column(at).logical_type_ref().cloned();
    assert_eq!(logical(0), Some(LogicalType::String));
    assert_eq!(logical(2), Some(LogicalType::timestamp(true, TimeUnit::NANOS)));
    assert_eq!(logical(3), Some(LogicalType::Date));
}

#[test]
fn groups_are_bounded_by_rows_and_by_bytes() {
    let groups = |title: &str, names: &[&str], rows: usize| {
        let record = record(&format!(r#"{{"series":"desk","title":"{title}"}}"#));
        let shown = Shown::record(&record).unwrap();
        let out = Written::with_room(usize::MAX);
        let mut file = File::new(out.clone(), &columns(names)).unwrap();
        (0..rows).for_each(|_| file.push(&shown).unwrap());
        file.finish().unwrap();
        let reader = out.read().unwrap();
        let groups = reader.metadata().row_groups().iter();
        groups.map(|group| group.num_rows()).collect::<Vec<_>>()
    };
    assert_eq!(groups("t", &["position"], GROUP_ROWS + 1), [65_536, 1]);
    assert_eq!(groups("t", &["position"], 0), [0_i64; 0]);
    assert_eq!(groups(&"t".repeat(1 << 19), &["title"], 129), [128, 1]);
}

#[test]
fn a_file_that_was_broken_off_is_no_file() {
    let record = record(r#"{"series":"desk","title":"t"}"#);
    let out = Written::with_room(usize::MAX);
    let mut file = File::new(out.clone(), &columns(&["position"])).unwrap();
    (0..=GROUP_ROWS).for_each(|_| file.push(&Shown::record(&record).unwrap()).unwrap());
    drop(file);
    assert!(!out.bytes.lock().unwrap().is_empty());
    assert!(out.read().is_err());
}

#[test]
fn a_reader_that_is_gone_before_the_end_is_a_failure() {
    let record = record(r#"{"series":"desk","title":"t"}"#);
    let mut file = File::new(Written::with_room(100), &columns(&[])).unwrap();
    file.push(&Shown::record(&record).unwrap()).unwrap();
    let failure = file.finish().unwrap_err();
    let sentence = failure.sentence().expect("it is no file, and must be said so");
    assert!(
        sentence.contains("could not be written to its end: whoever was to take it"),
        "{sentence}"
    );
}

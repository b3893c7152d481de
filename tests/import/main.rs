//! The importers: what each row states, what it warns of, what it rejects, and that nothing of it is lost.

mod authorities;
mod formats;
mod properties;
mod sample;
mod shared;

use chancery::import::{Draft, Format, Item, Options, Reject, read};
use chancery::record::codec::{Payload, decode_payload};
use std::ops::ControlFlow;

/// What an import handed on.
#[derive(Default)]
struct Imported {
    records: Vec<Draft>,
    rejects: Vec<Reject>,
}

impl Imported {
    fn payload(&self, at: usize) -> Payload {
        decode_payload(&self.records[at].payload).unwrap()
    }

    fn keys(&self) -> Vec<&str> {
        let keys = self
            .records
            .iter()
            .map(|draft| draft.key.as_ref().unwrap().as_str());
        keys.collect()
    }

    /// The record as the JSON form, for golden files.
    fn json(&self, at: usize) -> String {
        let mut said = chancery::record::json::payload(&self.records[at].payload);
        said.insert("key".to_owned(), self.keys()[at].into());
        serde_json::to_string_pretty(&said).unwrap()
    }
}

fn import_with(format: Format, mut input: &[u8], options: &Options) -> Imported {
    let mut imported = Imported::default();
    let ended = read(format, &mut input, options, &mut |item| {
        match item {
            Item::Record(draft) => imported.records.push(*draft),
            Item::Reject(reject) => imported.rejects.push(reject),
        }
        ControlFlow::Continue(())
    });
    assert!(ended.unwrap().is_continue());
    imported
}

fn import(format: Format, input: &[u8]) -> Imported {
    let options = Options {
        file: "given/path".to_owned(),
        ..Options::default()
    };
    import_with(format, input, &options)
}

fn fixture(name: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read(path).unwrap()
}

//! Compiles `proto/` and nothing else. No `protoc` is needed: protox is a compiler written in Rust.
//!
//! The published protos type payloads and leaves as messages. The program itself must never re-encode them (their
//! hashes are taken of the stored bytes), so the services are compiled here with those fields as bytes, which is
//! the same encoding on the wire. A payload in a request becomes `repeated bytes`, so that a second one can be
//! refused instead of being merged into the first without a word. What is derived from an entry is bytes too: it is written at once,
//! and read only where it is shown.
//!
//! `record.proto` is compiled apart, as plain prost: what lies on disk must not depend on a gRPC library.

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use std::path::PathBuf;

const RECORD: &str = "chancery/v1/record.proto";
const SERVICES: [&str; 6] = [
    "chancery/v1/archive.proto",
    "chancery/v1/query.proto",
    "chancery/v1/subscriptions.proto",
    "chancery/v1/views.proto",
    "chancery/v1/integrity.proto",
    "chancery/v1/admin.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let record = protox::compile([RECORD], ["proto"])?;
    let published = protox::compile(SERVICES, ["proto"])?;
    std::fs::write(out.join("chancery_descriptor.bin"), published.encode_to_vec())?;
    compile_record(record, out.join("record"))?;
    compile_services(published, out.join("rpc"))?;
    Ok(())
}

fn compile_record(set: FileDescriptorSet, out: PathBuf) -> std::io::Result<()> {
    std::fs::create_dir_all(&out)?;
    tonic_prost_build::configure()
        .bytes(".")
        .out_dir(out)
        .compile_fds(set)
}

fn compile_services(mut set: FileDescriptorSet, out: PathBuf) -> std::io::Result<()> {
    std::fs::create_dir_all(&out)?;
    // A program that is only a client has no server to implement.
    let has_server = std::env::var_os("CARGO_FEATURE_SERVER").is_some();
    let mut config = tonic_prost_build::configure()
        .bytes(".")
        .build_server(has_server)
        .codec_path("crate::rpc::codec::ProtoCodec")
        .out_dir(out);
    for name in names_of_record(&set) {
        config = config.extern_path(
            format!(".chancery.v1.{name}"),
            format!("crate::record::codec::{name}"),
        );
    }
    keep_bytes(&mut set);
    config.compile_fds(set)
}

/// The messages and enums of `record.proto`, which exist once, in `record::codec`.
fn names_of_record(set: &FileDescriptorSet) -> Vec<String> {
    let record = set.file.iter().filter(|file| file.name() == RECORD);
    record
        .flat_map(|file| {
            let messages = file.message_type.iter().map(|message| message.name().to_owned());
            messages.chain(file.enum_type.iter().map(|one| one.name().to_owned()))
        })
        .collect()
}

/// Turns the fields that carry payloads, leaves and what is derived into bytes.
fn keep_bytes(set: &mut FileDescriptorSet) {
    for message in set.file.iter_mut().flat_map(|file| &mut file.message_type) {
        let in_request = matches!(message.name(), "AppendRecord" | "EraseRequest");
        keep_bytes_of(message, in_request);
    }
}

fn keep_bytes_of(message: &mut DescriptorProto, in_request: bool) {
    for field in message
        .field
        .iter_mut()
        .filter(|field| is_written_elsewhere(field))
    {
        field.set_type(Type::Bytes);
        field.type_name = None;
        if in_request {
            field.set_label(Label::Repeated);
        }
    }
}

fn is_written_elsewhere(field: &FieldDescriptorProto) -> bool {
    matches!(
        field.type_name(),
        ".chancery.v1.Payload" | ".chancery.v1.Leaf" | ".chancery.v1.Derived"
    )
}

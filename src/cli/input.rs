//! A text that a command is given: a file, or stdin.

use super::failure::Failure;
use std::io::Read;
use std::path::Path;

/// Reads a file as text; `-` is stdin. `remedy` says what to do with one of more than `bytes_max` bytes.
///
/// # Errors
/// What the system says; more than the bound; bytes that are not UTF-8, with the first of them.
pub fn text(path: &Path, bytes_max: u64, remedy: &str) -> Result<String, Failure> {
    let name = if path == Path::new("-") {
        "stdin".into()
    } else {
        path.to_string_lossy()
    };
    let named = |cause: &std::io::Error| Failure::file(&name, cause);
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(bytes_max + 1)
            .read_to_end(&mut bytes)
    } else {
        let file = std::fs::File::open(path).map_err(|cause| named(&cause))?;
        file.take(bytes_max + 1).read_to_end(&mut bytes)
    };
    read.map_err(|cause| named(&cause))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure::failed(format!(
            "`{name}` has more than {bytes_max} bytes; {remedy}"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::failed(format!(
            "`{name}` is not UTF-8 from byte {at} on; convert it first"
        ))
    })
}

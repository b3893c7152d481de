//! Has the daemon run with an allocator that gives memory back soon.
//!
//! mimalloc gives pages back to the system a second after they were freed, and looks only when more is freed: a daemon that comes
//! to rest after a load of a million records kept 110 MB that nothing used. How soon is read from the environment as the
//! program begins, before anything of ours runs, so the daemon begins once more with it: the same process, some two
//! milliseconds later.

use std::process::Command;

/// What mimalloc reads. Whoever sets it decides.
const VARIABLE: &str = "MIMALLOC_PURGE_DELAY";
/// Soon enough to hold no more than is used, late enough that a steady load is no slower.
const DELAY_MS: &str = "10";

/// Begins again with the setting, where it is not set yet. Where that cannot be done the program goes on as it is.
pub fn give_back_soon() {
    #[cfg(unix)]
    if std::env::var_os(VARIABLE).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        use std::os::unix::process::CommandExt;
        let mut arguments = std::env::args_os();
        let mut again = Command::new(program);
        if let Some(name) = arguments.next() {
            again.arg0(name);
        }
        // It comes back only where it could not begin.
        let _ = again.args(arguments).env(VARIABLE, DELAY_MS).exec();
    }
}

//! The program `chancery`: arguments in, one command run, an exit code out.

/// The system's allocator keeps the pages that a burst of messages has touched; this one gives them back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    chancery::cli::run()
}

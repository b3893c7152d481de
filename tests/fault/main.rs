//! What can go wrong with disk, power, process, clock and hot log, and what the archive keeps of its promises.

mod archive;
mod archive_id;
mod clock;
mod disk_full;
mod erasure;
mod journal_damage;
mod journal_ends;
mod journal_segments;
mod kill;
mod power_cut;
mod repair;
mod sealing;
mod second_daemon;
mod signing;
mod sim;
mod sled_faults;
mod small;
mod verify;

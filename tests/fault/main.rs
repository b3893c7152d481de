//! What can go wrong with disk, power, process, clock and hot log, and what the archive keeps of its promises.

mod journal_damage;
mod power_cut;
mod sim;
mod verify;

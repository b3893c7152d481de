//! What lies on disk, behind the traits of [`crate::log::store`].

pub mod blank;
pub mod chunk;
pub mod disk;
pub mod erase;
pub mod extents;
pub mod faulty;
pub mod frame;
pub mod journal;
pub mod open;
pub mod recover;
pub mod repair;
mod rescue;
pub mod scan;
pub mod seal;
pub mod sealed;
pub mod segment;
pub mod sled;
pub mod state;
pub mod verify;

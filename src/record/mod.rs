//! The words of the domain.
pub mod codec;

//! The filter language. (Placeholder until the language lands; replace this whole file.)

/// A parsed filter.
#[derive(Clone, Debug)]
pub struct Filter;

impl Filter {
    /// Its canonical form.
    pub fn canonical(&self) -> String {
        String::new()
    }
}

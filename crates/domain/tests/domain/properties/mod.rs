//! What holds of any text that is read here.

mod addresses;
mod names;
mod scopes;
mod texts;
mod urls;
mod values;

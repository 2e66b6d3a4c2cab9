//! The words of the business from outside: what holds of whatever anybody writes, and what each rule is for.

#[cfg(test)]
mod properties;

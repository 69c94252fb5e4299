//! Environment variables as a value. Constraint: only [`Variables::of_process`] reads the real environment, and only
//! `main` calls it; tests pass pairs. Values never appear in errors or in `Debug`: any of them may be a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A snapshot of environment variables. Empty values count as unset.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The process's environment; variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The variable's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The variable's value as a `T`.
    ///
    /// # Errors
    /// [`Error::Setting`] with `expected` ("a number of seconds") if it does not parse.
    pub fn parse<T: FromStr>(&self, name: &'static str, expected: &str) -> Result<Option<T>, Error> {
        self.get(name)
            .map(|value| value.parse().map_err(|_| Error::setting(name, format!("expected {expected}"))))
            .transpose()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_are_parsed_and_never_shown() {
        let variables = Variables::from_iter([("GRACE", "25"), ("PORT", "s3cret"), ("EMPTY", "")]);
        assert_eq!(variables.parse::<u64>("GRACE", "a number").unwrap(), Some(25));
        assert_eq!(variables.parse::<u64>("ABSENT", "a number").unwrap(), None);
        assert_eq!(variables.get("EMPTY"), None);
        let error = variables.parse::<u16>("PORT", "a port").unwrap_err();
        assert_eq!(error.to_string(), "setting PORT is not usable: expected a port");
        assert!(!format!("{error:?} {variables:?}").contains("s3cret"));
    }
}

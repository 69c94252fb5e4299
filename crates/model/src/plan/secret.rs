//! References to secrets. A plan names secrets and never holds them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::decode::{Decode, text};
use super::problem::Report;
use super::tree::Node;
use crate::failure::{Classify, FailureClass};

/// Where a secret is found: `env:NAME` or `file:/path`. Read only in the process that needs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$"))]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file with an absolute path; line ends after the secret are ignored.
    File(PathBuf),
}

/// The text does not name a secret. It is not repeated: it may be the secret itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecretRef {
    /// Neither `env:` nor `file:`.
    #[error("looks like the secret itself, which must not be in a plan")]
    Literal,
    /// `env:` without a usable name.
    #[error("does not name an environment variable")]
    Variable,
    /// `file:` without an absolute path.
    #[error("does not name a file by an absolute path")]
    Path,
}

/// A secret could not be read. Names the reference, never the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable {0} is not set; set it to the secret named in the plan")]
    NotSet(String),
    /// The file cannot be read.
    #[error("the secret file {path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("the secret {0} is empty")]
    Empty(SecretRef),
}

impl Classify for SecretError {
    fn class(&self) -> FailureClass {
        FailureClass::Halt
    }
}

impl SecretRef {
    /// Reads a reference.
    pub fn parse(text: &str) -> Result<Self, InvalidSecretRef> {
        if let Some(name) = text.strip_prefix("env:") {
            let good = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            return if good { Ok(Self::Env(name.to_owned())) } else { Err(InvalidSecretRef::Variable) };
        }
        if let Some(path) = text.strip_prefix("file:") {
            let path = PathBuf::from(path);
            let good = path.is_absolute() && path.file_name().is_some();
            return if good { Ok(Self::File(path)) } else { Err(InvalidSecretRef::Path) };
        }
        Err(InvalidSecretRef::Literal)
    }

    /// Reads the secret through the given access to environment and files.
    pub fn resolve(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Result<SecretString, SecretError> {
        let secret = match self {
            Self::Env(name) => env(name).ok_or_else(|| SecretError::NotSet(name.clone()))?,
            Self::File(path) => {
                let content =
                    read(path).map_err(|source| SecretError::Unreadable { path: path.clone(), source })?;
                content.trim_end_matches(['\r', '\n']).to_owned()
            }
        };
        if secret.is_empty() {
            return Err(SecretError::Empty(self.clone()));
        }
        Ok(SecretString::from(secret))
    }
}

impl TryFrom<String> for SecretRef {
    type Error = InvalidSecretRef;
    fn try_from(text: String) -> Result<Self, InvalidSecretRef> {
        Self::parse(&text)
    }
}

impl From<SecretRef> for String {
    fn from(reference: SecretRef) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl Decode for SecretRef {
    fn decode(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let found = text(node, path, report, "the name of a secret such as env:NAME")?;
        let fix = "write `env:NAME` (an environment variable) or `file:/path` (a file with the secret)";
        Self::parse(found).map_err(|error| report.add(node.place, path, error.to_string(), fix)).ok()
    }
}

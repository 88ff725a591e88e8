//! Where a tier lies: `s3://bucket/prefix` or `file:///folder`.

use std::fmt;
use std::path::PathBuf;

use object_store::path::Path;
use vigil_base::{Blame, Blamed};

/// A checked tier URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub(crate) place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Bucket { bucket: String, prefix: Path },
    Folder(PathBuf),
}

/// Why a text is no tier's URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It has another scheme.
    #[error("`{text}` is no tier: write `s3://bucket/prefix` or `file:///folder`")]
    Scheme {
        /// The text.
        text: String,
    },
    /// The bucket's name is not one.
    #[error(
        "`{bucket}` is no bucket: its name has 3 to 63 of a-z, 0-9, `-` and `.`, and starts and ends with a letter or digit"
    )]
    Bucket {
        /// What stands in its place.
        bucket: String,
    },
    /// The prefix cannot be part of a key.
    #[error("`{prefix}` cannot stand before keys: {reason}")]
    Prefix {
        /// The prefix.
        prefix: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder's path is not absolute.
    #[error("`{text}` names no absolute folder: write `file:///folder`")]
    Folder {
        /// The text.
        text: String,
    },
}

impl Blamed for AddressError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

impl Address {
    /// Checks `text`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let place = if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let prefix = prefix.trim_end_matches('/');
            if !is_bucket(bucket) {
                return Err(AddressError::Bucket { bucket: bucket.into() });
            }
            let prefix = Path::parse(prefix).map_err(|error| AddressError::Prefix {
                prefix: prefix.into(),
                reason: error.to_string(),
            })?;
            Place::Bucket { bucket: bucket.into(), prefix }
        } else if text.starts_with("file:") {
            let folder = || AddressError::Folder { text: text.into() };
            let url = url::Url::parse(text).map_err(|_| folder())?;
            let is_plain = url.query().is_none() && url.fragment().is_none();
            let path = url.to_file_path().ok().filter(|_| is_plain);
            Place::Folder(path.ok_or_else(folder)?)
        } else {
            return Err(AddressError::Scheme { text: text.chars().take(200).collect() });
        };
        Ok(Self { place })
    }
}

fn is_bucket(name: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(b))
        && is_end(bytes.first())
        && is_end(bytes.last())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Bucket { bucket, prefix } if prefix.is_root() => write!(f, "s3://{bucket}"),
            Place::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
            Place::Folder(folder) => write!(f, "file://{}", folder.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[track_caller]
    fn check(text: &str, want: Result<&str, &str>) {
        match (Address::parse(text), want) {
            (Ok(address), Ok(want)) => assert_eq!(address.to_string(), want),
            (Err(error), Err(want)) => {
                assert!(error.to_string().contains(want), "{text}: {error}");
            }
            (found, want) => panic!("{text}: {found:?}, and not {want:?}"),
        }
    }

    #[test]
    fn addresses() {
        check("s3://plant7", Ok("s3://plant7"));
        check("s3://plant7/", Ok("s3://plant7"));
        check("s3://plant.7/a/b/", Ok("s3://plant.7/a/b"));
        check("file:///srv/tier", Ok("file:///srv/tier"));
        check("s3://", Err("is no bucket"));
        check("s3://Plant", Err("is no bucket"));
        check("s3://plant7/a//b", Err("cannot stand before keys"));
        check("s3://plant7/../b", Err("cannot stand before keys"));
        check("https://plant7", Err("is no tier"));
        check("file://host/x", Err("no absolute folder"));
        check("file:///x?y", Err("no absolute folder"));
    }
}

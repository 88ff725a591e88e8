//! The objects of one tier: asked for, read, written, listed; each call waits for its answer.
//!
//! It knows keys and bytes. What the bytes mean, and whether they are encrypted, is the callers'.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt as _;
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    BackoffConfig, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt as _,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, RetryConfig,
};
use vigil_base::{Blame, Blamed};

use crate::address::{Address, Place};
use crate::http::{Connector, chain};
use crate::settings::{Resolved, TierOptions};
use crate::tier::OpenTierError;
use crate::worker::Worker;

/// Bytes of an object up to which it is sent at once, and of each part of a larger one. S3 takes
/// 10 000 parts, so that objects of 78 GiB are possible; the largest arena has 64 GiB.
pub(crate) const PART_LEN: usize = 8 << 20;

/// Parts on their way at once: memory for an upload stays below 40 MiB.
const PARTS_UNDER_WAY: usize = 4;

/// Why an object could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// It is not there.
    #[error("there is no object `{object}`; `vigil tier status` shows what is there")]
    Absent {
        /// The object.
        object: String,
    },
    /// Nothing can be written, because what it would be in is not there.
    #[error("could not write `{object}`: the bucket or folder is not there; make it first")]
    NoBucket {
        /// The object.
        object: String,
    },
    /// The server does not know the keys, or does not let them do this.
    #[error(
        "not allowed to {action} `{object}`: {reason}; check the keys and what the bucket grants them"
    )]
    Denied {
        /// The object.
        object: String,
        /// What was tried, as a verb.
        action: &'static str,
        /// What the server said.
        reason: String,
    },
    /// The server did not answer, or answered that it cannot.
    #[error(
        "could not {action} `{object}`: {reason}; nothing was lost, try again when the server can be reached"
    )]
    Unreachable {
        /// The object.
        object: String,
        /// What was tried, as a verb.
        action: &'static str,
        /// What was said or seen.
        reason: String,
    },
    /// The server lacks something that is relied on.
    #[error("the server cannot {action} `{object}`: {reason}; use another server")]
    Unsupported {
        /// The object.
        object: String,
        /// What was tried, as a verb.
        action: &'static str,
        /// What is lacking.
        reason: String,
    },
    /// It has another length than it must have.
    #[error(
        "`{object}` has {found} bytes and must have {wanted}; it was cut or replaced, push it again from where it still is whole"
    )]
    Length {
        /// The object.
        object: String,
        /// Its length.
        found: u64,
        /// What it should be.
        wanted: u64,
    },
    /// Its bytes do not hash to its name.
    #[error(
        "the bytes of `{object}` do not hash to its name, so they were not taken; push it again from where it still is whole"
    )]
    Hash {
        /// The object.
        object: String,
    },
    /// It is not encrypted as this program does it.
    #[error("`{object}` is not an encrypted object of version 1; something else was put there")]
    NotEncrypted {
        /// The object.
        object: String,
    },
    /// It was encrypted with another key.
    #[error(
        "`{object}` was encrypted with another key or passphrase; name the one it was made with"
    )]
    WrongKey {
        /// The object.
        object: String,
    },
    /// It was encrypted as another object and put in this one's place.
    #[error("`{object}` holds another object, which somebody put in its place; nothing was taken")]
    Swapped {
        /// The object.
        object: String,
    },
    /// Its encrypted bytes have been changed.
    #[error(
        "`{object}` was altered near byte {offset}; nothing of that was taken, push it again from where it still is whole"
    )]
    Altered {
        /// The object.
        object: String,
        /// Where, in the stored object.
        offset: u64,
    },
    /// It can be read with a key only.
    #[error("the key or passphrase of this tier is needed for `{object}`")]
    NeedsKey {
        /// The object.
        object: String,
    },
    /// Its record cannot be understood.
    #[error("`{object}` is no record of version 1: {reason}")]
    Record {
        /// The object.
        object: String,
        /// What is wrong.
        reason: String,
    },
    /// The system gave no random bytes to encrypt with.
    #[error("could not encrypt `{object}`: {reason}")]
    Randomness {
        /// The object.
        object: String,
        /// What the system said.
        reason: String,
    },
}

impl Blamed for ObjectError {
    fn blame(&self) -> Blame {
        match self {
            Self::Absent { .. }
            | Self::NoBucket { .. }
            | Self::WrongKey { .. }
            | Self::NeedsKey { .. } => Blame::Caller,
            _ => Blame::World,
        }
    }
}

/// Turns what the object-store crate says into what people can act on.
fn explain(action: &'static str, object: &str) -> impl Fn(object_store::Error) -> ObjectError {
    let object = object.to_owned();
    move |error| {
        let object = object.clone();
        let reason = chain(&error);
        match error {
            object_store::Error::NotFound { .. } if action == "write" => {
                ObjectError::NoBucket { object }
            }
            object_store::Error::NotFound { .. } => ObjectError::Absent { object },
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => {
                ObjectError::Denied { object, action, reason }
            }
            object_store::Error::NotImplemented { .. }
            | object_store::Error::NotSupported { .. } => {
                ObjectError::Unsupported { object, action, reason }
            }
            _ => ObjectError::Unreachable { object, action, reason },
        }
    }
}

pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    worker: Worker,
}

impl Objects {
    pub fn open(address: &Address, options: &TierOptions<'_>) -> Result<Self, OpenTierError> {
        let worker = Worker::start().map_err(OpenTierError::Thread)?;
        let (store, prefix): (Arc<dyn ObjectStore>, Path) = match &address.place {
            Place::Folder(folder) => {
                // A folder is not made: a disk that is not mounted would be written beside.
                let absent = |source| OpenTierError::Folder { path: folder.clone(), source };
                if !std::fs::metadata(folder).map_err(absent)?.is_dir() {
                    return Err(absent(std::io::ErrorKind::NotADirectory.into()));
                }
                let store = LocalFileSystem::new_with_prefix(folder);
                let store = store.map_err(|error| absent(std::io::Error::other(chain(&error))))?;
                (Arc::new(store.with_fsync(true)), Path::default())
            }
            Place::Bucket { bucket, prefix } => {
                (Arc::new(open_bucket(bucket, options)?), prefix.clone())
            }
        };
        Ok(Self { store, prefix, worker })
    }

    fn path(&self, object: &str) -> Path {
        self.prefix.parts().chain(object.split('/').map(Into::into)).collect()
    }

    /// Returns the length of an object, if it is there.
    pub fn len(&self, object: &str) -> Result<Option<u64>, ObjectError> {
        let (store, path) = (self.store.clone(), self.path(object));
        match self.worker.run(async move { store.head(&path).await }) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(explain("ask for", object)(error)),
        }
    }

    /// Returns the `len` bytes of an object from byte `start` on.
    pub fn range(&self, object: &str, start: u64, len: usize) -> Result<Vec<u8>, ObjectError> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let (store, path) = (self.store.clone(), self.path(object));
        let range = GetRange::Bounded(start..start + len as u64);
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let got = self.worker.run(async move {
            let result = store.get_opts(&path, options).await?;
            Ok((result.meta.size, result.bytes().await?))
        });
        let (found, bytes) = got.map_err(explain("read", object))?;
        if bytes.len() == len {
            return Ok(bytes.into());
        }
        Err(ObjectError::Length { object: object.into(), found, wanted: start + len as u64 })
    }

    /// Returns a whole object of at most `len_max` bytes, if it is there.
    pub fn small(&self, object: &str, len_max: u64) -> Result<Option<Vec<u8>>, ObjectError> {
        match self.len(object)? {
            None => Ok(None),
            Some(found) if found > len_max => {
                Err(ObjectError::Length { object: object.into(), found, wanted: len_max })
            }
            Some(found) => self.range(object, 0, found as usize).map(Some),
        }
    }

    /// Writes a small object. With `is_new`, one that is there already stays; returns whether the
    /// bytes were taken.
    pub fn put(&self, object: &str, bytes: Vec<u8>, is_new: bool) -> Result<bool, ObjectError> {
        let (store, path) = (self.store.clone(), self.path(object));
        let mode = if is_new { PutMode::Create } else { PutMode::Overwrite };
        let options = PutOptions { mode, ..PutOptions::default() };
        let put = async move { store.put_opts(&path, bytes.into(), options).await };
        match self.worker.run(put) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) if is_new => Ok(false),
            Err(error) => Err(explain("write", object)(error)),
        }
    }

    /// Writes an object of any length. `next` returns its parts, each of [`PART_LEN`] bytes but the
    /// last; if it fails, the object is not made.
    pub fn upload<E: From<ObjectError>>(
        &self,
        object: &str,
        next: &mut dyn FnMut() -> Result<Option<Vec<u8>>, E>,
    ) -> Result<(), E> {
        let first = next()?.unwrap_or_default();
        if first.len() < PART_LEN {
            self.put(object, first, false)?;
            return Ok(());
        }
        let (store, path) = (self.store.clone(), self.path(object));
        let start =
            async move { store.put_multipart_opts(&path, PutMultipartOptions::default()).await };
        let mut upload = self.worker.run(start).map_err(explain("write", object))?;
        if let Err(error) = self.send_parts(object, &mut *upload, first, next) {
            // The error at hand says more than one of giving up would; what has arrived is removed
            // by the server's rule for unfinished uploads.
            let _ = self.worker.run(async move { upload.abort().await });
            return Err(error);
        }
        let complete = self.worker.run(async move { upload.complete().await });
        complete.map(|_| ()).map_err(|error| explain("write", object)(error).into())
    }

    fn send_parts<E: From<ObjectError>>(
        &self,
        object: &str,
        upload: &mut dyn MultipartUpload,
        first: Vec<u8>,
        next: &mut dyn FnMut() -> Result<Option<Vec<u8>>, E>,
    ) -> Result<(), E> {
        let mut under_way = VecDeque::new();
        let wait = |task: tokio::task::JoinHandle<object_store::Result<()>>| {
            let sent = self.worker.run(task).unwrap_or_else(|source| Err(source.into()));
            sent.map_err(explain("write", object))
        };
        let mut part = Some(first);
        while let Some(bytes) = part {
            if under_way.len() == PARTS_UNDER_WAY
                && let Some(oldest) = under_way.pop_front()
            {
                wait(oldest)?;
            }
            under_way.push_back(self.worker.spawn(upload.put_part(PutPayload::from(bytes))));
            part = next()?;
        }
        Ok(under_way.into_iter().try_for_each(wait)?)
    }

    /// Lists the objects below a folder: their names there, and lengths. Names of folders below it
    /// are not listed.
    pub fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, ObjectError> {
        let (store, path) = (self.store.clone(), self.path(folder));
        let prefix = path.clone();
        let listed: Vec<_> =
            self.worker.run(async move { store.list(Some(&prefix)).collect().await });
        let mut found = Vec::new();
        for meta in listed {
            let meta = match meta {
                Ok(meta) => meta,
                Err(error) => return Err(self.explain_list(error, folder)),
            };
            let name = meta.location.prefix_match(&path).map(|parts| parts.collect::<Vec<_>>());
            if let Some([name]) = name.as_deref() {
                found.push((name.as_ref().to_owned(), meta.size));
            }
        }
        found.sort();
        Ok(found)
    }

    /// The object-store crate does not say why a listing failed, other than in a text; that of an
    /// object it does.
    fn explain_list(&self, error: object_store::Error, folder: &str) -> ObjectError {
        match self.len(folder) {
            Err(ObjectError::Denied { object, reason, .. }) => {
                ObjectError::Denied { object, action: "list", reason }
            }
            _ => explain("list", folder)(error),
        }
    }
}

fn open_bucket(
    bucket: &str,
    options: &TierOptions<'_>,
) -> Result<object_store::aws::AmazonS3, OpenTierError> {
    let resolved = Resolved::new(options)?;
    let connector = Connector::new(&resolved, options.silence_max)?;
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: options.retries,
        retry_timeout: options.retry_for,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(resolved.region)
        .with_checksum_algorithm(Checksum::SHA256)
        .with_retry(retry)
        .with_http_connector(connector);
    builder = match resolved.endpoint {
        // Servers other than Amazon's seldom have a name for each bucket.
        Some(endpoint) => builder
            .with_allow_http(endpoint.starts_with("http://"))
            .with_endpoint(endpoint.trim_end_matches('/'))
            .with_virtual_hosted_style_request(false),
        // A dot in a bucket's name is not covered by Amazon's certificate.
        None => builder.with_virtual_hosted_style_request(!bucket.contains('.')),
    };
    builder = match resolved.keys {
        None => builder.with_skip_signature(true),
        Some(keys) => {
            let builder = builder.with_access_key_id(keys.id).with_secret_access_key(keys.secret);
            match keys.token {
                Some(token) => builder.with_token(token),
                None => builder,
            }
        }
    };
    builder.build().map_err(|error| OpenTierError::Client { reason: chain(&error) })
}

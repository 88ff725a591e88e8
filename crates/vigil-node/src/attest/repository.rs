//! The repository, through the person's own `git`: its settings, its hooks and its formats are theirs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use vigil_base::{Blame, Blamed, Vcid};

use super::{Attestation, FOLDER};

/// The longest file that is read as an attestation or its signature.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// A git repository with a folder of files.
#[derive(Clone, Debug)]
pub struct Repository {
    /// The top of its files.
    root: PathBuf,
    /// The `git` that is used.
    git: PathBuf,
}

/// Why a repository could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepositoryError {
    /// There is no `git`.
    #[error("could not run `git`")]
    Absent {
        /// What the system said.
        source: io::Error,
    },
    /// `git` did not do it.
    #[error("`git {action}` failed: {said}")]
    Failed {
        /// What was asked for.
        action: &'static str,
        /// What it said, cut to its first lines.
        said: String,
    },
    /// A file could not be read or written.
    #[error("could not {action} {path:?}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another file is in the way.
    #[error("{path:?} is there already, and is another file")]
    Taken {
        /// The file.
        path: PathBuf,
    },
}

impl Blamed for RepositoryError {
    fn blame(&self) -> Blame {
        match self {
            Self::Failed { .. } | Self::Taken { .. } => Blame::Caller,
            Self::Absent { .. } | Self::File { .. } => Blame::World,
        }
    }
}

impl RepositoryError {
    /// Returns what to do about it, if that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Absent { .. } => Some("install git"),
            Self::Failed { action: "rev-parse", .. } => {
                Some("name a repository with `--repository PATH`; `git init` makes one")
            }
            _ => None,
        }
    }
}

/// How commits are signed.
#[derive(Clone, Debug)]
pub struct Signing<'a> {
    /// The agent's socket.
    pub socket: &'a Path,
    /// A file with the certificate, as a line.
    pub certificate: &'a Path,
    /// Who commits, where git does not know: a name, and what stands for an address.
    pub committer: (&'a str, &'a str),
}

impl Repository {
    /// Finds the repository that `folder` is in.
    ///
    /// # Errors
    /// Fails if there is none, or no `git`.
    pub fn find(folder: &Path) -> Result<Self, RepositoryError> {
        let git = PathBuf::from("git");
        let found =
            run(Command::new(&git).arg("-C").arg(folder), "rev-parse", &["--show-toplevel"])?;
        let root = PathBuf::from(found.trim_end_matches('\n'));
        Ok(Self { root, git })
    }

    /// Returns the top of its files.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn git(&self) -> Command {
        let mut command = Command::new(&self.git);
        command.arg("-C").arg(&self.root);
        command
    }

    /// Writes the files of an attestation, and commits them and nothing else, signed. Returns the
    /// commit, or `None` if they were there already.
    ///
    /// # Errors
    /// Fails as the disk and `git` do; other files are not replaced.
    pub fn commit(
        &self,
        attestation: &Attestation,
        message: &str,
        signing: &Signing<'_>,
    ) -> Result<Option<String>, RepositoryError> {
        let paths = attestation.paths();
        let is_new = write(&self.root, attestation)?;
        let known = run(&mut self.git(), "ls-files", &["--", &paths[0], &paths[1]])?;
        if !is_new && known.lines().count() == paths.len() {
            return Ok(None);
        }
        run(&mut self.git(), "add", &["--", &paths[0], &paths[1]])?;
        let mut git = self.git();
        git.env("SSH_AUTH_SOCK", signing.socket);
        let key = format!("user.signingkey={}", signing.certificate.display());
        git.args(["-c", "gpg.format=ssh", "-c", &key]);
        let (name, address) = signing.committer;
        for (setting, value) in [("user.name", name), ("user.email", address)] {
            // Who has told git a name keeps it.
            if run(&mut self.git(), "config", &["--get", setting]).is_err() {
                git.args(["-c", &format!("{setting}={value}")]);
            }
        }
        let arguments = ["--quiet", "-S", "-m", message, "--", &paths[0], &paths[1]];
        run(&mut git, "commit", &arguments)?;
        let commit = run(&mut self.git(), "rev-parse", &["HEAD"])?;
        Ok(Some(commit.trim().to_owned()))
    }
}

/// Writes the files of an attestation below `root`; returns whether one of them was new.
pub(super) fn write(root: &Path, attestation: &Attestation) -> Result<bool, RepositoryError> {
    let wrong = |action, path: &Path| {
        let path = path.to_path_buf();
        move |source| RepositoryError::File { action, path, source }
    };
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).map_err(wrong("make", &folder))?;
    let mut is_new = false;
    let texts = [&attestation.envelope, &attestation.signature];
    for (path, text) in attestation.paths().iter().zip(texts) {
        let path = root.join(path);
        match fs::read(&path) {
            Ok(there) if there == text.as_bytes() => continue,
            Ok(_) => return Err(RepositoryError::Taken { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(wrong("read", &path)(source)),
        }
        // A crash in between leaves a part that is neither committed nor taken for the whole.
        let beside = path.with_extension("new");
        fs::write(&beside, text).map_err(wrong("write", &beside))?;
        fs::rename(&beside, &path).map_err(wrong("write", &path))?;
        is_new = true;
    }
    Ok(is_new)
}

/// The two files of an attestation, as they lie there.
#[derive(Clone, Debug)]
pub struct Found {
    /// The hash in their names.
    pub name: Vcid,
    /// The envelope.
    pub envelope: Vec<u8>,
    /// The signature; empty if there is none.
    pub signature: String,
}

/// Reads what lies in the folder of attestations below `root`, in the order of the names. Files of
/// other names are left alone.
///
/// # Errors
/// Fails as the disk does; a folder that is absent is empty.
pub fn read_all(root: &Path) -> Result<Vec<Found>, RepositoryError> {
    let folder = root.join(FOLDER);
    let wrong = |source| RepositoryError::File { action: "read", path: folder.clone(), source };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(wrong(source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(wrong)?.file_name();
        let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
        names.extend(name.and_then(|name| Vcid::from_hex(name).ok()));
    }
    names.sort();
    names.into_iter().map(|name| read(root, name)).collect()
}

fn read(root: &Path, name: Vcid) -> Result<Found, RepositoryError> {
    let path = root.join(FOLDER).join(format!("{}.json", name.to_hex()));
    let beside = root.join(FOLDER).join(format!("{}.json.sig", name.to_hex()));
    let envelope = read_bounded(&path)?;
    let signature = match read_bounded(&beside) {
        // What is not text is no signature, and refused as such.
        Ok(bytes) => String::from_utf8(bytes).unwrap_or_default(),
        Err(RepositoryError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            String::new()
        }
        Err(error) => return Err(error),
    };
    Ok(Found { name, envelope, signature })
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, RepositoryError> {
    use std::io::Read as _;
    let wrong = |source| RepositoryError::File { action: "read", path: path.into(), source };
    let file = fs::File::open(path).map_err(wrong)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(wrong)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(io::Error::other("it is longer than any attestation")));
    }
    Ok(bytes)
}

/// Runs `git` and returns what it printed.
fn run(
    command: &mut Command,
    action: &'static str,
    arguments: &[&str],
) -> Result<String, RepositoryError> {
    let output = command
        .arg(action)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| RepositoryError::Absent { source })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<&str> = said.lines().take(8).collect();
        return Err(RepositoryError::Failed { action, said: said.join("; ") });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

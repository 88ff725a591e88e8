//! The manifest: what a package is called, holds, depends on, starts, and needs of the world.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use vigil_base::cbor::{DecodeError, Decoder, Encoder, Fault};
use vigil_base::{Blame, Blamed, EntryName, TreePath, Vcid};

use super::need::{self, Footprint, Need};
use crate::list::decode_list;
use crate::names::{AttName, AttNameError};

const TAG: &str = "vigil.package-manifest/1";

/// Longest manifest, in bytes: it is read as a whole before anything is known about it.
pub const MANIFEST_BYTES_MAX: usize = 256 << 10;
/// Most packages that one depends on directly.
pub const DEPENDENCIES_MAX: usize = 256;
/// Most programs that one package starts.
pub const ENTRY_POINTS_MAX: usize = 256;
/// Longest summary, in bytes.
pub const SUMMARY_BYTES_MAX: usize = 256;
/// Deepest path of an entry point.
const PATH_STEPS_MAX: usize = 64;
/// Most blobs of one payload; what lists more is refused before one is read.
const BLOBS_MAX: u64 = 4 << 20;
/// Most bytes of one payload.
const BYTES_MAX: u64 = 1 << 40;

/// A package whatever its version: `domain/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageName {
    domain: String,
    name: String,
}

/// Why a text names no package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackageNameError {
    /// It has not both parts.
    #[error("a package is named `domain/name`, such as `plant7.example/pump`")]
    Shape,
    /// A part is none.
    #[error(transparent)]
    Part(#[from] AttNameError),
}

impl PackageName {
    /// Reads `domain/name`.
    ///
    /// # Errors
    /// Says what is not as it should be.
    pub fn parse(text: &str) -> Result<Self, PackageNameError> {
        let (domain, name) = text.split_once('/').ok_or(PackageNameError::Shape)?;
        AttName::new(domain, name, "0")?;
        Ok(Self { domain: domain.into(), name: name.into() })
    }

    /// Returns the name without its version.
    pub fn of(name: &AttName) -> Self {
        Self { domain: name.domain().into(), name: name.name().into() }
    }

    /// Returns the domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Returns the name below the domain.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.name)
    }
}

/// The tree that a package holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The tree's record.
    pub root: Vcid,
    /// How many different blobs it is made of, records of trees counted.
    pub blobs: u64,
    /// How many bytes they have together.
    pub bytes: u64,
}

/// A program that a package starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// What people type.
    pub name: EntryName,
    /// Where it is in the payload.
    pub path: TreePath,
    /// What it needs of the world; nothing that the whole package does not declare.
    pub needs: Footprint,
}

/// Another package that is needed, at this version or a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Which.
    pub package: PackageName,
    /// The least version.
    pub least: String,
}

/// What a package says about itself. Holding a value means that it is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    name: AttName,
    summary: String,
    payload: Payload,
    needs: Footprint,
    entry_points: Vec<EntryPoint>,
    dependencies: Vec<Dependency>,
}

/// Why something is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is too long.
    #[error("a manifest has at most {MANIFEST_BYTES_MAX} bytes, this one has {found}")]
    Long {
        /// How many bytes.
        found: usize,
    },
    /// The bytes are not such a record.
    #[error("this is not the manifest of a package")]
    Decode(#[from] DecodeError),
    /// The summary is not one short line.
    #[error("a summary is one line of at most {SUMMARY_BYTES_MAX} bytes")]
    Summary,
    /// There is too much of something.
    #[error("a manifest has at most {most} {what}")]
    Many {
        /// Of what.
        what: &'static str,
        /// How much there may be.
        most: u64,
    },
    /// Something is listed twice, or not in order.
    #[error("`{name}` is listed twice, or not in its place")]
    Twice {
        /// What.
        name: String,
    },
    /// An entry point's path is the payload itself, or too deep.
    #[error("`{path}` cannot be where a program lies")]
    Path {
        /// The path.
        path: String,
    },
    /// A program is named as nothing can be that is typed at a shell.
    #[error("`{name}` cannot be the name of a program: letters, digits, `-`, `_`, `.` and `+`")]
    Program {
        /// The name.
        name: String,
    },
    /// A program asks for more than its package declares.
    #[error("`{program}` needs {need}, which the package does not declare")]
    Undeclared {
        /// The program.
        program: String,
        /// What it needs.
        need: Need,
    },
    /// It depends on itself.
    #[error("{package} depends on itself")]
    Itself {
        /// The package.
        package: PackageName,
    },
}

impl Blamed for ManifestError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

fn is_program(name: &EntryName) -> bool {
    let bytes = name.as_bytes();
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(byte);
    bytes.iter().all(is_letter) && !bytes.starts_with(b"-") && !bytes.starts_with(b".")
}

/// Checks that a list rises strictly by a key, so that one list has one encoding.
fn rising<T, K: Ord>(
    items: &[T],
    key: impl Fn(&T) -> K,
    name: impl Fn(&T) -> String,
) -> Result<(), ManifestError> {
    match items.windows(2).find(|pair| key(&pair[0]) >= key(&pair[1])) {
        Some(pair) => Err(ManifestError::Twice { name: name(&pair[1]) }),
        None => Ok(()),
    }
}

impl Manifest {
    /// Takes a name and a payload, with nothing needed, started or depended on.
    ///
    /// # Errors
    /// Fails for a payload that is too large.
    pub fn new(name: AttName, payload: Payload) -> Result<Self, ManifestError> {
        let (needs, entry_points, dependencies) = Default::default();
        let summary = String::new();
        Self { name, summary, payload, needs, entry_points, dependencies }.checked()
    }

    /// Says in a line what it is.
    ///
    /// # Errors
    /// Fails for what is not one short line.
    pub fn with_summary(mut self, summary: &str) -> Result<Self, ManifestError> {
        self.summary = summary.into();
        self.checked()
    }

    /// Says what it starts, depends on, and needs.
    ///
    /// # Errors
    /// Fails for programs that need more than `needs`, and for what comes twice.
    pub fn with(
        mut self,
        needs: Footprint,
        mut entry_points: Vec<EntryPoint>,
        mut dependencies: Vec<Dependency>,
    ) -> Result<Self, ManifestError> {
        entry_points.sort_by(|a, b| a.name.cmp(&b.name));
        dependencies.sort_by(|a, b| a.package.cmp(&b.package));
        (self.needs, self.entry_points, self.dependencies) = (needs, entry_points, dependencies);
        self.checked()
    }

    fn checked(self) -> Result<Self, ManifestError> {
        let many = |what, most: usize| ManifestError::Many { what, most: most as u64 };
        if self.summary.len() > SUMMARY_BYTES_MAX || self.summary.chars().any(char::is_control) {
            return Err(ManifestError::Summary);
        }
        if self.payload.blobs > BLOBS_MAX {
            return Err(ManifestError::Many { what: "blobs", most: BLOBS_MAX });
        }
        if self.payload.bytes > BYTES_MAX {
            return Err(ManifestError::Many { what: "bytes in its payload", most: BYTES_MAX });
        }
        if self.needs.len() > need::NEEDS_MAX {
            return Err(many("needs", need::NEEDS_MAX));
        }
        if self.entry_points.len() > ENTRY_POINTS_MAX {
            return Err(many("programs", ENTRY_POINTS_MAX));
        }
        if self.dependencies.len() > DEPENDENCIES_MAX {
            return Err(many("dependencies", DEPENDENCIES_MAX));
        }
        rising(&self.entry_points, |entry| entry.name.clone(), |entry| entry.name.for_people())?;
        rising(
            &self.dependencies,
            |other| other.package.clone(),
            |other| alloc::format!("{}", other.package),
        )?;
        self.entry_points.iter().try_for_each(|entry| self.check_program(entry))?;
        let package = self.package();
        match self.dependencies.iter().any(|other| other.package == package) {
            true => Err(ManifestError::Itself { package }),
            false => Ok(self),
        }
    }

    fn check_program(&self, entry: &EntryPoint) -> Result<(), ManifestError> {
        if !is_program(&entry.name) {
            return Err(ManifestError::Program { name: entry.name.for_people() });
        }
        if !(1..=PATH_STEPS_MAX).contains(&entry.path.names().len()) {
            return Err(ManifestError::Path { path: alloc::format!("{}", entry.path) });
        }
        match need::excess(&entry.needs, &self.needs).next() {
            Some(need) => {
                let program = entry.name.for_people();
                Err(ManifestError::Undeclared { program, need: need.clone() })
            }
            None => Ok(()),
        }
    }

    /// Returns the name and version.
    pub fn name(&self) -> &AttName {
        &self.name
    }

    /// Returns the name without the version.
    pub fn package(&self) -> PackageName {
        PackageName::of(&self.name)
    }

    /// Returns what it is, in a line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Returns the tree that it holds.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Returns what it needs of the world.
    pub fn needs(&self) -> &Footprint {
        &self.needs
    }

    /// Returns the programs that it starts, in the order of their names.
    pub fn entry_points(&self) -> &[EntryPoint] {
        &self.entry_points
    }

    /// Returns the packages that it needs, in the order of their names.
    pub fn dependencies(&self) -> &[Dependency] {
        &self.dependencies
    }

    /// Returns the hash of the record, by which claims name the package.
    pub fn id(&self) -> Vcid {
        Vcid::of(&self.encode())
    }

    /// Returns the canonical record.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::record(TAG, 11);
        encoder.text(self.name.domain());
        encoder.text(self.name.name());
        encoder.text(self.name.version());
        encoder.text(&self.summary);
        encoder.bytes(self.payload.root.as_bytes());
        encoder.unsigned(self.payload.blobs);
        encoder.unsigned(self.payload.bytes);
        need::encode(&self.needs, &mut encoder);
        encoder.array(self.entry_points.len());
        for entry in &self.entry_points {
            encoder.array(3);
            encoder.bytes(entry.name.as_bytes());
            encoder.array(entry.path.names().len());
            entry.path.names().iter().for_each(|step| encoder.bytes(step.as_bytes()));
            need::encode(&entry.needs, &mut encoder);
        }
        encoder.array(self.dependencies.len());
        for other in &self.dependencies {
            encoder.array(3);
            encoder.text(&other.package.domain);
            encoder.text(&other.package.name);
            encoder.text(&other.least);
        }
        encoder.finish()
    }

    /// Reads a record strictly.
    ///
    /// # Errors
    /// Fails for whatever no manifest says.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::Long { found: bytes.len() });
        }
        let mut decoder = Decoder::record(bytes, TAG, 11)?;
        let at = decoder.offset();
        let (domain, name, version) = (decoder.text()?, decoder.text()?, decoder.text()?);
        let Ok(name) = AttName::new(domain, name, version) else {
            return Ok(decoder.fault(at, Fault::Range)?);
        };
        let summary = String::from(decoder.text()?);
        let root = Vcid::from_bytes(decoder.byte_array()?);
        let payload = Payload { root, blobs: decoder.unsigned()?, bytes: decoder.unsigned()? };
        let needs = need::decode(&mut decoder)?;
        let entry_points = decode_list(&mut decoder, ENTRY_POINTS_MAX, decode_entry_point)?;
        let dependencies = decode_list(&mut decoder, DEPENDENCIES_MAX, decode_dependency)?;
        decoder.finish()?;
        Self { name, summary, payload, needs, entry_points, dependencies }.checked()
    }
}

fn decode_step(decoder: &mut Decoder<'_>) -> Result<EntryName, DecodeError> {
    let at = decoder.offset();
    let name = EntryName::new(decoder.bytes()?);
    name.or_else(|_| decoder.fault(at, Fault::Range))
}

fn decode_entry_point(decoder: &mut Decoder<'_>) -> Result<EntryPoint, DecodeError> {
    decoder.array_of(3)?;
    let name = decode_step(decoder)?;
    let steps = decode_list(decoder, PATH_STEPS_MAX, decode_step)?;
    let path = steps.into_iter().fold(TreePath::root(), |path, step| path.join(step));
    Ok(EntryPoint { name, path, needs: need::decode(decoder)? })
}

fn decode_dependency(decoder: &mut Decoder<'_>) -> Result<Dependency, DecodeError> {
    decoder.array_of(3)?;
    let at = decoder.offset();
    let (domain, name, least) = (decoder.text()?, decoder.text()?, decoder.text()?);
    let Ok(name) = AttName::new(domain, name, least) else {
        return decoder.fault(at, Fault::Range);
    };
    Ok(Dependency { package: PackageName::of(&name), least: least.into() })
}

/// Returns how many folders above its own the target of a symbolic link needs; none if it may lead
/// anywhere. A `..` behind a name is refused: the name may be that of another link, and then it leads
/// elsewhere than it seems.
pub fn climb(target: &[u8]) -> Option<usize> {
    if target.is_empty() || target.starts_with(b"/") || target.contains(&0) {
        return None;
    }
    let (mut above, mut is_below) = (0, false);
    for step in target.split(|byte| *byte == b'/') {
        match step {
            b"" | b"." => {}
            b".." if is_below => return None,
            b".." => above += 1,
            _ => is_below = true,
        }
    }
    Some(above)
}

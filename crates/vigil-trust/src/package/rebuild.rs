//! The rebuild: somebody's word for what they got when they built a package themselves.
//!
//! It is an in-toto statement with SLSA provenance in a DSSE envelope, so that other tools read and verify
//! it. The subject is the payload that came out, whether or not it is the maintainer's.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use vigil_base::{Blame, Blamed, Vcid};

use super::need::{Footprint, NEEDS_MAX, Need};
use crate::formats::{InTotoStatement, Json, Provenance, StatementError, Subject};
use crate::keys::KeyBytes;
use crate::names::AttName;

/// How to read the parameters: as this page of ours says.
const BUILD_TYPE: &str = "urn:vigil:package-rebuild:1";
const MACHINE: &str = "urn:vigil:machine:";

/// What somebody got who built a package themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuild {
    /// The package that was to come out.
    pub package: AttName,
    /// The manifest that was to be rebuilt.
    pub manifest: Vcid,
    /// The payload that came out.
    pub payload: Vcid,
    /// What the build was seen to need of the world.
    pub used: Footprint,
}

/// Why a statement is about no rebuild of a package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RebuildError {
    /// It is no statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// It says something else.
    #[error("the statement is of the type `{found}`, not a rebuild of a package")]
    Type {
        /// What it says it is.
        found: String,
    },
    /// A field is absent, or of another type.
    #[error("the rebuild has no field `{field}` of the right type")]
    Field {
        /// The field.
        field: &'static str,
    },
}

impl Blamed for RebuildError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

impl Rebuild {
    /// Returns what `machine` says.
    pub fn statement(&self, machine: &KeyBytes) -> InTotoStatement {
        let used = self.used.iter().map(|need| Json::text(need.as_str())).collect();
        let provenance = Provenance {
            build_type: BUILD_TYPE.into(),
            external_parameters: Json::object([
                ("manifest", Json::text(self.manifest.to_hex())),
                ("package", Json::text(self.package.to_string())),
            ]),
            internal_parameters: Json::object([("needs", Json::List(used))]),
            dependencies: Vec::new(),
            builder: alloc::format!("{MACHINE}{machine}"),
            versions: Vec::new(),
            invocation: None,
        };
        let subject = Subject::sha256(&self.package.to_string(), &self.payload.to_hex());
        provenance.about(Vec::from([subject]))
    }

    /// Reads a statement.
    ///
    /// # Errors
    /// Fails for statements about other things.
    pub fn read(statement: &InTotoStatement) -> Result<Self, RebuildError> {
        let definition = statement.predicate.get("buildDefinition");
        let build_type = definition.and_then(|it| it.get("buildType")).and_then(Json::as_text);
        if statement.predicate_type != Provenance::TYPE || build_type != Some(BUILD_TYPE) {
            let found = build_type.unwrap_or(&statement.predicate_type);
            return Err(RebuildError::Type { found: crate::log::text::excerpt(found) });
        }
        let wrong = |field| RebuildError::Field { field };
        let external = definition.and_then(|it| it.get("externalParameters"));
        let text = |field: &'static str| {
            external.and_then(|it| it.get(field)).and_then(Json::as_text).ok_or(wrong(field))
        };
        let package = AttName::parse(text("package")?).map_err(|_| wrong("package"))?;
        let manifest = Vcid::from_hex(text("manifest")?).map_err(|_| wrong("manifest"))?;
        let [subject] = statement.subjects.as_slice() else { return Err(wrong("subject")) };
        let payload = subject.digests.get("sha256").ok_or(wrong("subject"))?;
        let payload = Vcid::from_hex(payload).map_err(|_| wrong("subject"))?;
        let used = definition
            .and_then(|it| it.get("internalParameters"))
            .and_then(|it| it.get("needs"))
            .and_then(Json::as_list)
            .filter(|needs| needs.len() <= NEEDS_MAX)
            .ok_or(wrong("needs"))?;
        let used = used.iter().map(|need| need.as_text().and_then(|text| Need::parse(text).ok()));
        let used = used.collect::<Option<Footprint>>().ok_or(wrong("needs"))?;
        Ok(Self { package, manifest, payload, used })
    }
}

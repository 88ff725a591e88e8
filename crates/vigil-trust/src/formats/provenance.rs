//! SLSA provenance (v1, `https://slsa.dev/provenance/v1`): from what, how and by whom something was
//! made.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::in_toto::{Digests, InTotoStatement, Subject, digests_json};
use super::json::Json;

/// What went in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Where it is.
    pub uri: String,
    /// What it is.
    pub digests: Digests,
}

/// How something was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// What kind of making it was, a URI that says how to read the parameters.
    pub build_type: String,
    /// What whoever asked for it chose.
    pub external_parameters: Json,
    /// What whoever made it chose.
    pub internal_parameters: Json,
    /// What went in.
    pub dependencies: Vec<Dependency>,
    /// Who made it, a URI.
    pub builder: String,
    /// With what: names of components and their versions.
    pub versions: Vec<(String, String)>,
    /// Which making it was, if there is a name for it.
    pub invocation: Option<String>,
}

impl Provenance {
    /// The predicate type.
    pub const TYPE: &'static str = "https://slsa.dev/provenance/v1";

    /// Says this about `subjects`.
    pub fn about(&self, subjects: Vec<Subject>) -> InTotoStatement {
        let predicate = self.predicate();
        InTotoStatement { subjects, predicate_type: Self::TYPE.to_string(), predicate }
    }

    /// Returns the predicate. It tells no times: they are claims, and differ where nothing else does.
    pub fn predicate(&self) -> Json {
        let dependencies = self.dependencies.iter().map(|dependency| {
            Json::object([
                ("digest", digests_json(&dependency.digests)),
                ("uri", Json::text(&dependency.uri)),
            ])
        });
        let versions = self.versions.iter();
        let versions = versions.map(|(name, version)| (name.clone(), Json::text(version)));
        let metadata = match &self.invocation {
            Some(invocation) => Json::object([("invocationId", Json::text(invocation))]),
            None => Json::object([]),
        };
        Json::object([
            (
                "buildDefinition",
                Json::object([
                    ("buildType", Json::text(&self.build_type)),
                    ("externalParameters", self.external_parameters.clone()),
                    ("internalParameters", self.internal_parameters.clone()),
                    ("resolvedDependencies", Json::List(dependencies.collect())),
                ]),
            ),
            (
                "runDetails",
                Json::object([
                    (
                        "builder",
                        Json::object([
                            ("id", Json::text(&self.builder)),
                            ("version", Json::Object(versions.collect())),
                        ]),
                    ),
                    ("metadata", metadata),
                ]),
            ),
        ])
    }
}

//! in-toto Statements (v1): about which bytes something is said, what kind of thing, and the thing.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::json::{Json, JsonError};

/// The payload type of statements in envelopes.
pub const STATEMENT_MEDIA_TYPE: &str = "application/vnd.in-toto+json";
/// The version of the format.
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// Most subjects of one statement.
const SUBJECTS_MAX: usize = 4096;

/// Names of algorithms and hex digests.
pub type Digests = BTreeMap<String, String>;

/// Bytes that something is said about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What people call them.
    pub name: String,
    /// What they are.
    pub digests: Digests,
}

/// A statement about bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InTotoStatement {
    /// About what.
    pub subjects: Vec<Subject>,
    /// What kind of thing is said: a URI.
    pub predicate_type: String,
    /// What is said.
    pub predicate: Json,
}

/// Why something is not such a statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// It is no JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It is of another type or version.
    #[error("the statement is not of the type `{STATEMENT_TYPE}`")]
    Type,
    /// A field is absent, or of another type.
    #[error("the statement has no field `{field}` of the right type")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// There are no subjects, or too many.
    #[error("a statement is about 1 to {SUBJECTS_MAX} things, this one about {found}")]
    Subjects {
        /// How many there are.
        found: usize,
    },
    /// A digest is none.
    #[error("`{found}` is no digest in hexadecimal digits")]
    Digest {
        /// What it is, cut to 80 characters.
        found: String,
    },
}

impl Subject {
    /// Names bytes by their SHA-256, as hex.
    pub fn sha256(name: &str, hex: &str) -> Self {
        let digests = [("sha256".to_string(), hex.to_string())].into_iter().collect();
        Self { name: name.to_string(), digests }
    }

    fn json(&self) -> Json {
        Json::object([("digest", digests_json(&self.digests)), ("name", Json::text(&self.name))])
    }

    fn read(json: &Json) -> Result<Self, StatementError> {
        // The name may be absent (ResourceDescriptor), the digest of a subject may not.
        let name = json.get("name").and_then(Json::as_text).unwrap_or_default().to_string();
        let Some(Json::Object(fields)) = json.get("digest") else {
            return Err(StatementError::Field { field: "subject.digest" });
        };
        let mut digests = Digests::new();
        for (algorithm, value) in fields {
            let hex = value.as_text().ok_or(StatementError::Field { field: "subject.digest" })?;
            let is_hex = !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_hex {
                return Err(StatementError::Digest { found: hex.chars().take(80).collect() });
            }
            digests.insert(algorithm.clone(), hex.to_string());
        }
        if digests.is_empty() {
            return Err(StatementError::Field { field: "subject.digest" });
        }
        Ok(Self { name, digests })
    }
}

/// Writes digests.
pub(super) fn digests_json(digests: &Digests) -> Json {
    Json::Object(digests.iter().map(|(key, hex)| (key.clone(), Json::text(hex))).collect())
}

impl InTotoStatement {
    /// Returns the canonical JSON of the statement.
    pub fn json(&self) -> String {
        Json::object([
            ("_type", Json::text(STATEMENT_TYPE)),
            ("predicate", self.predicate.clone()),
            ("predicateType", Json::text(&self.predicate_type)),
            ("subject", Json::List(self.subjects.iter().map(Subject::json).collect())),
        ])
        .canonical()
    }

    /// Reads a statement that anybody wrote.
    ///
    /// # Errors
    /// Returns which field is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        let json = Json::parse(bytes)?;
        if json.get("_type").and_then(Json::as_text) != Some(STATEMENT_TYPE) {
            return Err(StatementError::Type);
        }
        let items = json.get("subject").and_then(Json::as_list);
        let items = items.ok_or(StatementError::Field { field: "subject" })?;
        if items.is_empty() || items.len() > SUBJECTS_MAX {
            return Err(StatementError::Subjects { found: items.len() });
        }
        let subjects = items.iter().map(Subject::read).collect::<Result<_, _>>()?;
        let predicate_type = json.get("predicateType").and_then(Json::as_text);
        let predicate_type = predicate_type.filter(|text| !text.is_empty());
        let predicate_type =
            predicate_type.ok_or(StatementError::Field { field: "predicateType" })?.to_string();
        let predicate = match json.get("predicate") {
            None => Json::object([]),
            Some(object @ Json::Object(_)) => object.clone(),
            Some(_) => return Err(StatementError::Field { field: "predicate" }),
        };
        Ok(Self { subjects, predicate_type, predicate })
    }
}

//! `vigil attest`: saying something about bytes, and checking what others said.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use vigil_base::Vcid;
use vigil_kernel::{Provenance, parse_pipeline};
use vigil_node::attest::{
    Attestation, Checked, FeedWords, Found, Refusal, Repository, Signing, check, domain_of,
    read_all,
};
use vigil_node::shared_names::SharedNames;
use vigil_trust::attestations::{Attested, Standing};
use vigil_trust::feed::FeedId;
use vigil_trust::formats::{
    AllowedSigners, Certificate, Dependency, Envelope, InTotoStatement, Json,
    Provenance as SlsaProvenance, Subject,
};

use super::kernel::{Resolving, request_of};
use super::{Session, agent, trust};
use crate::args::{AttestArgs, AttestCommand, SLSA};
use crate::failure::CommandError;
use crate::signing_failure::SigningError;

/// The kind of making that a resolution is: the request is the one external parameter.
const BUILD_TYPE: &str = "urn:vigil:resolution:1";

pub(super) fn perform(args: &AttestArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    match &args.command {
        None => attest(args, session),
        Some(AttestCommand::Verify { signers, repository, format }) => {
            verify(signers.as_deref(), repository.as_deref(), format.json, session)
        }
        Some(AttestCommand::List { feeds: true, format, .. }) => list_feeds(format.json, session),
        Some(AttestCommand::List { repository, format, .. }) => {
            list(repository.as_deref(), format.json, session)
        }
        Some(AttestCommand::Signers) => {
            let line = own_signers(session)?.line().map_err(SigningError::from)?;
            session.out.line(line.trim_end())
        }
    }
}

fn repository(path: Option<&Path>, session: &Session<'_>) -> Result<Repository, CommandError> {
    let folder = match path {
        Some(path) => path.to_path_buf(),
        None => session.environment.locate(Path::new(".")),
    };
    Ok(Repository::find(&folder).map_err(SigningError::from)?)
}

/// Reads what the feeds say that are here.
fn feed_words(session: &Session<'_>) -> Result<FeedWords, CommandError> {
    words_of(|_| true, session)
}

/// Reads what the feeds say that are here, of the Persons whose machines' principals end with a domain that
/// is wanted. Where no store is, nothing is said, and none is made.
fn words_of(
    is_wanted: impl Fn(&str) -> bool,
    session: &Session<'_>,
) -> Result<FeedWords, CommandError> {
    trust::expect_private(session)?;
    let names = SharedNames::new(session.store_folder.join(trust::FOLDER));
    Ok(FeedWords::read(&names, is_wanted).map_err(SigningError::from)?)
}

/// Where in a machine's feeds something is said.
fn place(feed: &FeedId, position: u64) -> Value {
    json!({
        "machine": feed.machine.to_string(),
        "incarnation": feed.incarnation.to_string(),
        "position": position,
    })
}

fn own_certificate(session: &Session<'_>) -> Result<Certificate, CommandError> {
    let certificate = agent::certificate(&trust::home(session)?)?;
    Ok(certificate.ok_or(SigningError::NoCertificate)?)
}

/// Returns the line that makes others believe this Person's machines.
fn own_signers(session: &Session<'_>) -> Result<AllowedSigners, CommandError> {
    let certificate = own_certificate(session)?;
    let person = trust::the_person(&trust::home(session)?).map(|person| person.name);
    let comment = person.map_or_else(|_| String::new(), |name| name.as_str().to_owned());
    Ok(AllowedSigners::of_authority(&certificate, &comment))
}

fn attest(args: &AttestArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let (Some(target), Some(predicate)) = (&args.target, &args.predicate) else {
        // The table of arguments demands both.
        return Err(SigningError::Data.into());
    };
    let certificate = own_certificate(session)?;
    let machine = certificate.machine().ok_or(SigningError::AnotherKey)?;
    let principal = certificate.body.principals[0].clone();
    // Before anything is signed that nobody would believe.
    match words_of(|domain| domain == domain_of(&principal), session)?.against(&principal, &machine)
    {
        Some(Refusal::Revoked) => return Err(SigningError::Revoked.into()),
        Some(_) => return Err(SigningError::Frozen.into()),
        None => {}
    }
    let client = agent::connect(&args.socket, session)?;
    let repository = repository(args.repository.as_deref(), session)?;
    let mut kernel = Resolving::start(&args.reach, session)?;
    let request = request_of(target, None);
    let found = kernel.find(request.clone());
    kernel.finish(session)?;
    let found = found?;
    let subject = Subject::sha256(target.uri.as_str(), &found.vcid.to_hex());
    let statement = if predicate == SLSA {
        if args.data.is_some() {
            return Err(SigningError::DataForSlsa.into());
        }
        let story = kernel.node.why(&request).map_err(Box::new)?;
        provenance(&story, &certificate).about(vec![subject])
    } else {
        let predicate_type = predicate.clone();
        let predicate = data(args.data.as_deref())?;
        InTotoStatement { subjects: vec![subject], predicate_type, predicate }
    };
    let attestation =
        Attestation::sign(&client, &certificate, &statement).map_err(SigningError::from)?;
    // The feed first: what others are shown is never missing there. The agent is asked even where the feed
    // here has it, since it alone knows that what is there is durable.
    let entry = attestation.entry(&statement).map_err(SigningError::from)?;
    let at = client.attest(&entry).map_err(SigningError::from)?;
    let (at, position) = (FeedId { machine, incarnation: at.incarnation }, at.position);
    let socket = agent::socket_path(&args.socket, session)?;
    let name = principal.split('@').next().unwrap_or_default();
    // git looks at these from the repository, not from here.
    let key = agent::absolute(&agent::certificate_path(session))?;
    let signing = Signing { socket: &socket, certificate: &key, committer: (name, &principal) };
    let message = format!("Attest {}\n\n{}", found.vcid, statement.predicate_type);
    let commit = repository.commit(&attestation, &message, &signing);
    let commit = commit.map_err(SigningError::from)?;
    let [path, signature] = attestation.paths();
    if args.format.json {
        return session.out.json(&json!({
            "attestation": attestation.hash.to_string(),
            "subject": found.vcid.to_string(),
            "predicate": statement.predicate_type,
            "files": [path, signature],
            "feed": place(&at, position),
            "commit": commit,
        }));
    }
    session.out.line(&path)?;
    match commit {
        Some(commit) => session.say(format_args!(
            "said by {principal}, at {position} of its feed and in commit {commit}"
        )),
        None => session.say("it was said before, in the same words"),
    }
}

fn data(path: Option<&Path>) -> Result<Json, CommandError> {
    let Some(path) = path else { return Ok(Json::object([])) };
    let failed = |source| CommandError::File { action: "read", path: path.into(), source };
    let json = Json::parse(&std::fs::read(path).map_err(failed)?).map_err(SigningError::from)?;
    if matches!(json, Json::Object(_)) { Ok(json) } else { Err(SigningError::Data.into()) }
}

/// Returns the URI of what people are shown as a pipeline: others compare it byte by byte.
fn canonical(name: &str) -> String {
    parse_pipeline(name).map_or_else(|_| name.to_owned(), |uri| uri.to_string())
}

/// Says how an answer came about, as SLSA does: what was asked, who answered, and what it read.
fn provenance(list: &[Provenance], certificate: &Certificate) -> SlsaProvenance {
    let (root, below) = match list.first() {
        Some(root) => (Some(root), root.below.as_slice()),
        None => (None, &[][..]),
    };
    let read = below.iter().filter_map(|index| list.get(*index));
    let dependencies = read.filter_map(|item| {
        let vcid = item.gave.as_ref().ok()?.vcid;
        let digests = [("sha256".to_owned(), vcid.to_hex())].into();
        Some(Dependency { uri: canonical(&item.name), digests })
    });
    let name = root.map(|root| canonical(&root.name)).unwrap_or_default();
    let endpoint = root.map(|root| root.story.endpoint.clone()).unwrap_or_default();
    let version = root.and_then(|root| root.story.version).map(|version| version.to_string());
    let trace = root.and_then(|root| root.story.trace).map(|trace| trace.to_string());
    let machine = certificate.machine().map(|key| key.to_string()).unwrap_or_default();
    SlsaProvenance {
        build_type: BUILD_TYPE.into(),
        external_parameters: Json::object([("request", Json::Text(name))]),
        internal_parameters: Json::object([]),
        dependencies: dependencies.collect(),
        builder: format!("urn:vigil:machine:{machine}"),
        versions: version.into_iter().map(|version| (endpoint.clone(), version)).collect(),
        invocation: trace,
    }
}

fn subjects(statement: &InTotoStatement) -> Vec<Value> {
    let subjects = statement.subjects.iter();
    subjects.map(|one| json!({"name": one.name, "sha256": one.digests.get("sha256")})).collect()
}

/// Writes what a statement is about on one line.
fn shown(statement: &InTotoStatement) -> String {
    let names: Vec<&str> = statement.subjects.iter().map(|one| one.name.as_str()).collect();
    format!("{}  {}", statement.predicate_type, names.join(" "))
}

/// Writes whatever somebody else wrote as one line of a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn verify(
    signers: Option<&Path>,
    path: Option<&Path>,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let list = match signers {
        Some(path) => {
            AllowedSigners::parse_list(&trust::read_text(path)?).map_err(SigningError::from)?
        }
        None => vec![own_signers(session)?],
    };
    let found = read_all(repository(path, session)?.root()).map_err(SigningError::from)?;
    if found.is_empty() {
        return Err(SigningError::Nothing.into());
    }
    let at = u64::try_from(session.environment.clock.now().0 / 1_000_000_000).unwrap_or(0);
    let check = |one: &Found| check(one.name, &one.envelope, &one.signature, &list, at);
    let checked: Vec<Result<Checked, Refusal>> = found.iter().map(check).collect();
    // Whose puddles have a say; what is damaged of others does not matter.
    let domains: BTreeSet<&str> = checked.iter().flatten().map(Checked::domain).collect();
    let words = words_of(|domain| domains.contains(domain), session)?;
    let mut count = 0;
    for (one, checked) in found.iter().zip(checked) {
        let judged = checked.and_then(|checked| {
            let feed = words.judge(&checked)?.map(|said| place(&said.feed, said.position));
            Ok((checked, feed))
        });
        count += u64::from(!tell(one, judged, is_json, session)?);
    }
    if count > 0 { Err(SigningError::Refused { count }.into()) } else { Ok(()) }
}

/// Says what came of checking an attestation, and returns whether it holds.
fn tell(
    one: &Found,
    judged: Result<(Checked, Option<Value>), Refusal>,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<bool, CommandError> {
    let name = one.name.to_string();
    match judged {
        Ok((checked, feed)) if is_json => session.out.json(&json!({
            "attestation": name,
            "holds": true,
            "principal": checked.principal,
            "machine": checked.machine.to_string(),
            "predicate": checked.statement.predicate_type,
            "subjects": subjects(&checked.statement),
            "feed": feed,
        }))?,
        Ok((checked, _)) => {
            let text = plain(&shown(&checked.statement));
            session.out.line(format_args!("holds    {}  {text}", checked.principal))?;
        }
        Err(refusal) => {
            let source = std::error::Error::source(&refusal);
            let because = source.map(|source| format!(": {source}")).unwrap_or_default();
            let why = plain(&format!("{refusal}{because}"));
            if is_json {
                let line = json!({"attestation": name, "holds": false, "why": why});
                session.out.json(&line)?;
            } else {
                session.out.line(format_args!("refused  {name}: {why}"))?;
            }
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads what an envelope says, believed or not.
fn claim(one: &Found) -> Option<InTotoStatement> {
    let envelope = Envelope::parse(&one.envelope).ok()?;
    let is_named = Vcid::of(&one.envelope) == one.name;
    InTotoStatement::parse(&envelope.payload).ok().filter(|_| is_named)
}

fn list(path: Option<&Path>, is_json: bool, session: &mut Session<'_>) -> Result<(), CommandError> {
    let found = read_all(repository(path, session)?.root()).map_err(SigningError::from)?;
    for one in &found {
        let name = one.name;
        match claim(one) {
            Some(statement) if is_json => session.out.json(&json!({
                "attestation": name.to_string(),
                "predicate": statement.predicate_type,
                "subjects": subjects(&statement),
            }))?,
            Some(statement) => {
                session.out.line(format_args!("{name}  {}", plain(&shown(&statement))))?;
            }
            None => session.say(format_args!("{name} is damaged, or something else"))?,
        }
    }
    if found.is_empty() {
        session.say("no attestations yet; `vigil attest URI --predicate TYPE` makes one")?;
    }
    Ok(())
}

/// Lists what feeds say, and whether it counts.
fn list_feeds(is_json: bool, session: &mut Session<'_>) -> Result<(), CommandError> {
    let words = feed_words(session)?;
    let mut is_any = false;
    for Attested { feed, position, entry, standing } in words.all() {
        is_any = true;
        let (name, machine) = (entry.envelope(), feed.machine.to_string());
        if is_json {
            let hashes = entry.subjects().iter();
            let subjects: Vec<Value> =
                hashes.map(|vcid| json!({"name": null, "sha256": vcid.to_hex()})).collect();
            session.out.json(&json!({
                "attestation": name.to_string(),
                "predicate": entry.predicate(),
                "subjects": subjects,
                "machine": machine,
                "incarnation": feed.incarnation.to_string(),
                "position": position,
                "standing": standing.word(),
            }))?;
            continue;
        }
        let word = match standing {
            Standing::Counts => String::new(),
            other => format!("  {}", other.word()),
        };
        let (predicate, machine) = (plain(entry.predicate()), &machine[..16]);
        session.out.line(format_args!("{name}  {predicate}  by {machine} at {position}{word}"))?;
    }
    if !is_any {
        session.say("no feed here says anything yet; `vigil attest URI --predicate TYPE` does")?;
    }
    Ok(())
}

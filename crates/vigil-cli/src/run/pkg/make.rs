//! Making packages: `build`, `attest` and `publish`.

use std::convert::Infallible;
use std::path::Path;

use serde_json::json;
use vigil_base::{EntryKind, Vcid};
use vigil_files::{AddOptions, add_path};
use vigil_pkg::{measure, replace_dossier, write_vpkg};
use vigil_store::Store;
use vigil_trust::formats::{STATEMENT_MEDIA_TYPE, sign_envelope};
use vigil_trust::log::{DiskTiles, LogReader, TreeHash};
use vigil_trust::package::{
    Attested, Claim, Dossier, EntryPoint, ForeignEvidence, ForeignKind, Manifest, PackageName,
    Rebuild, log_entry,
};
use vigil_trust::puddle::Ask;
use vigil_trust::{SecretKey, Words};

use super::{because, failed, open, read, refused, replace};
use crate::args::{PkgAttestArgs, PkgBuildArgs, PkgPublishArgs, SignerArgs};
use crate::failure::CommandError;
use crate::human;
use crate::run::{Session, log, trust};
use crate::trust_failure::TrustError;

/// Puts a folder into the store, and returns its tree.
fn add(folder: &Path, session: &Session<'_>) -> Result<(Store, Vcid), CommandError> {
    let store = session.store()?;
    let options = AddOptions { threads: session.threads, ..AddOptions::default() };
    let writer = store.writer()?;
    let added = add_path(&writer, folder, &options, &|_| {})
        .map_err(|source| CommandError::Add { path: folder.into(), source: Box::new(source) })?;
    writer.finish()?;
    if added.kind != EntryKind::Tree {
        let action = format!("take {} as a payload", session.shown(folder));
        return Err(because(action, "it is not a folder"));
    }
    added.notes.iter().for_each(|note| session.talk.warn("note", note));
    Ok((store, added.root))
}

pub(super) fn build(args: &PkgBuildArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let (store, root) = add(&args.folder, session)?;
    let action = format!("make a package of {}", session.shown(&args.folder));
    let (payload, _) = measure(&store, root).map_err(failed(action.clone()))?;
    let needs: vigil_trust::package::Footprint = args.needs.iter().cloned().collect();
    let programs = args.programs.iter().map(|(name, path)| {
        let (name, path) = (name.clone(), path.clone());
        EntryPoint { name, path, needs: needs.clone() }
    });
    let manifest = Manifest::new(args.name.clone(), payload)
        .and_then(|manifest| manifest.with_summary(&args.summary))
        .and_then(|it| it.with(needs.clone(), programs.collect(), args.dependencies.clone()))
        .map_err(failed(action))?;
    let dossier = Dossier::new(manifest);
    replace(&args.output, session, |out| write_vpkg(&dossier, &store, out))?;
    let id = dossier.manifest.id();
    if args.format.json {
        return session.out.json(&json!({
            "package": dossier.manifest.package().to_string(),
            "version": args.name.version(),
            "manifest": id.to_string(),
            "payload": payload.root.to_string(),
            "blobs": payload.blobs,
            "bytes": payload.bytes,
        }));
    }
    session.out.line(id)?;
    let (file, size) = (session.shown(&args.output), human::size(payload.bytes));
    session.say(format_args!("{} in {file}, {size}; nobody has signed it yet", args.name))
}

/// Whoever signs, with the grants by which they may.
struct Signing {
    key: SecretKey,
    chain: Vec<Vec<u8>>,
}

fn signing(
    args: &SignerArgs,
    verb: &str,
    package: &PackageName,
    session: &mut Session<'_>,
) -> Result<Signing, CommandError> {
    if let Some(path) = &args.words_file {
        session.environment.trust.guard().map_err(|source| TrustError::System {
            action: "keep secrets out of core dumps",
            source,
        })?;
        let key = Words::parse(&trust::read_text(path)?).map_err(TrustError::from)?.person();
        return Ok(Signing { key, chain: Vec::new() });
    }
    let home = trust::home(session)?;
    let key = trust::unlock_machine(&home, &args.passphrase, session)?.key;
    let machine = key.public().bytes();
    let opened = trust::Opened::of(&home, session)?;
    let resource = package.to_string();
    let ask = Ask { subsystem: "pkg", verb, resource: &resource };
    let grants = &opened.known.view.grants;
    let fits = |id: &&Vcid| {
        grants[*id].to == machine
            && opened.known.view.authorise(&machine, id, &ask, &opened.when()).is_ok()
    };
    let missing = || {
        because(
            format!("{verb} {package} as this machine"),
            format!(
                "it has no grant for that: `vigil puddle grant MACHINE --subsystem pkg --verbs {verb} --prefix {package}` gives one"
            ),
        )
    };
    let mut link = Some(*grants.keys().find(fits).ok_or_else(missing)?);
    let mut chain = Vec::new();
    while let Some(id) = link {
        chain.extend(opened.known.statements.get(&id).map(vigil_trust::Statement::encode));
        link = grants.get(&id).and_then(|grant| grant.parent);
    }
    chain.reverse();
    Ok(Signing { key, chain })
}

pub(super) fn attest(args: &PkgAttestArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let (dossier, _) = read(&args.file, session)?;
    let manifest = &dossier.manifest;
    let (_, root) = add(&args.folder, session)?;
    let signing = signing(&args.signer, "rebuild", &manifest.package(), session)?;
    let rebuild = Rebuild {
        package: manifest.name().clone(),
        manifest: manifest.id(),
        payload: root,
        used: args.used.iter().cloned().collect(),
    };
    let statement = rebuild.statement(&signing.key.public().bytes()).json().into_bytes();
    let envelope = sign_envelope(&signing.key, STATEMENT_MEDIA_TYPE, statement);
    let envelope = envelope.unwrap_or_else(|never: Infallible| match never {});
    let attested = Attested { envelope: envelope.json().into_bytes(), chain: signing.chain };
    log::write(&args.output, &attested.encode())?;
    let is_same = root == manifest.payload().root;
    let what = if is_same { "the same bits" } else { "OTHER bits" };
    session.say(format_args!(
        "{} came out with {what}: {}",
        manifest.name(),
        session.shown(&args.output)
    ))
}

pub(super) fn publish(
    args: &PkgPublishArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let (mut dossier, _) = read(&args.file, session)?;
    let id = dossier.manifest.id();
    let name = dossier.manifest.name().clone();
    if !args.unsigned && dossier.claim.is_none() {
        let signing = signing(&args.signer, "publish", &dossier.manifest.package(), session)?;
        let claim = Claim::sign(&signing.key, session.environment.clock.now(), &dossier.manifest);
        dossier.claim = Some(claim.statement().encode());
        dossier.chain = signing.chain;
    }
    import(args, &mut dossier, session)?;
    let action = || format!("publish {}", session.shown(&args.file));
    let claim = dossier.claim.as_ref().map(|claim| Claim::decode(claim)).transpose();
    let claim = claim.map_err(failed(action()))?.map(|claim| claim.statement().id());
    let index = match (&args.log, claim) {
        (None, _) => None,
        (Some(_), None) => return Err(because(action(), "a log holds claims, and it has none")),
        (Some(folder), Some(claim)) => {
            let entry = log_entry(&name, id, claim);
            Some(prove(folder, args.log_key.as_deref(), &entry, &mut dossier, session)?)
        }
    };
    let mut before = open(&args.file)?;
    replace(&args.file, session, |out| replace_dossier(&mut before, &dossier, out))?;
    if args.format.json {
        return session.out.json(&json!({
            "package": dossier.manifest.package().to_string(),
            "version": name.version(),
            "manifest": id.to_string(),
            "claim": claim.map(|claim| claim.to_string()),
            "attestations": dossier.attestations.len(),
            "index": index,
        }));
    }
    session.out.line(name)?;
    let count = human::count(dossier.attestations.len() as u64, "attestation", "attestations");
    let signed = if claim.is_some() { "signed" } else { "not signed" };
    let logged = index.map(|index| format!(", entry {index} of the log")).unwrap_or_default();
    session.say(format_args!("{signed}, {count}{logged}"))
}

/// Puts in what others say.
fn import(
    args: &PkgPublishArgs,
    dossier: &mut Dossier,
    session: &Session<'_>,
) -> Result<(), CommandError> {
    for path in &args.attestations {
        let action = format!("take {} as an attestation", session.shown(path));
        let attested = Attested::decode(&log::read(path)?).map_err(refused(action))?;
        dossier.attest(attested);
    }
    let minisign = args.minisign.iter().map(|path| (ForeignKind::Minisign, path));
    for (kind, path) in
        minisign.chain(args.sigstore.iter().map(|path| (ForeignKind::Sigstore, path)))
    {
        dossier.import(ForeignEvidence { kind, bytes: log::read(path)? });
    }
    Ok(())
}

/// Appends an entry unless it is in the log, and puts in the proof that it is.
fn prove(
    folder: &Path,
    key: Option<&Path>,
    entry: &[u8],
    dossier: &mut Dossier,
    session: &Session<'_>,
) -> Result<u64, CommandError> {
    let disk = log::disk(folder);
    let leaf = TreeHash::of_leaf(entry);
    let action = "prove that the claim is in the log";
    let find = |session: &Session<'_>| {
        let checkpoint = log::published(folder, session)?;
        let mut reader = LogReader::new(DiskTiles(&*disk), checkpoint);
        let found = reader.find(leaf).map_err(refused(action))?;
        Ok::<_, CommandError>((reader, found))
    };
    let (mut reader, mut found) = find(session)?;
    if found.is_none() {
        let mut log = log::open(folder, key, session)?;
        log.append(&[entry]).map_err(failed("append the claim to the log"))?;
        (reader, found) = find(session)?;
    }
    let index = found.ok_or_else(|| because(action, "it was appended, and is not there"))?;
    let proof = reader.prove(index, leaf).map_err(refused(action))?;
    dossier.proof = Some(proof.to_string().into_bytes());
    Ok(index.0)
}

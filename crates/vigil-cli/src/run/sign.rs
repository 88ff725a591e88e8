//! `vigil sign`, and the keys that verify what it makes: for minisign and signify, through the agent.

use std::io::Read as _;

use serde_json::json;
use vigil_base::{Uri, Vcid};
use vigil_kernel::render_pipeline;
use vigil_node::TREE_TYPE;
use vigil_node::agent::{AgentClient, AgentError};
use vigil_trust::Purpose;
use vigil_trust::formats::{
    ForeignSigner as _, MinisignHasher, MinisignKey, SignError, SignifyKey, key_line,
    public_key_pem, sign_checksums, sign_minisign_file,
};

use super::kernel::{Resolving, request_of};
use super::{Session, agent};
use crate::args::{KeyFormat, SignArgs, SignFormat, SocketArgs};
use crate::failure::CommandError;
use crate::human;
use crate::signing_failure::SigningError;

/// How many bytes are read at a time.
const PART_BYTES: usize = 256 << 10;

pub(super) fn sign(args: &SignArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let client = agent::connect(&args.socket, session)?;
    let mut kernel = Resolving::start(&args.reach, session)?;
    let found = kernel.find(request_of(&args.target, None));
    kernel.finish(session)?;
    let found = found?;
    if found.media_type.as_str() == TREE_TYPE {
        return Err(CommandError::IsATree { uri: Uri::tree(found.vcid) });
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None => last_step(&render_pipeline(&args.target.uri)),
    };
    let text = match args.tool {
        SignFormat::Minisign => minisign(&kernel, found.vcid, &name, &client)?,
        SignFormat::Signify => {
            let key_file = format!("{}.pub", machine(&client)?);
            let signed = sign_checksums(&client, &[(&name, found.vcid)], &key_file);
            signed.map_err(|error| refused(error, SigningError::from))?
        }
    };
    if args.format.json {
        let (vcid, tool) = (found.vcid.to_string(), word(args.tool));
        return session
            .out
            .json(&json!({ "vcid": vcid, "name": name, "tool": tool, "signature": text }));
    }
    session.out.line(text.trim_end())
}

fn word(tool: SignFormat) -> &'static str {
    match tool {
        SignFormat::Minisign => "minisign",
        SignFormat::Signify => "signify",
    }
}

/// What a file would most likely be called: `@home/letter.txt` is `letter.txt`, `@home` is `home`.
fn last_step(uri: &str) -> String {
    let step = uri.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    step.trim_start_matches('@').to_owned()
}

fn refused<E>(
    error: SignError<AgentError, E>,
    format: impl FnOnce(E) -> SigningError,
) -> CommandError {
    match error {
        SignError::Signer(error) => SigningError::from(error).into(),
        SignError::Format(error) => format(error).into(),
    }
}

fn minisign(
    kernel: &Resolving,
    vcid: Vcid,
    name: &str,
    client: &AgentClient,
) -> Result<String, CommandError> {
    let uri = Uri::content(vcid);
    let blob = kernel
        .store
        .find(vcid)
        .map_err(|source| CommandError::Read { uri: uri.clone(), source: Box::new(source) })?;
    let mut reader = vigil_node::BlobReader::new(kernel.store.clone(), blob);
    let (mut file, mut part) = (MinisignHasher::default(), vec![0; PART_BYTES]);
    loop {
        let count = reader.read(&mut part).map_err(|source| CommandError::File {
            action: "read",
            path: uri.to_string().into(),
            source,
        })?;
        if count == 0 {
            break;
        }
        file.update(&part[..count]);
    }
    let comment = format!("{name} is {vcid}, says {}", machine(client)?);
    let signed = sign_minisign_file(client, file, &comment);
    Ok(signed.map_err(|error| refused(error, SigningError::from))?.text())
}

/// Returns what the agent's machine is called.
fn machine(client: &AgentClient) -> Result<String, CommandError> {
    Ok(client.status().map_err(SigningError::from)?.name)
}

/// Prints the key with which a tool verifies this machine's signatures.
pub(super) fn key(
    format: KeyFormat,
    socket: &SocketArgs,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let purpose = match format {
        KeyFormat::Ssh => Purpose::Ssh,
        KeyFormat::Minisign => Purpose::Minisign,
        KeyFormat::Signify => Purpose::Signify,
        KeyFormat::Dsse => Purpose::Dsse,
    };
    let client = agent::connect(socket, session)?;
    let machine = machine(&client)?;
    let certificate = client.certificate(purpose).map_err(SigningError::from)?;
    let certificate = certificate
        .ok_or(SigningError::from(AgentError::Refused { action: "tell a public key" }))?;
    let key = *certificate.subkey();
    let text = match format {
        KeyFormat::Ssh => key_line(&key, &machine),
        KeyFormat::Minisign => MinisignKey::new(key).text(),
        KeyFormat::Signify => SignifyKey::new(key).text(&machine).map_err(SigningError::from)?,
        KeyFormat::Dsse => public_key_pem(&key),
    };
    if is_json {
        let hex = human::hex(&certificate.encode());
        return session.out.json(&json!({
            "format": purpose.as_str(),
            "machine": certificate.owner().to_string(),
            "key": text,
            "certificate": hex,
        }));
    }
    session.out.line(text.trim_end())
}

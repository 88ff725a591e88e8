//! The chapter of the tour in which somebody vouches for a result, and others check it.

use std::fs;
use std::path::Path;

use vigil_base::Blame;

use super::guide::Guide;
use crate::failure::CommandError;

/// What the chapter keeps apart from the store that is shown: a throw-away identity.
const STORE: &str = "ada";

/// Shows names, attestations and what others say of them. What it started has ended afterwards.
pub(super) fn vouch(guide: &mut Guide<'_, '_>) -> Result<(), CommandError> {
    guide.chapter("Vouch for it")?;
    guide.text(
        "A hash says that bytes are these bytes, not that they are good. That somebody says, with a\n\
         key. Here is a throw-away Person with a machine; yours you would keep.",
    )?;
    let failed = |source| CommandError::File { action: "write", path: "pass".into(), source };
    let pass = guide.scratch().join("pass");
    fs::write(&pass, "a passphrase of the tour\n").map_err(failed)?;
    let unlock = ["--passphrase-file", "pass"];
    let quick = ["--memory", "64MiB"];
    let own = |guide: &mut Guide<'_, '_>, words: &[&str], rest: &[&str]| {
        guide.vigil(&[&["--store", STORE][..], words, rest].concat())
    };
    let sealed = [unlock, quick].concat();
    own(guide, &["person", "new", "ada", "--words-file", "words"], &sealed)?;
    own(guide, &["machine", "enroll", "bench"], &sealed)?;
    own(guide, &["puddle", "create", "home"], &unlock)?;
    own(guide, &["add", "back", "--name", "result"], &[])?;
    guide.text("A name that others can rely on is said in the machine's own signed feed.")?;
    own(guide, &["name", "set", "att://ada.example/result@1", "@result"], &unlock)?;
    own(guide, &["name", "resolve", "att://ada.example/result@1"], &[])?;
    guide.text("It goes wherever a URI goes, and whatever follows from it is known to.")?;
    own(guide, &["why", "att://ada.example/result@1"], &[])?;
    if !guide.has("git", "--version") || !guide.has("ssh-keygen", "-?") {
        return guide
            .text("With git and ssh-keygen at hand, the tour would go on with attestations.");
    }
    guide.text(
        "The Person has certified the machine's SSH key already, since its own was at hand. The agent\n\
         has the machine's key unlocked, also for git and ssh-keygen.",
    )?;
    let socket = ["--socket", "agent/agent.sock"];
    own(guide, &["agent", "start"], &[unlock, socket].concat())?;
    let shown = attest(guide, &socket);
    // Nothing of the tour stays behind, however the chapter ended.
    let stopped = own(guide, &["agent", "stop"], &socket);
    shown.and(stopped.map(drop))
}

fn attest(guide: &mut Guide<'_, '_>, socket: &[&str]) -> Result<(), CommandError> {
    guide.text(
        "An attestation is a signed word in an ordinary git repository, and in the machine's feed.",
    )?;
    guide.outside(&["git", "init", "-q", "vouched"], None, true)?;
    let predicate = ["--predicate", "https://example.org/reviewed/v1", "--repository", "vouched"];
    let attest = ["--store", STORE, "attest", "@result"];
    guide.vigil(&[&attest[..], &predicate, socket].concat())?;
    guide.text("Whoever checks it needs one line about the Person, and no Vigil.")?;
    guide.vigil_into(&["--store", STORE, "attest", "signers"], "signers")?;
    let allowed = ["git", "-C", "vouched", "-c", "gpg.ssh.allowedSignersFile=../signers"];
    guide.outside(&[&allowed[..], &["verify-commit", "HEAD"]].concat(), None, true)?;
    let (file, signature) = the_attestation(&guide.scratch().join("vouched/attestations"))
        .ok_or_else(|| CommandError::Tour { step: "vigil attest".into(), blame: Blame::Us })?;
    let (file, signature) =
        (format!("vouched/attestations/{file}"), format!("vouched/attestations/{signature}"));
    let who = guide.principal("signers", &signature)?;
    let verify = ["ssh-keygen", "-Y", "verify", "-f", "signers", "-n", "attestation@vigil"];
    let verify = [&verify[..], &["-I", &who, "-s", &signature]].concat();
    guide.outside(&verify, Some(&file), true)?;
    let check =
        ["--store", STORE, "attest", "verify", "--repository", "vouched", "--signers", "signers"];
    guide.vigil(&check)?;
    guide.text("Now one byte of it is changed, and everybody refuses.")?;
    guide.flip(&file)?;
    guide.outside(&verify, Some(&file), false)?;
    guide.vigil_refuses(&check)?;
    Ok(())
}

/// Returns the names of the one attestation's files.
fn the_attestation(folder: &Path) -> Option<(String, String)> {
    let names = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let mut names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let name = names.find(|name| name.ends_with(".json"))?;
    let signature = format!("{name}.sig");
    Some((name, signature))
}

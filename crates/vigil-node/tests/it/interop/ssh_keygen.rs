//! `ssh-keygen -Y sign` through the agent.

use std::path::Path;

use super::{prepare, program, run, said};
use crate::agent::{Running, principal};

#[test]
fn it_signs_through_the_agent_and_verifies_the_chain() {
    let hint = "apt-get install openssh-client";
    let Some(program) = program("VIGIL_INTEROP_SSH_KEYGEN", "ssh-keygen", hint) else { return };
    let running = Running::start();
    prepare(&running);
    let nothing = Path::new("/dev/null");
    let sign = ["-Y", "sign", "-f", "id.pub", "-n", "git", "message"];
    let output = run(&program, &running, &sign, nothing);
    assert!(output.status.success(), "{}", said(&output));
    let principal = principal();
    let verify =
        ["-Y", "verify", "-f", "signers", "-I", &principal, "-n", "git", "-s", "message.sig"];
    let message = running.folder.path().join("message");
    let output = run(&program, &running, &verify, &message);
    assert!(said(&output).contains("Good \"git\" signature"), "{}", said(&output));
    std::fs::write(&message, "what is signeD\n").expect("a file");
    let output = run(&program, &running, &verify, &message);
    assert!(!output.status.success(), "{}", said(&output));

    std::fs::remove_file(running.folder.path().join("message.sig")).expect("there");
    vigil_node::agent::AgentClient::connect(&running.socket)
        .and_then(|client| client.lock())
        .expect("it was open");
    let output = run(&program, &running, &sign, nothing);
    assert!(!output.status.success(), "a locked agent signs nothing: {}", said(&output));
}

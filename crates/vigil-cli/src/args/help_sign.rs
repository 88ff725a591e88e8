//! What stands below the options of the commands that sign for other tools.

use super::setup::{agent, person};

pub(super) const AGENT: &str = concat!(
    "\
The agent has the key that `vigil machine enroll` made, in memory that is neither swapped out nor dumped. \
It speaks ssh-agent's protocol, so that git and ssh-keygen sign through it; it signs files only, no \
logins, and takes no keys from outside.

Examples:
  A throw-away machine whose agent runs for a moment:
",
    agent!(),
    "    $ vigil agent stop",
);

pub(super) const AGENT_START: &str = concat!(
    "\
What is printed is for a shell: eval \"$(vigil agent start)\" lets everything that is started from that \
shell sign through the agent. The certificate that `vigil agent certify` made is offered, too.

Examples:
  Start one, see that it is of use, and end it:
",
    agent!(),
    "    $ vigil agent status
    $ vigil agent stop",
);

pub(super) const AGENT_STATUS: &str = concat!(
    "\
With --json, one document: state (open, locked or empty), name, machine (its key), signatures (how many \
it made), socket, certificate (a file, or null).

Examples:
  Ask:
",
    agent!(),
    "    $ vigil agent status --json
    $ vigil agent stop",
);

pub(super) const AGENT_LOCK: &str = concat!(
    "\
`ssh-add -x` does the same with a passphrase of the moment.

Examples:
  Lock before going away, and be back:
",
    agent!(),
    "    $ vigil agent lock
    $ vigil agent unlock --passphrase-file pass
    $ vigil agent stop",
);

pub(super) const AGENT_UNLOCK: &str = concat!(
    "\
Examples:
  Be back:
",
    agent!(),
    "    $ vigil agent lock
    $ vigil agent unlock --passphrase-file pass
    $ vigil agent stop",
);

pub(super) const AGENT_STOP: &str = concat!(
    "\
Examples:
  End it:
",
    agent!(),
    "    $ vigil agent stop",
);

pub(super) const AGENT_CERTIFY: &str = concat!(
    "\
An OpenSSH certificate says that a key is a machine of this Person's, in a form that ssh-keygen and git \
read. It is kept as trust/machine-cert.pub in the store. Who is to believe it needs the list that \
`vigil attest signers` prints.

Examples:
  Certify this machine:
",
    person!(),
    "    $ vigil agent certify --passphrase-file pass
  Certify a machine that has no Person's key, here the same one:
    $ vigil agent certify --request --passphrase-file pass > request
    $ vigil agent certify --for request --passphrase-file pass > certificate
    $ vigil agent certify --take certificate --passphrase-file pass",
);

pub(super) const ATTEST: &str = concat!(
    "\
Writes attestations/HASH.json, a DSSE envelope with an in-toto statement, and HASH.json.sig, an SSH \
signature over it, into a git repository, and commits both, signed. Before that, this machine's feed says \
so, with the hash of the file: so others can tell what it said before its key was lost. The bytes stay in \
the store. The agent signs, and writes into the feed: `vigil agent start`. A machine that knows that it was \
revoked, or is frozen, attests nothing.

With --json, one document: attestation (the hash of the file), subject (a Vcid), predicate, files, feed (an \
object of machine, incarnation, position), commit (null if it was said before).

Examples:
  Say about a file that it was reviewed, and see who says so:
",
    person!(),
    "    $ vigil agent start --passphrase-file pass
    $ git init -q vouched
    $ vigil attest @home/hello.txt --predicate https://example.org/reviewed/v1 --repository vouched
    $ vigil attest verify --repository vouched
    $ vigil agent stop",
);

pub(super) const ATTEST_VERIFY: &str = "\
The exit code is 1 if an attestation is refused, or none is there. Where the feeds of the Person's puddle \
are here (this machine's own, or one that it follows), what a machine signs after it was revoked is refused, \
and what it said before is not. With --signers, no store is needed: where there is none, no feed is asked.

With --json, one line for each: attestation (the hash in its name), holds, and principal, machine, \
predicate, subjects (a list of name and sha256), feed (an object of machine, incarnation, position, or null if no \
feed here that counts has it) or why.

Examples:
  An empty repository has nothing to believe:
    $ git init -q empty
    $ vigil attest list --repository empty";

pub(super) const ATTEST_LIST: &str = "\
Nothing is verified: this is what the files say. With --feeds, it is what the machines' feeds say, whose \
signatures were checked when they were read, and whether it counts: a word behind it says why it does not \
(stranger, revoked, frozen, forgiven).

With --json, one line for each: attestation (the hash in its name), predicate, subjects (a list of name \
and sha256), and with --feeds machine, incarnation, position, standing (counts, or the word).

Examples:
  What a repository holds, and what feeds do:
    $ git init -q empty
    $ vigil attest list --repository empty
    $ vigil attest list --feeds";

pub(super) const ATTEST_SIGNERS: &str = concat!(
    "\
git takes the file as gpg.ssh.allowedSignersFile, ssh-keygen as -f.

Examples:
  Hand it out:
",
    person!(),
    "    $ vigil agent certify --passphrase-file pass
    $ vigil attest signers > signers",
);

pub(super) const NAME_HISTORY: &str = concat!(
    "\
What stands comes first; of names that nobody set differently, that is one line.

With --json, one line for each setting: name, stands, uri and vcid (null where it was taken away), \
machine, position (in that machine's feed).

Examples:
  Set a name twice, and see both:
",
    person!(),
    "    $ vigil puddle create home --passphrase-file pass
    $ vigil name set att://ada.example/hello@1 @home/hello.txt --passphrase-file pass
    $ vigil name set att://ada.example/hello@1 @home~1 --passphrase-file pass
    $ vigil name history att://ada.example/hello@1",
);

pub(super) const NAME_RESOLVE: &str = concat!(
    "\
A name that two machines set differently, without knowing of each other, means nothing until one sets it \
again; one that a forked feed sets means nothing until the Person says so. The exit code is 1 then, and \
both sides are shown.

`vigil get att://…` and every other command that takes a URI resolve such names in the same way.

With --json, one document: name, meaning (target, withdrawn, conflict or frozen), uri and vcid (or null).

Examples:
  Set a name, and ask for it:
",
    person!(),
    "    $ vigil puddle create home --passphrase-file pass
    $ vigil name set att://ada.example/hello@1 @home/hello.txt --passphrase-file pass
    $ vigil name resolve att://ada.example/hello@1",
);

pub(super) const NAME_FOLLOW: &str = concat!(
    "\
Their machines alone speak for that domain here from then on; the Person must be known here (`vigil \
person trust`). The same command with a newer bundle brings news.

Examples:
  A machine that is in no puddle, but knows whose it is, follows what a puddle says:
",
    person!(),
    "    $ vigil puddle create home --passphrase-file pass
    $ vigil name set att://ada.example/hello@1 @home/hello.txt --passphrase-file pass
    $ vigil puddle export -o bundle
    $ vigil --store other person recover ada --words-file words --words-only
    $ vigil --store other name follow ada.example bundle
    $ vigil --store other name resolve att://ada.example/hello@1",
);

pub(super) const NAME_UNFOLLOW: &str = concat!(
    "\
What the puddle said stays here, and counts again once it is followed again.

Examples:
  Follow a puddle for a domain, and stop:
",
    person!(),
    "    $ vigil puddle create home --passphrase-file pass
    $ vigil puddle export -o bundle
    $ vigil --store other person recover ada --words-file words --words-only
    $ vigil --store other name follow ada.example bundle
    $ vigil --store other name unfollow ada.example",
);

pub(super) const NAME_DOMAINS: &str = "\
With --json, one line for each domain: domain, puddle (its id), name (what it is called), known (whether \
its Person is known here: otherwise its names do not count).

Examples:
  See who speaks for what:
    $ vigil name domains";

pub(super) const AGENT_KEY: &str = concat!(
    "\
Each tool has a key of its own, which signs for nothing else. `ssh` is a line of authorized_keys, \
`minisign` a minisign.pub, `signify` a .pub, `dsse` PEM.

With --json, one document: format, machine (its own key), key (the text), certificate (the machine's word \
that this key is its own, as hexadecimal digits of the record in docs/format/trust.md).

Examples:
  Hand out what minisign needs:
",
    agent!(),
    "    $ vigil agent key minisign > bench.pub
    $ vigil agent stop",
);

pub(super) const SIGN: &str = concat!(
    "\
Prints the signature; the agent makes it: `vigil agent start`. minisign signs the bytes; for signify it is \
a list with their SHA-256, since it takes no file that does not fit into memory. `vigil agent key` prints \
what verifies it. For git and ssh-keygen, `vigil attest`; or let them sign through the agent themselves.

With --json, one document: vcid, name, tool, signature.

Examples:
  Sign a file for whoever has minisign:
",
    agent!(),
    "    $ vigil sign @home/hello.txt --as minisign > hello.txt.minisig
    $ vigil sign @home/hello.txt --as signify > SHA256.sig
    $ vigil agent stop",
);

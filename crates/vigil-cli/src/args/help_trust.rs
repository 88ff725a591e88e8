//! What stands below the options of the commands for identity.

use super::setup::puddle;

/// Examples make a Person and a machine of their own; the least memory keeps them quick.
pub(super) const PERSON: &str = "\
A Person is 24 words. Whoever has them signs as that Person; nobody can bring them back. What is kept \
here lies in the folder `trust` of the store, and only you may read it.

Examples:
  Make a throw-away Person whose words go to a file:
    $ echo correct horse battery > pass
    $ vigil person new ada --words-file words --passphrase-file pass --memory 64MiB
    $ vigil person show";

pub(super) const PERSON_NEW: &str = "\
The words are shown once, and three of them are asked for. They come of at least 256 bits from at least \
two sources that were tested: the system, the processor, its jitter, dice. The key is also kept here, \
sealed under a passphrase, unless --words-only is given.

With --json, one document: name, key, fingerprint, sealed, entropy (a list of source, bits, flaw).

Examples:
  Write the words to a file instead of showing them:
    $ echo correct horse battery > pass
    $ vigil person new ada --words-file words --passphrase-file pass --memory 64MiB
  Keep nothing here but the words, and mix in dice:
    $ echo 4261 3355 2164 1523 > dice
    $ vigil --store other person new bob --words-file other-words --words-only --dice dice";

pub(super) const PERSON_RECOVER: &str = "\
With --json, one document: name, key, fingerprint, sealed.

Examples:
  From a file:
    $ vigil person new ada --words-file words --words-only
    $ echo correct horse battery > pass
    $ vigil person recover ada --words-file words --passphrase-file pass --memory 64MiB";

pub(super) const PERSON_SHOW: &str = "\
With --json, one document: name, key, fingerprint, sealed.

Examples:
  Who am I:
    $ vigil person new ada --words-file words --words-only
    $ vigil person show";

pub(super) const PERSON_TRUST: &str = "\
Ask them for the twelve words of their fingerprint in a way in which you know that it is they.

Examples:
  Somebody whose words were compared:
    $ vigil --store theirs person new bob --words-file words --words-only
    $ vigil --store theirs person show | head -n 1 | cut -d' ' -f3 > key
    $ vigil --store theirs person show | sed -n 's/^ *fingerprint *//p' > print
    $ vigil person trust bob $(cat key) --fingerprint \"$(cat print)\"";

pub(super) const PERSON_LIST: &str = "\
With --json, one line for each: name, key, fingerprint, at.

Examples:
  All of them:
    $ vigil person list";

pub(super) const PERSON_FORGET: &str = "\
Examples:
  Somebody whom you know no more:
    $ vigil --store theirs person new bob --words-file words --words-only
    $ vigil --store theirs person show | head -n 1 | cut -d' ' -f3 > key
    $ vigil --store theirs person show | sed -n 's/^ *fingerprint *//p' > print
    $ vigil person trust bob $(cat key) --fingerprint \"$(cat print)\"
    $ vigil person forget bob";

pub(super) const PERSON_ROTATE: &str = concat!(
    "\
What the old key signed and this machine has seen stays valid; whatever else it signs is refused from \
now on. The new key is sealed under the passphrase of the old one, if that is sealed here. Other machines follow \
with the next bundle; those who know you must compare the new fingerprint. This machine must be in a puddle.

Examples:
  After the words were seen by somebody:
",
    puddle!(),
    "    $ vigil person rotate --words-file words --new-words-file new --passphrase-file pass",
);

pub(super) const MACHINE: &str = "\
Each machine has a key of its own, sealed under a passphrase; it never leaves the machine. The machine of \
six primitives is another thing: `vigil vectra`.

Examples:
  Make one and look at it:
    $ echo correct horse battery > pass
    $ vigil machine enroll bench --passphrase-file pass --memory 64MiB
    $ vigil machine show";

pub(super) const MACHINE_ENROLL: &str = "\
Where the Person's key is at hand, it certifies this machine's SSH key at once, for git and ssh-keygen: if it \
is sealed here under the same passphrase, or comes from a file that is named. Anywhere else `vigil agent certify` does so.

With --json, one document: name, key, fingerprint, sealing, certificate (as whom it signs, or null), subkeys \
(an object of purpose and key).

Examples:
  With the passphrase from a file:
    $ echo correct horse battery > pass
    $ vigil machine enroll bench --passphrase-file pass --memory 64MiB";

pub(super) const MACHINE_SHOW: &str = "\
With --json, one document: name, key, fingerprint, sealing, certificate (as whom it signs, or null).

Examples:
  This machine:
    $ echo correct horse battery > pass
    $ vigil machine enroll bench --passphrase-file pass --memory 64MiB
    $ vigil machine show";

pub(super) const MACHINE_UNLOCK: &str = "\
Examples:
  Is this the passphrase:
    $ echo correct horse battery > pass
    $ vigil machine enroll bench --passphrase-file pass --memory 64MiB
    $ vigil machine unlock --passphrase-file pass";

pub(super) const PUDDLE: &str = concat!(
    "\
A puddle is one Person's machines. What happens in it is written in the machines' feeds, signed, and \
carried in bundles from one to the other.

Examples:
  Begin one with this machine:
",
    puddle!(),
    "    $ vigil puddle show",
);

pub(super) const PUDDLE_CREATE: &str = "\
With --json, one document: puddle, name.

Examples:
  With the Person's words from a file, for a site that nothing reaches:
    $ echo correct horse battery > pass
    $ vigil person new ada --words-file words --words-only
    $ vigil machine enroll bench --passphrase-file pass --memory 64MiB
    $ vigil puddle create home --lease never --words-file words --passphrase-file pass";

pub(super) const PUDDLE_JOIN: &str = "\
The code is no secret, but whoever carries it could swap it, and the bundle that comes back could be of \
another Person: compare both fingerprints.

Examples:
  The code of this machine, for `vigil puddle admit` on one that is in the puddle:
    $ echo correct horse battery > pass
    $ vigil machine enroll van --passphrase-file pass --memory 64MiB
    $ vigil puddle join --passphrase-file pass > code";

pub(super) const PUDDLE_ADMIT: &str = "\
Afterwards, `vigil puddle export` packs what the machine needs.

Examples:
  Let another machine in, and give it the puddle:
    $ echo correct horse battery > p
    $ vigil person new ada --words-file w --words-only
    $ vigil machine enroll bench --passphrase-file p --memory 64MiB
    $ vigil puddle create home --words-file w --passphrase-file p
    $ vigil --store van machine enroll van --passphrase-file p --memory 64MiB
    $ vigil --store van puddle join --passphrase-file p > code
    $ vigil --store van machine show | sed -n 's/^ *fingerprint *//p' > print
    $ vigil puddle admit - --fingerprint \"$(cat print)\" --words-file w --passphrase-file p <code
    $ vigil puddle export -o bundle
    $ vigil person show | sed -n 's/^ *fingerprint *//p' > print
    $ vigil --store van puddle join --bundle bundle --fingerprint \"$(cat print)\"";

pub(super) const PUDDLE_GRANT: &str = "\
A grant under another gives no more than that one, and goes at most four deep.

With --json, one document: grant.

Examples:
  Let this machine read files below `logs` for a week:
    $ echo correct horse battery > p
    $ vigil person new ada --words-file w --words-only
    $ vigil machine enroll bench --passphrase-file p --memory 64MiB
    $ vigil puddle create home --words-file w --passphrase-file p
    $ vigil puddle grant bench --subsystem files --verbs read --prefix logs --for 7d \\
        --words-file w --passphrase-file p";

pub(super) const PUDDLE_REVOKE: &str = concat!(
    "\
What the machine's feeds say up to here stays valid, and nothing else that is signed with its key, whatever date \
or place it claims; of a feed that was forked, what came before the fork. So import what its feeds have before. \
The key is gone for ever. A revocation wins over whatever its author had not seen. `vigil puddle krl` tells stock tools.

Examples:
  Take this machine out:
",
    puddle!(),
    "    $ vigil puddle revoke bench --reason lost --words-file words --passphrase-file pass",
);

pub(super) const PUDDLE_KRL: &str = concat!(
    "\
A key revocation list of OpenSSH. It names every certificate of each revoked machine, and its SSH key, if the \
machine has said which one that is, as it does when it first attests, and if that had come here by the time of \
the revocation. git takes the file as \
gpg.ssh.revocationFile, `ssh-keygen -Y verify` as -r; `ssh-keygen -Q -f FILE KEY` asks it. They have no \
idea when something was signed, so they refuse what came before the revocation, too; `vigil attest verify` \
does not.

With --json, one document: machines, keys (how many it names).

Examples:
  After this machine was lost:
",
    puddle!(),
    "    $ vigil puddle revoke bench --reason lost --words-file words --passphrase-file pass
    $ vigil puddle krl -o revoked.krl",
);

pub(super) const PUDDLE_CHECK: &str = "\
The answer is the chain of grants, the Person's first, or the rule that stands against it. Nothing is allowed \
once the lease has ended, while the time is in doubt, or where the Person's key is contested. The exit code \
is 1 where it is not allowed.

With --json, one document: allowed, machine, subsystem, verb, path, chain (a list of grants as \
`vigil puddle show` has them), rule (contested, unknown, revoked, frozen, stale, doubtful, no-grant, \
subsystem, verb, prefix, expired, or null), reason.

Examples:
  May this machine read a file:
    $ echo correct horse battery > p
    $ vigil person new ada --words-file w --words-only
    $ vigil machine enroll bench --passphrase-file p --memory 64MiB
    $ vigil puddle create home --words-file w --passphrase-file p
    $ vigil puddle grant bench --subsystem files --verbs read --prefix logs \\
        --words-file w --passphrase-file p
    $ vigil puddle check bench --subsystem files --verb read --path logs/a";

pub(super) const PUDDLE_RENEW: &str = concat!(
    "\
Leases count from what the Person signed last. Where nothing else is to be signed, this is.

Examples:
  Before the lease ends:
",
    puddle!(),
    "    $ vigil puddle renew --words-file words --passphrase-file pass",
);

pub(super) const PUDDLE_TIME: &str = concat!(
    "\
What is judged by is the clock, or what it showed before if it was set back. Where the Person signed later \
than it is here, one of two clocks is wrong and the time is in doubt: set this clock if it is behind, or say \
which one to believe. `--from clock` also takes down what a clock far ahead has left behind.

With --json, one document: now, clock, signed, heard (or null for never), lease_seconds (or null for never), \
fresh (or null for never), doubtful.

Examples:
  By what time this machine judges:
",
    puddle!(),
    "    $ vigil puddle time",
);

pub(super) const PUDDLE_SHOW: &str = concat!(
    "\
With --json, one document: puddle, name, person (a key or null where it is contested), lease_seconds (or \
null for never), fresh (or null for never), machines (a list of key, name, state, reason, grants), grants \
(a list of id, from, to, under, depth, subsystem, verbs, prefix, expiry, expired), refused (a list of id \
and reason).

Examples:
  The tree:
",
    puddle!(),
    "    $ vigil puddle show",
);

pub(super) const PUDDLE_VERIFY: &str = concat!(
    "\
It needs no passphrase and believes nothing. The exit code is 1 where something is torn, forked or does \
not hold.

With --json, one document: puddle, batches, entries, machines, grants, refused, torn, forked.

Examples:
  What is here, and what would be sent:
",
    puddle!(),
    "    $ vigil puddle export -o bundle
    $ vigil puddle verify && vigil puddle verify bundle",
);

pub(super) const PUDDLE_EXPORT: &str = concat!(
    "\
A bundle holds no secret. Taking one twice changes nothing.

Examples:
  For a stick:
",
    puddle!(),
    "    $ vigil puddle export -o bundle",
);

pub(super) const PUDDLE_IMPORT: &str = concat!(
    "\
Events that count are taken whatever becomes of the feed that carried them. Of a machine that was revoked, or \
has said two things at one position, no more is taken than counts; of any machine at most 64 MiB.

With --json, one document: batches and events (that were new), missing (feeds that do not follow what is \
here), over (machines of which more was sent than is taken), forked.

Examples:
  What was exported here is known already:
",
    puddle!(),
    "    $ vigil puddle export -o bundle
    $ vigil puddle import bundle",
);

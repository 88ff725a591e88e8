//! What stands below the options of `vigil log`: what its JSON means, and examples.
//!
//! A test runs every line that starts with `$`, as it does those of the other commands.

pub(super) const LOG: &str = "\
A log is a folder that any web server can serve. Entries are only ever appended; whoever reads the log can \
show what it was told, and two views that cannot both be true are a proof that freezes the log. All formats \
are those of C2SP (tlog-tiles, tlog-checkpoint, tlog-proof, tlog-witness), which other programs read.

Examples:
  A log, an entry, a proof, and its check:
    $ vigil log init mylog --origin example.com/log > mylog.vkey
    $ vigil log append mylog notes.txt
    $ vigil log prove mylog --index 0 -o notes.proof
    $ vigil log verify notes.proof --entry notes.txt --log-key \"$(cat mylog.vkey)\"";

pub(super) const INIT: &str = "\
The public key is printed; hand it to whoever is to believe the log. The secret key is made unless the file \
is there; keep it away from whatever serves the log, and never restore a log from a backup: it would say \
two things at one size, which is fraud.

With --json: origin, key (the public key), key_file.

Examples:
  Start a log and keep its public key:
    $ vigil log init mylog --origin example.com/log > mylog.vkey";

pub(super) const APPEND: &str = "\
What is printed is in the log for good: it is on the disk. An entry has at most 65535 bytes; log the hash of \
what is longer. Several processes may append to one log.

With --json, one line for each batch: first (the index of its first entry), count, size (of the log now), \
root (base64).

Examples:
  A file:
    $ vigil log init mylog --origin example.com/log > mylog.vkey
    $ vigil log append mylog notes.txt
  Each line of what a program prints:
    $ ls photos | vigil log append mylog --lines -";

pub(super) const PROVE: &str = "\
A .tlog-proof holds the place of the entry, the hashes from there to the root, and what the log says, with \
all signatures. It needs no network to be checked. With --since, a request to a witness is written instead: \
the proof that the log contains what it was.

Examples:
  Prove an entry by its place, or by its bytes:
    $ vigil log init mylog --origin example.com/log > mylog.vkey
    $ vigil log append mylog notes.txt
    $ vigil log prove mylog --index 0 -o notes.tlog-proof
    $ vigil log prove mylog --entry notes.txt
  Ask a witness to sign what the log says:
    $ vigil log prove mylog --since 0 > request";

pub(super) const VERIFY: &str = "\
A policy file (C2SP tlog-policy) says which logs are believed, and which witnesses must have seen what they \
say. Nothing else is needed, no network either. A fraud proof is checked against the key of the log \
and those of the policy's witnesses.

With --json: what (proof, checkpoint or fraud), origin, accused (of a fraud), size, root (base64), index (of a \
proof, or null), witnesses (a list of name, at and counts).

Examples:
  Check a proof, believing the log alone:
    $ vigil log init mylog --origin example.com/log > mylog.vkey
    $ vigil log append mylog notes.txt
    $ vigil log prove mylog --index 0 -o notes.proof
    $ vigil log verify notes.proof --entry notes.txt --log-key \"$(cat mylog.vkey)\"
  What the log says now:
    $ vigil log verify mylog/checkpoint --log-key \"$(cat mylog.vkey)\"";

pub(super) const WITNESS: &str = "\
Without a request, the witness's public key is printed, and its secret key made where there is none. With \
one, its signature is printed after what it saw is on the disk; a log that signed two roots for one size is \
frozen for good.

With --json, for the key: key. For a request: status (that of HTTP, as tlog-witness gives it), size, \
signatures (lines).

Examples:
  Make a witness:
    $ vigil log witness mywitness --name example.com/witness > witness.vkey
  Let it look at a log:
    $ vigil log init mylog --origin example.com/log > mylog.vkey
    $ vigil log prove mylog --since 0 > request
    $ vigil log witness mywitness request --log-key \"$(cat mylog.vkey)\"";

pub(super) const COSIGN: &str = "\
Signatures of other keys, or over something else, are left out. They last until the log grows.

With --json: added (how many).

Examples:
  Ask a witness, and publish what it says:
    $ vigil log init mylog --origin example.com/log > mylog.vkey
    $ vigil log witness mywitness --name example.com/witness > witness.vkey
    $ vigil log prove mylog --since 0 > request
    $ vigil log witness mywitness request --log-key \"$(cat mylog.vkey)\" > answer
    $ vigil log cosign mylog answer --witness \"$(cat witness.vkey)\"";

pub(super) const MONITOR: &str = "\
Every new entry is read and hashed; what is remembered goes on only where that leads to what the log signed. \
Where somebody was shown something else, --gossip compares it: two roots for one size, or two trees that \
differ where both have entries, are a fraud proof. It is written to --fraud, and freezes the log in --state. \
That a log does not answer, or shows less, proves nothing. A view that is smaller than what was read is compared \
with what was read before it; with a copy of the files, in --copy, every entry of it is.

With --json: result (grown, same or stale), from, to (sizes).

Examples:
  Look at a log, and again when it has grown:
    $ vigil log init mylog --origin example.com/log > mylog.vkey
    $ vigil log monitor mylog --state seen --log-key \"$(cat mylog.vkey)\"
    $ vigil log append mylog notes.txt
    $ vigil log monitor mylog --state seen --log-key \"$(cat mylog.vkey)\"";

pub(super) const KEEP: &str = "\
Full tiles that end before the index are no longer served; nothing is removed. Do it only where a retention \
policy says from when on entries are of no use to anybody: without one a log must keep everything.

Examples:
  Keep the second entry and what follows:
    $ vigil log init mylog --origin example.com/log > mylog.vkey
    $ ls photos | vigil log append mylog --lines -
    $ vigil log keep mylog --from 1";

pub(super) const SERVE: &str = "\
The address is printed on the first line. Only what tlog-tiles names is served: the checkpoint, tiles and \
entries. Any other web server can do the same.

Examples:
  Serve a log until something else stops it:
    $ vigil log init mylog --origin example.com/log > mylog.vkey
    $ vigil log serve-dir mylog & sleep 1; kill $!";

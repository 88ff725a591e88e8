//! What stands below the options of `vigil pkg`: what its JSON means, and examples.
//!
//! A test runs every line that starts with `$`, as it does those of the other commands.

pub(super) const PKG: &str = "\
A package is one file: a tree, what it says about itself, and everything that is needed to judge it. \
Nothing is asked of a network, and nothing is believed but hashes, signatures and the policy that you hold. \
What is installed is switched as a whole, and back.

Examples:
  Make, sign, judge and install a package:
    $ vigil person new ada --words-file words --words-only
    $ vigil pkg build photos --name example.com/photos@1.0 -o photos.vpkg
    $ vigil pkg publish photos.vpkg --words-file words
    $ printf 'rebuilders 0\\ninclusion waived\\n' > policy
    $ vigil pkg verify photos.vpkg --policy policy --explain
    $ vigil pkg install photos.vpkg --policy policy";

pub(super) const BUILD: &str = "\
The same folder gives the same bytes everywhere, so that others can rebuild it. Nobody has signed it yet.

With --json: package, version, manifest (its id), payload (the id of its tree), blobs, bytes.

Examples:
  A folder of files:
    $ vigil pkg build photos --name example.com/photos@1.0 --summary 'two photos' -o photos.vpkg
  A program, what it needs of the world, and a package that it needs:
    $ mkdir -p tool/bin && printf '#!/bin/sh\\necho hello\\n' > tool/bin/hello
    $ chmod +x tool/bin/hello
    $ vigil pkg build tool --name example.com/hello@1.0 --program hello=bin/hello \\
        --needs clock \\
        --depends example.com/photos@1.0 -o hello.vpkg";

pub(super) const INSPECT: &str = "\
It shows claims of whoever wrote the file. What may be believed of them, `vigil pkg verify` says.

With --json: package, version, summary, manifest, payload, blobs, bytes, needs, programs (a list of name, \
path and needs), dependencies (a list of package and least), is_signed, chain (how many grants), attestations, \
has_proof, foreign (a list of formats).

Examples:
  What a package says:
    $ vigil pkg build photos --name example.com/photos@1.0 -o photos.vpkg
    $ vigil pkg inspect photos.vpkg";

pub(super) const ATTEST: &str = "\
Build the package yourself, from its sources, and compare: the attestation says what came out, whether or \
not it is the same. A machine needs a grant for pkg rebuild. Hand the file to whoever publishes.

Examples:
  Say what came out:
    $ vigil person new bob --words-file words --words-only
    $ vigil pkg build photos --name example.com/photos@1.0 -o photos.vpkg
    $ cp -r photos rebuilt
    $ vigil pkg attest photos.vpkg rebuilt --words-file words -o bob.attestation";

pub(super) const PUBLISH: &str = "\
The file is replaced by one with the claim, the proof and the attestations. What is signed already stays so; \
do it again to put in a proof with more cosignatures. A machine needs a grant for pkg publish.

With --json: package, version, manifest, claim (its id, or null), attestations, index (in the log, or null).

Examples:
  Sign and log it, with what a rebuilder says:
    $ vigil person new ada --words-file words --words-only
    $ vigil pkg build photos --name example.com/photos@1.0 -o photos.vpkg
    $ vigil --store theirs person new bob --words-file bobs --words-only
    $ vigil --store theirs pkg attest photos.vpkg photos --words-file bobs -o bob.attestation
    $ vigil log init mylog --origin example.com/log > mylog.vkey
    $ vigil pkg publish photos.vpkg --words-file words --log mylog --attestation bob.attestation";

pub(super) const VERIFY: &str = "\
Every rule is judged: signature, person, rebuilders, log, footprint, revocation, freshness and version. What \
is refused says what would satisfy the rule. Every byte of the payload is compared with its hash.

With --json, one line for each package: package, version, manifest, is_allowed, rules (a list of rule, \
verdict, found and wanted), notes.

Examples:
  How a package fares by every rule:
    $ vigil person new ada --words-file words --words-only
    $ vigil pkg build photos --name example.com/photos@1.0 -o photos.vpkg
    $ vigil pkg publish photos.vpkg --words-file words
    $ printf 'rebuilders 0\\ninclusion waived\\n' > policy
    $ vigil pkg verify photos.vpkg --policy policy --explain";

pub(super) const INSTALL: &str = "\
All packages and what they need are installed as one generation, or nothing is. Put packages/current/bin of \
the store on your search path. A crash at any moment leaves the generation of before, or the new one.

With --json: generation (or null if nothing changed), packages (a list of package and version), programs (the \
folder that they are in).

Examples:
  Install a package, believing your own signature:
    $ vigil person new ada --words-file words --words-only
    $ vigil pkg build photos --name example.com/photos@1.0 -o photos.vpkg
    $ vigil pkg publish photos.vpkg --words-file words
    $ printf 'rebuilders 0\\ninclusion waived\\n' > policy
    $ vigil pkg install photos.vpkg --policy policy";

pub(super) const UNINSTALL: &str = "\
It makes a generation without them; `vigil pkg rollback` brings them back.

Examples:
  Remove a package:
    $ vigil person new ada --words-file words --words-only
    $ vigil pkg build photos --name example.com/photos@1.0 -o photos.vpkg
    $ vigil pkg publish photos.vpkg --words-file words
    $ printf 'rebuilders 0\\ninclusion waived\\n' > policy
    $ vigil pkg install photos.vpkg --policy policy
    $ vigil pkg uninstall example.com/photos";

pub(super) const LIST: &str = "\
With --json, one line for each package: package, version, manifest, folder (of its files), is_wanted (false \
for what only another package needs). With --generations one line for each: generation, parent, at \
(nanoseconds since 1970), packages, is_current.

Examples:
  What is installed:
    $ vigil pkg list
  What was installed before:
    $ vigil pkg list --generations";

pub(super) const ROLLBACK: &str = "\
Nothing is judged or copied again: only the current generation is another one.

Examples:
  Undo the last change:
    $ vigil person new ada --words-file words --words-only
    $ vigil pkg build photos --name example.com/photos@1.0 -o photos.vpkg
    $ vigil pkg publish photos.vpkg --words-file words
    $ printf 'rebuilders 0\\ninclusion waived\\n' > policy
    $ vigil pkg install photos.vpkg --policy policy
    $ vigil pkg uninstall example.com/photos
    $ vigil pkg rollback";

pub(super) const POLICY: &str = "\
Examples:
  Begin a policy of your own:
    $ vigil pkg policy > policy";

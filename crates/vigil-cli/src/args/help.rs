//! What stands below the options of each command's help: what its JSON means, and examples.
//!
//! A test runs every line that starts with `$`, in a folder and a store that it has prepared: the
//! folder `photos`, the file `notes.txt`, and a store in which `@home` has two versions, `hello.txt`
//! below `@home` holds `hello` and a line end, and nothing is sealed yet.

pub(super) const PROGRAM: &str = "\
URIs:
  ca://sha256:HEX           bytes, by the SHA-256 of these bytes
  ca://sha256:HEX/          the tree whose record these bytes are
  ca://sha256:HEX/docs/a    what that tree holds under docs/a
  @home  @home/docs/a       what a name means now, and what it holds
  @home~1                   what the name meant one version ago
  att://DOMAIN/NAME@1       what a Person's machines say that it means; `vigil name set` says it
  file:notes.txt            a file or a folder that is not in the store
  '@home/a | head 3'        what a call makes of a URI; `vigil endpoints` lists the calls

Exit codes:
  0 done   1 refused or not found   2 misuse   3 the world failed   70 a bug in vigil

Examples:
  See what it does, on real files, in seconds:
    $ vigil tour
  Keep a folder under a name, look inside, and get it back:
    $ vigil add photos --name photos
    $ vigil ls @photos
    $ vigil get @photos -o photos.back";

pub(super) const ADD: &str = "\
The URI of a folder ends with a slash. A line on standard error tells what was new. Files that cannot \
be kept, such as sockets, are skipped with a note.

With --json, one line for each path: path, uri, kind, vcid, metadata (a Vcid or null), name (or null), \
files, folders, bytes, unchanged_files, new_bytes (not stored before), written_bytes (after \
compression), notes (a list of path and note). For standard input, path is \"-\".

Examples:
  Store a folder and a file:
    $ vigil add photos notes.txt
  Keep a folder under a name, with times and owners:
    $ vigil add photos --name photos --metadata
  Leave out what builds produce:
    $ vigil add . --ignore-files --exclude '*.o' --exclude /target/
  Store what a program prints:
    $ date | vigil add -";

pub(super) const GET: &str = "\
Nothing is written outside PATH, whatever a tree says. Existing files are left alone unless \
--overwrite is given.

Examples:
  Get a folder back:
    $ vigil get @home -o home.back
  Get it back with times, owners and modes:
    $ vigil get @home -o home.exact --metadata
  Get bytes by their name, and see them:
    $ vigil get ca://sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
  The first 100 bytes of a file:
    $ vigil get @home/letter.txt --range 0-100
  Unpack an archive:
    $ tar -cf photos.tar photos
    $ vigil get 'file:photos.tar | untar' -o unpacked";

pub(super) const CAT: &str = "\
Examples:
  Read a file inside a tree:
    $ vigil cat @home/hello.txt
  Put two files together, one of them as it was a version ago:
    $ vigil cat @home/letter.txt @home~1/letter.txt > both.txt
  The last two lines of a file that is not in the store:
    $ vigil cat 'file:notes.txt | tail 2'";

pub(super) const TAR: &str = "\
The stream is the same for the same tree, on every machine: times are zero and owners are root.

Examples:
  Write a tar file:
    $ vigil tar @home > home.tar
  Unpack with another program:
    $ mkdir unpacked && vigil tar @home | tar -x -C unpacked";

pub(super) const LS: &str = "\
Names that are not text are shown with % and hexadecimal digits.

With --json, one line for each entry: path (as it is written in URIs), kind (file, executable, symlink \
or tree), vcid, size (in bytes; null for trees).

Examples:
  What a name holds:
    $ vigil ls @home
  All files below, with sizes and ids:
    $ vigil ls -lR @home
  What is in an archive:
    $ tar -cf photos.tar photos
    $ vigil ls -R 'file:photos.tar | untar'";

pub(super) const STAT: &str = "\
With --json, one document: uri, kind, vcid, size (in bytes), pieces (how many chunks it is kept in), \
entries (of a tree; else null), metadata (a Vcid or null).

Examples:
  What a file's name is, and how long it is:
    $ vigil stat @home/hello.txt
  The same for a program:
    $ vigil stat --json @home";

pub(super) const DIFF: &str = "\
Each line is a sign and a path: + for what only the right tree has, - for what only the left one has, \
~ for what differs. Only paths are compared, so a file that was moved is both - and +.

With --json, one line for each difference: change (added, removed or changed), path, left and right \
(kind and vcid, or null).

Examples:
  What has changed since the last version:
    $ vigil diff @home~1 @home";

pub(super) const SQL: &str = "\
Tables are resources in quotes, FROM '@data/trips.parquet', or names that --table and --view give. Parquet, Arrow, \
CSV and JSON are read, also packed with gzip or zstd; a folder of files is one table, and folders \
named KEY=VALUE give it columns. DESCRIBE, SUMMARIZE and EXPLAIN work, too. The same query over the same bytes has \
the same answer, rows in the same order; what has been answered once is kept.

With --json: uri (of the query), result (a URI), media_type, size.

Examples:
  Ask a text:
    $ vigil sql \"select sum(b) from 'data:,a%2Cb%0Ax%2C1%0Ay%2C2'\"
  Give a resource a name, and keep the answer as Parquet:
    $ vigil sql --table t=data:,a%2Cb%0Ax%2C1 'select a, b * 2 as c from t' --out c.parquet
  The same as a pipeline:
    $ vigil resolve 'data:,a%2Cb%0Ax%2C1 | sql \"select b from input\"' --as text/csv
  Ask with SQL that is read from standard input, or typed at a prompt:
    $ echo 'select 1 + 1 as two' | vigil sql";

pub(super) const RESOLVE: &str = "\
A pipeline is a URI and calls behind bars: URI | NAME ARGUMENT… An argument is a text, KEY=TEXT, or \
KEY@URI for what another URI gives; texts with blanks stand in double quotes. `vigil endpoints` lists the \
calls. What was made once is kept, and made again only when something that it was made from has changed.

With --json, one document: pipeline, uri, vcid, media_type, size (in bytes), secrecy and integrity (lists of \
tags); with --explain, one line for each step: pipeline, uri, endpoint (or null), gives, needs, steps (a list \
of depth and step), and with --as for each type that may come: from, to, way (a list of call, to, cost, or null).

Examples:
  The first line of a file:
    $ vigil resolve '@home/letter.txt | head 1'
  Its lines that hold a text:
    $ vigil resolve '@home/letter.txt | grep \"reader\" | head lines=2'
  A line of a file that is not in the store:
    $ vigil resolve 'file:notes.txt | lines from=2 to=2'
  A folder as a packed archive:
    $ vigil resolve 'file:photos' --as application/gzip > photos.tgz
  Who would answer:
    $ vigil resolve '@home/letter.txt | head 1' --explain
  Where the time goes:
    $ vigil resolve 'file:photos | tar | zstd' --profile profile.json > photos.tar.zst";

pub(super) const WHY: &str = "\
The pipeline is resolved first, as any command would do it, so what has to be made is made and kept. \
Each answer is shown once, below what was made from it: what it gave, who made it and how long that took, \
whether it was made now or kept from an earlier run, and what differs from that run.

With --json, one line for each: name, vcid, media_type, size, refused (why there is nothing, or null), how (made \
or kept), because, endpoint, version, inputs (a list of name, root, gave), below (a list of names), hidden (how many \
more are below), trace, nanoseconds.

Examples:
  How a line came about:
    $ vigil why '@home/letter.txt | head 1'
  Make it anew, and all that it is made of:
    $ vigil why '@home/letter.txt | head 1' --fresh";

pub(super) const WATCH: &str = "\
It prints what the pipeline gives now, and again after each change of a name, a file or a folder that it is \
made of: what it gave before and gives now, what was made again, and where the change ended. It ends when it is \
interrupted; what was made until then stays, unless `vigil gc` runs meanwhile: then it is made again when it is next \
needed. Folders with more than 4096 folders in them, paths with links in them, and names such as \
att://domain/name@version are looked at every second.

With --json, one line for each: pipeline, before (a Vcid or null), vcid (or null), refused (why there is nothing, \
or null), made, cut_off (lists of names), milliseconds.

Examples:
  Say what a file's first line is whenever it changes, for two seconds:
    $ timeout 2 vigil watch 'file:notes.txt | head 1' || true
  Do something after each change:
    $ timeout 2 vigil watch file:notes.txt --exec 'vigil cat $VIGIL_URI' || true";

pub(super) const ENDPOINTS: &str = "\
Each line is how an endpoint is written, and what it is for. In braces is what differs from URI to URI; behind a \
bar is a call, with its arguments in order and what they are where they are not given.

With --json, one line for each: name, grammar, help, parameters (a list of name, help, default, choices), gives (media \
types), version (the hash of what its answers follow from); with --converters: from, to, call, cost.

Examples:
  Who answers what:
    $ vigil endpoints
  More about one of them:
    $ vigil endpoints grep
  Which media types can be made of which:
    $ vigil endpoints --converters";

pub(super) const TRACE: &str = "\
A trace says what was made from what, by which version of whom, and on which machine. Another store that has \
the bytes too need not make them again, if it accepts that machine.

Examples:
  Write down how a line came about:
    $ vigil trace export '@home/letter.txt | head 1' -o line.traces";

pub(super) const TRACE_EXPORT: &str = "\
Examples:
  Write down how a line came about:
    $ vigil trace export '@home/letter.txt | head 1' -o line.traces";

pub(super) const TRACE_IMPORT: &str = "\
Bytes do not come along: carry them with `vigil arena export` or a tier. A trace is used only by commands that \
accept its machine with --accept, and only where everything that it has read is as it was.

With --json, one document: traces (how many).

Examples:
  Take in what another store has written:
    $ vigil trace export '@home/letter.txt | head 1' -o line.traces
    $ vigil --store elsewhere trace import line.traces";

pub(super) const COMPLETE: &str = "\
Each line is a way in which the last word could go on. The completions of shells call this.

Examples:
  Calls that start with gr:
    $ vigil complete \"vigil cat '@home/letter.txt | gr\"";

pub(super) const NAME: &str = "\
Names start with @ in URIs; here the @ may be left out.

Examples:
  List all names:
    $ vigil name list
  Name what another name means now:
    $ vigil name set @before-cleanup @home";

pub(super) const NAME_LIST: &str = "\
With --json, one line for each name: name, uri, kind, vcid, metadata (a Vcid or null), at (nanoseconds \
since 1970), versions (how many). With --shared: name, meaning (target, withdrawn, conflict or frozen), \
uri and vcid (or null), settings (how many).

Examples:
  All names:
    $ vigil name list";

pub(super) const NAME_SHOW: &str = "\
With --json, one line for each version: name, back (0 for the newest), uri, kind, vcid, metadata (a \
Vcid or null), at (nanoseconds since 1970).

Examples:
  The history of a name:
    $ vigil name show @home";

pub(super) const NAME_SET: &str = "\
Examples:
  Go back to what a name meant a version ago:
    $ vigil name set @home @home~1
  Name a part of a tree:
    $ vigil name set @letter @home/letter.txt";

pub(super) const NAME_REMOVE: &str = "\
Examples:
  Forget a name, then see what could be removed:
    $ vigil name remove @home
    $ vigil gc --dry-run";

pub(super) const VERIFY: &str = "\
The exit code is 3 if anything is damaged.

With --json, one document: clean, arenas, records, items, stored_bytes, raw_bytes, damaged (a list of \
vcid, kind, arena, offset), lost (a list of Vcids that cannot be read whole), \
unfinished (a list of Vcids of blobs whose add was interrupted; no name needs them), strays (a list of arena, \
start, end, is_damage), unreadable (a list of arena and reason), damaged_seals (a list of arenas), \
unindexed (items that the index did not list), index_damaged (it is a cache, so this costs nothing).

Examples:
  Read and compare everything:
    $ vigil verify
  A tenth of it, drawn at random:
    $ vigil verify --sample 10";

pub(super) const REPAIR: &str = "\
Damaged arenas are written anew from what is intact in them, from other copies in the store, from \
its tiers, or from the arenas given with --from; the damaged files are kept aside under damaged/ in the store. The exit \
code is 3 if something is lost.

With --json, one document: replaced (a list of arenas), saved_items, mended_items, lost (a list of \
Vcids).

Examples:
  Mend what can be mended from the store itself:
    $ vigil repair
  Mend it with the help of arenas that were exported earlier:
    $ vigil arena seal && vigil arena export 1 -o saved.arena
    $ vigil repair --from saved.arena";

pub(super) const GC: &str = "\
What a name leads to, in any version that is kept, stays. Everything else goes: also what was added \
without a name. Records of how results came about go with those results, after half a year, and beyond 200 000. \
A version stays if one rule keeps it. Days, weeks, months and years are those of UTC.

With --json, one document: dry_run, versions (a list of name, back, at, vcid, keep, reasons), \
live_blobs, dead_items, dead_bytes, dropped_arenas, copied_arenas, freed_bytes, traces_kept, traces_dropped \
(records of how results came about).

Examples:
  What would be removed if only the last seven days and four weeks of each name stayed:
    $ vigil gc --dry-run --keep-daily 7 --keep-weekly 4
  Remove it:
    $ vigil gc --keep-daily 7 --keep-weekly 4
  Remove only what no version of any name leads to:
    $ vigil gc";

pub(super) const ARENA: &str = "\
An arena is one file of a store. Once it is sealed it never changes, says itself what is in it, and can \
be copied anywhere.

Examples:
  Carry everything that is stored so far to another store:
    $ vigil arena seal
    $ vigil arena export 1 -o saved.arena
    $ vigil --store elsewhere arena import saved.arena";

pub(super) const ARENA_LIST: &str = "\
With --json, one line for each arena: number, state (open, sealed or moved), bytes, items (null while \
open), root (null while open), site, serial, class, created (nanoseconds since 1970), moved_as (a Vcid \
or null).

Examples:
  All arenas:
    $ vigil arena list";

pub(super) const ARENA_SEAL: &str = "\
With --json, one document: sealed (a list of numbers).

Examples:
  Seal what has been written so far:
    $ vigil arena seal";

pub(super) const ARENA_EXPORT: &str = "\
The SHA-256 of the file is told on standard error.

Examples:
  Write the first arena to a file:
    $ vigil arena seal
    $ vigil arena export 1 -o saved.arena
  The same through a pipe:
    $ vigil arena export 1 | sha256sum";

pub(super) const ARENA_IMPORT: &str = "\
An arena that is here already is not taken again. A large file may lie in more than one arena: then \
import these together.

With --json, one document: imported (a list of numbers).

Examples:
  Take in what another store exported:
    $ vigil arena seal && vigil arena export 1 -o saved.arena
    $ vigil --store elsewhere arena import saved.arena";

pub(super) const STATUS: &str = "\
With --json, one document: store, site, class, names, index_entries, arenas, open_arenas, \
sealed_arenas, moved_arenas, arena_bytes, free_bytes (or null).

Examples:
  What there is:
    $ vigil status";

pub(super) const TOUR: &str = "\
The tour adds a folder to a store, reads it back, changes a file, and shows what became of it. Your \
files are only read. The store and all copies lie in a temporary folder that is removed at the end; with \
--store, the store stays.

Examples:
  On the checkout that you are in:
    $ vigil tour
  On another folder:
    $ vigil tour photos";

pub(super) const COMPLETIONS: &str = "\
Examples:
  For the shell that is running:
    $ eval \"$(vigil completions bash)\"
  For all later ones of zsh:
    $ vigil completions zsh > _vigil";

pub(super) const MAN: &str = "\
Examples:
  Read the page of a command:
    $ vigil man arena export > vigil-arena-export.1
  Write all pages where `man` finds them:
    $ vigil man -o man1";

pub(super) const VERSION: &str = "\
With --json, one document: version.

Examples:
  Which version this is:
    $ vigil version";

pub(super) const TIER: &str = "\
A tier is a bucket or a folder that keeps sealed arenas and single blobs. Objects are named cas/SHA-256: \
any S3 client can fetch one and compare it. Arenas that were moved there are read from there by ranges, \
without a word. Nothing that a tier says is believed.

Keys for S3 come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the profile files.

Examples:
  Keep a copy of everything in a folder on another disk:
    $ mkdir -p shelf && vigil tier add file://$PWD/shelf
    $ vigil arena seal
    $ vigil tier push";

pub(super) const TIER_ADD: &str = "\
Keys are not remembered, only where to find them.

With --json, one document: name, address, encrypted.

Examples:
  A folder, such as one on another disk:
    $ mkdir -p shelf && vigil tier add file://$PWD/shelf --name shelf
  The same, encrypted:
    $ mkdir -p safe && head -c 32 /dev/urandom > key
    $ vigil tier add file://$PWD/safe --name safe --key-file key";

pub(super) const TIER_LIST: &str = "\
With --json, one line for each: name, address, endpoint (or null), region (or null), profile (or null), \
encrypted.

Examples:
  All of them:
    $ vigil tier list";

pub(super) const TIER_REMOVE: &str = "\
A tier that arenas were moved to is not forgotten; pull them first.

Examples:
  Forget one:
    $ mkdir -p shelf && vigil tier add file://$PWD/shelf --name shelf
    $ vigil tier remove shelf";

pub(super) const TIER_PUSH: &str = "\
With --json, one line for each: vcid, bytes, object, new (it was not there before), moved (its file here \
is gone).

Examples:
  Send every sealed arena:
    $ mkdir -p shelf && vigil tier add file://$PWD/shelf
    $ vigil arena seal
    $ vigil tier push
  Make room: move them, after reading them back:
    $ vigil tier push --move
  Send one file under its own name:
    $ vigil tier push @home/hello.txt";

pub(super) const TIER_PULL: &str = "\
With --json, one document for arenas: pulled (a list of numbers), present, bytes; one line for each \
blob: uri, bytes.

Examples:
  Bring everything back:
    $ mkdir -p shelf && vigil tier add file://$PWD/shelf
    $ vigil arena seal && vigil tier push --move
    $ vigil tier pull";

pub(super) const TIER_STATUS: &str = "\
With --json, one document: arenas (a list of number, vcid, bytes, here, there), blobs, blob_bytes, \
complaints.

Examples:
  What is where:
    $ mkdir -p shelf && vigil tier add file://$PWD/shelf
    $ vigil tier status";

pub(super) const VECTRA: &str = "\
Vectra is a machine of Tasks that can do only what they were handed by name. The same Task files run on a \
bare machine, which QEMU emulates, and on Linux; one core decides every call in both. The first Tasks \
show what there is, and switch the machine off.

Examples:
  Run its first Tasks on Linux, each as a process:
    $ vigil vectra run --hosted
  Boot the same files under QEMU:
    $ vigil vectra boot";

pub(super) const VECTRA_BOOT: &str = "\
It needs QEMU: Debian's package is qemu-system-x86. The machine is emulated, so it needs no right to use \
/dev/kvm. What is typed goes to its serial line. The exit code is 1 if the machine switched itself off \
with a code other than 0.

Examples:
  Boot the first Tasks, which show themselves and switch off:
    $ vigil vectra boot
  The acceptance suite instead, on one processor:
    $ vigil vectra boot --first suite --processors 1 | tail -n 1";

pub(super) const VECTRA_RUN: &str = "\
With --hosted each Task is a process in namespaces of its own, whose every call waits until the machine's \
core has decided; that needs Linux 5.19 or newer, and no privilege. With \
--here all Tasks share this process, so that a debugger sees them; let it pass SIGSYS, SIGSEGV and \
SIGVTALRM on.

Examples:
  The first Tasks:
    $ vigil vectra run --hosted
  How a Budget holds, in one process:
    $ vigil vectra run --here --first budgets";

pub(super) const VECTRA_CAPS: &str = "\
The machine is run, and what its own vctl Task says is shown: for each Task that flows to it, every slot \
of its Bundle with kind, detail (bytes, slots, bits, tag or line) and rights. That is all that the Task may do.

With --json, one line for each Task: task, state, secrecy, slots (a list of slot, name, kind, detail, \
rights).

Examples:
  All of them:
    $ vigil vectra caps
  The echo service:
    $ vigil vectra caps echod";

pub(super) const VECTRA_PRICES: &str = "\
QEMU counts the instructions on one processor, so every run gives the same; they are no times.

With --json, one line for each operation: operation, instructions.

Examples:
  What a call costs, and a message:
    $ vigil vectra prices";

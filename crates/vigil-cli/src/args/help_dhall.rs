//! What stands below the options of `vigil dhall`; its examples are run like those of `help.rs`.

pub(super) const DHALL: &str = "\
Dhall is a language for configuration that always ends: records, functions, types and imports, no \
loops without a bound. This is version 23.1 of its standard (https://dhall-lang.org).

Imports of files start from the folder of the file that has them, and on standard input from the \
working folder. Imports with a hash are kept in $XDG_CACHE_HOME/dhall, where other tools for Dhall \
look too, and compared with their hash whenever they are read. Headers for the web come from \
$DHALL_HEADERS or ~/.config/dhall/headers.dhall.

Examples:
  Evaluate an expression:
    $ echo 'List/length Natural [ 1, 2, 3 ]' | vigil dhall normalize
  From a file to JSON:
    $ echo '{ greeting = \"hello\" }' > hello.dhall
    $ vigil dhall to-json hello.dhall";

pub(super) const TYPE: &str = "\
With --json, one document: type.

Examples:
  What a function takes and gives:
    $ echo '\\(n : Natural) -> [ n ]' | vigil dhall type";

pub(super) const NORMALIZE: &str = "\
With --json, one document: expression, type.

Examples:
  Evaluate:
    $ echo 'let twice = \\(n : Natural) -> 2 * n in twice 21' | vigil dhall normalize
  The form that is hashed:
    $ echo '\\(name : Text) -> name' | vigil dhall normalize --alpha";

pub(super) const HASH: &str = "\
Two expressions have one hash if and only if they have one normal form.

With --json, one document: hash.

Examples:
  What stands behind an import to freeze it:
    $ echo '{ a = 1 + 1 }' | vigil dhall hash";

pub(super) const FREEZE: &str = "\
A frozen import is refused when it changes, and read from the cache without looking for it. Hashes that \
are there already are replaced.

With --json, one line for each file: path, changed, text (null with --inplace or --check).

Examples:
  Freeze the imports of a file:
    $ echo '{ a = 1 }' > part.dhall && echo './part.dhall' > whole.dhall
    $ vigil dhall freeze --all --inplace whole.dhall
  Is everything frozen?
    $ echo '{ a = 1 }' > part.dhall && echo './part.dhall' > whole.dhall
    $ vigil dhall freeze --all --inplace whole.dhall && vigil dhall freeze --all --check whole.dhall
  Keep it changeable, and quick as long as it does not change:
    $ echo '{ a = 1 }' > part.dhall && echo './part.dhall' | vigil dhall freeze --all --cache";

pub(super) const LINT: &str = "\
Removes bindings that nothing uses and that assert nothing; makes an unused `let x = a === b` an assertion; \
joins a `let` right inside of a `let` with it; writes ./../x as ../x; adds .dhall to imports of the Prelude \
that lack it.

With --json, one line for each file: path, changed, text (null with --inplace or --check).

Examples:
  See what would be left:
    $ echo 'let unused = 1 in { a = 2 }' | vigil dhall lint
  Tidy files up:
    $ echo 'let unused = 1 in { a = 2 }' > some.dhall && vigil dhall lint --inplace some.dhall
  With all that it imports:
    $ echo './part.dhall' > all.dhall && echo 'let unused = 1 in { a = 2 }' > part.dhall
    $ vigil dhall lint --inplace --transitive all.dhall";

pub(super) const FORMAT: &str = "\
Comments stay, and formatting what was formatted changes nothing. Imports are followed with \
--transitive only.

With --json, one line for each file: path, changed, text (null with --inplace or --check).

Examples:
  Format what an editor sends:
    $ echo '{a=1,b=[1,2]}' | vigil dhall format
  Format files where they are, and have a build refuse others:
    $ echo '{a=1}' > some.dhall && vigil dhall format --inplace some.dhall
    $ vigil dhall format --check some.dhall";

pub(super) const DIFF: &str = "\
What both have is left out. The exit code is 0 either way.

With --json, one document: equal, left, right (null if equal).

Examples:
  Two versions of a file:
    $ echo '{ a = 1, b = True }' > old.dhall && echo '{ a = 2, b = True }' > new.dhall
    $ vigil dhall diff old.dhall new.dhall";

pub(super) const RESOLVE: &str = "\
With --json, one document: expression.

Examples:
  Put everything into one file:
    $ echo '{ a = 1 }' > part.dhall
    $ echo 'let part = ./part.dhall in part.a' | vigil dhall resolve";

pub(super) const ENCODE: &str = "\
The binary form is that of the standard, in CBOR.

Examples:
  To a file:
    $ echo '{ a = 1 }' | vigil dhall encode > a.dhallb";

pub(super) const DECODE: &str = "\
With --json, one document: expression.

Examples:
  There and back:
    $ echo '{ a = 1 }' | vigil dhall encode | vigil dhall decode";

pub(super) const TO_JSON: &str = "\
Records and lists of { mapKey, mapValue } are objects, None is null, a union's value is its payload, or \
its name if it has none.

Examples:
  A program's settings:
    $ echo '{ port = 80 + 1, names = [ \"a\", \"b\" ] }' | vigil dhall to-json";

pub(super) const TO_YAML: &str = "\
As with to-json.

Examples:
  A program's settings:
    $ echo '{ port = 80 + 1, names = [ \"a\", \"b\" ] }' | vigil dhall to-yaml";

pub(super) const FROM_JSON: &str = "\
Fields that are absent are None where the type is Optional; objects may be lists of { mapKey, mapValue }.

Examples:
  JSON with a known shape:
    $ echo '{\"a\": [1, 2]}' | vigil dhall from-json '{ a : List Natural, b : Optional Text }'";

pub(super) const REPL: &str = "\
An expression is evaluated; one that is not finished goes on in the next line. :let x = 1 keeps a value, \
:type and :hash look at one, :help lists the rest. Lines are remembered in \
$XDG_STATE_HOME/vigil/dhall-history.

Examples:
  Without a terminal:
    $ printf ':let x = 20\\nx + 1\\n:type x\\n' | vigil dhall repl";

pub(super) const LSP: &str = "\
Editors start this. It tells what is wrong in open files, the type under the cursor, what could be typed \
there, and formats. Imports are read from the disk.

Examples:
  A session that ends at once:
    $ vigil dhall lsp < /dev/null";

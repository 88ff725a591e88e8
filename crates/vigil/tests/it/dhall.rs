//! `vigil dhall` over real files, variables, caches and a web server on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::bench::{Bench, Ran};

/// Runs a command with a text as its standard input.
fn fed(mut command: Command, input: &str) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    Ran::from(child.wait_with_output().expect("its end"))
}

#[track_caller]
fn answer(bench: &Bench, words: &[&str], input: &str) -> String {
    fed(bench.vigil(&[&["dhall"], words].concat()), input).expect(0).out
}

#[test]
fn each_command_answers_from_a_file_and_from_standard_input() {
    let bench = Bench::new();
    let source = "let f = \\(n : Natural) -> n + 1 in { a = f 1, b = [ \"x\" ], c = None Bool }";
    bench.write("it.dhall", source);
    for (words, want) in [
        (vec!["type"], "{ a : Natural, b : List Text, c : Optional Bool }\n"),
        (vec!["normalize"], "{ a = 2, b = [ \"x\" ], c = None Bool }\n"),
        (vec!["to-yaml"], "a: 2\nb:\n  - x\nc: null\n"),
        (
            vec!["format"],
            "let f = \\(n : Natural) -> n + 1 in { a = f 1, b = [ \"x\" ], c = None Bool }\n",
        ),
        (vec!["resolve", "--ascii"], "let f = \\(n : Natural) -> n + 1\n"),
    ] {
        let typed = answer(&bench, &words, source);
        let filed = answer(&bench, &[words.clone(), vec!["it.dhall"]].concat(), "");
        assert_eq!(typed, filed, "{words:?}");
        assert!(filed.starts_with(want) || words[0] == "format", "{words:?}: {filed}");
    }
    let hashed = answer(&bench, &["hash", "it.dhall"], "");
    assert!(hashed.starts_with("sha256:") && hashed.len() == 72, "{hashed}");
    let json: serde_json::Value =
        serde_json::from_str(&answer(&bench, &["to-json", "it.dhall"], "")).expect("JSON");
    assert_eq!(json, serde_json::json!({ "a": 2, "b": ["x"], "c": null }));
    let back = answer(
        &bench,
        &["from-json", "{ a : Natural, b : List Text, c : Optional Bool }"],
        &json.to_string(),
    );
    assert_eq!(answer(&bench, &["hash"], &back), hashed);
    bench.shell("vigil dhall encode it.dhall > it.dhallb").expect(0);
    let decoded = bench.fine("dhall decode it.dhallb");
    assert_eq!(answer(&bench, &["hash"], &decoded), hashed);
    let document: serde_json::Value =
        serde_json::from_str(&bench.fine("dhall hash --json it.dhall")).expect("JSON");
    assert_eq!(document["hash"], hashed.trim());
    bench.write("other.dhall", "{ a = 3, b = [ \"x\" ], c = None Bool }");
    assert_eq!(bench.fine("dhall diff it.dhall other.dhall"), "- { a = 2, … }\n+ { a = 3, … }\n");
    bench.run("dhall diff it.dhall it.dhall").expect(0).says("no difference");
}

#[test]
fn exit_codes_and_reports_tell_who_can_mend_it() {
    let bench = Bench::new();
    bench.write("typo.dhall", "{ a = 1 }.b");
    let ran = bench.run("dhall type typo.dhall").expect(1);
    assert!(ran.talk.starts_with("error: ") && ran.talk.contains("typo.dhall:1:"), "{}", ran.talk);
    assert!(ran.out.is_empty());
    bench.write("absent.dhall", "./nothing.dhall");
    bench.run("dhall type absent.dhall").expect(3).says("there is no such file");
    bench.write("broken.dhall", "{ a = ");
    bench.run("dhall hash broken.dhall").expect(1).says("the text ends here");
    bench.write("bytes.dhall", [0xFF, 0xFE]);
    bench.run("dhall hash bytes.dhall").expect(1).says("not UTF-8");
    bench.run("dhall hash nowhere.dhall").expect(1).says("No such file");
    bench.run("dhall decode bytes.dhall").expect(1).says("could not decode");
    bench.write("function.dhall", "\\(x : Bool) -> x");
    bench.run("dhall to-json function.dhall").expect(1).says("only data has");
    bench.run("dhall frobnicate").expect(2);
}

#[test]
fn limits_are_settings() {
    let bench = Bench::new();
    bench.write("long.dhall", "Natural/fold 1000000 Natural (\\(n : Natural) -> n + 1) 0");
    bench.run("dhall normalize long.dhall --max-steps 1000").expect(1).says("step limit");
    bench.write("wide.dhall", "\"${Natural/show 1}\" ++ \"0123456789\" ++ \"0123456789\"");
    bench.run("dhall normalize wide.dhall --max-memory 16").expect(1).says("memory limit");
    bench.run("dhall type long.dhall --max-depth 2").expect(1).says("depth limit");
    bench.write("a.dhall", "./b.dhall");
    bench.write("b.dhall", "./c.dhall");
    bench.write("c.dhall", "1");
    bench.run("dhall type a.dhall --max-imports 1").expect(1).says("import limit");
    bench.run("dhall type long.dhall --max-import-size 10").expect(3).says("--max-import-size");
    assert_eq!(bench.fine("dhall type a.dhall"), "Natural\n");
}

#[test]
fn format_lint_and_freeze_check_and_rewrite() {
    let bench = Bench::new();
    let untidy = "-- about\nlet unused = 1\nlet x = {a=1} -- why\nin x";
    let path = bench.write("it.dhall", untidy);
    std::os::unix::fs::symlink("it.dhall", bench.join("link.dhall")).expect("a link");
    bench.run("dhall format --check it.dhall").expect(1).says("--inplace");
    assert_eq!(std::fs::read_to_string(&path).expect("a file"), untidy);
    bench.run("dhall format --inplace link.dhall").expect(0).says("1 file changed");
    let formatted = std::fs::read_to_string(&path).expect("a file");
    assert!(formatted.contains("-- about") && formatted.contains("-- why"), "{formatted}");
    assert!(std::fs::symlink_metadata(bench.join("link.dhall")).expect("it").is_symlink());
    bench.run("dhall format --check it.dhall").expect(0);
    bench.run("dhall format --inplace it.dhall").expect(0).says("0 files changed");
    bench.run("dhall lint --check it.dhall").expect(1).says("vigil dhall lint");
    bench.run("dhall lint --inplace it.dhall").expect(0);
    assert!(!std::fs::read_to_string(&path).expect("a file").contains("unused"));
    assert_eq!(bench.fine("dhall format --json it.dhall").matches("\"changed\":false").count(), 1);
    bench.write("part.dhall", "{ a = 1 }");
    bench.write("whole.dhall", "{ part = ./part.dhall, where = ./part.dhall as Location }\n");
    // Only what comes from the web is frozen without --all.
    bench.run("dhall freeze --check whole.dhall").expect(0);
    bench.run("dhall freeze --all --check whole.dhall").expect(1).says("not frozen");
    bench.run("dhall freeze --all --inplace whole.dhall").expect(0);
    bench.run("dhall freeze --all --check whole.dhall").expect(0);
    let frozen = std::fs::read_to_string(bench.join("whole.dhall")).expect("a file");
    assert_eq!(frozen.matches("sha256:").count(), 1, "{frozen}");
    // The cache has it now, so that the file is not read any more.
    bench.write("part.dhall", "{ a = 2 }");
    assert!(bench.fine("dhall normalize whole.dhall").contains("a = 1"));
    bench.run("dhall normalize --no-cache whole.dhall").expect(1).says("is not what its hash says");
    bench.write("part.dhall", "{ a = 1 }");
    bench.write("cached.dhall", "./part.dhall\n");
    bench.run("dhall freeze --all --cache --inplace cached.dhall").expect(0);
    let cached = std::fs::read_to_string(bench.join("cached.dhall")).expect("a file");
    assert!(
        cached.contains("sha256:") && cached.trim_end().ends_with("? ./part.dhall"),
        "{cached}"
    );
    bench.run("dhall freeze --all --cache --check cached.dhall").expect(0);
}

#[test]
fn imported_files_are_rewritten_on_demand() {
    let bench = Bench::new();
    let untidy = "let unused=1 in {a=1}";
    let tidy = "{ a = 1 }\n";
    let files = ["sub/part.dhall", "shared.dhall", "sub/deep/leaf.dhall"];
    let reset = || {
        bench.write("sub/part.dhall", "let unused=1 in {x=../shared.dhall,l=./deep/leaf.dhall}");
        bench.write("shared.dhall", untidy);
        bench.write("sub/deep/leaf.dhall", untidy);
        bench.write("text.txt", untidy);
        bench.write(
            "all.dhall",
            "{ a = ./sub/part.dhall, b = ./shared.dhall, c = ./absent.dhall ? ./shared.dhall, t = \
             ./text.txt as Text, l = ./nothing.dhall as Location, e = env:NOTHING ? 1 }",
        );
    };
    let text = |path: &str| std::fs::read_to_string(bench.join(path)).expect("a file");
    reset();
    bench.run("dhall lint --inplace all.dhall").expect(0).says("1 file changed");
    assert_eq!(text("shared.dhall"), untidy);
    let ran = bench.run("dhall lint --check --transitive all.dhall").expect(1);
    assert!(files.iter().all(|file| ran.talk.contains(file)), "{}", ran.talk);
    bench.run("dhall lint --inplace --transitive all.dhall").expect(0).says("3 files changed");
    assert_eq!(text("shared.dhall"), tidy);
    assert_eq!(text("sub/deep/leaf.dhall"), tidy);
    assert_eq!(text("sub/part.dhall"), "{ x = ../shared.dhall, l = ./deep/leaf.dhall }\n");
    assert_eq!(text("text.txt"), untidy);
    bench.run("dhall lint --check --transitive all.dhall").expect(0);
    // From standard input as from a file there, and dependencies first.
    let shown = answer(&bench, &["format", "--transitive"], "./sub/part.dhall");
    assert_eq!(shown.lines().next_back(), Some("./sub/part.dhall"));
    assert_eq!(shown.matches(tidy).count(), 2, "{shown}");
    // Freezing keeps what files mean, in whichever order.
    let whole = bench.fine("dhall hash sub/part.dhall");
    bench.run("dhall freeze --all --inplace --transitive sub/part.dhall").expect(0);
    assert_eq!(text("sub/part.dhall").matches("sha256:").count(), 2);
    assert_eq!(bench.fine("dhall hash --no-cache sub/part.dhall"), whole);
    // A circle of imports ends, and a broken file stops before anything is written.
    bench.write("a.dhall", "[./b.dhall]");
    bench.write("b.dhall", "[./a.dhall]");
    bench.run("dhall format --inplace --transitive a.dhall").expect(0).says("2 files changed");
    reset();
    bench.write("sub/deep/leaf.dhall", "{ a = ");
    let ran = bench.run("dhall lint --inplace --transitive all.dhall").expect(1);
    assert!(ran.talk.contains("leaf.dhall:1:6"), "{}", ran.talk);
    assert_eq!(text("shared.dhall"), untidy);
}

/// Returns the files of a cache, by their names.
fn entries(bench: &Bench, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let Ok(found) = std::fs::read_dir(bench.join(".cache").join(folder)) else {
        return BTreeMap::new();
    };
    let entry = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read(&path).expect("readable"))
    };
    found.map(entry).collect()
}

#[test]
fn caches_are_where_they_belong_verified_and_mended() {
    let bench = Bench::new();
    bench.write("part.dhall", "let f = \\(n : Natural) -> n * 2 in { a = f 21 }");
    let hash = bench.fine("dhall hash part.dhall");
    bench.write("whole.dhall", format!("(./part.dhall {}).a", hash.trim()));
    assert_eq!(bench.fine("dhall normalize whole.dhall"), "42\n");
    let good = entries(&bench, "dhall");
    let name = format!("1220{}", hash.trim().trim_start_matches("sha256:"));
    assert_eq!(good.keys().collect::<Vec<_>>(), [&name]);
    let path = bench.join(".cache/dhall").join(&name);
    let whole = good[&name].clone();
    // Torn, foreign, a folder in its place: ignored, and mended where that can be.
    for damage in
        [&whole[..whole.len() / 2], b"not CBOR at all", b"", &[whole.as_slice(), b"x"].concat()]
    {
        std::fs::write(&path, damage).expect("writable");
        assert_eq!(bench.fine("dhall normalize whole.dhall"), "42\n");
        assert_eq!(entries(&bench, "dhall"), good);
    }
    // Well-formed, but of another expression.
    bench
        .shell(&format!("echo '{{ a = 43 }}' | vigil dhall encode > {}", path.display()))
        .expect(0);
    assert_eq!(bench.fine("dhall normalize whole.dhall"), "42\n");
    assert_eq!(entries(&bench, "dhall"), good);
    std::fs::remove_file(&path).expect("it is there");
    std::fs::create_dir(&path).expect("a folder");
    let ran = bench.run("dhall normalize whole.dhall").expect(0).says("goes on without");
    assert_eq!(ran.out, "42\n");
    std::fs::remove_dir(&path).expect("it is empty");
    bench.fine("dhall normalize --no-cache whole.dhall");
    assert!(entries(&bench, "dhall").is_empty());
    // Nothing without a hash is cached unless asked for.
    bench.write("loose.dhall", "./part.dhall /\\ { b = True }");
    bench.fine("dhall normalize loose.dhall");
    assert!(entries(&bench, "dhall-haskell").is_empty());
    let fresh = bench.fine("dhall normalize --semi-semantic-cache loose.dhall");
    let semi = entries(&bench, "dhall-haskell");
    assert_eq!(semi.len(), 1);
    assert_eq!(bench.fine("dhall normalize --semi-semantic-cache loose.dhall"), fresh);
    let name = semi.keys().next().expect("one").clone();
    let path = bench.join(".cache/dhall-haskell").join(&name);
    for damage in [&semi[&name][..3], b"junk"] {
        std::fs::write(&path, damage).expect("writable");
        assert_eq!(bench.fine("dhall normalize --semi-semantic-cache loose.dhall"), fresh);
        assert_eq!(entries(&bench, "dhall-haskell"), semi);
    }
}

/// A web server for one test: pages by path, and what was asked.
struct Site {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

/// The end of an answer without a body: each connection gets one answer, and has to be told.
const END: &str = "Content-Length: 0\r\nConnection: close\r\n\r\n";

fn site(pages: &'static [(&'static str, &'static str, &'static str)]) -> Site {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { break };
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            while reader.read_line(&mut request).is_ok_and(|count| count > 2) {}
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            seen.lock().expect("no panic holds it").push(request);
            let answer = match pages.iter().find(|(page, ..)| *page == path) {
                Some((_, status, body)) if status.starts_with('3') => {
                    format!("HTTP/1.1 {status}\r\nLocation: {body}\r\n{END}")
                }
                Some((_, status, body)) => format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                ),
                None => format!("HTTP/1.1 404 Not Found\r\n{END}"),
            };
            // The client may have seen enough.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    Site { address, asked }
}

#[test]
fn the_web_is_asked_with_headers_and_within_one_origin() {
    let bench = Bench::new();
    let site = site(&[
        ("/package.dhall", "200 OK", "{ x = ./lib/x.dhall, y = ./lib/y.dhall }"),
        ("/lib/x.dhall", "200 OK", "1"),
        ("/lib/y.dhall", "301 Moved", "/lib/x.dhall"),
        ("/away.dhall", "302 Found", "http://127.0.0.2:1/x.dhall"),
        ("/loop.dhall", "302 Found", "/loop.dhall"),
        ("/home.dhall", "200 OK", "env:HOME as Text"),
        ("/broken.dhall", "500 Oh no", ""),
        (
            "/large.dhall",
            "200 OK",
            concat!(
                "-- ",
                "a long comment, and nothing else but a number, ",
                "which makes this page larger than what imports it\n1"
            ),
        ),
    ]);
    let base = format!("http://{}", site.address);
    let get = |path: &str, more: &str| {
        bench.write("it.dhall", format!("{base}{path} {more}"));
        bench.run("dhall normalize it.dhall")
    };
    let headers = "using [ { mapKey = \"X-Token\", mapValue = \"a secret\" } ]";
    assert_eq!(get("/package.dhall", headers).expect(0).out, "{ x = 1, y = 1 }\n");
    let asked = site.asked.lock().expect("no panic holds it").join("\n").to_lowercase();
    assert_eq!(asked.matches("x-token: a secret").count(), 4, "{asked}");
    assert!(asked.contains("user-agent: vigil/"), "{asked}");
    get("/away.dhall", "").expect(3).says("redirects to another server");
    get("/loop.dhall", "").expect(3).says("redirects too often");
    get("/home.dhall", "").expect(1).says("may not import");
    get("/absent.dhall", "").expect(3).says("404");
    assert_eq!(get("/broken.dhall", "? 2").expect(0).out, "2\n");
    bench.write("it.dhall", format!("{base}/lib/x.dhall ? 3"));
    assert_eq!(bench.fine("dhall normalize --offline it.dhall"), "3\n");
    // The configuration of headers is the user's own file.
    let origin = site.address.to_string();
    bench.write(
        ".config/dhall/headers.dhall",
        format!("toMap {{ `{origin}` = toMap {{ Authorization = \"Bearer mine\" }} }}"),
    );
    get("/lib/x.dhall", "").expect(0);
    let last = site.asked.lock().expect("no panic holds it").last().cloned().unwrap_or_default();
    assert!(last.to_lowercase().contains("authorization: bearer mine"), "{last}");
    bench.run("dhall freeze --inplace it.dhall").expect(0);
    let frozen = std::fs::read_to_string(bench.join("it.dhall")).expect("a file");
    assert!(frozen.contains("sha256:"), "{frozen}");
    // A page larger than allowed is not read to its end.
    bench.write("it.dhall", format!("{base}/large.dhall"));
    bench.run("dhall type it.dhall --max-import-size 80").expect(1).says("has more than 80 bytes");
    bench.run("dhall type it.dhall --max-import-size 120").expect(0);
}

#[test]
fn variables_and_the_home_can_be_imported() {
    let bench = Bench::new();
    bench.write("in-home.dhall", "40");
    bench.write("sub/it.dhall", "~/in-home.dhall + ../two.dhall + env:ONE");
    bench.write("two.dhall", "1 + 1");
    let mut command = bench.vigil(&["dhall", "normalize", "sub/it.dhall"]);
    command.env("ONE", "1");
    assert_eq!(Ran::of(command).expect(0).out, "43\n");
    let absolute = bench.join("sub/it.dhall");
    let mut command = bench.vigil(&["dhall", "normalize"]);
    command.arg(&absolute).env("ONE", "1").current_dir("/");
    assert_eq!(Ran::of(command).expect(0).out, "43\n");
}

#[test]
fn a_conversation_keeps_values_and_goes_on_after_errors() {
    let bench = Bench::new();
    bench.write("part.dhall", "{ a = 1 }");
    let input = "\
let x = 1
in  x + 1
x = 20
:let f : Natural -> Natural =
  \\(n : Natural) -> n + x
f 22
:type f
:hash 1
f True
f.nothing
:nonsense
./part.dhall
:resolve ./part.dhall
:show
:clear
x
:help
:quit
1
";
    let ran = fed(bench.vigil(&["dhall", "repl"]), input).expect(0);
    let lines: Vec<&str> = ran.out.lines().collect();
    let hash = answer(&bench, &["hash"], "1");
    assert_eq!(
        lines[..9],
        [
            "2",
            "x : Natural",
            "f : ∀(n : Natural) → Natural",
            "42",
            "∀(n : Natural) → Natural",
            hash.trim(),
            "{ a = 1 }",
            "{ a = 1 }",
            "x = 20",
        ]
    );
    assert_eq!(lines[9], "f = λ(n : Natural) → n + x");
    assert!(lines.iter().any(|line| line.starts_with(":quit")), "{}", ran.out);
    assert_eq!(ran.talk.matches("error:").count(), 4, "{}", ran.talk);
    assert!(ran.talk.contains("`x` is not in scope"), "{}", ran.talk);
}

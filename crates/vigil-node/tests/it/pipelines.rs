//! Names, content, data; the next process; how names resolve.

use std::fs;
use std::sync::{Arc, Weak};

use expect_test::expect;
use vigil_base::{Entry, EntryKind, EntryName, Tree};
use vigil_kernel::{Endpoint as _, How};
use vigil_node::{Described, Description, Node, SCOPE, takes};

use crate::support::{Place, request};

#[test]
fn names_content_data_and_text() {
    let place = Place::new();
    let notes = place.set_name("notes", EntryKind::File, b"one\ntwo\nthree\n");
    let entry = Entry {
        name: EntryName::new("n.txt").expect("the test is right"),
        kind: EntryKind::File,
        vcid: notes,
    };
    let tree = Tree::new(vec![entry]).expect("the test is right").encode();
    let tree = place.set_name("home", EntryKind::Tree, &tree);
    let node = place.open();
    place.check(
        &node,
        "@notes | head 2",
        expect![[r#"
        text/plain: one
        two
    "#]],
    );
    place.check(
        &node,
        "@home/n.txt | lines from=2 to=2",
        expect![[r#"
        text/plain: two
    "#]],
    );
    place.check(
        &node,
        &format!("ca://{tree}/n.txt | grep t | head lines=1"),
        expect![[r#"
        text/plain: two
    "#]],
    );
    place.check(
        &node,
        "data:,b%0Aa%0A | head lines@data:,1",
        expect![[r#"
        text/plain: b
    "#]],
    );
    place.check(
        &node,
        "@home/none",
        expect![[r#"
            Absent: there is no `none` in the tree
              in @home/none"#]],
    );
    place.check(
        &node,
        "@notes/n",
        expect![[r#"
            Absent: what is named is a file, so nothing is below it
              in @notes/n"#]],
    );
    place.check(
        &node,
        "@nobody",
        expect![[r#"
            Absent: nothing is named @nobody
              in @nobody
            hint: `vigil name list` shows the names that there are"#]],
    );
    place.check(
        &node,
        "@notes | head three",
        expect![[r#"
            Misuse: `lines` is a whole number, and `three` is none
              in @notes | head three"#]],
    );
    place.check(
        &node,
        "@notes | head 1 2",
        expect![[r#"
            Misuse: `head` has no argument `2`
              in @notes | head 1 2
            hint: it takes lines=10"#]],
    );
    place.check(
        &node,
        "@notes | unzstd",
        expect![[r#"
            Misuse: @notes cannot be unpacked with zstd: Unknown frame descriptor
              in @notes | unzstd"#]],
    );
    let packed = zstd::bulk::compress(b"packed", 1).expect("the test is right");
    place.set_name("packed", EntryKind::File, &packed);
    place.check(&node, "@packed | unzstd", expect!["application/octet-stream: packed"]);
    place.check(
        &node,
        "nix:x",
        expect![[r#"
            Unresolved: `nix:x` leads nowhere:
            node: nix:x
            node has no such name (none of 26 patterns is like it)
              in nix:x"#]],
    );
    // What is named is what nobody answers, and not the call above it.
    place.check(
        &node,
        "nix:x | head 1",
        expect![[r#"
            Unresolved: `nix:x` leads nowhere:
            node: nix:x
            node has no such name (none of 26 patterns is like it)
              in nix:x
              in nix:x | head 1"#]],
    );
}

#[test]
fn the_next_process_starts_warm_and_sees_what_changed() {
    let place = Place::new();
    fs::write(place.files().join("a"), "x\ny\n").expect("the test is right");
    let pipeline = "file:a | head 1 | grep x";
    let how = |node: &Node| {
        let tree = node.kernel().why(SCOPE, &request(pipeline));
        tree.iter().map(|item| (item.story.endpoint.clone(), item.story.how)).collect::<Vec<_>>()
    };
    let all = |hows: [How; 3]| {
        ["grep", "head", "file"].map(str::to_owned).into_iter().zip(hows).collect::<Vec<_>>()
    };
    let node = place.open();
    place.check(&node, pipeline, expect![["text/plain: x\n"]]);
    assert_eq!(how(&node), all([How::Made; 3]));
    drop(node);
    let node = place.open();
    place.check(&node, pipeline, expect![["text/plain: x\n"]]);
    // What is only looked up, the file, has no trace.
    assert_eq!(how(&node), all([How::Kept, How::Kept, How::Made]));
    drop(node);
    // The first line stays, so the change ends there.
    fs::write(place.files().join("a"), "x\nz\n").expect("the test is right");
    let node = place.open();
    place.check(&node, pipeline, expect![["text/plain: x\n"]]);
    assert_eq!(how(&node), all([How::Kept, How::Made, How::Made]));
    // Within one process the change is told.
    fs::write(place.files().join("a"), "xx\n").expect("the test is right");
    node.kernel().root_changed("file/a");
    place.check(&node, pipeline, expect![["text/plain: xx\n"]]);
    // Every trace cut short: found damaged, and all made again.
    drop(node);
    for file in fs::read_dir(place.path().join("store/traces")).expect("the test is right") {
        let path = file.expect("the test is right").path();
        let bytes = fs::read(&path).expect("the test is right");
        fs::write(&path, &bytes[..bytes.len() / 2]).expect("the test is right");
    }
    let node = place.open();
    place.check(&node, pipeline, expect![["text/plain: xx\n"]]);
    assert_eq!(how(&node), all([How::Made; 3]));
}

#[test]
fn every_endpoint_is_listed_with_its_grammar_and_help() {
    let list: Vec<String> = Node::space(Weak::new())
        .expect("the test is right")
        .endpoints()
        .iter()
        .map(|(_, endpoint)| {
            let (name, help) = (endpoint.name(), endpoint.help());
            format!("{name} {}: {help} ({})\n", endpoint.grammar(), takes(endpoint.parameters()))
        })
        .collect();
    expect![[r#"
        content ca://sha256:{content:rest}: bytes by their SHA-256, and what a tree holds under a path (no arguments)
        name @{name:rest}: what this machine's owner calls so, and what a tree holds under a path (no arguments)
        file file:{path:rest}: files and folders below the folder that this node may read (--files) (no arguments)
        data data:,{text:rest}: the text that stands in the URI itself, with %HH for blanks and the like (no arguments)
        att att://{name:rest}: what a Person's machines say it is, domain/name@version, and what a tree holds under a path (no arguments)
        head active:head{call:call}: the first lines of a text (lines=10)
        tail active:tail{call:call}: the last lines of a text (lines=10)
        lines active:lines{call:call}: lines of a text, counted from 1 (from=1 to=end)
        grep active:grep{call:call}: the lines that hold a text, or that a regular expression matches (text=TEXT regex=no/yes ignore-case=no/yes invert=no/yes)
        sort active:sort{call:call}: the lines of a text in the order of their bytes, or of the numbers they start with (numeric=no/yes reverse=no/yes unique=no/yes)
        count active:count{call:call}: how many lines, words or bytes there are (what=lines/words/bytes)
        text active:text{call:call}: the same bytes as text, if they are UTF-8 (no arguments)
        bytes active:bytes{call:call}: the same bytes, as bytes of which nothing is said (no arguments)
        gzip active:gzip{call:call}: bytes, packed with gzip; the same bytes give the same file (level=6)
        gunzip active:gunzip{call:call}: what was packed with gzip (max=auto)
        zstd active:zstd{call:call}: bytes, packed with zstd (level=3)
        unzstd active:unzstd{call:call}: what was packed with zstd (max=auto)
        untar active:untar{call:call}: the tree that a tar archive holds (links=refuse/drop/keep special=refuse/drop max=auto)
        unzip active:unzip{call:call}: the tree that a zip archive holds (links=refuse/drop/keep max=auto)
        tar active:tar{call:call}: a tree as a tar archive; the same tree gives the same archive (no arguments)
        zip active:zip{call:call}: a tree as a zip archive; the same tree gives the same archive (no arguments)
        pointer active:pointer{call:call}: one value of a JSON document, by a JSON pointer such as /orders/0/price (path=TEXT raw=no/yes)
        jq active:jq{call:call}: what a jq program makes of each JSON document, one result on each line (program=TEXT raw=no/yes steps=auto)
        json active:json{call:call}: the same bytes as JSON, if they are one JSON document (no arguments)
        each active:each{call:call}: the elements of a JSON array, one on each line (no arguments)
        gather active:gather{call:call}: JSON documents, one behind another, as one array (no arguments)
    "#]].assert_eq(&list.concat());
}

const ROT13: Description = Description {
    name: "rot13",
    help: "letters, thirteen further",
    pattern: None,
    parameters: &[],
    gives: &["text/plain"],
    only_looks_up: false,
    serve: |asked| {
        Box::pin(async move {
            let given = asked.given().await?;
            let turn = |byte: u8| match byte {
                b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
                other => other,
            };
            let text = asked.whole(&given, 1 << 20)?.into_iter().map(turn).collect::<Vec<u8>>();
            asked.keep("text/plain", &mut &text[..], "the text")
        })
    },
};

#[test]
fn an_endpoint_is_added_by_one_item() {
    let place = Place::new();
    let node = place.open();
    let space = Node::space(Arc::downgrade(node.host())).expect("the test is right");
    let rot13 = Described::new(&ROT13, Arc::downgrade(node.host()));
    assert_eq!(rot13.name(), "rot13");
    node.kernel().set_scope(SCOPE, space.with(Arc::new(rot13)).expect("the test is right"));
    place.check(&node, "data:,uryyb | rot13 | head 1", expect!["text/plain: hello"]);
    place.check(
        &node,
        "data:,x | rot13 3",
        expect![[r#"
            Misuse: `rot13` has no argument `1`
              in data:,x | rot13 3
            hint: it takes no arguments"#]],
    );
}

#[test]
fn converters_lead_from_type_to_type() {
    let place = Place::new();
    place.write("a.json", "[1,{\"b\":2}]");
    place.write("folder/a", "text\n");
    let node = place.open();
    let wanting = |pipeline: &str, wanted: &str| {
        let wanted = vigil_kernel::MediaType::new(wanted).expect("the test is right");
        let found = node.resolve(request(pipeline).wanting(wanted));
        node.finish().expect("the test is right");
        found.map(|found| place.read(found.vcid)).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(
        wanting("file:a.json", "application/x-ndjson").expect("it is JSON"),
        b"1\n{\"b\":2}\n"
    );
    let request = request("file:folder")
        .wanting(vigil_kernel::MediaType::new("application/gzip").expect("the test is right"));
    node.resolve(request.clone()).expect("a way leads there");
    // The way that was taken stands in the trace.
    let why = vigil_kernel::render_provenance(&node.kernel().why(SCOPE, &request));
    assert!(why.contains("file:folder | tar | bytes | gzip"), "{why}");
    let none = wanting("file:folder", "image/png").expect_err("nothing leads there");
    assert!(
        none.contains("no converter leads from application/vnd.vigil.tree to image/png"),
        "{none}"
    );
}

/// The same call, by another endpoint or another version of it.
struct Stand {
    inner: Described,
    name: &'static str,
    version: vigil_base::Vcid,
}

impl vigil_kernel::Endpoint for Stand {
    fn name(&self) -> &str {
        self.name
    }

    fn help(&self) -> &str {
        self.inner.help()
    }

    fn grammar(&self) -> &vigil_kernel::Grammar {
        self.inner.grammar()
    }

    fn version(&self) -> vigil_base::Vcid {
        self.version
    }

    fn serve<'a>(
        &'a self,
        call: &'a vigil_kernel::Call,
        context: &'a vigil_kernel::Context<'a>,
    ) -> vigil_kernel::Serving<'a> {
        self.inner.serve(call, context)
    }
}

#[test]
fn why_tells_each_kind_of_difference() {
    let place = Place::new();
    place.write("a", "uryyb\n");
    place.write("b", "ollru\n");
    // Each run is another process.
    let why = |pipeline: &str, name: &'static str, version: &[u8]| {
        let node = place.open();
        let space = Node::space(Arc::downgrade(node.host())).expect("the test is right");
        let inner = Described::new(&ROT13, Arc::downgrade(node.host()));
        let stand = Stand { inner, name, version: vigil_base::Vcid::of(version) };
        node.kernel().set_scope(SCOPE, space.with(Arc::new(stand)).expect("the test is right"));
        place.show(&node, pipeline);
        let list = node.why(&request(pipeline)).expect("the test is right");
        list.into_iter().map(|item| item.story.why).collect::<Vec<_>>()
    };
    assert_eq!(why("file:a | rot13", "rot13", b"1")[0], "there is no earlier run");
    assert!(why("file:a | rot13", "rot13", b"1")[0].starts_with("kept by "));
    assert_eq!(
        why("file:b | rot13", "rot13", b"1")[0],
        "there is no earlier run of just this; the nearest one was made of file:a, not file:b"
    );
    let version = &why("file:a | rot13", "rot13", b"2")[0];
    let (one, two) = (vigil_base::Vcid::of(b"1"), vigil_base::Vcid::of(b"2"));
    assert_eq!(*version, format!("the endpoint's version was {one}, and is {two}"));
    // Another scope, in which the same name leads to another endpoint.
    assert_eq!(why("file:a | rot13", "rot14", b"2")[0], "the endpoint was rot13, and is rot14");
    place.write("a", "uvyys\n");
    let input = why("file:a | rot13", "rot14", b"2");
    assert!(input[0].starts_with("the input file:a gave sha256:"), "{input:?}");
    assert_eq!(input[1], "looked up each time");
    assert_eq!(
        why("file:a | head 3", "rot13", b"1")[0],
        "there is no earlier run",
        "nothing of this endpoint was made before"
    );
    assert_eq!(
        why("file:a | head 4", "rot13", b"1")[0],
        "there is no earlier run of just this; the nearest one had the argument 1=`3`, not `4`"
    );
}

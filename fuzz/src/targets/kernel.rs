//! The kernel's decoders: records, pipelines, grammars and images of the engine's graph.
//!
//! Invariants: what is accepted is written again as the same bytes; a pipeline's URI is shown as a
//! pipeline that is the same URI; what a grammar parses it builds again, and what it builds it parses.

use vigil_base::{Hasher, Vcid};
use vigil_kernel::engine::{Cx, Engine, Key, Stored};
use vigil_kernel::{
    Grammar, Identifier, Invocation, Representation, Request, Trace, parse_pipeline,
    render_pipeline,
};

/// Heads of records, and edges of their fields.
pub const RECORD_WORDS: &[&[u8]] = &[
    b"\x85\x70vigil.request/1",
    b"\x86\x77vigil.representation/1",
    b"\x89\x6evigil.trace/1",
    b"\x00",
    b"\x03",
    b"\x04",
    b"\x80",
    b"\x81",
    b"\x83",
    b"\x40",
    b"\x58\x20",
    b"\x60",
    b"\x62ca",
    b"\x6atext/plain",
    b"\xf4",
    b"\xf5",
    b"\xf6",
];

/// Checks one record of any of the three kinds.
pub fn run_record(input: &[u8]) {
    if let Ok(request) = Request::decode(input) {
        assert_eq!(request.encode(), input, "a request has one record");
    }
    if let Ok(representation) = Representation::decode(input) {
        assert_eq!(representation.encode(), input, "a representation has one record");
    }
    if let Ok(trace) = Trace::decode(input) {
        assert_eq!(trace.encode(), input, "a trace has one record");
        let in_groups: usize = trace.groups().map(<[_]>::len).sum();
        assert_eq!(in_groups, trace.inputs.len(), "each input stands in one group");
    }
}

/// Pieces of pipelines.
pub const PIPELINE_WORDS: &[&[u8]] = &[
    b"@a | head",
    b" | ",
    b"|",
    b"active:",
    b"+of@",
    b"+1=",
    b" lines=3",
    b"@(",
    b")",
    b"@@",
    b"\"",
    b"\\\"",
    b"\\\\",
    b"%25",
    b"%2B",
    b"%40",
    b"\xc3\xa9",
    b"\n",
];

/// Checks one pipeline, and the same text as the URI of a call.
pub fn run_pipeline(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match parse_pipeline(text) {
        Ok(uri) => check_shown(&uri),
        Err(error) => assert!(error.to_string().len() < 3 * input.len() + 500),
    }
    let Ok(uri) = Identifier::new(text) else { return };
    if let Some(Ok(call)) = Invocation::from_uri(&uri) {
        assert_eq!(call.to_uri().as_ref(), Ok(&uri), "a call has one URI");
        check_shown(&uri);
    }
}

fn check_shown(uri: &Identifier) {
    let shown = render_pipeline(uri);
    match parse_pipeline(&shown) {
        Ok(again) => assert_eq!(again, *uri, "shown as {shown}"),
        // Shown calls nest in brackets, of which a text may hold fewer than a URI has levels.
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("nested too deep"), "{uri} is shown as {shown}: {text}");
        }
    }
}

/// Pieces of patterns, and what separates the parts of an input.
pub const GRAMMAR_WORDS: &[&[u8]] = &[
    b"a:{x}",
    b"{",
    b"}",
    b"{x:word}",
    b"{y:digits}",
    b"{z:hex}",
    b"{r:rest}",
    b"{c:call}",
    b"active:f{c:call}",
    b"/",
    b"+",
    b"\n",
    b"a:1/2",
    b"\xc3\xa9",
];

/// Checks two patterns and a URI, one on each line.
pub fn run_grammar(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut lines = text.splitn(3, '\n');
    let mut grammar = || lines.next().and_then(|line| Grammar::new(line).ok());
    let Some(one) = grammar() else { return };
    let Some(two) = grammar() else { return };
    let uri = lines.next().unwrap_or_default();
    for grammar in [&one, &two] {
        if let Some(parts) = grammar.parse(uri)
            && Identifier::new(uri).is_ok()
        {
            let built = grammar.build(&parts).expect("what was parsed can be built");
            assert_eq!(built.as_str(), uri, "{}", grammar.pattern());
        }
    }
    let both = one.parse(uri).is_some() && two.parse(uri).is_some();
    // The other way round it errs towards refusing.
    if one.overlap(&two).is_none() {
        assert!(!both, "{uri} fits two patterns that are said not to overlap");
    }
}

/// A key whose value is its number, unless it was injected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node(u8);

impl Key for Node {
    type Value = u8;

    async fn compute(&self, _: &Cx) -> u8 {
        self.0
    }

    fn same(before: &u8, after: &u8) -> bool {
        before == after
    }
}

fn byte(from: &mut &[u8]) -> Option<u8> {
    let (byte, rest) = from.split_first()?;
    *from = rest;
    Some(*byte)
}

impl Stored for Node {
    fn write_key(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }

    fn read_key(from: &mut &[u8]) -> Option<Self> {
        byte(from).map(Self)
    }

    fn write_value(value: &u8, out: &mut Vec<u8>) {
        out.push(*value);
    }

    fn read_value(from: &mut &[u8]) -> Option<u8> {
        byte(from)
    }
}

/// Edges, as words of an image.
pub const IMAGE_WORDS: &[&[u8]] = &[
    b"vigilgrf",
    b"\x00\x00\x00\x00",
    b"\x01\x00\x00\x00",
    b"\x02\x00\x00\x80",
    b"\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff",
];

/// Checks the bytes as an image, and as the body of one whose head is right: two bytes say how many
/// nodes and edges there are.
pub fn run_image(input: &[u8]) {
    let stamp = Vcid::of(b"fuzz");
    assert!(
        Engine::default().load_image::<Node>(input, stamp).is_err(),
        "nobody forges a checksum"
    );
    let [nodes, edges, body @ ..] = input else { return };
    let mut image = [&b"vigilgrf"[..], stamp.as_bytes()].concat();
    image.extend(u64::from(*nodes).to_le_bytes());
    image.extend(u64::from(*edges).to_le_bytes());
    let mut hasher = Hasher::new();
    hasher.update(&image);
    hasher.update(body);
    image.extend(hasher.finish().as_bytes());
    image.extend(body);
    let engine = Engine::default();
    let Ok(count) = engine.load_image::<Node>(&image, stamp) else {
        assert_eq!(engine.footprint().nodes, 0, "what is refused leaves nothing");
        return;
    };
    assert_eq!(count, usize::from(*nodes));
    assert_eq!(engine.image::<Node>(stamp), image, "one graph has one image");
    // Whatever depends on what: edits and questions end.
    for (Node(number), value) in engine.values::<Node>() {
        engine.edit(|edit| edit.set(&Node(number), value.wrapping_add(1)));
    }
    for (node, _) in engine.values::<Node>() {
        assert!(engine.block_on(engine.get(&node)).is_ok());
    }
}

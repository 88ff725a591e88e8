//! An editor's session with the language server, through real pipes.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::Bench;

/// Nobody waits longer for a server that has stopped to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The editor's side. Every wait has an end, and whatever ends a test ends the server, too.
struct Client {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    last_id: u64,
}

/// Reads one message, or nothing at the end.
fn message(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).expect("it writes") == 0 {
            return None;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().expect("a number");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut bytes = vec![0; length];
    output.read_exact(&mut bytes).expect("it writes");
    Some(serde_json::from_slice(&bytes).expect("JSON"))
}

impl Client {
    fn start(bench: &Bench) -> Self {
        let mut command = bench.vigil(&["dhall", "lsp"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let input = child.stdin.take().expect("a pipe");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            while let Some(message) = message(&mut output) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Self { child, input, messages, last_id: 0 }
    }

    fn send_text(&mut self, text: &str) {
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("it reads");
        self.input.flush().expect("it reads");
    }

    fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    #[track_caller]
    fn receive(&mut self) -> Value {
        self.messages.recv_timeout(PATIENCE).expect("the server answers")
    }

    fn notify(&mut self, method: &str, parameters: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": parameters }));
    }

    /// Asks, and returns the whole response.
    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters }));
        let response = self.receive();
        assert_eq!(response["id"], id, "{response}");
        response
    }

    fn diagnostics(&mut self) -> Value {
        let message = self.receive();
        assert_eq!(message["method"], "textDocument/publishDiagnostics", "{message}");
        message["params"].clone()
    }

    fn open(&mut self, uri: &str, text: &str) -> Value {
        let document = json!({ "uri": uri, "languageId": "dhall", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
        self.diagnostics()
    }

    fn at(uri: &str, line: u32, character: u32) -> Value {
        json!({
            "textDocument": { "uri": uri }, "position": { "line": line, "character": character }
        })
    }

    fn labels(&mut self, uri: &str, line: u32, character: u32) -> Vec<String> {
        let response = self.ask("textDocument/completion", Self::at(uri, line, character));
        let items = response["result"]["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["label"].as_str().expect("a label").to_owned()).collect()
    }

    fn end(mut self, asks: bool) -> Option<i32> {
        if asks {
            assert_eq!(self.ask("shutdown", Value::Null)["result"], Value::Null);
            let refused = self.ask("textDocument/hover", json!({}));
            assert_eq!(refused["error"]["code"], -32_600);
        }
        self.notify("exit", Value::Null);
        // It closes its output by ending.
        let left = self.messages.recv_timeout(PATIENCE);
        assert_eq!(left, Err(RecvTimeoutError::Disconnected));
        self.child.wait().expect("its end").code()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended, and nobody else waits for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_editor_is_told_of_errors_types_names_and_style() {
    let bench = Bench::new();
    bench.write("part.dhall", "{ count = 1, `List` = True }");
    let uri = format!("file://{}/my%20file.dhall", bench.path().display());
    let mut client = Client::start(&bench);
    let early = client.ask("textDocument/hover", json!({}));
    assert_eq!(early["error"]["code"], -32_002);
    let hello = client.ask("initialize", json!({ "processId": null, "capabilities": {} }));
    assert_eq!(hello["result"]["capabilities"]["hoverProvider"], true);
    client.notify("initialized", json!({}));

    // Errors come and go with the text; positions count UTF-16 units.
    let text = "let part = ./part.dhall\nlet Kind_ = < A : Natural | B >\nin  \"𝄞\" ++ part.cuont";
    let told = client.open(&uri, text);
    let error = &told["diagnostics"][0];
    assert_eq!(told["version"], 1);
    assert!(error["message"].as_str().expect("text").contains("did you mean `count`?"), "{error}");
    assert_eq!(error["range"]["start"], json!({ "line": 2, "character": 12 }), "{error}");
    let fix = json!({
        "range": {
            "start": { "line": 2, "character": 4 }, "end": { "line": 2, "character": 22 }
        },
        "text": "part.count"
    });
    let version = json!({ "uri": uri, "version": 2 });
    let changed = json!({ "textDocument": version, "contentChanges": [fix] });
    client.notify("textDocument/didChange", changed);
    assert_eq!(client.diagnostics(), json!({ "uri": uri, "version": 2, "diagnostics": [] }));

    // Types.
    let hover = client.ask("textDocument/hover", Client::at(&uri, 2, 6));
    let value = hover["result"]["contents"]["value"].as_str().expect("text").to_owned();
    assert_eq!(value, "```dhall\n{ List : Bool, count : Natural }\n```");
    let hover = client.ask("textDocument/hover", Client::at(&uri, 2, 12));
    assert_eq!(hover["result"]["contents"]["value"], "```dhall\nNatural\n```");

    // Names: fields, alternatives, variables, built-ins.
    let complete = |client: &mut Client, last: &str, version: u32| {
        let text = format!("let part = ./part.dhall\nlet Kind_ = < A : Natural | B >\nin  {last}");
        let change = json!({
            "textDocument": { "uri": uri, "version": version }, "contentChanges": [{ "text": text }]
        });
        client.notify("textDocument/didChange", change);
        client.diagnostics();
        let character = 4 + u32::try_from(last.len()).expect("short");
        client.labels(&uri, 2, character)
    };
    assert_eq!(complete(&mut client, "part.", 3), ["`List`", "count"]);
    assert_eq!(complete(&mut client, "(part).co", 4), ["count"]);
    assert_eq!(complete(&mut client, "Kind_.", 5), ["A", "B"]);
    assert_eq!(complete(&mut client, "Ki", 6), ["Kind_", "Kind"]);
    assert_eq!(complete(&mut client, "pa", 7), ["part"]);
    assert_eq!(complete(&mut client, "Natural/sh", 8), ["Natural/show"]);
    assert_eq!(complete(&mut client, "./", 9), Vec::<String>::new());
    let all = complete(&mut client, "\\(a : Bool) -> ", 10);
    assert!(all.starts_with(&["a".into(), "Kind_".into(), "part".into()]), "{all:?}");

    // Style.
    let change = json!({
        "textDocument": { "uri": uri, "version": 11 },
        "contentChanges": [{ "text": "{a=1} -- kept" }]
    });
    client.notify("textDocument/didChange", change);
    client.diagnostics();
    let edits = client.ask("textDocument/formatting", Client::at(&uri, 0, 0));
    assert_eq!(edits["result"][0]["newText"], "{ a = 1 }\n-- kept\n");
    let end = json!({ "line": 0, "character": 13 });
    assert_eq!(edits["result"][0]["range"]["end"], end);
    client.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    assert_eq!(client.diagnostics()["diagnostics"], json!([]));
    assert_eq!(client.end(true), Some(0));
}

#[test]
fn a_saved_import_is_read_anew_and_hostile_messages_end_nothing() {
    let bench = Bench::new();
    bench.write("part.dhall", "1 +");
    let uri = format!("file://{}/it.dhall", bench.path().display());
    let mut client = Client::start(&bench);
    client.ask("initialize", json!({}));
    let told = client.open(&uri, "{ a = ./part.dhall }");
    let error = &told["diagnostics"][0];
    // What is wrong in another file is shown where this one imports it.
    assert_eq!(error["range"]["start"], json!({ "line": 0, "character": 6 }), "{error}");
    assert_eq!(error["range"]["end"], json!({ "line": 0, "character": 18 }), "{error}");
    bench.write("part.dhall", "1 + 1");
    client.notify("textDocument/didSave", json!({ "textDocument": { "uri": uri } }));
    assert_eq!(client.diagnostics()["diagnostics"], json!([]));

    client.send_text("{]");
    assert_eq!(client.receive()["error"]["code"], -32_700);
    assert_eq!(client.ask("no/such/thing", json!({}))["error"]["code"], -32_601);
    let unknown = client.ask("textDocument/hover", Client::at("file:///nowhere", 0, 0));
    assert_eq!(unknown["error"]["code"], -32_602);
    for message in [json!(null), json!([1, 2]), json!({ "id": 7 }), json!({ "method": "$/x" })] {
        client.send(&message);
    }
    // A program that runs for ever is stopped at the limit.
    let long = "Natural/fold 1000000000000 Natural (\\(n : Natural) -> n + 1) 0 === 1";
    let text = format!("assert : {long}");
    let change = json!({
        "textDocument": { "uri": uri, "version": 2 },
        "contentChanges": [{
            "range": {
                "start": { "line": 99, "character": 99 }, "end": { "line": 0, "character": 0 }
            },
            "text": "x"
        }, { "text": text }]
    });
    client.notify("textDocument/didChange", change);
    let told = client.diagnostics();
    let message = told["diagnostics"][0]["message"].as_str().expect("text").to_owned();
    assert!(message.contains("step limit"), "{message}");
    let hover = client.ask("textDocument/hover", Client::at(&uri, 0, 3));
    assert_eq!(hover["result"], Value::Null);
    assert_eq!(client.end(false), Some(1));
}

/// Applies an edit as the protocol says, to a text of which it knows nothing but UTF-16.
fn edited(text: &str, from: (usize, usize), to: (usize, usize), new: &str) -> String {
    let units: Vec<u16> = text.encode_utf16().collect();
    let place = |(line, character): (usize, usize)| {
        let ends = units.iter().enumerate().filter(|(_, unit)| **unit == 10).map(|(at, _)| at + 1);
        let starts: Vec<usize> = std::iter::once(0).chain(ends).collect();
        starts[line] + character
    };
    let whole =
        [&units[..place(from)], &new.encode_utf16().collect::<Vec<_>>(), &units[place(to)..]];
    String::from_utf16(&whole.concat()).expect("edits keep pairs together")
}

#[test]
fn edits_count_utf16_units_like_the_editor() {
    let bench = Bench::new();
    let uri = format!("file://{}/it.dhall", bench.path().display());
    let mut client = Client::start(&bench);
    client.ask("initialize", json!({}));
    let mut text = "{- 𝄞λ\r\nzwei é\n𝄞𝄞𝄞 -}\n1\n".to_owned();
    assert_eq!(client.open(&uri, &text)["diagnostics"], json!([]));
    let edits = [
        ((0, 5), (0, 6), "Λ𝄞"),
        ((0, 8), (1, 0), ""),
        ((1, 2), (1, 4), "\n\r\n\u{fffd}"),
        ((0, 3), (0, 3), "日本語𐀀"),
        ((0, 8), (1, 2), "e\u{301}"),
        ((2, 0), (2, 0), "\n"),
    ];
    let mut version = 1;
    let change = |client: &mut Client, version: u32, changes: Vec<Value>| {
        let document = json!({ "uri": uri, "version": version });
        let parameters = json!({ "textDocument": document, "contentChanges": changes });
        client.notify("textDocument/didChange", parameters);
        let told = client.diagnostics();
        assert_eq!(told["version"], version);
        assert_eq!(told["diagnostics"], json!([]), "{told}");
    };
    let range = |(from, to): ((usize, usize), (usize, usize))| {
        let at = |(line, character)| json!({ "line": line, "character": character });
        json!({ "start": at(from), "end": at(to) })
    };
    // One edit in a message, and then all of them, backwards, in one.
    for (from, to, new) in edits {
        text = edited(&text, from, to, new);
        version += 1;
        change(&mut client, version, vec![json!({ "range": range((from, to)), "text": new })]);
        let answer = client.ask("textDocument/formatting", Client::at(&uri, 0, 0));
        let formatted = match answer["result"].get(0) {
            Some(edit) => edit["newText"].as_str().expect("text").to_owned(),
            None => text.clone(),
        };
        // Formatting ends lines in one way.
        let comment = |text: &str| text.split("-}").next().map(|text| text.replace("\r\n", "\n"));
        assert_eq!(comment(&formatted), comment(&text));
    }
    let begin = "{- 𝄞𝄞𝄞𝄞 -} 1\n";
    let changes: Vec<Value> = std::iter::once(json!({ "text": begin }))
        .chain((0..4).rev().map(|at| {
            let at = 3 + 2 * at;
            json!({ "range": range(((0, at), (0, at + 2))), "text": "x" })
        }))
        .collect();
    change(&mut client, version + 1, changes);
    let hover = client.ask("textDocument/hover", Client::at(&uri, 0, 11));
    assert_eq!(hover["result"]["contents"]["value"], "```dhall\nNatural\n```", "{hover}");
    assert_eq!(client.end(true), Some(0));
}

#[test]
fn malformed_requests_are_refused_one_by_one() {
    let bench = Bench::new();
    let uri = format!("file://{}/it.dhall", bench.path().display());
    let mut client = Client::start(&bench);
    client.ask("initialize", json!({}));
    client.open(&uri, "1");
    for method in ["hover", "completion", "formatting"] {
        for parameters in [
            json!(null),
            json!([]),
            json!("x"),
            json!({ "textDocument": 1 }),
            json!({ "textDocument": { "uri": 3 }, "position": [] }),
        ] {
            let answer = client.ask(&format!("textDocument/{method}"), parameters);
            assert_eq!(answer["error"]["code"], -32_602, "{method}: {answer}");
        }
        // A place far outside, of the wrong kind, or none is the nearest one, or no place.
        for position in [
            json!({ "line": u64::MAX, "character": u64::MAX }),
            json!({ "line": -1, "character": 0.5 }),
            json!("here"),
            json!(null),
        ] {
            let parameters = json!({ "textDocument": { "uri": uri }, "position": position });
            client.ask(&format!("textDocument/{method}"), parameters);
        }
    }
    for changes in [json!(null), json!({}), json!([1, null, { "range": 3 }, { "range": {} }])] {
        let document = json!({ "uri": uri, "version": 2 });
        let parameters = json!({ "textDocument": document, "contentChanges": changes });
        client.notify("textDocument/didChange", parameters);
        client.diagnostics();
    }
    let document = json!({ "uri": "file:///nowhere", "version": 2 });
    client.notify("textDocument/didChange", json!({ "textDocument": document }));
    client.notify("textDocument/didClose", json!({ "textDocument": { "uri": uri } }));
    assert_eq!(client.diagnostics()["diagnostics"], json!([]));
    assert_eq!(client.end(true), Some(0));
}

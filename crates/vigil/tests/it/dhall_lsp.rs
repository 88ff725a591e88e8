//! An editor's session with the language server, through real pipes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Value, json};

use crate::bench::Bench;

/// The editor's side.
struct Client {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    last_id: u64,
}

impl Client {
    fn start(bench: &Bench) -> Self {
        let mut command = bench.vigil(&["dhall", "lsp"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output, last_id: 0 }
    }

    fn send_text(&mut self, text: &str) {
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("it reads");
        self.input.flush().expect("it reads");
    }

    fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).expect("it writes") > 0, "the server ended");
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().expect("a number");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut bytes = vec![0; length];
        self.output.read_exact(&mut bytes).expect("it writes");
        serde_json::from_slice(&bytes).expect("JSON")
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
        self.child.wait().expect("its end").code()
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

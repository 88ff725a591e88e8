//! `vigil dhall lsp`: a language server on standard input and output (LSP 3.17, JSON-RPC 2.0).
//!
//! One thread answers one message after another. It reads imports from the disk and keeps them until
//! a file is opened or saved; the texts of open files come from the editor.
//!
//! Invariant: nothing that a client sends ends the server but `exit`, the end of the input, and bytes
//! in which no message can be found any more.

mod answers;
mod completion;
mod document;
mod rpc;

use std::collections::HashMap;
use std::io::{self, BufReader};

use serde_json::{Value, json};
use vigil_dhall::{Importer, Limits, Session as Imports};

use super::{limits, open, settings};
use crate::args::DhallBounds;
use crate::failure::CommandError;
use crate::output::Output;
use crate::run::Session;
use document::Document;
use rpc::{Incoming, RpcError};

/// Less than a command may take: somebody waits at every key.
const STEPS_MAX: u64 = 50_000_000;
const MEMORY_BYTES_MAX: u64 = 512 << 20;

/// What every answer needs.
struct Server<'s, 'o, 'i> {
    importer: &'i dyn Importer,
    bounds: &'s DhallBounds,
    limits: &'s Limits,
    imports: Imports<'i>,
    documents: HashMap<String, Document>,
    out: &'s mut Output<'o>,
    is_initialized: bool,
    is_shut_down: bool,
}

pub(super) fn serve(bounds: &DhallBounds, session: &mut Session<'_>) -> Result<(), CommandError> {
    let mut limits = limits(bounds);
    limits.steps = bounds.max_steps.unwrap_or(STEPS_MAX);
    limits.memory_bytes = bounds.max_memory.unwrap_or(MEMORY_BYTES_MAX);
    let Session { environment, out, talk, .. } = session;
    let warn = |line: &str| talk.warn("warning", line);
    let settings = settings(bounds, environment.folder.clone(), &limits);
    let importer = environment.dhall.importer(&settings, &warn);
    let mut server = Server {
        importer: &*importer,
        bounds,
        limits: &limits,
        imports: open(bounds, &limits, &*importer),
        documents: HashMap::new(),
        out,
        is_initialized: false,
        is_shut_down: false,
    };
    let mut input = BufReader::new(io::stdin().lock());
    loop {
        let failed = |source| {
            let path = "standard input".into();
            CommandError::File { action: "read a message from", path, source }
        };
        match rpc::read(&mut input).map_err(failed)? {
            Incoming::End => return Ok(()),
            Incoming::Garbage { reason } => {
                let error = RpcError { code: rpc::PARSE_ERROR, message: reason };
                rpc::answer(server.out, &Value::Null, Err(error))?;
            }
            Incoming::Message(message) => {
                if message["method"] == "exit" {
                    return server.exit();
                }
                server.take(&message)?;
            }
        }
    }
}

impl<'i> Server<'_, '_, 'i> {
    fn exit(&self) -> Result<(), CommandError> {
        // The protocol wants an exit code of 1 from a server that was not asked to shut down.
        if self.is_shut_down { Ok(()) } else { Err(CommandError::Abandoned) }
    }

    /// Forgets imports: files may have changed.
    fn refresh(&mut self) {
        self.imports = open(self.bounds, self.limits, self.importer);
    }

    /// Answers one message.
    fn take(&mut self, message: &Value) -> Result<(), CommandError> {
        let Some(method) = message["method"].as_str() else {
            // A response: nothing was asked, so there is nothing to do with it.
            return Ok(());
        };
        let parameters = &message["params"];
        match message.get("id") {
            Some(id) => {
                let result = self.request(method, parameters);
                rpc::answer(self.out, id, result)
            }
            None => self.notification(method, parameters),
        }
    }

    fn request(&mut self, method: &str, parameters: &Value) -> Result<Value, RpcError> {
        if method == "initialize" {
            self.is_initialized = true;
            return Ok(capabilities());
        }
        if !self.is_initialized {
            return Err(RpcError::new(rpc::NOT_INITIALIZED, "`initialize` comes first"));
        }
        if self.is_shut_down {
            return Err(RpcError::new(rpc::INVALID_REQUEST, "the server was shut down"));
        }
        match method {
            "shutdown" => {
                self.is_shut_down = true;
                Ok(Value::Null)
            }
            "textDocument/hover" => self.with(parameters, Self::hover),
            "textDocument/completion" => self.with(parameters, Self::complete),
            "textDocument/formatting" => self.with(parameters, Self::format),
            _ => {
                let text = format!("`{method}` is not offered");
                Err(RpcError { code: rpc::METHOD_NOT_FOUND, message: text })
            }
        }
    }

    /// Answers a question about an open document.
    fn with(
        &mut self,
        parameters: &Value,
        answer: fn(&mut Self, &Document, &Value) -> Value,
    ) -> Result<Value, RpcError> {
        let uri = parameters["textDocument"]["uri"].as_str().unwrap_or_default();
        let Some(document) = self.documents.remove(uri) else {
            let text = format!("`{uri}` is not open");
            return Err(RpcError { code: rpc::INVALID_PARAMETERS, message: text });
        };
        let result = answer(self, &document, parameters);
        self.documents.insert(uri.to_owned(), document);
        Ok(result)
    }

    fn notification(&mut self, method: &str, parameters: &Value) -> Result<(), CommandError> {
        let uri = parameters["textDocument"]["uri"].as_str().unwrap_or_default().to_owned();
        match method {
            "textDocument/didOpen" => {
                let opened = &parameters["textDocument"];
                let text = opened["text"].as_str().unwrap_or_default();
                self.documents.insert(uri.clone(), Document::new(&uri, text, &opened["version"]));
                self.refresh();
                self.diagnose(&uri)
            }
            "textDocument/didChange" => {
                let Some(document) = self.documents.get_mut(&uri) else { return Ok(()) };
                document.change(&parameters["contentChanges"], &parameters["textDocument"]);
                self.diagnose(&uri)
            }
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => {
                self.refresh();
                let mut open: Vec<String> = self.documents.keys().cloned().collect();
                open.sort();
                open.iter().try_for_each(|uri| self.diagnose(uri))
            }
            "textDocument/didClose" => {
                self.documents.remove(&uri);
                let nothing = json!({ "uri": uri, "diagnostics": [] });
                rpc::notify(self.out, "textDocument/publishDiagnostics", &nothing)
            }
            _ => Ok(()),
        }
    }

    fn diagnose(&mut self, uri: &str) -> Result<(), CommandError> {
        let Some(document) = self.documents.remove(uri) else { return Ok(()) };
        let diagnostics = self.diagnostics(&document);
        let parameters =
            json!({ "uri": uri, "version": document.version(), "diagnostics": diagnostics });
        self.documents.insert(uri.to_owned(), document);
        rpc::notify(self.out, "textDocument/publishDiagnostics", &parameters)
    }
}

fn capabilities() -> Value {
    json!({
        "capabilities": {
            "positionEncoding": "utf-16",
            "textDocumentSync": { "openClose": true, "change": 2, "save": true },
            "hoverProvider": true,
            "completionProvider": { "triggerCharacters": ["."] },
            "documentFormattingProvider": true,
        },
        "serverInfo": { "name": "vigil dhall", "version": env!("CARGO_PKG_VERSION") },
    })
}

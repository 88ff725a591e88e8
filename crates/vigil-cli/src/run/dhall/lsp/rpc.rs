//! Messages on a stream: a header with a length, an empty line, and a JSON document.

use std::io::{self, BufRead, Read as _, Write as _};

use serde_json::{Value, json};

use crate::failure::CommandError;
use crate::output::Output;

pub(super) const PARSE_ERROR: i64 = -32_700;
pub(super) const INVALID_REQUEST: i64 = -32_600;
pub(super) const METHOD_NOT_FOUND: i64 = -32_601;
pub(super) const INVALID_PARAMETERS: i64 = -32_602;
pub(super) const NOT_INITIALIZED: i64 = -32_002;

/// Larger than any text that a person edits.
const MESSAGE_BYTES_MAX: u64 = 256 << 20;
/// Headers are a length and perhaps a type.
const HEADER_BYTES_MAX: u64 = 4096;

/// What came in.
pub(super) enum Incoming {
    Message(Value),
    /// A message whose contents are not JSON. The next one can be found all the same.
    Garbage {
        reason: String,
    },
    /// The client has gone.
    End,
}

/// Why a request was refused.
pub(super) struct RpcError {
    pub code: i64,
    pub message: String,
}

impl RpcError {
    pub fn new(code: i64, message: &str) -> Self {
        Self { code, message: message.to_owned() }
    }
}

/// Reads the next message.
pub(super) fn read(input: &mut impl BufRead) -> io::Result<Incoming> {
    let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason.to_owned());
    let mut length = None;
    let mut is_first = true;
    loop {
        let mut line = Vec::new();
        input.by_ref().take(HEADER_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() && is_first {
            return Ok(Incoming::End);
        }
        is_first = false;
        if line.last() != Some(&b'\n') {
            return Err(invalid("a header without an end"));
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("Content-Length")
        {
            length = value.trim().parse::<u64>().ok();
        }
    }
    let Some(length) = length.filter(|length| *length <= MESSAGE_BYTES_MAX) else {
        return Err(invalid("a message without a length that makes sense"));
    };
    let mut bytes = Vec::new();
    input.by_ref().take(length).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < length {
        return Err(invalid("the input ends inside of a message"));
    }
    Ok(match serde_json::from_slice(&bytes) {
        Ok(message) => Incoming::Message(message),
        Err(error) => Incoming::Garbage { reason: format!("not JSON: {error}") },
    })
}

fn write(out: &mut Output<'_>, message: &Value) -> Result<(), CommandError> {
    let text = message.to_string();
    write!(out, "Content-Length: {}\r\n\r\n{text}", text.len())
        .and_then(|()| out.flush())
        .map_err(CommandError::Output)
}

/// Answers a request.
pub(super) fn answer(
    out: &mut Output<'_>,
    id: &Value,
    result: Result<Value, RpcError>,
) -> Result<(), CommandError> {
    let message = match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(RpcError { code, message }) => {
            let error = json!({ "code": code, "message": message });
            json!({ "jsonrpc": "2.0", "id": id, "error": error })
        }
    };
    write(out, &message)
}

/// Tells the client something.
pub(super) fn notify(
    out: &mut Output<'_>,
    method: &str,
    parameters: &Value,
) -> Result<(), CommandError> {
    write(out, &json!({ "jsonrpc": "2.0", "method": method, "params": parameters }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(bytes: &[u8]) -> io::Result<Incoming> {
        read(&mut io::BufReader::new(bytes))
    }

    #[test]
    fn messages_are_found_and_hostile_ones_refused() {
        let whole = b"content-length: 7\r\nContent-Type: x\r\n\r\n{\"a\":1}rest";
        assert!(matches!(first(whole), Ok(Incoming::Message(message)) if message["a"] == 1));
        let garbage = b"Content-Length: 2\r\n\r\n{]";
        assert!(matches!(first(garbage), Ok(Incoming::Garbage { .. })));
        assert!(matches!(first(b""), Ok(Incoming::End)));
        let deep = format!("Content-Length: 200000\r\n\r\n{}", "[".repeat(200_000));
        assert!(matches!(first(deep.as_bytes()), Ok(Incoming::Garbage { .. })));
        for bytes in [
            b"Content-Length: 99999999999999999999\r\n\r\n".as_slice(),
            b"Content-Length: 999999999999\r\n\r\n{}",
            b"Content-Length: 9\r\n\r\n{}",
            b"{}\r\n\r\n",
            b"Content-Length: 2",
            &[b'x'; 10_000],
        ] {
            assert!(first(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}

//! Standard output: data, and nothing else.

use std::io::{self, ErrorKind, Write};

use serde_json::Value;

use crate::failure::CommandError;

/// Where data goes. It remembers whether the reader has gone away, which is no error.
pub struct Output<'a> {
    sink: io::BufWriter<Box<dyn Write + 'a>>,
    is_closed: bool,
}

impl<'a> Output<'a> {
    /// Writes to `sink`.
    pub fn new(sink: Box<dyn Write + 'a>) -> Self {
        Self { sink: io::BufWriter::with_capacity(64 << 10, sink), is_closed: false }
    }

    /// Returns whether whoever read this has gone away.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Writes one line.
    pub(crate) fn line(&mut self, line: impl std::fmt::Display) -> Result<(), CommandError> {
        writeln!(self, "{line}").map_err(CommandError::Output)
    }

    /// Writes one JSON document on one line.
    pub(crate) fn json(&mut self, value: &Value) -> Result<(), CommandError> {
        self.line(value)
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            self.is_closed = true;
        }
        result
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.sink.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.sink.flush();
        self.note(result)
    }
}

//! A small web server on loopback that answers as the hosts of the standard's suite do.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

const SOURCES: &str = "https://raw.githubusercontent.com";

/// A page: the value of `Access-Control-Allow-Origin`, if any, and the text.
type Page = (Option<&'static str>, String);

/// Serves the suite at `root` until the test program ends.
pub(crate) fn start(root: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = listener.local_addr().expect("a bound listener has an address");
    std::thread::spawn(move || {
        let counter = AtomicU64::new(0);
        for stream in listener.incoming().flatten() {
            if let Err(error) = answer(stream, &root, &counter) {
                eprintln!("the test server could not answer: {error}");
            }
        }
    });
    address
}

fn answer(
    mut stream: TcpStream,
    root: &std::path::Path,
    counter: &AtomicU64,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let header = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let host = header("host").map_or("", String::as_str);
    let page = match host {
        "test.dhall-lang.org" => match path.as_str() {
            "/foo" if header("test").is_some() => Some((None, "./bar".to_owned())),
            "/bar" if header("test").is_some() => Some((None, "True".to_owned())),
            "/random-string" => {
                let number = counter.fetch_add(1, Ordering::Relaxed);
                Some((Some("*"), format!("string number {number}")))
            }
            _ => cors(&path),
        },
        "httpbin.org" if path == "/user-agent" => {
            let agent = header("user-agent").map_or("", String::as_str);
            Some((Some("*"), format!("{{\n  \"user-agent\": \"{agent}\"\n}}\n")))
        }
        // This page of another project names a variable that the suite's own copy does not.
        "raw.githubusercontent.com"
            if path.starts_with("/Nadrieril/") && path.ends_with("/asLocation/EnvA.dhall") =>
        {
            Some((Some("*"), "env:HOME as Location".to_owned()))
        }
        "raw.githubusercontent.com" => path
            .split_once("/tests/")
            .and_then(|(_, file)| std::fs::read_to_string(root.join(file)).ok())
            .map(|text| (Some("*"), text)),
        // Where the Prelude stands beside the suite.
        "prelude.dhall-lang.org" => {
            let prelude = root.with_file_name("Prelude");
            let page = std::fs::read_to_string(prelude.join(path.trim_start_matches('/'))).ok();
            page.map(|text| (Some("*"), text))
        }
        _ => None,
    };
    respond(&mut stream, page)
}

/// The pages that differ in who may import them.
fn cors(path: &str) -> Option<Page> {
    let source = |name| {
        format!(
            "{SOURCES}/dhall-lang/dhall-lang/5ff7ecd2411894dd9ce307dc23020987361d2d43/tests/import/data/cors/{name}.dhall"
        )
    };
    let number = "42".to_owned();
    Some(match path.strip_prefix("/cors/")? {
        "AllowedAll.dhall" => (Some("*"), number),
        "OnlyGithub.dhall" => (Some(SOURCES), number),
        "OnlySelf.dhall" => (Some("https://test.dhall-lang.org"), number),
        "OnlyOther.dhall" => (Some("https://example.com"), number),
        "Empty.dhall" => (Some(""), number),
        "NoCORS.dhall" => (None, number),
        "Null.dhall" => (Some("null"), number),
        "SelfImportAbsolute.dhall" => {
            (Some("*"), "https://test.dhall-lang.org/cors/NoCORS.dhall".to_owned())
        }
        "SelfImportRelative.dhall" => (Some("*"), "./NoCORS.dhall".to_owned()),
        "TwoHopsFail.dhall" => (Some("*"), source("OnlySelf")),
        "TwoHopsSuccess.dhall" => (Some("*"), source("OnlyGithub")),
        _ => return None,
    })
}

fn respond(stream: &mut TcpStream, page: Option<Page>) -> std::io::Result<()> {
    let Some((origin, text)) = page else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    };
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n", text.len())?;
    if let Some(origin) = origin {
        write!(stream, "Access-Control-Allow-Origin: {origin}\r\n")?;
    }
    write!(stream, "\r\n{text}")
}

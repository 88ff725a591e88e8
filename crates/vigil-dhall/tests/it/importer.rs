//! An importer over real files, variables that a test sets, and a real web server on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use vigil_dhall::{Anchor, Cache, FetchError, Fetched, Hash, Importer, Request};

/// Where things are for one test.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestImporter {
    /// What relative paths start from.
    pub(crate) folder: PathBuf,
    /// What `~` is.
    pub(crate) home: PathBuf,
    /// Environment variables.
    pub(crate) environment: BTreeMap<String, String>,
    /// A cache; nothing is written there.
    pub(crate) cache: Option<PathBuf>,
    /// The server that stands for the whole web.
    pub(crate) web: Option<SocketAddr>,
}

impl Importer for TestImporter {
    fn fetch(&self, request: Request<'_>) -> Result<Fetched, FetchError> {
        match request {
            Request::Local { anchor, path } => {
                let mut file = match anchor {
                    Anchor::Absolute => PathBuf::from("/"),
                    Anchor::Here => self.folder.clone(),
                    Anchor::Parent => self.folder.join(".."),
                    Anchor::Home => self.home.clone(),
                };
                path.components().for_each(|component| file.push(&**component));
                match std::fs::read(&file) {
                    Ok(bytes) => Ok(Fetched { bytes, headers: Vec::new() }),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                        Err(FetchError::Absent("there is no such file".to_owned()))
                    }
                    Err(error) => Err(FetchError::Failed(error.to_string())),
                }
            }
            Request::Environment { name } => match self.environment.get(name) {
                Some(value) => {
                    Ok(Fetched { bytes: value.clone().into_bytes(), headers: Vec::new() })
                }
                None => Err(FetchError::Absent("the variable is not set".to_owned())),
            },
            Request::Remote { url, headers } => match self.web {
                Some(web) => {
                    get(web, url, headers).map_err(|error| FetchError::Absent(error.to_string()))
                }
                None => Err(FetchError::Absent("there is no web here".to_owned())),
            },
        }
    }

    fn cached(&self, _cache: Cache, hash: &Hash) -> Option<Vec<u8>> {
        std::fs::read(self.cache.as_ref()?.join(format!("1220{}", hash.to_hex()))).ok()
    }
}

/// Asks the server for an address, whatever its host.
fn get(web: SocketAddr, url: &str, headers: &[(String, String)]) -> std::io::Result<Fetched> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(web)?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n")?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"\r\n")?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if line.split(' ').nth(1) != Some("200") {
        return Err(std::io::Error::other(format!("the server says {}", line.trim())));
    }
    let mut fetched = Fetched::default();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                fetched.headers.push((name.to_owned(), value.trim().to_owned()));
            }
            None => break,
        }
    }
    reader.read_to_end(&mut fetched.bytes)?;
    Ok(fetched)
}

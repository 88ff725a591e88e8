//! A log over HTTP, asked through plain sockets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use vigil_base::world::Disk;
use vigil_doors_http::{LogFolder, ServeOptions, serve};
use vigil_store::FolderDisk;
use vigil_trust::log::{DurableLog, Ed25519Kind, KeyName, LeafIndex, NoteSigner};

struct Served {
    folder: tempfile::TempDir,
    address: SocketAddr,
    server: JoinHandle<()>,
}

/// Serves a log of 300 entries, for so many answers.
fn served(answers: u64) -> Served {
    let folder = tempfile::tempdir().expect("a folder");
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::new(folder.path()));
    let name = KeyName::new("log.example").expect("a name");
    let signer = NoteSigner::from_seed(name, Ed25519Kind::Log, &[1; 32]);
    let mut log = DurableLog::create(disk.clone(), signer).expect("a log");
    log.append(&[&b"entry"[..]; 300]).expect("a batch");
    log.keep_from(LeafIndex(256)).expect("an index");
    std::fs::write(folder.path().join("secret"), "secret").expect("a file");
    let (told, hears) = mpsc::channel();
    let server = std::thread::spawn(move || {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = ServeOptions { listen, answers: Some(answers) };
        let mut ready = |address| told.send(address).expect("somebody waits");
        serve(LogFolder::new(disk), options, &mut ready).expect("it serves");
    });
    let address = hears.recv().expect("an address");
    Served { folder, address, server }
}

/// Sends a head and returns the whole answer.
fn ask(address: SocketAddr, head: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = format!("{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("text").to_lowercase();
    (head, bytes[end + 4..].to_vec())
}

#[test]
fn the_files_of_a_log_are_served_and_nothing_else() {
    let asked = [
        ("GET /checkpoint", "200", Some("checkpoint")),
        ("GET /tile/0/001.p/44", "200", Some("tile/0/001.p/44")),
        ("GET /tile/entries/001.p/44", "200", Some("tile/entries/001.p/44")),
        ("GET /tile/1/000.p/1", "200", Some("tile/1/000.p/1")),
        // No longer kept.
        ("GET /tile/0/000", "404", None),
        ("GET /tile/entries/000", "404", None),
        ("GET /tile/0/002", "404", None),
        ("GET /secret", "404", None),
        ("GET /state/journal", "404", None),
        ("GET /tile/0/../../secret", "404", None),
        ("GET /tile/0/..%2f..%2fsecret", "404", None),
        ("GET //checkpoint", "404", None),
        ("GET /", "404", None),
        ("POST /checkpoint", "405", None),
    ];
    let served = served(asked.len() as u64);
    for (head, status, file) in asked {
        let (answer, body) = ask(served.address, head);
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{head}: {answer}");
        if let Some(file) = file {
            assert_eq!(body, std::fs::read(served.folder.path().join(file)).expect("a file"));
            let is_tile = head.contains("/tile/");
            assert_eq!(answer.contains("application/octet-stream"), is_tile, "{answer}");
            assert_eq!(answer.contains("immutable"), is_tile, "{answer}");
            assert_eq!(answer.contains("content-type: text/plain; charset=utf-8"), !is_tile);
        }
    }
    // After so many answers it has stopped.
    served.server.join().expect("no panic");
    assert!(TcpStream::connect(served.address).is_err());
}

#[test]
fn heads_alone_and_broken_requests_cost_nobody_else_anything() {
    let served = served(2);
    let (answer, body) = ask(served.address, "HEAD /checkpoint");
    let len = std::fs::metadata(served.folder.path().join("checkpoint")).expect("a file").len();
    assert!(answer.contains(&format!("content-length: {len}")) && body.is_empty(), "{answer}");
    for bytes in [&b"\0\0\0"[..], b"GET", b"GET / HTTP/9.9\r\n\r\n", &[b'a'; 20_000]] {
        let mut stream = TcpStream::connect(served.address).expect("a connection");
        // It may have hung up before all is sent.
        let _ = stream.write_all(bytes);
    }
    let (answer, _) = ask(served.address, "GET /checkpoint");
    assert!(answer.starts_with("http/1.1 200 "), "{answer}");
    served.server.join().expect("no panic");
}

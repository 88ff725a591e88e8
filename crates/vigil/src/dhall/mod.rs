//! The door to what expressions import: files, variables, the web, and the caches on disk.
//!
//! It knows nothing of the language but what `vigil-dhall` asks for.

mod cache;
mod editor;
mod web;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vigil_base::world::Randomness;
use vigil_cli::{DhallDoor, DhallSettings, LineEditor};
use vigil_dhall::{Anchor, Cache, FetchError, Fetched, Hash, ImportPath, Importer, Request};

use cache::CacheFolders;
use web::Web;

/// Opens importers over the machine as it is.
pub(crate) struct Machine {
    pub randomness: Arc<dyn Randomness>,
}

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Returns a folder that a variable names, or one below the home; relative ones do not count, as the
/// XDG base directory specification says.
fn folder(name: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    let named = variable(name).and_then(absolute);
    named.or_else(|| Some(variable("HOME").and_then(absolute)?.join(below_home)))
}

/// Returns what reads lines from standard input; on a terminal with a history in a file of that name.
pub(crate) fn open_editor<H: rustyline::Helper + 'static>(
    history: &str,
    helper: Option<H>,
) -> io::Result<Box<dyn LineEditor>> {
    let home = folder("XDG_STATE_HOME", ".local/state");
    editor::open(home.map(|home| home.join("vigil").join(history)), helper)
}

impl DhallDoor for Machine {
    fn importer<'a>(
        &self,
        settings: &DhallSettings,
        warn: &'a dyn Fn(&str),
    ) -> Box<dyn Importer + 'a> {
        let caches = settings.uses_cache.then(|| folder("XDG_CACHE_HOME", ".cache")).flatten();
        let caches = caches.map(|home| CacheFolders::new(&home, self.randomness.clone(), warn));
        Box::new(MachineImporter { settings: settings.clone(), caches, web: OnceCell::new() })
    }

    fn editor(&self) -> io::Result<Box<dyn LineEditor>> {
        open_editor("dhall-history", None::<()>)
    }
}

struct MachineImporter<'a> {
    settings: DhallSettings,
    caches: Option<CacheFolders<'a>>,
    /// Made when the first import asks for it: certificates take a while to read.
    web: OnceCell<Result<Web, String>>,
}

impl MachineImporter<'_> {
    /// Returns where a file is.
    fn locate(&self, anchor: Anchor, path: &ImportPath) -> Result<PathBuf, FetchError> {
        let mut file = match anchor {
            Anchor::Absolute => PathBuf::from("/"),
            Anchor::Here => self.settings.folder.clone(),
            Anchor::Parent => self.settings.folder.join(".."),
            Anchor::Home => match variable("HOME") {
                Some(home) => PathBuf::from(home),
                None => return Err(FetchError::Absent("HOME is not set".to_owned())),
            },
        };
        for component in path.components() {
            // A quoted component may be anything; it must not lead to another folder unseen.
            if component.contains('\0') || Path::new(&**component).is_absolute() {
                return Err(FetchError::Absent("no file has such a name".to_owned()));
            }
            file.push(&**component);
        }
        Ok(file)
    }

    fn read(&self, path: &Path) -> Result<Fetched, FetchError> {
        let mut bytes = Vec::new();
        // One byte too many, so that the library sees that there are.
        let room = self.settings.import_bytes_max.saturating_add(1);
        match File::open(path).and_then(|file| file.take(room).read_to_end(&mut bytes)) {
            Ok(_) => Ok(Fetched { bytes, headers: Vec::new() }),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => {
                    Err(FetchError::Absent("there is no such file".to_owned()))
                }
                _ => Err(FetchError::Failed(error.to_string())),
            },
        }
    }

    fn get(&self, url: &str, headers: &[(String, String)]) -> Result<Fetched, FetchError> {
        if self.settings.is_offline {
            return Err(FetchError::Absent("the web is not to be used (--offline)".to_owned()));
        }
        match self.web.get_or_init(Web::new) {
            Ok(web) => web.get(url, headers, self.settings.import_bytes_max),
            Err(reason) => Err(FetchError::Failed(reason.clone())),
        }
    }
}

impl Importer for MachineImporter<'_> {
    fn fetch(&self, request: Request<'_>) -> Result<Fetched, FetchError> {
        match request {
            Request::Local { anchor, path } => self.read(&self.locate(anchor, path)?),
            Request::Environment { name } => match variable(name) {
                Some(value) => Ok(Fetched { bytes: value.into_vec(), headers: Vec::new() }),
                None => Err(FetchError::Absent("the variable is not set".to_owned())),
            },
            Request::Remote { url, headers } => self.get(url, headers),
        }
    }

    fn cached(&self, cache: Cache, hash: &Hash) -> Option<Vec<u8>> {
        self.caches.as_ref()?.read(cache, hash, self.settings.import_bytes_max)
    }

    fn store(&self, cache: Cache, hash: &Hash, bytes: &[u8]) {
        if let Some(caches) = &self.caches {
            caches.write(cache, hash, bytes);
        }
    }
}

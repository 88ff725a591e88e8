//! `vigil tour`: the main things on real files.
//!
//! Every command that it shows is parsed and carried out like one that was typed, and what it shows
//! is what that command printed. It reads the folder that it is shown on and never writes to it.

mod guide;
mod packages;
mod sample;
mod vouch;

use std::path::{Path, PathBuf};

use guide::Guide;
use vigil_base::{Blame, EntryKind, TreePath, Vcid};
use vigil_kernel::{Argument, Identifier, Invocation, Reason, Refusal};

use crate::args::TourArgs;
use crate::failure::CommandError;
use crate::human;
use crate::run::Session;

/// A folder that is gone after use.
struct Scratch(PathBuf);

impl Scratch {
    fn new(session: &Session<'_>) -> Result<Self, CommandError> {
        let mut random = [0; 6];
        session.environment.randomness.fill(&mut random)?;
        let digits = human::hex(&random);
        let folder = session.environment.temporary.join(format!("vigil-tour-{digits}"));
        match std::fs::create_dir(&folder) {
            Ok(()) => Ok(Self(folder)),
            Err(source) => Err(CommandError::File { action: "create", path: folder, source }),
        }
    }

    fn remove(mut self) -> Result<(), CommandError> {
        let folder = std::mem::take(&mut self.0);
        std::fs::remove_dir_all(&folder).map_err(|source| CommandError::File {
            action: "remove",
            path: folder,
            source,
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // The tour has failed already, and says why.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// The file that the tour looks at more closely.
struct Chosen {
    path: TreePath,
    vcid: Vcid,
}

/// What can be carried to another store within seconds.
const CARRIED_BYTES_MAX: u64 = 1 << 30;

pub(crate) fn tour(args: &TourArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let start = session.environment.clock.now();
    let scratch = Scratch::new(session)?;
    let store = if session.is_store_given {
        std::path::absolute(&session.store_folder).map_err(|source| CommandError::File {
            action: "find",
            path: session.store_folder.clone(),
            source,
        })?
    } else {
        scratch.0.join("store")
    };
    let (folder, is_sample) = find_folder(args, session, &scratch.0)?;
    let mut guide = Guide::new(session, &scratch.0, &store);
    guide.opening(&folder, is_sample)?;
    let chosen = add(&mut guide, &folder)?;
    read_back(&mut guide, &folder, &chosen)?;
    make(&mut guide, &chosen)?;
    change(&mut guide, &scratch.0, &chosen)?;
    make_again(&mut guide, &chosen)?;
    ask(&mut guide)?;
    verify(&mut guide)?;
    carry(&mut guide, &chosen)?;
    packages::packages(&mut guide, &scratch.0)?;
    collect(&mut guide)?;
    vouch::vouch(&mut guide)?;
    guide.closing(start)?;
    scratch.remove()
}

/// Finds something to show: the folder that was named, the checkout around the working folder, or a
/// small sample.
fn find_folder(
    args: &TourArgs,
    session: &Session<'_>,
    scratch: &Path,
) -> Result<(PathBuf, bool), CommandError> {
    if let Some(folder) = &args.folder {
        let absolute = std::path::absolute(folder);
        let failed = |source| CommandError::File { action: "find", path: folder.clone(), source };
        return Ok((absolute.map_err(failed)?, false));
    }
    let is_checkout =
        |folder: &&Path| [".git", "Cargo.lock"].iter().any(|mark| folder.join(mark).exists());
    let here = session.environment.working_folder.as_deref();
    match here.and_then(|here| here.ancestors().find(is_checkout)) {
        Some(checkout) => Ok((checkout.into(), false)),
        None => {
            let folder = scratch.join("sample");
            sample::write(&folder).map_err(|source| CommandError::File {
                action: "write the sample to",
                path: folder.clone(),
                source,
            })?;
            Ok((folder, true))
        }
    }
}

fn add(guide: &mut Guide<'_, '_>, folder: &Path) -> Result<Chosen, CommandError> {
    guide.chapter("Add a folder")?;
    guide.text(
        "Every file and folder gets a name that is the SHA-256 of its bytes. The last line tells what\n\
         was new to the store. We call the result @tour.",
    )?;
    let shown = human::path(folder);
    guide.vigil(&["add", &shown, "--name", "tour", "--ignore-files", "--exclude", ".git"])?;
    guide.vigil(&["ls", "@tour"])?;
    guide.choose()
}

fn read_back(
    guide: &mut Guide<'_, '_>,
    folder: &Path,
    chosen: &Chosen,
) -> Result<(), CommandError> {
    guide.chapter("Read it back by name")?;
    guide.text(
        "A ca:// name means the same bytes everywhere and for ever. Whoever gets them can check them,\n\
         so it does not matter where they come from.",
    )?;
    guide.vigil(&["stat", &format!("@tour/{}", chosen.path)])?;
    let uri = format!("ca://{}", chosen.vcid);
    let step = guide.vigil(&["get", &uri, "-o", "back"])?;
    let path = chosen.path.names().iter().fold(folder.to_path_buf(), |path, name| {
        use std::os::unix::ffi::OsStrExt as _;
        path.join(std::ffi::OsStr::from_bytes(name.as_bytes()))
    });
    let original = guide.hash_of_file(&path)?;
    let back = guide.hash_of_file(&guide.scratch().join("back"))?;
    let mut compare = |what: &str, vcid: Vcid| guide.text(&format!("  {what:<24}{vcid}"));
    compare("in your folder:", original)?;
    compare("what came back:", back)?;
    compare("the name asked for:", chosen.vcid)?;
    if original != chosen.vcid || back != chosen.vcid {
        return Err(CommandError::Tour { step, blame: Blame::Us });
    }
    guide.text("Three times the same.")
}

/// What is made of the chosen file: counted, so that a change of its text may leave it as it was.
fn pipelines(chosen: &Chosen) -> [String; 2] {
    let file = format!("@tour/{}", chosen.path);
    [format!("{file} | head 1"), format!("{file} | head 1 | count bytes")]
}

fn make(guide: &mut Guide<'_, '_>, chosen: &Chosen) -> Result<(), CommandError> {
    guide.chapter("Make something of it")?;
    guide.text(
        "A pipeline names what is made of something: here the first line of a file, and its length.\n\
         `why` tells what was made of what.",
    )?;
    let [line, length] = pipelines(chosen);
    guide.vigil(&["cat", &length])?;
    guide.vigil(&["why", &line])?;
    guide.text("It was kept with a record of what it was made from, so nothing was made twice.")
}

fn make_again(guide: &mut Guide<'_, '_>, chosen: &Chosen) -> Result<(), CommandError> {
    guide.chapter("See how far the change goes")?;
    guide.text(
        "The file is longer now, and its first line is what it was. So the line is made again, comes out\n\
         as before, and there the change ends: its length was kept.",
    )?;
    let [_, length] = pipelines(chosen);
    guide.vigil(&["why", &length])?;
    Ok(())
}

fn change(guide: &mut Guide<'_, '_>, scratch: &Path, chosen: &Chosen) -> Result<(), CommandError> {
    guide.chapter("Change one file and add again")?;
    guide.text("First a copy of everything, so that your files stay as they are.")?;
    guide.vigil(&["get", "@tour", "-o", "copy"])?;
    let copy = chosen.path.names().iter().fold(scratch.join("copy"), |path, name| {
        use std::os::unix::ffi::OsStrExt as _;
        path.join(std::ffi::OsStr::from_bytes(name.as_bytes()))
    });
    guide.append(&copy, "one more line")?;
    guide.vigil(&["add", "copy", "--name", "tour"])?;
    guide.text(
        "What had not changed was shared: only the changed file, and the folders above it, are new.\n\
         The old version is still there.",
    )?;
    guide.vigil(&["diff", "@tour~1", "@tour"])?;
    guide.vigil(&["name", "show", "tour"])?;
    Ok(())
}

fn ask(guide: &mut Guide<'_, '_>) -> Result<(), CommandError> {
    guide.chapter("Ask with SQL")?;
    if let Some(why) = guide.misses_queries() {
        return guide.text(&format!("Left out: {why}."));
    }
    guide.text(
        "The list of files is a table. It becomes Parquet, which is stored like anything else; a query over\n\
         it is a resource of its own, whose answer is kept.",
    )?;
    let query = "select kind, count(*) as files, sum(size) as bytes from '@table' group by kind";
    let uri = sql_uri(query)?;
    table_of(guide, "@tour~1")?;
    guide.vigil(&["sql", query])?;
    guide.text("Asked again, nothing is planned or read: the answer has been kept.")?;
    guide.vigil(&["sql", query])?;
    guide.vigil(&["why", uri.as_str()])?;
    guide.text(
        "One file was changed above. With the list of the new version, the answer is made anew:",
    )?;
    table_of(guide, "@tour")?;
    guide.vigil(&["why", uri.as_str()])?;
    guide.vigil(&["sql", query])?;
    Ok(())
}

/// Makes Parquet of the list of a version's files, and names it `table`.
fn table_of(guide: &mut Guide<'_, '_>, version: &str) -> Result<(), CommandError> {
    guide.vigil_into(&["ls", version, "-R", "--json"], "files.ndjson")?;
    guide.vigil(&["add", "files.ndjson", "--name", "list"])?;
    guide.vigil_into(&["resolve", "@list | parquet"], "files.parquet")?;
    guide.vigil(&["add", "files.parquet", "--name", "table"])?;
    Ok(())
}

/// Returns the URI that `vigil sql` resolves.
fn sql_uri(query: &str) -> Result<Identifier, CommandError> {
    let mut call = Invocation { name: "sql".to_owned(), ..Invocation::default() };
    call.arguments.insert("1".to_owned(), Argument::Value(query.to_owned()));
    call.to_uri().map_err(|error| {
        let source = Box::new(Refusal::new(Reason::Misuse, error.to_string()).into());
        CommandError::Query { source }
    })
}

fn verify(guide: &mut Guide<'_, '_>) -> Result<(), CommandError> {
    guide.chapter("Verify everything")?;
    guide.text("Every stored byte is read and compared with its name.")?;
    guide.vigil(&["verify"])?;
    Ok(())
}

fn carry(guide: &mut Guide<'_, '_>, chosen: &Chosen) -> Result<(), CommandError> {
    guide.chapter("Carry it elsewhere as a file")?;
    guide.text(
        "A store is a few arenas: files that are only ever appended to. A sealed one never changes,\n\
         says itself what is in it, and can go anywhere: on a stick, to a bucket, to a friend.",
    )?;
    guide.vigil(&["arena", "seal"])?;
    guide.vigil(&["arena", "list"])?;
    let arenas = guide.sealed_arenas()?;
    if arenas.iter().map(|(_, bytes)| bytes).sum::<u64>() > CARRIED_BYTES_MAX {
        return guide.text("This store is too large to be carried anywhere in a tour.");
    }
    let mut import: Vec<String> =
        ["--store", "elsewhere", "arena", "import"].map(String::from).to_vec();
    for (number, _) in arenas {
        let file = format!("{number}.arena");
        guide.vigil(&["arena", "export", &number.to_string(), "-o", &file])?;
        import.push(file);
    }
    guide.text("Another store believes nothing of it before it has compared everything in it.")?;
    guide.vigil(&import.iter().map(String::as_str).collect::<Vec<_>>())?;
    let uri = format!("ca://{}", chosen.vcid);
    let step = guide.vigil(&["--store", "elsewhere", "get", &uri, "-o", "from-elsewhere"])?;
    let vcid = guide.hash_of_file(&guide.scratch().join("from-elsewhere"))?;
    if vcid != chosen.vcid {
        return Err(CommandError::Tour { step, blame: Blame::Us });
    }
    guide.text("The same bytes again, this time from the other store.")
}

fn collect(guide: &mut Guide<'_, '_>) -> Result<(), CommandError> {
    guide.chapter("Keep what you need")?;
    guide.text("Nothing is removed but by `vigil gc`, and it tells beforehand what would go.")?;
    guide.vigil(&["gc", "--dry-run", "--keep-last", "1"])?;
    Ok(())
}

/// Whether an entry is one that most people know what to do with: a plain file in plain sight, with a
/// name that needs no quotes.
fn is_easy(path: &TreePath, kind: EntryKind) -> bool {
    let text = path.to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
    kind == EntryKind::File
        && text.chars().all(is_plain)
        && !text.split('/').any(|step| step.starts_with('.'))
}

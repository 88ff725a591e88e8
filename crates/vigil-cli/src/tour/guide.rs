//! What the tour is told with: chapters, text, and commands that are really run.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use vigil_base::world::Moment;
use vigil_base::{Blame, Hasher, Uri, Vcid};
use vigil_files::{Listed, list, resolve};
use vigil_store::ArenaState;

use super::{Chosen, is_easy};
use crate::environment::Environment;
use crate::failure::CommandError;
use crate::human;
use crate::run::Session;

/// Longest output that is shown whole.
const LINES_MAX: usize = 24;

pub(super) struct Guide<'s, 'a> {
    session: &'s mut Session<'a>,
    /// The environment of the commands that are shown: they start in the scratch folder.
    inner: Environment,
    store: std::path::PathBuf,
    chapters: u32,
}

/// Memory that standard output and standard error of a shown command both go to, as on a terminal.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'s, 'a> Guide<'s, 'a> {
    pub fn new(session: &'s mut Session<'a>, scratch: &Path, store: &Path) -> Self {
        let inner = Environment {
            store: Some(store.into()),
            folder: scratch.into(),
            is_output_terminal: false,
            talk_columns: None,
            ..session.environment.clone()
        };
        Self { session, inner, store: store.into(), chapters: 0 }
    }

    pub fn scratch(&self) -> &Path {
        &self.inner.folder
    }

    fn paint(&self, code: &str, text: &str) -> String {
        let environment = self.session.environment;
        if environment.is_output_terminal && environment.wants_colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.into()
        }
    }

    /// Writes a line at once: people watch.
    fn line(&mut self, line: &str) -> Result<(), CommandError> {
        self.session.out.line(line)?;
        self.session.finish()
    }

    /// Says why this program answers no queries, where it does not.
    pub fn misses_queries(&self) -> Option<&'static str> {
        self.inner.queries.missing()
    }

    pub fn text(&mut self, text: &str) -> Result<(), CommandError> {
        self.line(text)
    }

    pub fn chapter(&mut self, title: &str) -> Result<(), CommandError> {
        self.chapters += 1;
        let title = self.paint("1", &format!("{}. {title}", self.chapters));
        self.line(&format!("\n{title}"))
    }

    pub fn opening(&mut self, folder: &Path, is_sample: bool) -> Result<(), CommandError> {
        let title = self.paint("1", "A tour of Vigil");
        self.line(&title)?;
        let shown = human::path(folder);
        self.text(&if is_sample {
            "You are not in a checkout, so this is shown on a small sample of four files. Go to a folder\n\
             with a .git in it, or run `vigil tour FOLDER`, to see it on files of your own."
                .to_string()
        } else {
            format!("It is shown on {shown}, which is only read.")
        })?;
        self.text(
            "Lines with $ are commands as you could type them; below each is what it has just printed.",
        )?;
        self.text("")?;
        let store = quoted(&human::path(&self.store));
        let scratch = quoted(&human::path(self.scratch()));
        self.command(&format!("cd {scratch}; export VIGIL_STORE={store}"))
    }

    fn command(&mut self, command: &str) -> Result<(), CommandError> {
        let shown = self.paint("1;36", &format!("$ {command}"));
        self.line(&format!("  {shown}"))
    }

    /// Runs a command, and returns its code, what it printed and what it said.
    fn run(&mut self, words: &[&str], is_apart: bool) -> (u8, Vec<u8>, Vec<u8>) {
        let printed = Shared::default();
        let said = if is_apart { Shared::default() } else { printed.clone() };
        let argv = std::iter::once("vigil").chain(words.iter().copied()).map(Into::into);
        let (out, talk) = (Box::new(printed.clone()), Box::new(said.clone()));
        let code = crate::run::run(argv, &self.inner, out, talk);
        let take = |shared: Shared| {
            std::mem::take(&mut *shared.0.lock().unwrap_or_else(PoisonError::into_inner))
        };
        (code, take(printed), take(said))
    }

    /// Runs a command whose output goes into a file, and shows it.
    pub fn vigil_into(&mut self, words: &[&str], file: &str) -> Result<(), CommandError> {
        let typed = typed(words);
        self.command(&format!("{typed} > {}", quoted(file)))?;
        let (code, printed, said) = self.run(words, true);
        for line in String::from_utf8_lossy(&said).lines() {
            self.line(&format!("  {line}"))?;
        }
        if code != 0 {
            return Err(CommandError::Tour { step: typed, blame: Blame::Us });
        }
        let path = self.scratch().join(file);
        std::fs::write(&path, printed).map_err(|source| CommandError::File {
            action: "write",
            path,
            source,
        })
    }

    /// Runs a command, shows it and what it printed, and returns how it is typed.
    pub fn vigil(&mut self, words: &[&str]) -> Result<String, CommandError> {
        let typed = typed(words);
        self.command(&typed)?;
        let (code, printed, _) = self.run(words, false);
        self.show(&printed)?;
        done(typed, code)
    }

    /// Runs a command that is to be refused, and shows it and why.
    pub fn vigil_refuses(&mut self, words: &[&str]) -> Result<(), CommandError> {
        let typed = typed(words);
        self.command(&typed)?;
        let (code, printed, _) = self.run(words, false);
        self.show(&printed)?;
        if code == 1 { Ok(()) } else { Err(CommandError::Tour { step: typed, blame: Blame::Us }) }
    }

    /// Whether an outside program starts.
    pub fn has(&self, program: &str, probe: &str) -> bool {
        self.program(program).arg(probe).output().is_ok()
    }

    /// Prepares an outside program: it starts in the scratch folder, which is also its home.
    fn program(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.scratch()).env("HOME", self.scratch());
        command.stdin(Stdio::null());
        command
    }

    /// Runs an outside program, shows it and what it printed. It must succeed, or refuse, as is said.
    pub fn outside(
        &mut self,
        words: &[&str],
        input: Option<&str>,
        is_fine: bool,
    ) -> Result<(), CommandError> {
        let from = input.map(|file| format!(" < {}", quoted(file))).unwrap_or_default();
        let typed = format!("{}{from}", joined(words));
        self.command(&typed)?;
        let mut program = self.program(words[0]);
        if let Some(file) = input {
            let path = self.scratch().join(file);
            let failed = |source| CommandError::File { action: "read", path: path.clone(), source };
            program.stdin(std::fs::File::open(&path).map_err(failed)?);
        }
        let failed = |source| CommandError::File { action: "run", path: words[0].into(), source };
        let output = program.args(&words[1..]).output().map_err(failed)?;
        let printed = [output.stdout, output.stderr].concat();
        self.show(&printed)?;
        if output.status.success() == is_fine {
            return Ok(());
        }
        Err(CommandError::Tour { step: typed, blame: Blame::World })
    }

    /// Asks `ssh-keygen` as whom a file was signed.
    pub fn principal(&mut self, signers: &str, signature: &str) -> Result<String, CommandError> {
        let arguments = ["-Y", "find-principals", "-f", signers, "-s", signature];
        let output = self.program("ssh-keygen").args(arguments).output();
        let path = "ssh-keygen".into();
        let output = output.map_err(|source| CommandError::File { action: "run", path, source })?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Changes one byte in the middle of a file, and says so.
    pub fn flip(&mut self, file: &str) -> Result<(), CommandError> {
        let path = self.scratch().join(file);
        let failed = |source| CommandError::File { action: "change", path: path.clone(), source };
        let mut bytes = std::fs::read(&path).map_err(failed)?;
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
        std::fs::write(&path, bytes).map_err(failed)?;
        self.text(&format!("  (byte {middle} of {file})"))
    }

    /// Shows what was printed, cut where it is long.
    fn show(&mut self, printed: &[u8]) -> Result<(), CommandError> {
        let printed = String::from_utf8_lossy(printed);
        let lines: Vec<&str> = printed.lines().collect();
        let shown = if lines.len() > LINES_MAX { LINES_MAX - 1 } else { lines.len() };
        for line in &lines[..shown] {
            self.line(&format!("  {line}"))?;
        }
        if shown < lines.len() {
            self.line(&format!("  (and {} lines more)", lines.len() - shown))?;
        }
        Ok(())
    }

    /// Runs a command that has to be refused, and shows it and why.
    pub fn refused(&mut self, words: &[&str]) -> Result<(), CommandError> {
        let typed = typed(words);
        self.command(&typed)?;
        let (code, printed, _) = self.run(words, false);
        for line in String::from_utf8_lossy(&printed).lines() {
            self.line(&format!("  {line}"))?;
        }
        if code == 1 { Ok(()) } else { Err(CommandError::Tour { step: typed, blame: Blame::Us }) }
    }

    /// Runs a command where there is no network interface, in a process of its own. Says whether this
    /// machine lets its users have such a place.
    pub fn without_network(&mut self, words: &[&str]) -> Result<bool, CommandError> {
        let Ok(program) = std::env::current_exe() else { return Ok(false) };
        let mut command = Command::new("unshare");
        command.arg("-rn").arg(program).arg("--store").arg(&self.store).args(words);
        let output = match command.current_dir(self.scratch()).output() {
            Ok(output) if output.status.success() => output,
            _ => return Ok(false),
        };
        self.command(&format!("unshare -rn {}", typed(words)))?;
        for bytes in [&output.stdout, &output.stderr] {
            for line in String::from_utf8_lossy(bytes).lines() {
                self.line(&format!("  {line}"))?;
            }
        }
        Ok(true)
    }

    /// Returns a text out of a file of JSON.
    pub fn field(&self, file: &str, name: &str) -> Result<String, CommandError> {
        let path = self.scratch().join(file);
        let failed = |source| CommandError::File { action: "read", path, source };
        let text = std::fs::read(self.scratch().join(file)).map_err(failed)?;
        let found = serde_json::from_slice::<serde_json::Value>(&text).ok();
        let found = found.and_then(|found| found.get(name)?.as_str().map(str::to_owned));
        let step = format!("find {name} in {file}");
        found.ok_or(CommandError::Tour { step, blame: Blame::Us })
    }

    /// Runs a program of the scratch folder, and shows what it printed.
    pub fn run_file(&mut self, path: &str) -> Result<(), CommandError> {
        self.command(path)?;
        let place = self.scratch().join(path);
        let output = Command::new(&place).output();
        let failed = |source| CommandError::File { action: "run", path: place, source };
        let output = output.map_err(failed)?;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            self.line(&format!("  {line}"))?;
        }
        Ok(())
    }

    /// Adds a line to a file, and shows the command that does the same.
    pub fn append(&mut self, file: &Path, line: &str) -> Result<(), CommandError> {
        let shown = file.strip_prefix(self.scratch()).unwrap_or(file);
        let shown = quoted(&human::path(shown));
        self.command(&format!("echo {} >> {shown}", quoted(line)))?;
        let opened = std::fs::OpenOptions::new().append(true).open(file);
        let written = opened.and_then(|mut file| writeln!(file, "{line}"));
        written.map_err(|source| CommandError::File {
            action: "add a line to",
            path: file.into(),
            source,
        })
    }

    pub fn hash_of_file(&self, path: &Path) -> Result<Vcid, CommandError> {
        let failed = |source| CommandError::File { action: "read", path: path.into(), source };
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            match io::Read::read(&mut file, &mut buffer).map_err(failed)? {
                0 => return Ok(hasher.finish()),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    fn store(&self) -> Result<vigil_store::Store, CommandError> {
        crate::run::open_store(&self.store, &self.inner)
    }

    /// Chooses the file to look at: README.md if there is one at the top, else the first plain file.
    pub fn choose(&self) -> Result<Chosen, CommandError> {
        let nothing = || CommandError::Tour { step: "vigil ls @tour".into(), blame: Blame::Caller };
        let uri: Uri = "@tour".parse().map_err(|_| nothing())?;
        let store = self.store()?;
        let failed = |source| CommandError::Resolve { uri: uri.clone(), source: Box::new(source) };
        let root = resolve(&store, &uri).map_err(failed)?;
        let mut chosen: Option<Chosen> = None;
        let mut visit = |listed: Listed| {
            let is_readme = listed.path.to_string() == "README.md";
            if is_readme || (chosen.is_none() && is_easy(&listed.path, listed.kind)) {
                chosen = Some(Chosen { path: listed.path, vcid: listed.vcid });
            }
            if is_readme { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        list(&store, root.vcid, false, &mut visit).map_err(failed)?;
        if chosen.is_none() {
            let mut visit = |listed: Listed| {
                if !is_easy(&listed.path, listed.kind) {
                    return ControlFlow::Continue(());
                }
                chosen = Some(Chosen { path: listed.path, vcid: listed.vcid });
                ControlFlow::Break(())
            };
            list(&store, root.vcid, true, &mut visit).map_err(failed)?;
        }
        chosen.ok_or_else(nothing)
    }

    /// Returns the sealed arenas that are here, with their lengths.
    pub fn sealed_arenas(&self) -> Result<Vec<(u32, u64)>, CommandError> {
        let arenas = self.store()?.arenas()?;
        let sealed = arenas.iter().filter(|arena| arena.state == ArenaState::Sealed);
        Ok(sealed.map(|arena| (arena.number, arena.bytes)).collect())
    }

    pub fn closing(&mut self, start: Moment) -> Result<(), CommandError> {
        let title = self.paint("1", "Where to go next");
        self.line(&format!("\n{title}"))?;
        let kept = if self.session.is_store_given {
            let store = human::path(&self.store);
            format!("The store is still in {store}; everything else of the tour is gone.")
        } else {
            "The tour's folder is gone; `vigil tour --store PATH` keeps its store.".into()
        };
        let end = self.session.environment.clock.now();
        let tenths = end.0.saturating_sub(start.0).max(0) / 100_000_000;
        let (seconds, tenth) = (tenths / 10, tenths % 10);
        self.text(&format!(
            "  vigil add PATH --name NAME    keep something of your own\n  \
               vigil help                    all commands; `vigil help add` has examples\n  \
               docs/walk/                    manual pages whose commands are run by the tests\n  \
               docs/format/                  every format, byte by byte\n\n\
             {kept} It took {seconds}.{tenth} s."
        ))
    }
}

/// Returns how a command is typed, if it was done.
fn done(typed: String, code: u8) -> Result<String, CommandError> {
    let blame = match code {
        0 => return Ok(typed),
        3 => Blame::World,
        1 => Blame::Caller,
        _ => Blame::Us,
    };
    Err(CommandError::Tour { step: typed, blame })
}

/// Returns a word as a shell needs it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-._/:@~%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Returns how a command is typed.
fn typed(words: &[&str]) -> String {
    format!("vigil {}", joined(words))
}

/// Returns words as a shell needs them.
fn joined(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, want: &str) {
        assert_eq!(quoted(word), want);
    }

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        check("@tour/README.md", "@tour/README.md");
        check("one more line", "'one more line'");
        check("it's", "'it'\\''s'");
        check("", "''");
        check("*.o", "'*.o'");
    }
}

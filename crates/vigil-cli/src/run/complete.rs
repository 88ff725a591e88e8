//! `vigil complete`: how a URI or a pipeline could go on, from the grammars, names and trees that there
//! are. It makes no store, and says nothing where it knows nothing.

use std::sync::Weak;

use vigil_base::{Tree, TreePath, Uri};
use vigil_kernel::{ACTIVE, Endpoint, Parameter};
use vigil_node::Node;
use vigil_store::Store;

use super::Session;
use crate::args::CompleteArgs;
use crate::failure::CommandError;

/// What the completions of bash have beside those that come from the table of arguments: where a word is
/// no option, the program is asked.
pub(super) const BASH: &str = r##"
_vigil_resolving() {
    _vigil "$@"
    case "${COMP_WORDS[1]}" in
        get|cat|tar|ls|stat|diff|resolve|why|watch) ;;
        *) return ;;
    esac
    case "${COMP_WORDS[COMP_CWORD]}" in
        -*) return ;;
    esac
    local line="${COMP_LINE:0:COMP_POINT}" found=()
    mapfile -t found < <(vigil complete --breaks "$COMP_WORDBREAKS" -- "$line" 2>/dev/null)
    if [ "${#found[@]}" -gt 0 ]; then
        COMPREPLY=("${found[@]}")
        # A single answer would close the quote, and a pipeline goes on.
        case "${COMP_WORDS[COMP_CWORD]}" in
            [\'\"]*) [ "${#found[@]}" -eq 1 ] && COMPREPLY+=("${found[0]} ") ;;
        esac
        compopt -o nospace 2>/dev/null
        compopt +o bashdefault +o default 2>/dev/null
    fi
}
complete -F _vigil_resolving -o bashdefault -o default vigil
"##;

/// Most candidates that are printed.
const CANDIDATES_MAX: usize = 1000;

pub(super) fn complete(args: &CompleteArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let word = last_word(&args.line);
    // In quotes a shell takes the whole word; elsewhere only what stands behind the last break.
    let shown_from = match word.is_quoted {
        true => 0,
        false => word.text.rfind(|c| args.breaks.contains(c)).map_or(0, |at| at + 1),
    };
    let is_store_here = session.store_folder.join("store.cbor").exists();
    let store = if is_store_here { session.store().ok() } else { None };
    let mut found = candidates(&word.text, store.as_ref(), session);
    found.sort();
    found.dedup();
    for candidate in found.iter().take(CANDIDATES_MAX) {
        session.out.line(candidate.get(shown_from..).unwrap_or(candidate))?;
    }
    Ok(())
}

/// The word that is being typed, without its quote.
struct Word {
    text: String,
    is_quoted: bool,
}

/// Finds the word that a line ends in, as a shell reads it.
fn last_word(line: &str) -> Word {
    let mut text = String::new();
    let mut quote = None;
    let mut was_quoted = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => (quote, was_quoted) = (Some(c), true),
            (None | Some('"'), '\\') => text.extend(chars.next()),
            (None, c) if c.is_whitespace() => {
                text.clear();
                was_quoted = false;
            }
            (_, c) => text.push(c),
        }
    }
    Word { text, is_quoted: was_quoted && quote.is_some() }
}

fn candidates(text: &str, store: Option<&Store>, session: &Session<'_>) -> Vec<String> {
    let Ok(space) = Node::space(Weak::new()) else { return Vec::new() };
    let endpoints = space.endpoints();
    let Some(bar) = last_bar(text) else {
        return uris(
            text,
            store,
            &endpoints.iter().map(|(_, e)| &**e).collect::<Vec<_>>(),
            session,
        );
    };
    let (before, stage) = text.split_at(bar + 1);
    let blanks = stage.len() - stage.trim_start().len();
    let lead = if blanks == 0 { " " } else { &stage[..blanks] };
    let stage = stage.trim_start();
    let calls = endpoints.iter().map(|(_, endpoint)| endpoint);
    let mut calls = calls.filter(|e| e.grammar().prefix().starts_with(ACTIVE));
    let Some((name, arguments)) = stage.split_once(char::is_whitespace) else {
        let names = calls.map(|endpoint| endpoint.name());
        let names = names.filter(|name| name.starts_with(stage));
        return names.map(|name| format!("{before}{lead}{name}")).collect();
    };
    let Some(endpoint) = calls.find(|endpoint| endpoint.name() == name) else { return Vec::new() };
    let last = arguments.rsplit(char::is_whitespace).next().unwrap_or_default();
    let start = &text[..text.len() - last.len()];
    let given = arguments[..arguments.len() - last.len()].split_whitespace();
    let given: Vec<&str> = given.filter_map(|word| word.split(['=', '@']).next()).collect();
    let fresh = endpoint.parameters().iter().filter(|parameter| !given.contains(&parameter.name));
    let words = fresh.flat_map(words_of).filter(|word| word.starts_with(last) && word != last);
    words.map(|word| format!("{start}{word}")).collect()
}

/// Returns how an argument can be written: its key, or each of its choices.
fn words_of(parameter: &Parameter) -> Vec<String> {
    let name = parameter.name;
    match parameter.choices {
        [] => vec![format!("{name}=")],
        choices => choices.iter().map(|choice| format!("{name}={choice}")).collect(),
    }
}

/// Returns where the last bar stands that is in no quotes.
fn last_bar(text: &str) -> Option<usize> {
    let mut found = None;
    let mut is_quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            '|' if !is_quoted => found = Some(at),
            _ => {}
        }
    }
    found
}

fn uris(
    text: &str,
    store: Option<&Store>,
    endpoints: &[&dyn Endpoint],
    session: &Session<'_>,
) -> Vec<String> {
    if let Some(path) = text.strip_prefix("file:") {
        return files(path, session);
    }
    if let Some((root, _)) = text.split_once('/').filter(|_| is_in_store(text)) {
        let inside = store.and_then(|store| entries(text, root, store));
        return inside.unwrap_or_default();
    }
    let names = store.and_then(|store| store.names().ok()).unwrap_or_default();
    let names = names.iter().map(|(name, _)| name.to_string());
    let prefixes = endpoints.iter().map(|endpoint| endpoint.grammar().prefix().to_owned());
    let prefixes = prefixes.filter(|prefix| !prefix.starts_with(ACTIVE) && prefix != "@");
    let all = names.chain(prefixes);
    all.filter(|word| word.starts_with(text) && word != text).collect()
}

fn is_in_store(text: &str) -> bool {
    text.starts_with('@') || text.starts_with("ca://sha256:")
}

/// Lists the entries of the tree that a path is being typed in.
fn entries(text: &str, root: &str, store: &Store) -> Option<Vec<String>> {
    let slash = text.rfind('/')?;
    let (folder, start) = (&text[..slash], &text[slash + 1..]);
    let uri: Uri =
        if folder == root { format!("{root}/") } else { folder.to_owned() }.parse().ok()?;
    let found = vigil_files::resolve(store, &uri).ok()?;
    let tree = Tree::decode(&store.read(found.vcid).ok()?).ok()?;
    let names = tree.entries().iter().map(|entry| {
        let slash = if entry.kind == vigil_base::EntryKind::Tree { "/" } else { "" };
        format!("{}{slash}", TreePath::root().join(entry.name.clone()))
    });
    let fitting = names.filter(|name| name.starts_with(start));
    Some(fitting.map(|name| format!("{folder}/{name}")).collect())
}

/// Lists the files of the folder that a path is being typed in.
fn files(path: &str, session: &Session<'_>) -> Vec<String> {
    let (folder, start) = match path.rfind('/') {
        Some(slash) => path.split_at(slash + 1),
        None => ("", path),
    };
    let place = session.environment.locate(&std::path::Path::new(".").join(folder));
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        // What a URI would write otherwise is left for the person to write.
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
        if is_plain && name.starts_with(start) && (!name.starts_with('.') || start.starts_with('.'))
        {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            found.push(format!("file:{folder}{name}{}", if is_folder { "/" } else { "" }));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, want: &str, is_quoted: bool) {
        let word = last_word(line);
        assert_eq!((word.text.as_str(), word.is_quoted), (want, is_quoted), "{line}");
    }

    #[test]
    fn the_word_that_is_being_typed() {
        check("vigil cat @ho", "@ho", false);
        check("vigil cat '@home/a | gr", "@home/a | gr", true);
        check("vigil cat \"@home/a | gr", "@home/a | gr", true);
        check("vigil cat 'a' @b", "@b", false);
        check("vigil cat a\\ b", "a b", false);
        check("vigil cat ", "", false);
        check("vigil cat '@a | grep \"x y", "@a | grep \"x y", true);
    }

    #[test]
    fn the_last_bar_outside_of_quotes() {
        assert_eq!(last_bar("@a | grep \"x|y"), Some(3));
        assert_eq!(last_bar("@a"), None);
        assert_eq!(last_bar("@a|b|c"), Some(4));
    }
}

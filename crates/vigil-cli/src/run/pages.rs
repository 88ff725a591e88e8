//! `vigil completions`, `man` and `version`: what is made from the table of arguments.

use std::io::Write as _;
use std::path::Path;

use clap_mangen::Man;
use serde_json::json;

use super::Session;
use crate::args::{Args, CompletionsArgs, ManArgs, VersionArgs};
use crate::failure::CommandError;

pub(super) fn completions(
    args: &CompletionsArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    // Rendered to memory, since the generator does not say so when writing fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::table(), "vigil", &mut script);
    if args.shell == clap_complete::Shell::Bash {
        script.extend_from_slice(super::complete::BASH.as_bytes());
    }
    session.out.write_all(&script).map_err(CommandError::Output)
}

pub(super) fn man(args: &ManArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let mut table = Args::table().disable_help_subcommand(true);
    table.build();
    if let Some(folder) = &args.output {
        return write_pages(&table, folder, session);
    }
    let mut command = &table;
    // People write both `vigil man arena export` and `vigil man "arena export"`.
    let words: Vec<&str> = args.words.iter().flat_map(|word| word.split_whitespace()).collect();
    for word in &words {
        match command.find_subcommand(word) {
            Some(below) => command = below,
            None => return Err(CommandError::NoCommand { words: words.join(" ") }),
        }
    }
    session.out.write_all(&render(command)?).map_err(CommandError::Output)
}

fn render(command: &clap::Command) -> Result<Vec<u8>, CommandError> {
    let mut page = Vec::new();
    let man = Man::new(command.clone())
        .manual("Vigil")
        .source(format!("vigil {}", env!("CARGO_PKG_VERSION")));
    man.render(&mut page).map_err(CommandError::Output)?;
    Ok(page)
}

fn write_pages(
    table: &clap::Command,
    folder: &Path,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let failed = |action: &'static str| {
        move |source| CommandError::File { action, path: folder.into(), source }
    };
    std::fs::create_dir_all(folder).map_err(failed("create"))?;
    let mut todo = vec![(String::from("vigil"), table)];
    let mut pages = 0;
    while let Some((name, command)) = todo.pop() {
        let page = render(command)?;
        std::fs::write(folder.join(format!("{name}.1")), page)
            .map_err(failed("write a page to"))?;
        pages += 1;
        for below in command.get_subcommands() {
            todo.push((format!("{name}-{}", below.get_name()), below));
        }
    }
    session.say(format_args!("wrote {pages} pages"))
}

pub(super) fn version(args: &VersionArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let version = env!("CARGO_PKG_VERSION");
    if args.format.json {
        session.out.json(&json!({ "version": version }))
    } else {
        session.out.line(format_args!("vigil {version}"))
    }
}

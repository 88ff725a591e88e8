//! What is done in a session, section by section.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::{Bench, BenchError, Expected, say};
use crate::change::Changes;
use crate::files::At as _;
use crate::measure::Pipeline;
use crate::noise::splitmix;
use crate::tool::Step;

/// A corpus that another process has gathered.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The folder with the files.
    pub root: PathBuf,
    /// The list.
    pub list: PathBuf,
    /// The list's digest.
    pub digest: String,
    /// The sum of the file lengths.
    pub bytes: u64,
}

/// How much the sections about one input take.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The incompressible file.
    pub big_bytes: u64,
    /// The sparse file.
    pub sparse_bytes: u64,
    /// The files of the crowded folder.
    pub crowd_files: u64,
}

/// Steps that leave the store as it is.
const READING: [Step; 4] = [Step::Get, Step::GetPlain, Step::Check, Step::Stream];

/// Puts the tree, gets it, checks it, streams it, puts it again with changes.
///
/// Every round starts with empty stores. Within a round all tools do one step before any does the
/// next, each round begins with another tool, so that slow minutes of the disk meet everyone.
pub fn tree(bench: &mut Bench, corpus: &Gathered) -> Result<(), BenchError> {
    let tree = bench.folder.join("tree");
    copy(bench, &corpus.root, &tree)?;
    let changes = Changes::choose(&corpus.list)?;
    say(&format!("{} files will be changed for `put again`", changes.count()));
    for step in READING.into_iter().chain([Step::Put, Step::PutAgain]) {
        bench.figures.set_input(step, corpus.bytes);
    }
    let steps = [Step::Put, Step::Get, Step::GetPlain, Step::Check, Step::Stream, Step::PutAgain];
    for round in 0..bench.rounds {
        say(&format!("tree, round {} of {}", round + 1, bench.rounds));
        let order = bench.order(round, &steps);
        for index in &order {
            bench.prepare(*index, &tree)?;
        }
        for step in steps {
            let expected = match step {
                Step::Get | Step::GetPlain => Expected::Folder(corpus.digest.clone()),
                Step::Stream => Expected::AtLeast(corpus.bytes),
                _ => Expected::Nothing,
            };
            if step == Step::PutAgain {
                changes.apply(&tree)?;
            }
            for index in &order {
                bench.time(step, *index, &tree, &expected)?;
            }
        }
        changes.revert(&tree, &corpus.root)?;
        for index in order {
            bench.clean(index)?;
        }
    }
    let (digest, ..) = bench.list(&tree)?;
    if digest != corpus.digest {
        let command = "list of the tree after the last round".to_owned();
        return Err(BenchError::Helper { command, printed: digest });
    }
    Ok(bench.trash.take(&tree)?)
}

/// Puts one large incompressible file and reads it back.
pub fn big(bench: &mut Bench, sizes: Sizes) -> Result<(), BenchError> {
    let file = incompressible(&bench.folder, sizes.big_bytes)?;
    let digest = bench.help(&["hash"], &file)?;
    bench.figures.set_input(Step::BigPut, sizes.big_bytes);
    bench.figures.set_input(Step::BigCat, sizes.big_bytes);
    for round in 0..bench.rounds {
        say(&format!("one big file, round {} of {}", round + 1, bench.rounds));
        for index in bench.order(round, &[Step::BigPut, Step::BigCat]) {
            bench.prepare(index, &file)?;
            bench.time(Step::BigPut, index, &file, &Expected::Nothing)?;
            bench.time(Step::BigCat, index, &file, &Expected::Stream(digest.clone()))?;
            bench.clean(index)?;
        }
    }
    Ok(())
}

/// Puts inputs that tempt a tool to hold too much in memory; once each, for memory hardly varies.
pub fn memory(bench: &mut Bench, sizes: Sizes) -> Result<(), BenchError> {
    let big = incompressible(&bench.folder, sizes.big_bytes)?;
    let sparse = bench.folder.join("sparse");
    let hole = File::create(&sparse).at("create", &sparse)?;
    hole.set_len(sizes.sparse_bytes).at("lengthen", &sparse)?;
    // Whoever reads a hole first pays for its pages in the cache; none of the tools is to be that one.
    bench.help(&["hash"], &sparse)?;
    let crowd = bench.folder.join("crowd");
    bench.trash.take(&crowd)?;
    let crowd_bytes = make_crowd(&crowd, sizes.crowd_files)?;
    say("memory");
    for (step, input, bytes) in [
        (Step::Sparse, &sparse, sizes.sparse_bytes),
        (Step::Crowd, &crowd, crowd_bytes),
        (Step::Input, &big, sizes.big_bytes),
    ] {
        bench.figures.set_input(step, bytes);
        for index in bench.order(0, &[step]) {
            bench.prepare(index, input)?;
            bench.time(step, index, input, &Expected::Nothing)?;
            bench.clean(index)?;
        }
    }
    fs::remove_file(&sparse).at("remove", &sparse)?;
    Ok(bench.trash.take(&crowd)?)
}

/// The tree is worked on in a copy: a session that is cut short leaves the corpus whole.
fn copy(bench: &mut Bench, from: &Path, to: &Path) -> Result<(), BenchError> {
    bench.trash.take(to)?;
    let mut command = Command::new("cp");
    command.arg("-r").args([from, to]);
    Pipeline::new(command).run(&bench.folder.join("log"))?;
    Ok(())
}

/// Makes a file of bytes that no compressor shrinks, the same ones each time; one that is there in
/// its full length is kept.
fn incompressible(folder: &Path, bytes: u64) -> Result<PathBuf, BenchError> {
    let path = folder.join(format!("incompressible-{bytes}"));
    if fs::metadata(&path).is_ok_and(|about| about.len() == bytes) {
        return Ok(path);
    }
    say("making an incompressible file");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&path).at("create", &path)?);
    let mut state = 1_u64;
    for _ in 0..bytes / 8 {
        file.write_all(&splitmix(&mut state).to_le_bytes()).at("write", &path)?;
    }
    file.flush().at("write", &path)?;
    Ok(path)
}

/// Makes a folder of many small files, no two alike; returns the sum of their lengths.
fn make_crowd(folder: &Path, count: u64) -> Result<u64, BenchError> {
    fs::create_dir_all(folder).at("create", folder)?;
    let mut bytes = 0;
    for number in 0..count {
        let path = folder.join(format!("file-{number:07}"));
        let text = format!("This is file {number} of {count}.\n");
        bytes += text.len() as u64;
        fs::write(&path, text).at("write", &path)?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_has_no_two_files_alike() {
        let place = tempfile::tempdir().unwrap();
        let bytes = make_crowd(place.path(), 50).unwrap();
        let extent = crate::files::extent(place.path()).unwrap();
        assert_eq!((extent.files, extent.bytes), (50, bytes));
    }
}

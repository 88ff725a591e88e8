//! The tools that a user would pick instead, with the settings that they have out of the box.
//!
//! Each keeps its keys and caches in a folder of its own that is emptied before every round, so
//! that nothing is remembered but what the round itself put there.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::{Pipeline, Sink};
use crate::tool::{Job, Step, Tool};

/// Where a tool comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Part of any system.
    Base,
    /// A Debian package.
    Debian(&'static str),
    /// A crate with programs, and the Debian packages that it is built with.
    Crate(&'static str, &'static str, &'static [&'static str]),
}

/// A tool, the program to look for, and what to do when it is not there.
#[derive(Debug)]
pub struct Known {
    /// The tool.
    pub tool: Tool,
    /// The program's name.
    pub program: &'static str,
    /// Where it comes from.
    pub origin: Origin,
}

/// Returns every outside tool.
pub fn known() -> Vec<Known> {
    vec![
        Known { tool: restic(), program: "restic", origin: Origin::Debian("restic") },
        Known { tool: borg(), program: "borg", origin: Origin::Debian("borgbackup") },
        Known {
            tool: bupstash(),
            program: "bupstash",
            origin: Origin::Crate("bupstash", "0.12.0", &["libsodium-dev", "pkg-config"]),
        },
        Known { tool: casync(), program: "casync", origin: Origin::Debian("casync") },
        Known { tool: tar_zstd(), program: "zstd", origin: Origin::Debian("zstd") },
        Known { tool: tar(), program: "tar", origin: Origin::Base },
        Known { tool: cp(), program: "cp", origin: Origin::Base },
        Known { tool: cp_all(), program: "cp", origin: Origin::Base },
        Known { tool: sha256sum(), program: "sha256sum", origin: Origin::Base },
        Known { tool: cat(), program: "cat", origin: Origin::Base },
        Known { tool: write(), program: "dd", origin: Origin::Base },
    ]
}

/// Hashing on one core, as a limit: this very program, because `sha256sum` is not built with the
/// processor's own SHA-256 everywhere.
pub fn one_core() -> Tool {
    Tool {
        name: SHA_LIMIT,
        note: "limit: one pass with the processor's SHA-256",
        version: &["--version"],
        prepare: nothing,
        cache: None,
        steps: &[(Step::BigPut, |job| Pipeline::new(job.own(&[&"hash", &job.input])))],
    }
}

/// The name of [`one_core`].
pub const SHA_LIMIT: &str = "SHA-256, 1 core";

/// The name of the plain write.
pub const WRITE_LIMIT: &str = "dd fdatasync";

/// The name of `tar | zstd -1`.
pub const TAR_ZSTD: &str = "tar | zstd -1";

/// The name of `cp -r`.
pub const CP: &str = "cp -r";

/// The name of `cp -a`.
pub const CP_ALL: &str = "cp -a";

/// The name of `sha256sum` over all files.
pub const SHA256SUM: &str = "sha256sum";

fn nothing(_: &Job) -> Vec<Pipeline> {
    Vec::new()
}

fn make_store(job: &Job) -> Vec<Pipeline> {
    vec![Pipeline::new(job.other("mkdir", &[&job.store]))]
}

fn joined(before: &OsStr, after: impl AsRef<OsStr>) -> OsString {
    let mut whole = before.to_owned();
    whole.push(after);
    whole
}

fn with(mut command: Command, variables: &[(&str, OsString)]) -> Command {
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command
}

fn restic() -> Tool {
    fn run(job: &Job, arguments: &[&str]) -> Command {
        let mut command = job.own(&[&"--quiet", &"--repo", &job.store, &"--cache-dir"]);
        command.arg(job.at_home("cache")).args(arguments).env("RESTIC_PASSWORD", "measured");
        command
    }
    fn put(job: &Job, what: &dyn AsRef<OsStr>) -> Pipeline {
        let mut command = run(job, &["backup"]);
        command.arg(what);
        Pipeline::new(command)
    }
    Tool {
        name: "restic",
        note: "encrypts; zstd",
        version: &["version"],
        prepare: |job| vec![Pipeline::new(run(job, &["init"]))],
        cache: None,
        steps: &[
            (Step::Put, |job| put(job, &".")),
            (Step::PutAgain, |job| put(job, &".")),
            (Step::Get, |job| {
                let mut command = run(job, &["restore", "latest", "--target"]);
                command.arg(&job.output);
                Pipeline::new(command)
            }),
            (Step::Check, |job| Pipeline::new(run(job, &["check", "--read-data"]))),
            (Step::Stream, |job| {
                Pipeline::new(run(job, &["dump", "latest", "/"])).writing(Sink::Count)
            }),
            (Step::Sparse, |job| put(job, &job.input)),
            (Step::Crowd, |job| put(job, &".")),
            (Step::Input, |job| put(job, &"--stdin").reading(&job.input)),
        ],
    }
}

fn borg() -> Tool {
    fn run(job: &Job, arguments: &[&dyn AsRef<OsStr>], place: &Path) -> Pipeline {
        let mut command = job.own(arguments);
        command.current_dir(place);
        Pipeline::new(with(
            command,
            &[
                ("BORG_BASE_DIR", job.home.clone().into()),
                ("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes".into()),
            ],
        ))
    }
    fn create(job: &Job, archive: &str) -> Pipeline {
        run(job, &[&"create", &joined(job.store.as_ref(), archive), &"."], &job.input)
    }
    Tool {
        name: "borg",
        note: "encryption off; lz4",
        version: &["--version"],
        prepare: |job| vec![run(job, &[&"init", &"-e", &"none", &job.store], &job.home)],
        cache: None,
        steps: &[
            (Step::Put, |job| create(job, "::one")),
            (Step::PutAgain, |job| create(job, "::two")),
            (Step::Get, |job| {
                run(job, &[&"extract", &joined(job.store.as_ref(), "::one")], &job.output)
            }),
            (Step::Check, |job| run(job, &[&"check", &"--verify-data", &job.store], &job.home)),
            (Step::Stream, |job| {
                run(job, &[&"export-tar", &joined(job.store.as_ref(), "::one"), &"-"], &job.home)
                    .writing(Sink::Count)
            }),
        ],
    }
}

fn bupstash() -> Tool {
    fn run(job: &Job, arguments: &[&dyn AsRef<OsStr>]) -> Pipeline {
        Pipeline::new(with(
            job.own(arguments),
            &[
                ("BUPSTASH_REPOSITORY", job.store.clone().into()),
                ("BUPSTASH_KEY", job.at_home("key").into()),
                ("BUPSTASH_SEND_LOG", job.at_home("send-log").into()),
                ("BUPSTASH_QUERY_CACHE", job.at_home("query-cache").into()),
            ],
        ))
    }
    Tool {
        name: "bupstash",
        note: "encrypts; zstd -3",
        version: &["--version"],
        prepare: |job| {
            let key = job.at_home("key");
            vec![run(job, &[&"new-key", &"-o", &key]), run(job, &[&"init"])]
        },
        cache: None,
        steps: &[
            (Step::Put, |job| run(job, &[&"put", &"name=one", &job.input])),
            (Step::PutAgain, |job| run(job, &[&"put", &"name=two", &job.input])),
            (Step::Get, |job| run(job, &[&"restore", &"--into", &job.output, &"name=one"])),
            (Step::Stream, |job| run(job, &[&"get", &"name=one"]).writing(Sink::Count)),
            (Step::BigPut, |job| run(job, &[&"put", &"name=one", &job.input])),
            (Step::BigCat, |job| run(job, &[&"get", &"name=one"])),
            (Step::Sparse, |job| run(job, &[&"put", &"name=one", &job.input])),
            (Step::Crowd, |job| run(job, &[&"put", &"name=one", &job.input])),
            (Step::Input, |job| run(job, &[&"put", &"name=one", &"-"]).reading(&job.input)),
        ],
    }
}

fn casync() -> Tool {
    fn run(job: &Job, verb: &str, index: &str, folder: Option<&Path>) -> Pipeline {
        let mut command = job.own(&[&verb]);
        command.arg(joined("--store=".as_ref(), job.store.join("chunks.castr")));
        command.arg(job.store.join(index)).args(folder);
        Pipeline::new(command)
    }
    Tool {
        name: "casync",
        note: "plain; zstd",
        version: &["--version"],
        prepare: make_store,
        cache: None,
        steps: &[
            (Step::Put, |job| run(job, "make", "one.caidx", Some(&job.input))),
            (Step::PutAgain, |job| run(job, "make", "two.caidx", Some(&job.input))),
            (Step::Get, |job| run(job, "extract", "one.caidx", Some(&job.output))),
            (Step::Check, |job| run(job, "digest", "one.caidx", None)),
        ],
    }
}

fn tar_zstd() -> Tool {
    fn archive(job: &Job) -> PathBuf {
        job.store.join("tree.tar.zst")
    }
    fn unpacked(job: &Job) -> Pipeline {
        Pipeline::new(job.own(&[&"-q", &"-d", &"-c", &archive(job)]))
    }
    Tool {
        name: TAR_ZSTD,
        note: "one stream, no sharing, no hashes",
        version: &["--version"],
        prepare: make_store,
        cache: None,
        steps: &[
            (Step::Put, |job| {
                Pipeline::new(job.other("tar", &[&"-cf", &"-", &"."]))
                    .pipe(job.own(&[&"-q", &"-1", &"-c"]))
                    .writing(Sink::File(archive(job)))
            }),
            (Step::Get, |job| {
                let extract = job.other("tar", &[&"-xf", &"-", &"-C", &job.output]);
                unpacked(job).pipe(extract)
            }),
            (Step::Stream, |job| unpacked(job).writing(Sink::Count)),
        ],
    }
}

fn tar() -> Tool {
    Tool {
        name: "tar",
        note: "of the plain files",
        version: &["--version"],
        prepare: nothing,
        cache: None,
        steps: &[(Step::Stream, |job| {
            Pipeline::new(job.own(&[&"-cf", &"-", &"."])).writing(Sink::Count)
        })],
    }
}

fn cp() -> Tool {
    Tool {
        name: CP,
        note: "of the plain files",
        version: &["--version"],
        prepare: nothing,
        cache: None,
        steps: &[
            (Step::Put, |job| Pipeline::new(job.own(&[&"-r", &job.input, &job.store]))),
            (Step::GetPlain, |job| Pipeline::new(job.own(&[&"-r", &"./.", &job.output]))),
        ],
    }
}

fn cp_all() -> Tool {
    Tool {
        name: CP_ALL,
        note: "of the plain files",
        version: &["--version"],
        prepare: nothing,
        cache: None,
        steps: &[(Step::Get, |job| Pipeline::new(job.own(&[&"-a", &"./.", &job.output])))],
    }
}

fn sha256sum() -> Tool {
    Tool {
        name: SHA256SUM,
        note: "of the plain files",
        version: &["--version"],
        prepare: |job| {
            let find = job.other("find", &[&".", &"-type", &"f", &"-print0"]);
            vec![Pipeline::new(find).writing(Sink::File(job.at_home("files")))]
        },
        cache: None,
        steps: &[(Step::Check, |job| {
            let files = job.at_home("files");
            Pipeline::new(job.other("xargs", &[&"-0", &"-a", &files, &job.program]))
        })],
    }
}

fn cat() -> Tool {
    Tool {
        name: "cat",
        note: "limit: of the plain file",
        version: &["--version"],
        prepare: nothing,
        cache: None,
        steps: &[(Step::BigCat, |job| Pipeline::new(job.own(&[&job.input])))],
    }
}

fn write() -> Tool {
    Tool {
        name: WRITE_LIMIT,
        note: "limit: one plain write",
        version: &["--version"],
        prepare: make_store,
        cache: None,
        steps: &[(Step::BigPut, |job| {
            let mut command = job.own(&[&"bs=1M", &"conv=fdatasync", &"status=none"]);
            command.arg(joined("if=".as_ref(), &job.input));
            command.arg(joined("of=".as_ref(), job.store.join("file")));
            Pipeline::new(command)
        })],
    }
}

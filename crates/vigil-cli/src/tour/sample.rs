//! The sample that the tour is shown on where there is no checkout.

use std::io;
use std::path::Path;

const FILES: [(&str, &str); 3] = [
    ("README.md", "# A sample\n\nFour files that are written for the tour and removed after it.\n"),
    ("letters/first.txt", "Dear reader,\n\nthis letter will be added, changed and compared.\n"),
    ("letters/second.txt", "Dear reader,\n\nthis one stays as it is, so it is stored once.\n"),
];

/// Lines of the larger file: some 260 KB, so that it is cut into chunks.
const LINES: u32 = 12_000;

/// Writes the sample to `folder`.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder.join("letters"))?;
    for (path, text) in FILES {
        std::fs::write(folder.join(path), text)?;
    }
    let squares: String =
        (0..LINES).map(|n| format!("{n} squared is {}\n", u64::from(n).pow(2))).collect();
    std::fs::write(folder.join("squares.txt"), squares)
}

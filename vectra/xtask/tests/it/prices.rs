//! The price list is what the machine costs today: instructions, counted by QEMU.

use vectra_xtask::prices;

use crate::bench::{built, may_boot};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../prices.md");

/// Behind the table, by hand: why it changed. Each note begins with the sum of the table that it is
/// about, so that no table changes without one.
const NOTES: &str = "\n## Notes\n\n";

fn sum(table: &str) -> u64 {
    let cells = table.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | "));
    cells.filter_map(|(_, count)| count.parse::<u64>().ok()).sum()
}

#[test]
fn prices_change_only_with_a_note() {
    if !may_boot() {
        return;
    }
    let now = prices(built()).unwrap_or_else(|error| panic!("{error}"));
    let page = std::fs::read_to_string(PAGE).expect("the page is there");
    let (mut table, notes) = page.split_once(NOTES).expect("the page has notes");
    if option_env!("VECTRA_BLESS").is_some() {
        std::fs::write(PAGE, format!("{now}{NOTES}{notes}")).expect("the page can be written");
        table = &now;
    }
    assert_eq!(now, table, "bless the page with VECTRA_BLESS=1, and say in a note why");
    let want = format!("- **{}** ", sum(table));
    assert!(notes.starts_with(&want), "the first note begins with `{want}` and says what changed");
}

//! The price list is what the machine costs today: instructions, counted by QEMU.

use vectra_xtask::prices;

use crate::bench::{built, may_boot};

#[test]
fn prices_change_only_with_the_page() {
    if !may_boot() {
        return;
    }
    let now = prices(built()).unwrap_or_else(|error| panic!("{error}"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../prices.md");
    if option_env!("VECTRA_BLESS").is_some() {
        std::fs::write(path, &now).expect("the page can be written");
    }
    let page = std::fs::read_to_string(path).expect("the page is there");
    assert_eq!(now, page, "say in the change why, and bless the page with VECTRA_BLESS=1");
}

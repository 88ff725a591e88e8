//! The call table is frozen: this fails when a row changes without its golden file.
use vectra_abi::{Call, Name, TABLE, write_table};

#[test]
fn the_table_is_what_was_released() {
    let mut page = String::new();
    write_table(&mut page).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/calls.md");
    if option_env!("VECTRA_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    assert_eq!(page, golden, "if the change is meant, raise ABI_VERSION and bless the golden file");
}

#[test]
fn numbers_are_dense_and_fewer_than_fifty() {
    assert!(TABLE.len() < 50);
    for (at, row) in TABLE.iter().enumerate() {
        assert_eq!(usize::from(row.number), at);
        assert_eq!(
            Call::from_word(at as u64).map(|call| format!("{call:?}")),
            Some(row.name.into())
        );
        assert!(row.arguments.len() <= 6 && row.results.len() <= 4, "{}", row.name);
    }
    assert_eq!(Call::from_word(TABLE.len() as u64), None);
}

#[test]
fn names_survive_their_words() {
    for text in ["a", "log", "sixteen-bytes-xx"] {
        let name = Name::new(text);
        let [low, high] = name.words();
        assert_eq!(Name::from_words(low, high), name);
        assert!(name.is_legal());
        assert_eq!(name.as_str(), text);
    }
    assert!(!Name::new("").is_legal());
    assert!(!Name::new("two words").is_legal());
    assert!(!Name::from_words(0x6100_0061, 0).is_legal());
}

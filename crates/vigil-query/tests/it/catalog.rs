//! Catalogs have one form.

use vigil_kernel::Identifier;
use vigil_query::Catalog;

#[test]
fn is_read_back_and_has_one_form() {
    let mut catalog = Catalog::default();
    catalog.tables.insert("a".into(), Identifier::new("@home/a.csv").unwrap());
    catalog.tables.insert("b".into(), Identifier::new("@home/b.csv").unwrap());
    catalog.views.insert("c".into(), "select * from a".into());
    let bytes = catalog.encode();
    assert_eq!(Catalog::decode(&bytes).unwrap(), catalog);
    for cut in 0..bytes.len() {
        assert!(Catalog::decode(&bytes[..cut]).is_err());
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        if let Ok(other) = Catalog::decode(&damaged) {
            assert_eq!(other.encode(), damaged);
        }
    }
}

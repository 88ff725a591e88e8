//! Freezing, and the caches that it fills.

use std::cell::RefCell;
use std::collections::BTreeMap;

use vigil_dhall::{
    Cache, Expr, FetchError, Fetched, Freeze, Hash, Importer, Limits, Request, Root, Session, parse,
};

/// Files in memory, and caches that remember.
#[derive(Default)]
struct Memory {
    files: BTreeMap<String, String>,
    cached: RefCell<BTreeMap<(bool, String), Vec<u8>>>,
    fetched: RefCell<Vec<String>>,
}

impl Importer for Memory {
    fn fetch(&self, request: Request<'_>) -> Result<Fetched, FetchError> {
        let name = match request {
            Request::Local { path, .. } => {
                path.components().map(ToString::to_string).collect::<Vec<_>>().join("/")
            }
            Request::Remote { url, .. } => url.to_owned(),
            Request::Environment { name } => format!("env:{name}"),
        };
        self.fetched.borrow_mut().push(name.clone());
        match self.files.get(&name) {
            Some(text) => Ok(Fetched { bytes: text.clone().into_bytes(), headers: Vec::new() }),
            None => Err(FetchError::Absent("there is none".to_owned())),
        }
    }

    fn cached(&self, cache: Cache, hash: &Hash) -> Option<Vec<u8>> {
        self.cached.borrow().get(&(cache == Cache::Semantic, hash.to_hex())).cloned()
    }

    fn store(&self, cache: Cache, hash: &Hash, bytes: &[u8]) {
        let key = (cache == Cache::Semantic, hash.to_hex());
        self.cached.borrow_mut().insert(key, bytes.to_vec());
    }
}

fn memory(files: &[(&str, &str)]) -> Memory {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Memory { files, ..Memory::default() }
}

fn freeze(memory: &Memory, source: &str, freeze: Freeze) -> String {
    let limits = Limits::default();
    let parsed = parse(source, &limits).expect("parses");
    let mut session = Session::new(memory, &limits);
    let frozen = session.freeze(&parsed.expr, &Root::anonymous(), freeze).expect("freezes");
    format!("{frozen:#}")
}

fn normal(memory: &Memory, source: &str, is_semi: bool) -> Result<Expr, String> {
    let limits = Limits::default();
    let parsed = parse(source, &limits).expect("parses");
    let mut session = Session::new(memory, &limits);
    if is_semi {
        session = session.with_semi_semantic_cache();
    }
    let resolved = session.resolve(&parsed.expr, &Root::anonymous());
    let resolved = resolved.map_err(|error| error.to_string())?;
    let checked = resolved.check().map_err(|error| error.to_string())?;
    checked.normalize().map_err(|error| error.to_string())
}

const ONE: &str = "sha256:d60d8415e36e86dae7f42933d3b0c4fe3ca238f057fba206c7e9fbf5d784fe15";

#[test]
fn what_is_frozen_depends_on_what_is_asked_for() {
    let memory =
        memory(&[("one.dhall", "1"), ("http://a.b/one", "./two"), ("http://a.b/two", "1")]);
    let all = Freeze { all: true, as_cache: false };
    let source = "[ ./one.dhall, http://a.b/one, missing ? ./one.dhall as Text ]";
    let text = "sha256:";
    let frozen = freeze(&memory, "[ ./one.dhall, http://a.b/one, missing ? ./one.dhall ]", all);
    assert_eq!(frozen.matches(ONE).count(), 3, "{frozen}");
    assert!(frozen.contains("missing ? ./one.dhall sha256"), "{frozen}");
    let web = freeze(&memory, source, Freeze::default());
    assert_eq!(web.matches(text).count(), 1, "{web}");
    assert!(web.contains(&format!("http://a.b/one {ONE}")), "{web}");
    // Places are not contents, and have no hash.
    assert_eq!(freeze(&memory, "./one.dhall as Location", all), "./one.dhall as Location");
    // An old hash is replaced, and freezing again changes nothing.
    let old = format!("./one.dhall sha256:{}", "0".repeat(64));
    let new = freeze(&memory, &old, all);
    assert_eq!(new, format!("./one.dhall {ONE}"));
    assert_eq!(freeze(&memory, &new, all), new);
}

#[test]
fn freezing_for_the_cache_keeps_a_way_to_what_has_changed() {
    let mut memory = memory(&[("one.dhall", "1")]);
    let cache = Freeze { all: true, as_cache: true };
    let frozen = freeze(&memory, "./one.dhall", cache);
    assert_eq!(frozen, format!("missing {ONE} ? ./one.dhall"));
    assert_eq!(freeze(&memory, "./one.dhall as Text", cache).matches(" as Text").count(), 2);
    assert_eq!(freeze(&memory, &format!("./one.dhall {ONE}"), cache), frozen);
    assert_eq!(freeze(&memory, &frozen, cache), frozen);
    memory.files.insert("one.dhall".into(), "2".into());
    assert_eq!(normal(&memory, &frozen, false).expect("cached").to_string(), "1");
    let again = freeze(&memory, &frozen, cache);
    assert!(again != frozen && again.ends_with("? ./one.dhall"), "{again}");
    assert_eq!(again.matches("one.dhall").count(), 1, "{again}");
    // Without the cache, what has changed is imported.
    memory.cached.borrow_mut().clear();
    assert_eq!(normal(&memory, &frozen, false).expect("fetched").to_string(), "2");
}

#[test]
fn frozen_imports_come_from_the_cache_once_it_has_them() {
    let memory = memory(&[("one.dhall", "1")]);
    let source = format!("./one.dhall {ONE}");
    normal(&memory, &source, false).expect("fetched");
    memory.fetched.borrow_mut().clear();
    normal(&memory, &source, false).expect("cached");
    assert!(memory.fetched.borrow().is_empty());
    // A poisoned entry is as good as none, and replaced.
    let good = memory.cached.borrow().clone();
    for bytes in [vec![0x82, 0x0F, 0x02], vec![], vec![0xFF; 100]] {
        memory.cached.borrow_mut().values_mut().for_each(|entry| entry.clone_from(&bytes));
        assert_eq!(normal(&memory, &source, false).expect("fetched").to_string(), "1");
        assert_eq!(*memory.cached.borrow(), good);
    }
}

#[test]
fn the_semi_semantic_cache_is_asked_only_when_told_and_never_for_imports() {
    let memory = memory(&[("f.dhall", "let x = ./g.dhall in x + 1"), ("g.dhall", "1 + 1")]);
    assert_eq!(normal(&memory, "./f.dhall", false).expect("resolves").to_string(), "3");
    assert!(memory.cached.borrow().is_empty());
    assert_eq!(normal(&memory, "./f.dhall", true).expect("resolves").to_string(), "3");
    let stored = memory.cached.borrow().clone();
    assert_eq!(stored.len(), 2);
    // It is believed: that is why it must be asked for.
    let two = vigil_dhall::encode(&parse("2", &Limits::default()).expect("parses").expr);
    memory.cached.borrow_mut().values_mut().for_each(|entry| entry.clone_from(&two));
    assert_eq!(normal(&memory, "./f.dhall", true).expect("resolves").to_string(), "2");
    assert_eq!(normal(&memory, "./f.dhall", false).expect("resolves").to_string(), "3");
    // What is torn, ill-typed, open or imports something is not.
    for source in ["1 + True", "x", "./f.dhall", "env:SECRET as Text"] {
        let expr = parse(source, &Limits::default()).expect("parses").expr;
        let bytes = vigil_dhall::encode(&expr);
        memory.cached.borrow_mut().values_mut().for_each(|entry| entry.clone_from(&bytes));
        assert_eq!(normal(&memory, "./f.dhall", true).expect("resolves").to_string(), "3");
        assert_eq!(*memory.cached.borrow(), stored, "{source}");
    }
}

#[test]
fn what_explodes_is_not_put_into_the_semi_semantic_cache() {
    let mut large = String::from("let x0 = \"some text\"\n");
    for at in 1..=30 {
        large += &format!("let x{at} = {{ a = x{0}, b = x{0} }}\n", at - 1);
    }
    let memory =
        memory(&[("large.dhall", &(large + "in x30")), ("next.dhall", "{ c = ./large.dhall }")]);
    let source = format!("(./next.dhall).c{}", ".a".repeat(30));
    let found = normal(&memory, &source, true).expect("resolves");
    assert_eq!(found.to_string(), "\"some text\"");
    assert!(memory.cached.borrow().is_empty());
}

#[test]
fn what_the_cache_holds_is_checked_where_it_is_used() {
    let good =
        memory(&[("part.dhall", "{ a = { f = \\(x : Natural) -> x + 1, g = True }, b = 2 }")]);
    let all = Freeze { all: true, as_cache: false };
    let frozen = freeze(&good, "./part.dhall", all);
    good.fetched.borrow_mut().clear();
    for (more, want) in [
        (".a.f 1", "2"),
        (" // { b = 3 }", "{ a = { f = λ(_ : Natural) → _ + 1, g = True }, b = 3 }"),
        (".a.g || False", "True"),
    ] {
        assert_eq!(
            format!("{:#}", normal(&good, &format!("({frozen}){more}"), false).expect("fine")),
            want
        );
    }
    for ill in ["f", "b.c", "a.f True", "a.f + 1"] {
        assert!(normal(&good, &format!("({frozen}).{ill}"), false).is_err(), "{ill}");
    }
    assert!(good.fetched.borrow().is_empty());
    // A hash that somebody made up for something without a type.
    let expr = parse("{ a = 1 + True, b = 2 }", &Limits::default()).expect("parses").expr;
    let bytes = vigil_dhall::encode(&expr);
    let hash = sha256(&bytes);
    let made_up = memory(&[]);
    made_up.store(Cache::Semantic, &hash, &bytes);
    let source = format!("./made-up.dhall {hash}");
    assert_eq!(
        normal(&made_up, &format!("({source}).b + 1"), false).expect("fine").to_string(),
        "3"
    );
    let why = normal(&made_up, &format!("({source}).a + 1"), false).expect_err("it has no type");
    assert!(why.contains("has no type; freeze the import anew"), "{why}");
    // Nor may it import, or be no expression at all.
    for bytes in [
        b"\x82\x08\xa1\x61a\x85\x18\x18\xf6\x00\x06\x61A".to_vec(),
        vec![0x82, 0x08, 0xA1, 0x61, b'a', 0xA0],
    ] {
        let hash = sha256(&bytes);
        made_up.store(Cache::Semantic, &hash, &bytes);
        let why = normal(&made_up, &format!("(./x.dhall {hash}).a"), false).expect_err("nothing");
        assert!(why.contains("has no type"), "{why}");
    }
}

/// The library tells the hash of an encoding when it is an import's.
fn sha256(bytes: &[u8]) -> Hash {
    use sha2::Digest as _;
    Hash::from_bytes(sha2::Sha256::digest(bytes).into())
}

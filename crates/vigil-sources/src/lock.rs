//! Which packages a package is built on, by the lock file.
//!
//! Of the crates of a tree the lock file names what their tests need, too: a test that gets another
//! dependency changes the version, and costs one new run.

use std::collections::BTreeMap;

/// The packages of a lock file, in its order.
pub struct Locked<'t>(Vec<Package<'t>>);

/// One package.
pub struct Package<'t> {
    pub name: &'t str,
    pub version: &'t str,
    /// Whether it lies in this tree: cargo writes no source for those.
    pub is_local: bool,
    /// All that the lock file says of it.
    pub text: &'t str,
    needs: Vec<&'t str>,
}

impl<'t> Locked<'t> {
    /// Reads a lock file as cargo writes it.
    pub fn read(text: &'t str) -> Self {
        Self(text.split("[[package]]\n").skip(1).map(Package::read).collect())
    }

    /// Returns a package and all that it is built on.
    pub fn below(&self, name: &str) -> Vec<&Package<'t>> {
        let mut found: BTreeMap<usize, &Package<'t>> = BTreeMap::new();
        let mut open: Vec<usize> = self.named(name, None).into_iter().collect();
        while let Some(place) = open.pop() {
            let package = &self.0[place];
            if found.insert(place, package).is_some() {
                continue;
            }
            open.extend(package.needs.iter().filter_map(|need| {
                // `name`, `name version`, or `name version (source)`: as much as tells it from others.
                let mut words = need.split(' ');
                self.named(words.next()?, words.next())
            }));
        }
        found.into_values().collect()
    }

    fn named(&self, name: &str, version: Option<&str>) -> Option<usize> {
        let is = |package: &Package<'_>| {
            package.name == name && version.is_none_or(|version| package.version == version)
        };
        self.0.iter().position(is)
    }
}

impl<'t> Package<'t> {
    fn read(text: &'t str) -> Self {
        let field = |key: &str| {
            let values = text.lines().filter_map(|line| line.strip_prefix(key));
            values
                .filter_map(|value| value.strip_prefix(" = "))
                .next()
                .map(|value| value.trim_matches('"'))
        };
        let (_, list) = text.split_once("dependencies = [\n").unwrap_or_default();
        let needs = list.lines().take_while(|line| *line != "]");
        Self {
            name: field("name").unwrap_or_default(),
            version: field("version").unwrap_or_default(),
            is_local: field("source").is_none(),
            text,
            needs: needs.map(|line| line.trim().trim_matches([',', '"'])).collect(),
        }
    }
}

//! The AWS profile files, as far as keys, region and endpoint go.
//!
//! A file is read as the AWS programs do: sections, `key = value`, comments, and one level of
//! indented keys below a key without a value. What cannot be understood is skipped, as they skip it.

use std::collections::HashMap;

/// One section's settings. Indented ones are called `outer.inner`.
pub(crate) type Section = HashMap<String, String>;

/// A parsed file: the settings of each section, by the section's full name.
#[derive(Debug, Default)]
pub(crate) struct ProfileFile(HashMap<String, Section>);

impl ProfileFile {
    pub fn parse(text: &str) -> Self {
        let mut file = Self::default();
        let mut section: Option<String> = None;
        let mut outer = String::new();
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if let Some(rest) = line.strip_prefix('[') {
                let name = rest.split_once(']').map(|(name, _)| name);
                section = name.map(|name| name.split_whitespace().collect::<Vec<_>>().join(" "));
                outer.clear();
                continue;
            }
            let (Some(section), Some((key, value))) = (&section, trimmed.split_once('=')) else {
                continue;
            };
            let (key, value) = (key.trim().to_ascii_lowercase(), value_of(value));
            let is_indented = line.starts_with([' ', '\t']);
            let name = match (is_indented, outer.is_empty()) {
                (true, false) => format!("{outer}.{key}"),
                _ => key,
            };
            if !is_indented {
                outer = if value.is_empty() { name.clone() } else { String::new() };
            }
            file.0.entry(section.clone()).or_default().insert(name, value.into());
        }
        file
    }

    /// Returns the section named `name`, of this file's own kind: in `config`, profiles other than
    /// `default` are called `profile name`.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.0.get(name)
    }
}

/// A comment may follow a value after white space.
fn value_of(text: &str) -> &str {
    let cut = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| text.find(mark)).min();
    text[..cut.unwrap_or(text.len())].trim()
}

#[cfg(test)]
mod tests {
    use super::ProfileFile;

    const CONFIG: &str = "\
# a comment
[default]
region=eu-central-1
[profile  plant7]
region = auto ; of R2
services = rustfs
s3 =
  addressing_style = path
endpoint_url = http://other
nonsense
[services rustfs]
s3 =
\tendpoint_url = http://127.0.0.1:9000 # here
dynamodb =
\tendpoint_url = http://127.0.0.1:9001
";

    #[track_caller]
    fn check(section: &str, key: &str, want: Option<&str>) {
        let file = ProfileFile::parse(CONFIG);
        let found = file.section(section).and_then(|section| section.get(key));
        assert_eq!(found.map(String::as_str), want);
    }

    #[test]
    fn sections_keys_and_nested_keys() {
        check("default", "region", Some("eu-central-1"));
        check("profile plant7", "region", Some("auto"));
        check("profile plant7", "s3.addressing_style", Some("path"));
        check("profile plant7", "endpoint_url", Some("http://other"));
        check("services rustfs", "s3.endpoint_url", Some("http://127.0.0.1:9000"));
        check("services rustfs", "dynamodb.endpoint_url", Some("http://127.0.0.1:9001"));
        check("profile plant7", "nonsense", None);
        check("plant7", "region", None);
    }
}

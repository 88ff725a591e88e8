//! Queries as resources: kept, made again when an input changes, converted, and accounted for.

use std::sync::Arc;

use vigil_kernel::{Authority, How, Kernel, Read, Representation, Request, parse_pipeline};
use vigil_query::Settings;

use crate::world::{Shelf, resolve, resolve_as};

const CSV: &[u8] = b"k,v\na,1\nb,2\na,3\n";

fn shown(shelf: &Shelf, found: &Representation) -> String {
    String::from_utf8(shelf.store.read(found.vcid).expect("it is there")).expect("it is text")
}

fn csv(shelf: &Shelf, kernel: &Kernel, pipeline: &str) -> String {
    match resolve_as(kernel, pipeline, Some("text/csv")) {
        Ok(found) => shown(shelf, &found),
        Err(refusal) => format!("{:?}: {}", refusal.reason, refusal.message),
    }
}

#[test]
fn a_query_is_a_resource_in_every_format() {
    let shelf = Shelf::new();
    let kernel = shelf.kernel(Settings::default());
    let vcid = shelf.put(CSV);
    let query = format!("ca://{vcid} | sql \"select k, sum(v) as s from input group by k\"");
    let found = resolve(&kernel, &query).expect("it is answered");
    assert_eq!(found.media_type.as_str(), "application/vnd.apache.arrow.file");
    assert_eq!(csv(&shelf, &kernel, &query), "k,s\na,4\nb,2\n");
    let lines = resolve_as(&kernel, &query, Some("application/x-ndjson")).expect("it is");
    assert_eq!(shown(&shelf, &lines), "{\"k\":\"a\",\"s\":4}\n{\"k\":\"b\",\"s\":2}\n");
    let parquet = resolve_as(&kernel, &query, Some("application/vnd.apache.parquet"));
    let parquet = parquet.expect("it is").vcid;
    let again = format!("ca://{parquet} | sql \"select * from input\"");
    assert_eq!(resolve(&kernel, &again).expect("it is answered").vcid, found.vcid);
    // Every way from one format to another keeps rows in their order.
    for steps in
        ["parquet | csv", "ndjson | arrow | csv", "arrow | parquet | json-array | csv", "csv"]
    {
        let turned = resolve(&kernel, &format!("ca://{vcid} | {steps}")).expect("it is");
        assert_eq!(shown(&shelf, &turned), "k,v\na,1\nb,2\na,3\n", "{steps}");
    }
}

#[test]
fn another_machine_finds_what_was_answered() {
    let shelf = Shelf::new();
    let vcid = shelf.put(CSV);
    let query = format!("ca://{vcid} | sql \"select count(*) from input\"");
    let request = Request::source(parse_pipeline(&query).expect("it is one"));
    let kernel = shelf.kernel(Settings::default());
    let first = resolve(&kernel, &query).expect("it is answered");
    let story = &kernel.why("test", &request)[0];
    assert_eq!(story.story.how, How::Made);
    let one_thread = Settings { threads: 1, ..Settings::default() };
    let one_thread = shelf.kernel_on("there", one_thread);
    for trace in kernel.export_traces("test", &request).expect("they are kept") {
        one_thread.import_trace(&trace).expect("it is one");
    }
    assert_eq!(resolve(&one_thread, &query).expect("it is answered"), first);
    assert_eq!(one_thread.why("test", &request)[0].story.how, How::Kept);
}

#[test]
fn provenance_names_the_files_that_were_opened_and_no_others() {
    let shelf = Shelf::new();
    let kernel = shelf.kernel(Settings::default());
    let tree = shelf.put_tree(&[
        ("year=2023/a.csv", b"v\n1\n".to_vec()),
        ("year=2024/b.csv", b"v\n2\n".to_vec()),
        ("year=2025/c.csv", b"v\n3\n".to_vec()),
        ("readme", b"not a table".to_vec()),
    ]);
    let all = format!("ca://{tree}/ | sql \"select year, sum(v) as s from input group by year\"");
    assert_eq!(csv(&shelf, &kernel, &all), "year,s\n2023,1\n2024,2\n2025,3\n");
    // A schema that is given saves looking into every file for one.
    let schema = shelf.put(b"v\tInt64\n");
    let some = format!(
        "ca://{tree}/ | sql \"select sum(v) as s from input where year > 2023\" schema@ca://{schema}"
    );
    assert_eq!(csv(&shelf, &kernel, &some), "s\n5\n");
    let request = Request::source(parse_pipeline(&some).expect("it is one"));
    let story = kernel.why("test", &request)[0].story.clone();
    let read: Vec<String> = story
        .inputs
        .iter()
        .filter_map(|input| match &input.what {
            Read::Resource(request) => Some(request.uri.to_string()),
            Read::Root(_) => None,
        })
        .collect();
    let want = [
        format!("ca://{schema}"),
        format!("ca://{tree}/"),
        format!("ca://{tree}/year=2024/b.csv"),
        format!("ca://{tree}/year=2025/c.csv"),
    ];
    assert_eq!(read, want);
}

#[test]
fn catalogs_name_tables_and_views() {
    let shelf = Shelf::new();
    let kernel = shelf.kernel(Settings::default());
    let vcid = shelf.put(CSV);
    let catalog = format!(
        "active:catalog+big=select%20*%20from%20t%20where%20v%20%3E%201+t@ca:%2F%2Fsha256:{}",
        vcid.to_hex()
    )
    .replace("%2F", "/");
    let query = format!("data | sql \"select k from big\" catalog@{catalog}");
    let query = query.replace("data", &format!("ca://{vcid}"));
    assert_eq!(csv(&shelf, &kernel, &query), "k\na\nb\n");
    let looped = format!(
        "ca://{vcid} | sql \"select * from a\" a=\"select * from b\" b=\"select * from a\""
    );
    assert_eq!(csv(&shelf, &kernel, &looped), "Misuse: the views `a` → `b` → `a` need themselves");
}

#[test]
fn time_is_had_by_those_who_ask_for_it_and_not_kept() {
    let shelf = Shelf::new();
    let kernel = shelf.kernel(Settings::default());
    let vcid = shelf.put(CSV);
    let query = format!(
        "ca://{vcid} | sql \"select count(*) as n, now() > v as later from (select timestamp '2020-01-01 00:00:00' as v from input) group by v\" allow=clock"
    );
    assert_eq!(csv(&shelf, &kernel, &query), "n,later\n3,true\n");
    let request = Request::source(parse_pipeline(&query).expect("it is one"));
    resolve(&kernel, &query).expect("it is answered");
    assert_eq!(kernel.why("test", &request)[0].story.trace, None);
}

/// Grants what is named here and nothing else.
struct Grants(&'static str);

impl Authority for Grants {
    fn grants(&self, need: &str) -> Result<(), String> {
        match need == self.0 {
            true => Ok(()),
            false => Err("not granted".to_owned()),
        }
    }

    fn is_cleared(&self, _: &str) -> bool {
        true
    }
}

#[test]
fn chance_is_had_by_those_who_are_granted_it_and_not_kept() {
    let shelf = Shelf::new();
    let kernel = shelf.kernel(Settings::default());
    let vcid = shelf.put(CSV);
    let query = |allow: &str| format!("ca://{vcid} | sql \"select random() as r\"{allow}");
    for without in [query(""), query(" allow=clock")] {
        let refusal = csv(&shelf, &kernel, &without);
        assert!(refusal.contains("--allow randomness"), "{refusal}");
    }
    let allowed = query(" allow=randomness");
    let first = csv(&shelf, &kernel, &allowed);
    assert_ne!(first, csv(&shelf, &kernel, &allowed), "what was drawn must not be kept");
    let ask = |who: Grants| {
        let request = Request::source(parse_pipeline(&allowed).expect("it is one"));
        kernel.engine().block_on(kernel.resolve(Arc::new(who), "test", request))
    };
    ask(Grants("randomness")).expect("it is granted");
    let refusal = ask(Grants("clock")).expect_err("it is not granted");
    assert!(refusal.to_string().contains("randomness"), "{refusal}");
}

#[test]
fn schemas_are_inferred_edited_and_pinned() {
    let shelf = Shelf::new();
    let kernel = shelf.kernel(Settings::default());
    let vcid = shelf.put(b"id,when\n007,2024-05-01\n011,2024-05-02\n");
    let inferred = resolve(&kernel, &format!("ca://{vcid} | schema")).expect("it is");
    assert_eq!(shown(&shelf, &inferred), "id\tInt64\nwhen\tDate32\n");
    let edited = shelf.put(b"id\tUtf8\nwhen\tDate32\n");
    let query = format!("ca://{vcid} | parquet schema@ca://{edited} | csv");
    let found = resolve(&kernel, &query).expect("it is");
    assert_eq!(shown(&shelf, &found), "id,when\n007,2024-05-01\n011,2024-05-02\n");
}

#[test]
fn packed_files_are_unpacked() {
    let shelf = Shelf::new();
    let kernel = shelf.kernel(Settings::default());
    let packed = zstd::encode_all(CSV, 3).expect("it packs");
    let vcid = shelf.put(&packed);
    let query = format!("ca://{vcid} | sql \"select sum(v) as s from input\"");
    assert_eq!(csv(&shelf, &kernel, &query), "s\n6\n");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, b"[{\"v\":4},{\"v\":5}]").expect("it packs");
    let vcid = shelf.put(&gzip.finish().expect("it packs"));
    let query = format!("ca://{vcid} | sql \"select sum(v) as s from input\"");
    assert_eq!(csv(&shelf, &kernel, &query), "s\n9\n");
}

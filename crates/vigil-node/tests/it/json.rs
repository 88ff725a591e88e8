//! JSON: pointers, jq programs within bounds, and checks.

use crate::support::Place;

const ORDERS: &str = r#"{"orders":[{"name":"tent","price":90.50,"tags":["big"]},{"name":"map","price":5,"tags":[]}],"id":123456789012345678901}"#;

fn place() -> Place {
    let place = Place::new();
    place.write("o.json", ORDERS);
    place
}

#[track_caller]
fn check(place: &Place, pipeline: &str, want: &str) {
    assert_eq!(String::from_utf8_lossy(&place.bytes(pipeline)), want, "{pipeline}");
}

#[test]
fn pointers_lead_to_values() {
    let place = place();
    check(&place, "file:o.json | pointer /orders/0/name", "\"tent\"\n");
    check(&place, "file:o.json | pointer /orders/0/name raw=yes", "tent\n");
    check(&place, "file:o.json | pointer /id", "123456789012345678901\n");
    check(&place, "file:o.json | pointer \"\" | pointer /orders/1/price", "5\n");
    assert_eq!(
        place.refusal("file:o.json | pointer /orders/7"),
        "Misuse: there is no element `7`, of 2 in `/orders`"
    );
}

#[test]
fn programs_select() {
    let place = place();
    for (program, want) in [
        (".orders[].name", "\"tent\"\n\"map\"\n"),
        (".orders | map(select(.price > 9)) | length", "1\n"),
        (".orders[0].price", "90.50\n"),
        (
            "[.orders[] | {name, n: (.tags | length)}]",
            "[{\"name\":\"tent\",\"n\":1},{\"name\":\"map\",\"n\":0}]\n",
        ),
        (".orders | sort_by(.price) | .[0].name", "\"map\"\n"),
        ("reduce .orders[].price as $p (0; . + $p)", "95.5\n"),
        ("[.. | strings] | join(\" \")", "\"tent big map\"\n"),
        (".orders[] |= (.price |= . + 1) | .orders[1].price", "6\n"),
        ("del(.orders[0]) | .orders | length", "1\n"),
        ("[paths] | length", "11\n"),
        ("if .id > 1 then \"yes\" else \"no\" end", "\"yes\"\n"),
        (".nothing // \"default\"", "\"default\"\n"),
        ("\"\\(.orders | length) orders\"", "\"2 orders\"\n"),
        ("\"12\" | tonumber | . + 1", "13\n"),
        ("(try error(\"x\") catch .)", "\"x\"\n"),
        ("with_entries(.key |= \"k_\" + .) | keys", "[\"k_id\",\"k_orders\"]\n"),
        ("empty", ""),
    ] {
        let quoted = program.replace('\\', "\\\\").replace('"', "\\\"");
        check(&place, &format!("file:o.json | jq \"{quoted}\""), want);
    }
    check(&place, "file:o.json | jq .orders[].name raw=yes", "tent\nmap\n");
    place.write("many.json", "1\n2\n3\n");
    check(&place, "file:many.json | jq \". + 1\"", "2\n3\n4\n");
    check(&place, "file:many.json | gather", "[1,2,3]\n");
    check(&place, "file:many.json | gather | each | jq .", "1\n2\n3\n");
}

#[test]
fn programs_end() {
    let place = place();
    let wide = format!("[{}]", vec!["1"; 3000].join(","));
    place.write("wide.json", &wide);
    let refusal =
        |program: &str| place.refusal(&format!("file:wide.json | jq \"{program}\" steps=1000000"));
    for program in [
        // A product of loops, doubling lists and texts, and comparing what was doubled.
        "[.[] as $a | .[] as $b | .[] as $c | 1]",
        "reduce .[] as $x (0; [., .])",
        "reduce .[] as $x (\\\"x\\\"; . + .)",
        "reduce .[] as $x (0; [., .]) | . == .",
        "last(.[] as $a | .[] as $b | .[] as $c | 1)",
        "limit(1000000000; .[] as $a | .[] as $b | .[] as $c | empty)",
        ".[] as $a | .[] as $b | .[] as $c | try error catch empty",
    ] {
        let refusal = refusal(program);
        assert!(refusal.contains("takes more than 1000000 steps"), "{program}: {refusal}");
    }
    // Few steps are enough for a little, and counted the same each time.
    let few = "file:wide.json | jq .[0] steps=100";
    assert_eq!(place.bytes(few), b"1\n");
    assert!(
        place.refusal("file:wide.json | jq \"map(.)\" steps=100").contains("more than 100 steps")
    );
}

#[test]
fn programs_reach_nothing_outside() {
    let place = place();
    for (program, want) in [
        ("env", "`env` may not be called here"),
        ("input", "`input` may not be called here"),
        ("now", "`now` may not be called here"),
        ("range(10)", "`range` may not be called here"),
        ("repeat(.)", "`repeat` may not be called here"),
        ("recurse(.)", "`recurse` may not be called here"),
        ("halt", "`halt` may not be called here"),
        ("vigil_step", "`vigil_step` may not be called here"),
        ("def f: f; f", "a program here defines nothing"),
        ("\\\"x\\\" * 1000000000", "`*` may not be used here"),
        ("$ENV", "there is no variable `$ENV`"),
        (".[", "it needs a closing bracket at character 3"),
        (". +", "it needs a term at its end"),
        ("map(.; .)", "there is no filter `map`"),
    ] {
        let refusal = place.refusal(&format!("file:o.json | jq \"{program}\""));
        assert!(refusal.starts_with("Misuse: ") && refusal.contains(want), "{program}: {refusal}");
    }
    let deep = "[".repeat(4000);
    assert!(place.refusal(&format!("file:o.json | jq \"{deep}\"")).starts_with("Misuse: "));
    let deep = format!("{}1{}", "[".repeat(2000), "]".repeat(2000));
    assert!(place.bytes(&format!("file:o.json | jq \"{deep}\"")).starts_with(b"[[["));
    let long = "1,".repeat(3000) + "1";
    assert!(place.refusal(&format!("file:o.json | jq \"{long}\"")).contains("and may have 4096"));
}

#[test]
fn what_is_no_json_is_refused() {
    let place = place();
    place.write("bad.json", "{\"a\": }");
    place.write("deep.json", "[".repeat(100_000));
    for call in ["json", "jq .", "pointer /a", "each", "gather"] {
        for file in ["bad.json", "deep.json"] {
            let refusal = place.refusal(&format!("file:{file} | {call}"));
            assert!(refusal.contains("is not JSON"), "{refusal}");
        }
    }
    assert_eq!(place.bytes("file:o.json | json"), ORDERS.as_bytes());
}

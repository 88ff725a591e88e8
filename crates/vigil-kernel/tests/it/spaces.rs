//! Which endpoint answers which name, and which converters lead where.

use std::sync::Arc;

use expect_test::{Expect, expect};
use vigil_kernel::{
    Converter, MediaType, Owner, Produced, Request, Space, SpaceError, cheapest, parse_pipeline,
    render_provenance,
};

use crate::toys::{World, first, id, operand, plain, ran, space, text, toy, upper};

#[test]
fn spaces_import_overlay_mount_and_alias() {
    let named = |name: &'static str, pattern: &str| {
        let toy = toy(name, pattern, |call, _| {
            let uri = call.request.uri.to_string();
            Box::pin(async move { Ok(plain(&uri)) })
        });
        Arc::new(toy)
    };
    let library = Arc::new(Space::new("library").with(named("book", "book:{name}")).unwrap());
    let patch = Arc::new(Space::new("patch").with(named("fixed", "book:broken")).unwrap());
    let top = Space::new("top")
        .with(named("note", "note:{name}"))
        .unwrap()
        .alias("memo:", "note:")
        .alias("loop:", "loop:x")
        .mount("lib:/", "book:", library.clone())
        .unwrap()
        .import(library)
        .unwrap()
        .overlay(patch)
        .unwrap();
    let explain = |uri: &str, want: Expect| {
        let (bound, explanation) = top.resolve(&id(uri));
        let found = bound.map_or("nothing".to_owned(), |bound| {
            format!("{} as {}", bound.endpoint.name(), bound.uri)
        });
        want.assert_eq(&format!("{explanation}=> {found}\n"));
    };
    explain(
        "memo:a",
        expect![[r#"
        top: memo:a
          patch: memo:a
          patch has no such name (book:broken)
        memo:… means note:… here
        top: note:a
          patch: note:a
          patch has no such name (book:broken)
        note answers note:{name}
        => note as note:a
    "#]],
    );
    explain(
        "lib:/dune",
        expect![[r#"
        top: lib:/dune
          patch: lib:/dune
          patch has no such name (book:broken)
        lib:/… means book:… here
          library: book:dune
          book answers book:{name}
        => book as book:dune
    "#]],
    );
    explain(
        "book:dune",
        expect![[r#"
        top: book:dune
          patch: book:dune
          patch has no such name (book:broken)
          library: book:dune
          book answers book:{name}
        => book as book:dune
    "#]],
    );
    explain(
        "book:broken",
        expect![[r#"
        top: book:broken
          patch: book:broken
          fixed answers book:broken
        => fixed as book:broken
    "#]],
    );
    explain(
        "film:dune",
        expect![[r#"
        top: film:dune
          patch: film:dune
          patch has no such name (book:broken)
          library: film:dune
          library has no such name (book:{name})
        top has no such name (note:{name})
        => nothing
    "#]],
    );
    let (bound, explanation) = top.resolve(&id("loop:"));
    assert!(bound.is_none());
    assert!(explanation.to_string().contains("renamed 32 times"), "{explanation}");
}

#[test]
fn the_same_name_in_another_space_is_another_thing() {
    let (one, _) = space(vec![text(), upper()]);
    let world = World::new(one);
    world.check("text:a | upper", expect!["A"]);
    let twice = toy("twice", "text:{text:rest}", |call, _| {
        let text = call.parts["text"].repeat(2);
        Box::pin(async move { Ok(plain(&text)) })
    });
    let (other, runs) = space(vec![twice, upper()]);
    world.kernel.set_scope("other", other);
    let request = Request::source(parse_pipeline("text:a | upper").unwrap());
    let answer = world.kernel.resolve(Arc::new(Owner), "other", request);
    assert_eq!(world.show(world.kernel.engine().block_on(answer)), "AA");
    ran(&runs, &[1, 1]);
    // The scope itself gets another space: only what resolves otherwise is made again.
    let (third, runs) = space(vec![text(), upper(), first()]);
    world.kernel.set_scope("s", third);
    let explanation = world.kernel.explain("s", &id("active:first")).to_string();
    assert!(explanation.contains("first answers active:first"), "{explanation}");
    world.check("text:a | upper", expect!["A"]);
    ran(&runs, &[0, 0, 0]);
}

#[test]
fn overlapping_grammars_are_refused() {
    let add = |first: &str, second: &str| {
        let toy =
            |pattern: &str| Arc::new(toy("t", pattern, |_, _| Box::pin(async { Ok(plain("")) })));
        match Space::new("s").with(toy(first)).unwrap().with(toy(second)) {
            Ok(_) => "fine".to_owned(),
            Err(SpaceError::Overlap { example, .. }) => format!("both answer {example}"),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(add("a:{x}", "b:{x}"), "fine");
    assert_eq!(add("a:{x}", "a:{x}/b"), "fine");
    assert_eq!(add("a:{x:digits}", "a:{x:rest}"), "both answer a:0");
    assert_eq!(add("a:{x:digits}", "a:b{x:digits}"), "fine");
    assert_eq!(add("a:{x:hex}", "a:b{x:digits}"), "both answer a:b0");
    assert_eq!(add("active:head{a:call}", "active:header{a:call}"), "fine");
    assert_eq!(add("active:head{a:call}", "active:head{b:call}"), "both answer active:head");
    assert_eq!(add("{x}:a", "b:{y}"), "both answer b:a");
}

#[test]
fn converters_are_found_by_cost_and_then_by_name() {
    let kind = |text: &str| MediaType::new(text).unwrap();
    let converter = |from: &str, to: &str, cost, call: &str| Converter {
        from: kind(from),
        to: kind(to),
        cost,
        call: call.to_owned(),
    };
    let all = [
        converter("a/a", "c/c", 5, "direct"),
        converter("a/a", "b/b", 2, "z-half"),
        converter("a/a", "b/b", 2, "half"),
        converter("b/b", "c/c", 2, "other-half"),
        converter("c/c", "d/d", 1, "last"),
        converter("b/b", "d/d", 3, "leap"),
    ];
    let path = |from: &str, to: &str| {
        let path = cheapest(&all, &kind(from), &kind(to));
        path.map(|path| path.iter().map(|step| step.call.as_str()).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(path("a/a", "c/c").as_deref(), Some("half other-half"));
    assert_eq!(path("a/a", "d/d").as_deref(), Some("half leap"), "fewer steps at the same cost");
    assert_eq!(path("a/a", "a/a").as_deref(), Some(""));
    assert_eq!(path("d/d", "a/a"), None);
}

#[test]
fn what_is_wanted_is_converted_and_the_trace_says_how() {
    let loud = toy("upper", "active:upper{arguments:call}", |call, context| {
        Box::pin(async move {
            let text = operand(call, context).await?.to_uppercase();
            Ok(Produced::bytes(MediaType::new("text/loud").unwrap(), text.into()))
        })
    });
    let (space, _) = space(vec![text(), loud]);
    let plain = MediaType::new("text/plain").unwrap();
    let loud = MediaType::new("text/loud").unwrap();
    let space = space.converter(Converter {
        from: plain,
        to: loud.clone(),
        cost: 1,
        call: "upper".to_owned(),
    });
    let world = World::new(space);
    let request = Request::source(id("text:a")).wanting(loud);
    assert_eq!(world.show(world.ask_as(Owner, request.clone())), "A");
    expect![[r#"
        text:a as text/loud
          gave sha256:559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd text/loud 1 B
          made by transreption 60285657505f in 0 µs (made of other answers each time)
          text:a
            gave sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb text/plain 1 B
            made by text 982d9e3eb996 in 0 µs (there is no earlier run)
          active:upper+of@text:a
            gave sha256:559aead08264d5795d3909718cdd05abd49572e84fe55590eef31a88a08fdffd text/loud 1 B
            made by upper aee610558292 in 0 µs (there is no earlier run)
            text:a (see above)
    "#]].assert_eq(&render_provenance(&world.kernel.why("s", &request)));
    let never = Request::source(id("text:a")).wanting(MediaType::new("x/y").unwrap());
    expect![[r#"
        Misuse: no converter leads from text/plain to x/y
        hint: `vigil endpoints --converters` lists them
          in text:a"#]]
    .assert_eq(&world.show(world.ask_as(Owner, never)));
}

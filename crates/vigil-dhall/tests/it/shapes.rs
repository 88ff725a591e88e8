//! Programs of the size and shape that people have trouble with, made here.
//!
//! Each function writes files into a folder and returns the name of the one to evaluate. The tests use
//! small ones, the benchmark large ones.

use std::fmt::Write as _;
use std::path::Path;

fn save(folder: &Path, name: &str, text: &str) -> String {
    std::fs::write(folder.join(name), text).expect("a writable folder");
    name.to_owned()
}

/// Files that import one another, each with a polymorphic function, an annotation and an assertion, as
/// the Prelude has them. The Prelude of version 23.1 has 260 files.
pub(crate) fn package(folder: &Path, files: usize) -> String {
    let mut package = String::from("{ ");
    for at in 0..files {
        let imports: String =
            (1..=3).filter(|back| at >= back * 7).fold(String::new(), |mut text, back| {
                writeln!(text, "let import{back} = ./f{}.dhall", at - back * 7).expect("grows");
                text
            });
        let call = if at >= 7 { "import1 a (f x) xs" } else { "xs" };
        let text = format!(
            "{{- The function number {at}, with some words about what it is good for. -}}\n{imports}
let map
    : forall (a : Type) -> forall (x : a) -> List a -> List a
    = \\(a : Type) -> \\(x : a) -> \\(xs : List a) ->
        let f = \\(x : a) -> x
        in  List/build a (\\(list : Type) -> \\(cons : a -> list -> list) -> \\(nil : list) ->
              cons x (List/fold a ({call}) list cons nil))
let example = assert : List/length Natural (map Natural {at} [ 1, 2 ]) === {}
in  map\n",
            3 + at / 7
        );
        save(folder, &format!("f{at}.dhall"), &text);
        let comma = if at > 0 { ", " } else { "" };
        write!(package, "{comma}f{at} = ./f{at}.dhall").expect("grows");
    }
    save(folder, "package.dhall", &(package + " }"))
}

/// A list of targets, as a build file has them.
pub(crate) fn targets(folder: &Path, targets: usize) -> String {
    let mut text = String::from(
        "let Target = { name : Text, deps : List Text }\n\
         let t = \\(name : Text) -> \\(deps : List Text) -> { name, deps }\nin  [ ",
    );
    for at in 0..targets {
        let comma = if at > 0 { "\n, " } else { "" };
        write!(text, "{comma}t \"t{at}\" [ \"t{}\" ]", at / 2).expect("grows");
    }
    save(folder, "targets.dhall", &(text + " ] : List Target"))
}

/// dhall-haskell#1890: components that are generated from large record types, which share all their
/// parts. Written out, every component repeats the whole of its types several times.
///
/// Returns the package of all components, and what renders them: small, but made from everything.
pub(crate) fn kubernetes(folder: &Path, components: usize, levels: usize) -> [String; 2] {
    let mut types =
        String::from("let T0 = { name : Text, value : Optional Text, port : Natural }\n");
    for level in 1..=levels {
        writeln!(
            types,
            "let T{level} = {{ kind : Text, first : Optional T{0}, all : List T{0}, last : Optional T{0} }}",
            level - 1
        )
        .expect("grows");
    }
    save(folder, "types.dhall", &format!("{types}in  {{ Top = T{levels} }}"));
    let mut package = String::from("{ ");
    let mut render = String::from("[ ");
    for at in 0..components {
        let text = format!(
            "let types = ./types.dhall
let Configuration =
      {{ Type = {{ name : Text, replicas : Optional Natural, spec : Optional types.Top }}
      , default = {{ name = \"component-{at}\", replicas = None Natural, spec = None types.Top }}
      }}
let generate =
      \\(configuration : Configuration.Type) ->
        {{ name = configuration.name
        , replicas = merge {{ None = 1, Some = \\(n : Natural) -> n }} configuration.replicas
        , kind =
            merge
              {{ None = \"Deployment\", Some = \\(spec : types.Top) -> spec.kind }}
              configuration.spec
        }}
in  {{ Configuration, generate }}\n"
        );
        save(folder, &format!("component{at}.dhall"), &text);
        let comma = if at > 0 { ", " } else { "" };
        write!(package, "{comma}component{at} = ./component{at}.dhall").expect("grows");
        write!(
            render,
            "{comma}p.component{at}.generate \
             p.component{at}.Configuration::{{ replicas = Some {} }}",
            at % 3
        )
        .expect("grows");
    }
    let package = save(folder, "components.dhall", &(package + " }"));
    let render = format!("let p = ./components.dhall in {render} ]");
    [package, save(folder, "render.dhall", &render)]
}

/// dhall-haskell#1960: services that are made from one configuration in which everything may be left
/// out, and overridden field by field.
pub(crate) fn customized(folder: &Path, services: usize) -> String {
    let mut ty = String::from("{ ");
    let mut plain = String::from("{ ");
    let mut generate = String::from("{ ");
    for at in 0..services {
        let comma = if at > 0 { ", " } else { "" };
        write!(ty, "{comma}s{at} : Optional Overrides").expect("grows");
        let value = if at % 2 == 0 {
            "Some { image = Some \"custom\", cpu = None Natural, labels = Some (toMap { a = \"b\" }) }"
        } else {
            "None Overrides"
        };
        write!(plain, "{comma}s{at} = {value}").expect("grows");
        let text = format!(
            "let Overrides = ./overrides.dhall
let Labels = List {{ mapKey : Text, mapValue : Text }}
let Service = {{ name : Text, image : Text, cpu : Natural, labels : Labels }}
let pick =
      \\(a : Type) -> \\(default : a) -> \\(get : Overrides -> Optional a) ->
      \\(all : Optional Overrides) ->
        merge
          {{ None = default
          , Some = \\(some : Overrides) ->
              merge {{ None = default, Some = \\(x : a) -> x }} (get some)
          }}
          all
let base = {{ name = \"s{at}\", image = \"image-{at}\", cpu = {at}, labels = [] : Labels }}
in  \\(all : Optional Overrides) ->
      let withImage = base // {{ image = pick Text base.image (\\(o : Overrides) -> o.image) all }}
      let withCpu = withImage // {{ cpu = pick Natural withImage.cpu (\\(o : Overrides) -> o.cpu) all }}
      let withLabels =
            withCpu // {{ labels = pick Labels withCpu.labels (\\(o : Overrides) -> o.labels) all }}
      in  withLabels : Service\n"
        );
        save(folder, &format!("service{at}.dhall"), &text);
        write!(generate, "{comma}s{at} = ./service{at}.dhall configuration.s{at}").expect("grows");
    }
    let overrides = "{ image : Optional Text, cpu : Optional Natural\n\
                     , labels : Optional (List { mapKey : Text, mapValue : Text }) }";
    save(folder, "overrides.dhall", overrides);
    let generate = format!(
        "let Overrides = ./overrides.dhall\nlet Configuration = {ty} }}\n\
         in  \\(configuration : Configuration) -> {generate} }}"
    );
    save(folder, "generate.dhall", &generate);
    let text = format!("let Overrides = ./overrides.dhall in ./generate.dhall {plain} }}");
    save(folder, "customized.dhall", &text)
}

/// dhall-haskell#2039: overlays that are applied one after another, each a function of what the last
/// one made, and all of them in one function. Written out, that function repeats what it is given
/// as often as two to the power of their number.
pub(crate) fn overlays(folder: &Path, overlays: usize) -> String {
    let mut base = String::from("{ ");
    let mut overlay = String::from("{ ");
    for at in 0..overlays {
        let comma = if at > 0 { ", " } else { "" };
        write!(
            base,
            "{comma}d{at} : {{ spec : {{ containers : {{ main : {{ image : Text, cpu : Natural }} }} }} }}"
        )
        .expect("grows");
        write!(overlay, "{comma}d{at} : Optional {{ cpu : Natural }}").expect("grows");
    }
    save(folder, "base.dhall", &(base + " }"));
    save(folder, "overlay.dhall", &(overlay + " }"));
    let mut whole = String::from("base");
    let mut bases = String::from("{ ");
    let mut given = String::from("{ ");
    for at in 0..overlays {
        let text = format!(
            "let Base = ./base.dhall
let Overlay = ./overlay.dhall
in  \\(base : Base) -> \\(overlay : Overlay) ->
      merge
        {{ None = base
        , Some = \\(new : {{ cpu : Natural }}) ->
            base // {{ d{at} = base.d{at} // {{ spec = base.d{at}.spec // {{ containers =
              base.d{at}.spec.containers // {{ main =
                base.d{at}.spec.containers.main // new }} }} }} }}
        }}
        overlay.d{at}\n"
        );
        save(folder, &format!("apply{at}.dhall"), &text);
        whole = format!("./apply{at}.dhall ({whole}) overlay");
        let comma = if at > 0 { ", " } else { "" };
        write!(
            bases,
            "{comma}d{at} = {{ spec.containers.main = {{ image = \"i{at}\", cpu = {at} }} }}"
        )
        .expect("grows");
        let new = if at % 3 == 0 { "Some { cpu = 100 }" } else { "None { cpu : Natural }" };
        write!(given, "{comma}d{at} = {new}").expect("grows");
    }
    let apply = format!("\\(base : ./base.dhall) -> \\(overlay : ./overlay.dhall) -> {whole}");
    save(folder, "apply.dhall", &apply);
    save(folder, "overlays.dhall", &format!("./apply.dhall {bases} }} {given} }}"))
}

/// A value whose normal form is twice as large with every line; `body` says what is wanted of it.
pub(crate) fn doubling(folder: &Path, name: &str, lines: usize, body: &str) -> String {
    let mut text = String::from("let x0 = { name = \"a leaf of the tree\", size = 1 }\n");
    for at in 1..=lines {
        writeln!(text, "let x{at} = {{ left = x{0}, right = x{0} }}", at - 1).expect("grows");
    }
    save(folder, name, &format!("{text}in  {body}\n"))
}

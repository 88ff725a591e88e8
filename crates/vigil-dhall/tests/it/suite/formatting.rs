//! Formatting, over every expression of the suite.

use vigil_dhall::{Limits, encode, format, parse, print};

use super::{cases, read, root, run};

/// Formatting keeps the meaning and the comments, and does nothing the second time.
fn check(source: &str) -> Result<(), String> {
    let limits = Limits::default();
    let Ok(before) = parse(source, &limits) else {
        return Ok(());
    };
    let once = format(source, &limits).map_err(|error| error.to_string())?;
    let after = parse(&once, &limits).map_err(|error| format!("{error} in\n{once}"))?;
    if encode(&before.expr) != encode(&after.expr) {
        return Err(format!("the meaning changed:\n{once}"));
    }
    if before.comments.len() != after.comments.len() {
        return Err(format!("a comment got lost:\n{once}"));
    }
    let twice = format(&once, &limits).map_err(|error| error.to_string())?;
    if once != twice {
        return Err(format!("not idempotent:\n{once}\n----\n{twice}"));
    }
    let printed = print(&before.expr, vigil_dhall::Style::one_line());
    let reparsed = parse(&printed, &limits).map_err(|error| format!("{error} in\n{printed}"))?;
    if encode(&before.expr) != encode(&reparsed.expr) {
        return Err(format!("the meaning changed on one line:\n{printed}"));
    }
    Ok(())
}

#[test]
fn every_expression_of_the_suite() {
    let Some(root) = root() else { return };
    let mut all = cases(&root, "", ".dhall");
    let prelude = root.with_file_name("Prelude");
    if prelude.is_dir() {
        all.extend(cases(&prelude, "", ".dhall"));
    }
    run("formatting", &all, &[], |_, path| {
        String::from_utf8(read(path)).map_or(Ok(()), |source| check(&source))
    });
}

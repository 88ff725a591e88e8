//! What must hold of every well-typed term.

use vigil_dhall::{Checked, Limits, NoImports, Root, Session, decode, encode, format, lint, parse};

use super::terms::Ty;

/// Resolves and checks a text that imports nothing.
pub(crate) fn check(source: &str) -> Result<Checked, String> {
    let limits = Limits::default();
    let parsed = parse(source, &limits).map_err(|error| format!("{error} in {source}"))?;
    let resolved = Session::new(&NoImports, &limits)
        .resolve(&parsed.expr, &Root::anonymous())
        .map_err(|error| format!("{error} in {source}"))?;
    resolved.check().map_err(|error| format!("{error} in {source}"))
}

/// Checks every law on one term.
pub(crate) fn laws(source: &str, ty: &Ty) -> Result<(), String> {
    let text = |error: vigil_dhall::LimitError| error.to_string();
    let checked = check(source)?;
    let normal = checked.normalize().map_err(text)?;
    let hash = checked.hash().map_err(text)?;
    let expected = check(&ty.source())?.encode().map_err(text)?;
    let typed = |checked: &Checked| {
        let ty = checked.type_expr().map_err(text)?;
        check(&ty.to_string())?.encode().map_err(text)
    };
    if typed(&checked)? != expected {
        return Err("the type is not the one that was meant".into());
    }
    // Printing, checking and normalizing the normal form changes nothing.
    let again = check(&normal.to_string())?;
    if encode(&again.normalize().map_err(text)?) != encode(&normal) {
        return Err("the normal form is not normal".into());
    }
    if typed(&again)? != expected {
        return Err("normalization changes the type".into());
    }
    let formatted = format(source, &Limits::default()).map_err(|error| error.to_string())?;
    let linted = lint(&parse(source, &Limits::default()).map_err(|e| e.to_string())?.expr);
    for (what, other) in [("formatting", formatted), ("linting", linted.to_string())] {
        if check(&other)?.hash().map_err(text)? != hash {
            return Err(format!("{what} changes the hash:\n{other}"));
        }
    }
    let bytes = checked.encode().map_err(text)?;
    let decoded = decode(&bytes, &Limits::default()).map_err(|error| error.to_string())?;
    if check(&decoded.to_string())?.hash().map_err(text)? != hash {
        return Err("the binary form means something else".into());
    }
    Ok(())
}

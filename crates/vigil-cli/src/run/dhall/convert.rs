//! Binary forms, JSON and YAML.

use std::io::Write as _;
use std::path::Path;

use serde_json::json;
use vigil_dhall::{Root, print};

use super::{Text, over, read, read_bytes, style, with_imports, write_text};
use crate::args::{DhallBounds, DhallFromJsonArgs, DhallInput, DhallSigns, FormatArgs};
use crate::failure::CommandError;
use crate::run::Session;

/// Names a conversion that failed.
fn failed<E: std::error::Error + Send + Sync + 'static>(
    action: &'static str,
    path: &Path,
) -> impl Fn(E) -> CommandError {
    move |error| CommandError::Conversion { action, path: path.into(), source: Box::new(error) }
}

pub(super) fn encode(file: &Path, session: &mut Session<'_>) -> Result<(), CommandError> {
    with_imports(&DhallBounds::default(), session, |shop| {
        let text = read(file, shop.limits)?;
        let bytes = vigil_dhall::encode(&shop.parse(&text)?);
        shop.out.write_all(&bytes).map_err(CommandError::Output)
    })
}

pub(super) fn decode(
    file: &Path,
    signs: DhallSigns,
    format: FormatArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    with_imports(&DhallBounds::default(), session, |shop| {
        let bytes = read_bytes(file, shop.limits.import_bytes)?;
        let expr = vigil_dhall::decode(&bytes, shop.limits).map_err(failed("decode", file))?;
        let expr = print(&expr, style(signs));
        if format.json {
            shop.out.json(&json!({ "expression": expr }))
        } else {
            shop.out.line(expr)
        }
    })
}

pub(super) fn to_json(input: &DhallInput, session: &mut Session<'_>) -> Result<(), CommandError> {
    with_imports(&input.bounds, session, |mut shop| {
        let text = read(&input.file, shop.limits)?;
        let normal = shop.check(&text)?.normalize().map_err(over(&text.source))?;
        let json = vigil_dhall::to_json(&normal).map_err(failed("write as JSON", &input.file))?;
        write_text(shop.out, &json)
    })
}

pub(super) fn to_yaml(input: &DhallInput, session: &mut Session<'_>) -> Result<(), CommandError> {
    with_imports(&input.bounds, session, |mut shop| {
        let text = read(&input.file, shop.limits)?;
        let normal = shop.check(&text)?.normalize().map_err(over(&text.source))?;
        let yaml = vigil_dhall::to_yaml(&normal).map_err(failed("write as YAML", &input.file))?;
        write_text(shop.out, &yaml)
    })
}

pub(super) fn from_json(
    args: &DhallFromJsonArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    with_imports(&args.input.bounds, session, |mut shop| {
        let text = Text::new("the type".into(), args.ty.clone(), Root::anonymous());
        let checked = shop.check(&text)?;
        let ty = checked.normalize().map_err(over(&text.source))?;
        let json = read_bytes(&args.input.file, shop.limits.import_bytes)?;
        let what = "read as JSON";
        let json = String::from_utf8(json).map_err(failed(what, &args.input.file))?;
        let expr = vigil_dhall::from_json(&json, &ty).map_err(failed(what, &args.input.file))?;
        shop.out.line(print(&expr, style(args.signs)))
    })
}

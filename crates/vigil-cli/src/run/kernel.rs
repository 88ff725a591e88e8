//! `vigil resolve`, `why` and `endpoints`: what the kernel finds, how, and who answers.

use serde_json::json;
use vigil_base::Uri;
use vigil_kernel::{Representation, Request, render_provenance};
use vigil_node::{Node, NodeError, SCOPE, TREE_TYPE};
use vigil_store::Store;

use super::Session;
use super::get::write_part;
use crate::args::{EndpointsArgs, RequestArgs, ResolveArgs, WhyArgs};
use crate::failure::CommandError;

fn request(args: &RequestArgs) -> Request {
    let request = Request::source(args.uri.clone());
    match &args.wanted {
        Some(wanted) => request.wanting(wanted.clone()),
        None => request,
    }
}

fn open(args: &RequestArgs, session: &Session<'_>) -> Result<(Store, Node), CommandError> {
    let store = session.store()?;
    let files = args.files.as_ref().map(|folder| session.environment.folder.join(folder));
    let node = Node::open(store.clone(), files).map_err(Box::new)?;
    super::query::attach(&node, &store, &super::query::settings(session), session)?;
    Ok((store, node))
}

/// Resolves, and makes durable what was made for that, also where the end is a refusal.
fn find(node: &Node, args: &RequestArgs) -> Result<Representation, CommandError> {
    let found = node.resolve(request(args));
    node.finish().map_err(Box::new)?;
    found.map_err(|refusal| CommandError::Refused { refusal: Box::new(refusal) })
}

pub(super) fn resolve(args: &ResolveArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let (store, node) = open(&args.request, session)?;
    if args.explain {
        let explanation = node.kernel().explain(SCOPE, &args.request.uri).to_string();
        return explanation.lines().try_for_each(|line| session.out.line(line));
    }
    let found = find(&node, &args.request)?;
    if found.media_type.as_str() == TREE_TYPE {
        return Err(CommandError::IsATree { uri: Uri::tree(found.vcid) });
    }
    let uri = Uri::content(found.vcid);
    write_part(&store, &uri, found.vcid, None, &mut session.out, &session.talk)
}

pub(super) fn why(args: &WhyArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let (_, node) = open(&args.request, session)?;
    find(&node, &args.request)?;
    let tree = render_provenance(&node.kernel().why(SCOPE, &request(&args.request)));
    tree.lines().try_for_each(|line| session.out.line(line))
}

pub(super) fn endpoints(
    args: &EndpointsArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let space = Node::space().map_err(|error| Box::new(NodeError::from(error)))?;
    let store = session.store()?;
    let queries = session.environment.queries.open(&store, &super::query::settings(session));
    let asked = queries.space().map_err(|error| Box::new(NodeError::from(error)))?;
    for (_, endpoint) in space.endpoints().into_iter().chain(asked.endpoints()) {
        if args.format.json {
            session.out.json(&json!({
                "name": endpoint.name(),
                "grammar": endpoint.grammar().pattern(),
                "help": endpoint.help(),
                "version": endpoint.version().to_string(),
            }))?;
        } else {
            let (name, pattern) = (endpoint.name(), endpoint.grammar().pattern());
            session.out.line(format_args!("{name:<8} {pattern:<28} {}", endpoint.help()))?;
        }
    }
    Ok(())
}

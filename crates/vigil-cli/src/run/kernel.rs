//! `vigil resolve`, `why`, `endpoints` and `trace`: what the kernel finds, how, and who answers; and the
//! kernel that every command resolves through.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::{Arc, Weak};

use serde_json::{Value, json};
use vigil_base::{EntryKind, Uri};
use vigil_files::Resolved;
use vigil_kernel::{
    Argument, Converter, Endpoint, How, Identifier, Invocation, MediaType, Profile, Provenance,
    Read, Representation, Request, cheapest, render_pipeline, render_provenance,
};
use vigil_node::{Files, Node, NodeError, NodeOptions, SCOPE, TRACES_BYTES_MAX, TREE_TYPE, takes};
use vigil_store::Store;

use super::Session;
use super::get::write_part;
use crate::args::{
    EndpointsArgs, ReachArgs, RequestArgs, ResolveArgs, Target, TraceCommand, WhyArgs,
};
use crate::failure::CommandError;
use crate::human;
use crate::query::{Queries, QuerySettings};

/// A kernel over the session's store, for the length of a command.
pub(super) struct Resolving {
    pub store: Store,
    pub node: Node,
    pub queries: Arc<dyn Queries>,
    profile: Option<std::path::PathBuf>,
}

pub(super) fn request_of(target: &Target, wanted: Option<&MediaType>) -> Request {
    let request = Request::source(target.uri.clone());
    match wanted {
        Some(wanted) => request.wanting(wanted.clone()),
        None => request,
    }
}

impl Resolving {
    pub fn start(reach: &ReachArgs, session: &Session<'_>) -> Result<Self, CommandError> {
        Self::start_with(reach, &super::query::settings(session), session)
    }

    /// Starts with other limits of queries.
    pub fn start_with(
        reach: &ReachArgs,
        settings: &QuerySettings,
        session: &Session<'_>,
    ) -> Result<Self, CommandError> {
        let store = session.store()?;
        let environment = session.environment;
        let folder = environment.locate(reach.files.as_deref().unwrap_or(".".as_ref()));
        let skips = super::add::identity(&session.store_folder).into_iter().collect();
        let files = Some(Files { folder, skips, threads: session.threads });
        let trust = Some(session.store_folder.join(super::trust::FOLDER));
        let options = NodeOptions {
            files,
            trust,
            machines: reach.accept.clone(),
            agreeing: reach.agreeing.map(usize::from),
            threads: session.threads,
            is_fresh: reach.fresh,
            ..NodeOptions::default()
        };
        let node = Node::open(store.clone(), options).map_err(Box::new)?;
        let queries = super::query::attach(&node, &store, settings, session)?;
        let profile = reach.profile.as_ref().map(|file| environment.locate(file));
        if profile.is_some() {
            node.kernel().start_profile();
        }
        Ok(Self { store, node, queries, profile })
    }

    /// Resolves, and makes durable what was made for that, also where the end is a refusal.
    pub fn find(&self, request: Request) -> Result<Representation, CommandError> {
        let uri = render_pipeline(&request.uri);
        let found = self.node.resolve(request);
        self.node.finish().map_err(Box::new)?;
        found.map_err(|refusal| CommandError::Refused { uri, source: Box::new(refusal.into()) })
    }

    /// Resolves a target to a place in the store.
    pub fn locate(&mut self, target: &Target) -> Result<Resolved, CommandError> {
        let found = self.find(request_of(target, None))?;
        let is_tree = found.media_type.as_str() == TREE_TYPE;
        let kind = if is_tree { EntryKind::Tree } else { EntryKind::File };
        let vcid = found.vcid;
        if let Some(uri) = &target.plain {
            // Another process may have given the name another meaning since: then only bytes count.
            let kept = vigil_files::resolve(&self.store, uri).ok();
            if let Some(kept) = kept.filter(|kept| kept.vcid == vcid) {
                return Ok(kept);
            }
            return Ok(Resolved { uri: uri.clone(), kind, vcid, metadata: None });
        }
        Ok(Resolved { uri: human::uri(kind, vcid), kind, vcid, metadata: None })
    }

    /// Writes the profile, where one is wanted, and tells the critical path.
    pub fn finish(&mut self, session: &mut Session<'_>) -> Result<(), CommandError> {
        let profile = self.node.kernel().stop_profile();
        self.write_profile(&profile, session)
    }

    /// Writes a profile, where one is wanted.
    pub fn write_profile(
        &mut self,
        profile: &Profile,
        session: &mut Session<'_>,
    ) -> Result<(), CommandError> {
        let Some(path) = self.profile.take() else { return Ok(()) };
        std::fs::write(&path, profile.chrome_trace()).map_err(|source| CommandError::File {
            action: "write",
            path,
            source,
        })?;
        critical_path(profile).into_iter().try_for_each(|line| session.say(line))
    }
}

/// Most stretches of the critical path that are told.
const STRETCHES_MAX: usize = 12;

/// Tells where the time went, the longest stretches first.
fn critical_path(profile: &Profile) -> Vec<String> {
    let mut sums: Vec<(String, u64)> = Vec::new();
    for stretch in profile.critical_path() {
        let name = match stretch.id {
            None => "the kernel itself".to_owned(),
            Some(_) => stretch.name.clone(),
        };
        let nanos = u64::try_from(stretch.to.0.saturating_sub(stretch.from.0)).unwrap_or(0);
        match sums.iter_mut().find(|(other, _)| *other == name) {
            Some((_, sum)) => *sum += nanos,
            None => sums.push((name, nanos)),
        }
    }
    sums.sort_by_key(|&(_, nanos)| std::cmp::Reverse(nanos));
    let total: u64 = sums.iter().map(|(_, nanos)| nanos).sum();
    let mut lines = vec![format!("critical path: {}", human::nanos(total))];
    for (name, nanos) in sums.iter().take(STRETCHES_MAX) {
        let share = nanos * 100 / total.max(1);
        lines.push(format!("  {:>10}  {share:>3} %  {name}", human::nanos(*nanos)));
    }
    if sums.len() > STRETCHES_MAX {
        lines.push(format!("  (and {} more)", sums.len() - STRETCHES_MAX));
    }
    lines
}

/// The fields that tell what was found.
pub(super) fn found_json(target: &Target, found: &Representation) -> Value {
    let is_tree = found.media_type.as_str() == TREE_TYPE;
    let kind = if is_tree { EntryKind::Tree } else { EntryKind::File };
    json!({
        "pipeline": target.to_string(),
        "uri": human::uri(kind, found.vcid).to_string(),
        "vcid": found.vcid.to_string(),
        "media_type": found.media_type.as_str(),
        "size": found.size,
        "secrecy": found.label.secrecy,
        "integrity": found.label.integrity,
    })
}

pub(super) fn resolve(args: &ResolveArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let RequestArgs { target, wanted, reach } = &args.request;
    let mut kernel = Resolving::start(reach, session)?;
    if args.explain {
        return explain(&kernel.node, target, wanted.as_ref(), args.format.json, session);
    }
    let found = kernel.find(request_of(target, wanted.as_ref()));
    kernel.finish(session)?;
    let found = found?;
    if args.format.json {
        return session.out.json(&found_json(target, &found));
    }
    if found.media_type.as_str() == TREE_TYPE {
        return Err(CommandError::IsATree { uri: Uri::tree(found.vcid) });
    }
    let uri = Uri::content(found.vcid);
    write_part(&kernel.store, &uri, found.vcid, None, &mut session.out, &session.talk)
}

/// Lists the URIs that a URI is made of, what is read first before what reads it.
fn parts_of(uri: &Identifier) -> Vec<Identifier> {
    let mut parts = Vec::new();
    let mut open = vec![(uri.clone(), false)];
    while let Some((uri, is_done)) = open.pop() {
        if is_done {
            if !parts.contains(&uri) {
                parts.push(uri);
            }
            continue;
        }
        open.push((uri.clone(), true));
        if let Some(Ok(call)) = Invocation::from_uri(&uri) {
            for argument in call.arguments.into_values() {
                if let Argument::Reference(inner) = argument {
                    open.push((inner, false));
                }
            }
        }
    }
    parts
}

fn explain(
    node: &Node,
    target: &Target,
    wanted: Option<&MediaType>,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let space = node.kernel().scope(SCOPE);
    let mut gives: Vec<MediaType> = Vec::new();
    for (index, uri) in parts_of(&target.uri).iter().enumerate() {
        let (bound, explanation) = match &space {
            Some(space) => space.resolve(uri),
            None => (None, node.kernel().explain(SCOPE, uri)),
        };
        let endpoint = bound.as_ref().map(|bound| &*bound.endpoint);
        gives = endpoint.map(|endpoint| endpoint.gives().to_vec()).unwrap_or_default();
        let needs = bound.as_ref().map(|bound| {
            let request = Request::source(bound.uri.clone());
            bound.endpoint.needs(&vigil_kernel::Call { request, parts: bound.parts.clone() })
        });
        let needs = needs.unwrap_or_default();
        let pipeline = render_pipeline(uri);
        if is_json {
            let steps: Vec<Value> = explanation
                .steps
                .iter()
                .map(|(depth, step)| json!({ "depth": depth, "step": step }))
                .collect();
            session.out.json(&json!({
                "pipeline": pipeline,
                "uri": uri.as_str(),
                "endpoint": endpoint.map(Endpoint::name),
                "gives": names(&gives),
                "needs": needs,
                "steps": steps,
            }))?;
            continue;
        }
        session.out.line(format_args!("{}. {}", index + 1, human::clean(&pipeline)))?;
        for line in explanation.to_string().lines() {
            session.out.line(format_args!("   {}", human::clean(line)))?;
        }
        if endpoint.is_some() {
            let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
            let needs = if needs.is_empty() { "nothing".to_owned() } else { needs.join(", ") };
            let given = list_types(&gives);
            session.out.line(format_args!("   gives {given}; needs {needs} of whoever asks"))?;
        }
    }
    match wanted {
        Some(wanted) => explain_conversion(node, &gives, wanted, is_json, session),
        None => Ok(()),
    }
}

/// Tells the way from what an endpoint may give to what is wanted.
fn explain_conversion(
    node: &Node,
    gives: &[MediaType],
    wanted: &MediaType,
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let converters = node.kernel().scope(SCOPE).map(|space| space.converters()).unwrap_or_default();
    for from in gives {
        let path = cheapest(&converters, from, wanted);
        if is_json {
            let calls = path.as_ref().map(|path| path.iter().map(|step| json_of_step(step)));
            session.out.json(&json!({
                "from": from.as_str(),
                "to": wanted.as_str(),
                "way": calls.map(Iterator::collect::<Vec<Value>>),
            }))?;
            continue;
        }
        let way = match path {
            None => "no converter leads there".to_owned(),
            Some(path) if path.is_empty() => "it is that already".to_owned(),
            Some(path) => {
                let cost: u64 = path.iter().map(|step| u64::from(step.cost)).sum();
                let calls: Vec<&str> = path.iter().map(|step| step.call.as_str()).collect();
                format!("by {} (cost {cost})", calls.join(", "))
            }
        };
        session.out.line(format_args!("   {from} to {wanted}: {way}"))?;
    }
    if !is_json {
        session
            .out
            .line("   (the cheapest way; of several, the shorter, then the first by name)")?;
    }
    Ok(())
}

fn json_of_step(step: &Converter) -> Value {
    json!({ "call": step.call, "to": step.to.as_str(), "cost": step.cost })
}

fn names(types: &[MediaType]) -> Vec<&str> {
    types.iter().map(MediaType::as_str).collect()
}

fn list_types(types: &[MediaType]) -> String {
    if types.is_empty() { "anything".to_owned() } else { names(types).join(" or ") }
}

pub(super) fn why(args: &WhyArgs, session: &mut Session<'_>) -> Result<(), CommandError> {
    let RequestArgs { target, wanted, reach } = &args.request;
    let mut kernel = Resolving::start(reach, session)?;
    let request = request_of(target, wanted.as_ref());
    let found = kernel.find(request.clone());
    kernel.finish(session)?;
    let list = kernel.node.why(&request).map_err(Box::new)?;
    if args.format.json {
        list.iter().try_for_each(|item| session.out.json(&json_of_answer(&list, item)))?;
    } else {
        let text = human::clean(&render_provenance(&list));
        text.lines().try_for_each(|line| session.out.line(line))?;
    }
    found.map(|_| ())
}

fn json_of_answer(list: &[Provenance], item: &Provenance) -> Value {
    let inputs: Vec<Value> = item
        .story
        .inputs
        .iter()
        .map(|input| {
            let is_root = matches!(input.what, Read::Root(_));
            json!({ "name": input.name(), "root": is_root, "gave": input.gave.to_string() })
        })
        .collect();
    let below: Vec<&str> = item.below.iter().map(|index| list[*index].name.as_str()).collect();
    json!({
        "name": item.name,
        "vcid": item.gave.as_ref().ok().map(|found| found.vcid.to_string()),
        "media_type": item.gave.as_ref().ok().map(|found| found.media_type.as_str()),
        "size": item.gave.as_ref().ok().map(|found| found.size),
        "refused": item.gave.as_ref().err(),
        "how": match item.story.how {
            How::Made => "made",
            How::Kept => "kept",
        },
        "because": item.story.why,
        "endpoint": item.story.endpoint,
        "version": item.story.version.map(|version| version.to_string()),
        "inputs": inputs,
        "below": below,
        "hidden": item.hidden,
        "trace": item.story.trace.map(|trace| trace.to_string()),
        "nanoseconds": item.story.nanos,
    })
}

pub(super) fn endpoints(
    args: &EndpointsArgs,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    let overlap = |error| Box::new(NodeError::from(error));
    let space = Node::space(Weak::new()).map_err(overlap)?;
    let store = session.store()?;
    let queries = session.environment.queries.open(&store, &super::query::settings(session));
    let asked = queries.space().map_err(overlap)?;
    if args.converters {
        let all = [space.converters(), asked.converters()].concat();
        return converters(&all, args.format.json, session);
    }
    let all: Vec<_> = space.endpoints().into_iter().chain(asked.endpoints()).collect();
    let chosen: Vec<_> = all
        .iter()
        .map(|(_, endpoint)| &**endpoint)
        .filter(|endpoint| args.name.as_deref().is_none_or(|name| name == endpoint.name()))
        .collect();
    if let (true, Some(name)) = (chosen.is_empty(), &args.name) {
        return Err(CommandError::NoEndpoint { name: name.clone() });
    }
    for endpoint in chosen {
        if args.format.json {
            session.out.json(&json_of_endpoint(endpoint))?;
        } else if args.name.is_some() {
            details(endpoint, session)?;
        } else {
            session.out.line(format_args!("{:<44}  {}", usage(endpoint), endpoint.help()))?;
        }
    }
    Ok(())
}

/// Returns how an endpoint is written: its URIs, or the call and what it takes.
fn usage(endpoint: &dyn Endpoint) -> String {
    let pattern = endpoint.grammar().pattern();
    if pattern != format!("active:{}{{call:call}}", endpoint.name()) {
        return pattern.to_owned();
    }
    match endpoint.parameters() {
        [] => format!("| {}", endpoint.name()),
        parameters => format!("| {} {}", endpoint.name(), takes(parameters)),
    }
}

fn json_of_endpoint(endpoint: &dyn Endpoint) -> Value {
    let parameters: Vec<Value> = endpoint
        .parameters()
        .iter()
        .map(|parameter| {
            json!({
                "name": parameter.name,
                "help": parameter.help,
                "default": parameter.default,
                "choices": parameter.choices,
            })
        })
        .collect();
    json!({
        "name": endpoint.name(),
        "grammar": endpoint.grammar().pattern(),
        "help": endpoint.help(),
        "parameters": parameters,
        "gives": names(endpoint.gives()),
        "version": endpoint.version().to_string(),
    })
}

fn details(endpoint: &dyn Endpoint, session: &mut Session<'_>) -> Result<(), CommandError> {
    session.out.line(format_args!("{}: {}", endpoint.name(), endpoint.help()))?;
    session.out.line(format_args!("written   {}", usage(endpoint)))?;
    session.out.line(format_args!("answers   {}", endpoint.grammar()))?;
    session.out.line(format_args!("gives     {}", list_types(endpoint.gives())))?;
    for parameter in endpoint.parameters() {
        let default = match parameter.default {
            Some(default) => format!("`{default}` unless it is given"),
            None => "has to be given".to_owned(),
        };
        let (name, help) = (parameter.name, parameter.help);
        session.out.line(format_args!("{name:<9} {help}; {default}"))?;
    }
    session.out.line(format_args!("version   {}", endpoint.version()))
}

fn converters(
    converters: &[Converter],
    is_json: bool,
    session: &mut Session<'_>,
) -> Result<(), CommandError> {
    for Converter { from, to, cost, call } in converters {
        let (from, to) = (from.as_str(), to.as_str());
        if is_json {
            session.out.json(&json!({ "from": from, "to": to, "call": call, "cost": cost }))?;
        } else {
            session.out.line(format_args!("{from:<28} to {to:<28} | {call:<8} cost {cost}"))?;
        }
    }
    Ok(())
}

pub(super) fn trace(command: &TraceCommand, session: &mut Session<'_>) -> Result<(), CommandError> {
    match command {
        TraceCommand::Export { request, output } => {
            let mut kernel = Resolving::start(&request.reach, session)?;
            let asked = request_of(&request.target, request.wanted.as_ref());
            let found = kernel.find(asked.clone());
            kernel.finish(session)?;
            found?;
            let path = session.environment.locate(output);
            let bytes = kernel.node.export_traces(&asked).map_err(Box::new)?;
            let (count, bytes) = bytes;
            std::fs::write(&path, bytes).map_err(|source| CommandError::File {
                action: "write",
                path,
                source,
            })?;
            let traces = human::count(count, "trace", "traces");
            session.say(format_args!("wrote {traces} to {}", session.shown(output)))
        }
        TraceCommand::Import { files, format } => {
            let kernel = Resolving::start(&ReachArgs::default(), session)?;
            let mut traces = 0;
            for file in files {
                let path = session.environment.locate(file);
                let bytes = read_traces(&path).map_err(|source| CommandError::File {
                    action: "read",
                    path,
                    source,
                })?;
                traces += kernel.node.import_traces(&bytes).map_err(Box::new)?;
            }
            if format.json {
                return session.out.json(&json!({ "traces": traces }));
            }
            session.say(format_args!("took in {}", human::count(traces, "trace", "traces")))
        }
    }
}

/// Reads a file of traces, if it is no longer than one may be.
fn read_traces(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(TRACES_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > TRACES_BYTES_MAX {
        let text = format!("a file of traces has at most {}", human::size(TRACES_BYTES_MAX));
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

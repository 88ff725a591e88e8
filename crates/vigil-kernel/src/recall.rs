//! Answering from kept traces: one is used if all that it has read is as it was, and if it contradicts
//! neither that nor its endpoint. What it says of a machine is believed only by the host's policy.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use crate::context::{Context, Record, Wants};
use crate::endpoint::{Call, Produced};
use crate::host::CHECKED_BYTES_MAX;
use crate::representation::Label;
use crate::request::{Request, Verb};
use crate::resolver::{Answer, Maker, ResourceKey, check_verb, one_of};
use crate::space::Bound;
use crate::trace::Trace;
use crate::why::{How, LOOKED_UP, Story};

/// A call of an endpoint, and what it brings along.
pub struct Asked<'a> {
    pub bound: &'a Bound,
    pub call: &'a Call,
    /// What the caller must grant for the endpoint itself.
    pub needs: &'a BTreeSet<String>,
    /// Tags that whatever the endpoint gives carries.
    pub secrecy: &'a BTreeSet<String>,
}

impl ResourceKey {
    /// Looks for a kept trace whose inputs are all as they were; says why there is none.
    pub(crate) async fn find_kept(
        &self,
        context: &Context<'_>,
        asked: &Asked<'_>,
    ) -> Result<Answer, String> {
        if asked.bound.endpoint.only_looks_up() {
            return Err(LOOKED_UP.to_owned());
        }
        let mut why = None;
        let kept = self.site.kept(&asked.call.request).map_err(|fault| fault.what)?;
        for trace in &kept {
            context.take_record();
            let differs = match self.difference(context, asked.bound, trace, &kept).await {
                Some(differs) => differs,
                None => match self.take_over(asked, trace, context.take_record()) {
                    Ok(answer) => return Ok(answer),
                    Err(why) => why,
                },
            };
            why.get_or_insert(differs);
        }
        Err(why.unwrap_or_else(|| "there is no earlier run".to_owned()))
    }

    /// Returns the first thing in which a kept trace differs from what would be found now.
    async fn difference(
        &self,
        context: &Context<'_>,
        bound: &Bound,
        trace: &Trace,
        kept: &[Trace],
    ) -> Option<String> {
        if trace.endpoint != bound.endpoint.name() {
            let (was, is) = (&trace.endpoint, bound.endpoint.name());
            return Some(format!("the endpoint was {was}, and is {is}"));
        }
        if trace.version != bound.version {
            return Some(format!(
                "the endpoint's version was {}, and is {}",
                trace.version, bound.version
            ));
        }
        if !self.site.host.policy.accepts(trace, kept) {
            return Some(format!("the policy does not accept the run of {}", trace.machine));
        }
        for group in trace.groups() {
            if let Some((input, gives)) = context.first_changed(group).await {
                let name = input.name();
                return Some(format!("the input {name} gave {}, and gives {gives}", input.gave));
            }
        }
        None
    }

    /// Takes the output of a kept trace whose inputs hold, unless it contradicts them or its endpoint.
    /// What a caller must grant follows from the inputs and the installation, as if it ran now.
    fn take_over(
        &self,
        asked: &Asked<'_>,
        trace: &Trace,
        record: Record,
    ) -> Result<Answer, String> {
        if record.is_passing || !record.wants.is_empty() {
            return Err("an input failed for a reason that does not last".to_owned());
        }
        let (request, record_name) = (trace.request.digest(), trace.digest());
        let drop_it = |text: String| {
            self.site.traces_dropped.fetch_add(1, Ordering::Relaxed);
            match self.site.host.traces.forget(request, record_name) {
                Ok(()) => text,
                Err(fault) => format!("{text}; {}", fault.what),
            }
        };
        self.contradiction(asked, trace, &record).map_or(Ok(()), |text| Err(drop_it(text)))?;
        let output = &trace.output;
        let blobs = &self.site.host.blobs;
        match blobs.size(output.vcid).map_err(|fault| fault.what)? {
            None => return Err(format!("the bytes {} are not kept any longer", output.vcid)),
            Some(size) if size != output.size => {
                return Err(drop_it(format!(
                    "{} has {size} bytes, not {}",
                    output.vcid, output.size
                )));
            }
            Some(_) => {}
        }
        if !blobs.is_whole(output.vcid, &output.media_type).map_err(|fault| fault.what)? {
            return Err(format!("what {} names is not kept any longer", output.vcid));
        }
        if trace.machine != self.site.host.machine {
            self.look_at_foreign(asked, trace)?.map_or(Ok(()), |text| Err(drop_it(text)))?;
        }
        Ok(Answer {
            result: Ok(output.clone()),
            refusal_label: Label::default(),
            needs: record.needs.union(asked.needs).cloned().collect(),
            wants: Wants::new(),
            story: Story {
                endpoint: trace.endpoint.clone(),
                version: Some(trace.version),
                inputs: trace.inputs.clone(),
                trace: Some(record_name),
                filed_under: Some(request),
                how: How::Kept,
                why: format!("kept by {}", trace.machine),
                nanos: 0,
            },
            serial: 0,
        })
    }

    /// Returns in what a kept trace cannot be true.
    fn contradiction(&self, asked: &Asked<'_>, trace: &Trace, record: &Record) -> Option<String> {
        let output = &trace.output;
        let read = record.label.as_ref();
        let hides = |tags: &BTreeSet<String>| !output.label.secrecy.is_superset(tags);
        if read.is_some_and(|read| hides(&read.secrecy)) || hides(asked.secrecy) {
            return Some("the kept trace hides what its inputs need or must keep".to_owned());
        }
        if read.is_some_and(|read| !output.label.integrity.is_subset(&read.integrity)) {
            return Some("the kept trace claims an integrity that its inputs have not".to_owned());
        }
        let gives = asked.bound.endpoint.gives();
        let is_source = asked.call.request.verb == Verb::Source;
        if is_source && !gives.is_empty() && !gives.contains(&output.media_type) {
            let text = format!("the kept trace gives {}, not {}", output.media_type, one_of(gives));
            return Some(text);
        }
        None
    }

    /// Looks at the bytes of another machine's trace as at those of an endpoint here, and returns what is
    /// wrong with them. Those of an own trace were looked at when it was written.
    fn look_at_foreign(&self, asked: &Asked<'_>, trace: &Trace) -> Result<Option<String>, String> {
        let Trace { output, request: Request { verb, .. }, .. } = trace;
        let check = self.site.host.checks.get(&output.media_type);
        if check.is_none() && *verb == Verb::Source {
            return Ok(None);
        }
        // What answers `exists` or `meta` is short, too: what goes on behind this is none of that.
        let bytes = self.site.host.blobs.start(output.vcid, CHECKED_BYTES_MAX);
        let bytes = bytes.map_err(|fault| fault.what)?;
        let produced = Produced::bytes(output.media_type.clone(), bytes.clone());
        let (name, version) = (asked.bound.endpoint.name(), asked.bound.version);
        let (why, is_kept, secrecy) = Default::default();
        let maker = Maker { name, version, why, is_kept, secrecy };
        let looked = check_verb(&maker, *verb, produced).map_err(|refusal| refusal.message);
        Ok(match (looked, check.map_or(Ok(()), |check| check(&bytes))) {
            (Err(why), _) | (_, Err(why)) => Some(why),
            (Ok(produced), _) if !output.label.secrecy.is_superset(&produced.label.secrecy) => {
                Some("the kept trace hides what it describes must keep".to_owned())
            }
            _ => None,
        })
    }
}

//! Profiles: what ran when, on which thread, and what it waited for.
//!
//! Off, it costs one look at a flag for each computation. On, every answer that is made, found among the
//! kept ones, found in memory, or spared because nothing below it turned out otherwise leaves a span.
//! A profile is data: the critical path and the Chrome trace are pure functions of it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vigil_base::world::Moment;

use crate::resolver::{Answer, ResourceKey};
use crate::trace::Read;
use crate::why::How;

/// How an answer was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Its endpoint made it.
    Made,
    /// A kept trace held: everything that it had read was as before.
    Kept,
    /// It was in memory, and sound.
    Hit,
    /// Something below it was brought up to date and came out as before, so it was left as it was.
    CutOff,
}

impl Outcome {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Kept => "kept",
            Self::Hit => "hit",
            Self::CutOff => "cut off",
        }
    }
}

/// A time of waiting for another answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The [`Span::id`] of what was waited for; one that was found in memory may have no span.
    pub on: u64,
    /// When waiting began.
    pub from: Moment,
    /// When it ended.
    pub to: Moment,
    /// The thread that went on then.
    pub thread: u64,
}

/// How one answer came about, in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Tells answers apart, in the order in which they were begun.
    pub id: u64,
    /// What was asked for.
    pub name: String,
    /// Who answered.
    pub endpoint: String,
    /// How it was come by.
    pub outcome: Outcome,
    /// For what was made: in what the nearest earlier run differed.
    pub why: String,
    /// When it was begun.
    pub start: Moment,
    /// When it ended.
    pub end: Moment,
    /// The thread that began it, by a number of its own.
    pub thread: u64,
    /// For what it waited, in the order in which waiting ended.
    pub waits: Vec<Wait>,
}

/// A part of the critical path: a stretch of time that nothing but this answer accounts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The [`Span::id`]; `None` for what lies outside of all spans.
    pub id: Option<u64>,
    /// What was asked for.
    pub name: String,
    /// When the stretch begins.
    pub from: Moment,
    /// When it ends.
    pub to: Moment,
}

/// What was recorded between [`crate::Kernel::start_profile`] and [`crate::Kernel::stop_profile`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Answers, in the order in which they ended.
    pub spans: Vec<Span>,
    /// What was asked from outside.
    pub questions: Vec<Question>,
}

/// Something that was asked from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// For what it waited, in the order in which waiting ended: last for its answer.
    pub waits: Vec<Wait>,
}

impl Question {
    /// Returns when it was asked and when it was answered.
    pub fn time(&self) -> (Moment, Moment) {
        self.waits.last().map_or((Moment(0), Moment(0)), |wait| (wait.from, wait.to))
    }
}

/// Returns the nanoseconds from one moment to another; none where a clock was set back meanwhile.
pub(crate) fn nanos(from: Moment, to: Moment) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0)
}

impl Profile {
    fn places(&self) -> HashMap<u64, &Span> {
        self.spans.iter().map(|span| (span.id, span)).collect()
    }

    /// Returns the stretches that the longest question could not have been shorter without, the
    /// earliest first. They follow one another and fill the whole time of the question.
    pub fn critical_path(&self) -> Vec<Stretch> {
        let length = |question: &&Question| nanos(question.time().0, question.time().1);
        let Some(question) = self.questions.iter().max_by_key(length) else { return Vec::new() };
        let (since, mut now) = question.time();
        let places = self.places();
        let mut path: Vec<Stretch> = Vec::new();
        // Backward in time. Each level: whose time it is, since when, and how many waits are left.
        let mut levels: Vec<(Option<&Span>, Moment, &[Wait])> =
            vec![(None, since, &question.waits)];
        while let Some((span, since, waits)) = levels.last_mut() {
            let (span, since) = (*span, *since);
            // The last wait that ended before now; of several that ended together the longest lasting.
            while waits.last().is_some_and(|wait| wait.to > now) {
                *waits = &waits[..waits.len() - 1];
            }
            let found = waits.last().filter(|wait| wait.to > since && wait.from < now);
            let until = found.map_or(since, |wait| wait.to);
            if until < now {
                path.push(Stretch {
                    id: span.map(|span| span.id),
                    name: span.map_or_else(String::new, |span| span.name.clone()),
                    from: until,
                    to: now,
                });
                now = until;
            }
            let Some(wait) = found else {
                levels.pop();
                continue;
            };
            let together = waits.iter().rev().take_while(|other| other.to == wait.to);
            let spans = together.clone().filter_map(|other| places.get(&other.on).copied());
            let last = spans.max_by_key(|below| below.end.min(wait.to));
            let from = wait.from.max(since);
            let left = waits.len() - together.count();
            *waits = &waits[..left];
            // What ended before anybody waited for it explains nothing here.
            let Some(below) = last.filter(|below| below.end > from) else { continue };
            if below.end < now {
                // Between its end and the waiter's waking nobody ran: the waiter's time.
                let name = span.map_or_else(String::new, |span| span.name.clone());
                let id = span.map(|span| span.id);
                path.push(Stretch { id, name, from: below.end, to: now });
                now = below.end;
            }
            levels.push((Some(below), below.start.max(from), &below.waits));
        }
        path.reverse();
        path
    }

    /// Returns the record in the Trace Event Format, which `chrome://tracing` and Perfetto read: what
    /// ran on each thread, each answer from beginning to end, and the critical path as a track of its
    /// own.
    pub fn chrome_trace(&self) -> String {
        let starts = self.spans.iter().map(|span| span.start);
        let origin = starts.chain(self.questions.iter().map(|question| question.time().0)).min();
        let mut writer = Writer { origin: origin.unwrap_or(Moment(0)), out: String::new() };
        writer.out.push_str("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
        writer.name_thread(0, "critical path");
        for span in &self.spans {
            let args = [
                ("endpoint", span.endpoint.as_str()),
                ("outcome", span.outcome.as_str()),
                ("why", span.why.as_str()),
            ];
            writer.answer(span, &args);
            for (thread, from, to) in span.runs() {
                writer.complete(&span.name, span.outcome.as_str(), thread, (from, to));
            }
        }
        for stretch in self.critical_path() {
            let name = if stretch.id.is_some() { stretch.name.as_str() } else { "the caller" };
            writer.complete(name, "critical", 0, (stretch.from, stretch.to));
        }
        writer.out.push_str("\n]}\n");
        writer.out
    }
}

impl Span {
    /// Returns when it ran, and on which threads: its time without that of waiting.
    pub fn runs(&self) -> Vec<(u64, Moment, Moment)> {
        let mut runs = Vec::new();
        let (mut thread, mut since) = (self.thread, self.start);
        if matches!(self.outcome, Outcome::Hit | Outcome::CutOff) {
            return runs;
        }
        for wait in &self.waits {
            if wait.from > since {
                runs.push((thread, since, wait.from));
            }
            if wait.to >= since {
                (thread, since) = (wait.thread, wait.to);
            }
        }
        runs.push((thread, since, self.end.max(since)));
        runs
    }
}

/// Writes events of the Trace Event Format. Times are microseconds since the first event.
struct Writer {
    origin: Moment,
    out: String,
}

impl Writer {
    fn begin(&mut self, phase: &str, name: &str, category: &str, thread: u64) {
        let comma = if self.out.ends_with('[') { "" } else { "," };
        let head = format!("{comma}\n{{\"ph\":\"{phase}\",\"pid\":1,\"tid\":{thread},\"cat\":");
        self.out.push_str(&head);
        self.text(category);
        self.out.push_str(",\"name\":");
        self.text(name);
    }

    fn time(&mut self, key: &str, nanos: u64) {
        self.out.push_str(&format!(",\"{key}\":{}.{:03}", nanos / 1000, nanos % 1000));
    }

    fn complete(&mut self, name: &str, category: &str, thread: u64, (from, to): (Moment, Moment)) {
        self.begin("X", name, category, thread);
        self.time("ts", nanos(self.origin, from));
        self.time("dur", nanos(from, to));
        self.out.push('}');
    }

    fn answer(&mut self, span: &Span, args: &[(&str, &str)]) {
        for (phase, at) in [("b", span.start), ("e", span.end)] {
            self.begin(phase, &span.name, "answer", span.thread);
            self.time("ts", nanos(self.origin, at));
            self.out.push_str(&format!(",\"id\":{},\"args\":{{", span.id));
            for (index, (key, value)) in args.iter().enumerate() {
                self.out.push_str(if index == 0 { "" } else { "," });
                self.text(key);
                self.out.push(':');
                self.text(value);
            }
            self.out.push_str("}}");
        }
    }

    fn name_thread(&mut self, thread: u64, name: &str) {
        self.begin("M", "thread_name", "__metadata", thread);
        self.out.push_str(",\"args\":{\"name\":");
        self.text(name);
        self.out.push_str("}}");
    }

    /// Writes a string of JSON (RFC 8259 §7).
    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                c if c < ' ' => self.out.push_str(&format!("\\u{:04x}", c as u32)),
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

/// Records spans while it is on.
#[derive(Default)]
pub struct Recorder {
    is_on: AtomicBool,
    inside: Mutex<Recorded>,
}

#[derive(Default)]
struct Recorded {
    profile: Profile,
    /// Where the span of an answer is.
    places: HashMap<u64, usize>,
    /// Answers that were sound, and below which it was looked, since the last edit.
    looked: HashSet<u64>,
}

/// A question that is being timed.
pub struct Asked {
    at: Moment,
    /// Answers with this number and higher ones were begun after it.
    begun: u64,
    was_at_hand: bool,
}

/// Returns this thread's number.
pub fn thread_number() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static NUMBER: u64 = LAST.fetch_add(1, Ordering::Relaxed) + 1;
    }
    NUMBER.with(|number| *number)
}

impl Recorder {
    fn inside(&self) -> MutexGuard<'_, Recorded> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether anything is recorded.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Begins a new profile.
    pub fn start(&self) {
        *self.inside() = Recorded::default();
        self.is_on.store(true, Ordering::Relaxed);
    }

    /// Ends the profile and gives it.
    pub fn stop(&self) -> Profile {
        self.is_on.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.inside()).profile
    }

    /// Takes in that an answer was made or found among the kept ones.
    pub fn computed(
        &self,
        key: &ResourceKey,
        answer: &Answer,
        (start, thread): (Moment, u64),
        waits: Vec<Wait>,
    ) {
        let outcome = match answer.story.how {
            How::Made => Outcome::Made,
            How::Kept => Outcome::Kept,
        };
        let end = key.site.host.clock.now();
        self.inside().add(Span {
            id: answer.serial,
            name: format!("{key:?}"),
            endpoint: answer.story.endpoint.clone(),
            outcome,
            why: answer.story.why.clone(),
            start,
            end,
            thread,
            waits,
        });
    }

    /// Takes in that something is asked; `peek` says what is at hand.
    pub fn ask(&self, key: &ResourceKey, peek: Peek<'_>) -> Option<Asked> {
        let begun = key.site.serial.load(Ordering::Relaxed);
        let was_at_hand = peek(key).is_some();
        self.is_on().then(|| Asked { at: key.site.host.clock.now(), begun, was_at_hand })
    }

    /// Takes in what the answer to a question was, and returns for what was waited, and how long.
    pub fn answered(
        &self,
        asked: Asked,
        key: &ResourceKey,
        answer: &Arc<Answer>,
        peek: Peek<'_>,
    ) -> Vec<Wait> {
        let to = key.site.host.clock.now();
        let mut inside = self.inside();
        let direct = Wait { on: answer.serial, from: asked.at, to, thread: thread_number() };
        if asked.was_at_hand {
            inside.add_spared(key, answer, Outcome::Hit, (to, to), Vec::new());
            return vec![direct];
        }
        let below = inside.computed_below(key, answer, &asked, to, peek);
        if answer.serial < asked.begun {
            inside.add_spared(key, answer, Outcome::CutOff, (asked.at, to), below);
            return vec![direct];
        }
        below.into_iter().chain([direct]).collect()
    }

    /// Takes in that what was sound may not be any longer.
    pub fn edited(&self) {
        if self.is_on() {
            self.inside().looked.clear();
        }
    }

    /// Takes in a question from outside.
    pub fn question(&self, waits: Vec<Wait>) {
        self.inside().profile.questions.push(Question { waits });
    }
}

/// Says what is at hand.
pub type Peek<'a> = &'a dyn Fn(&ResourceKey) -> Option<Arc<Answer>>;

impl Recorded {
    fn add(&mut self, span: Span) {
        self.places.insert(span.id, self.profile.spans.len());
        self.profile.spans.push(span);
    }

    fn add_spared(
        &mut self,
        key: &ResourceKey,
        answer: &Answer,
        outcome: Outcome,
        (start, end): (Moment, Moment),
        waits: Vec<Wait>,
    ) {
        if self.places.contains_key(&answer.serial) {
            return;
        }
        self.add(Span {
            id: answer.serial,
            name: format!("{key:?}"),
            endpoint: answer.story.endpoint.clone(),
            outcome,
            why: String::new(),
            start,
            end,
            thread: thread_number(),
            waits,
        });
    }

    /// Looks below an answer that was not at hand, and returns what was computed for it before it was
    /// itself: to find out whether what it had read was as before. What was not computed, and stands
    /// above something that was, was cut off.
    fn computed_below(
        &mut self,
        key: &ResourceKey,
        answer: &Arc<Answer>,
        asked: &Asked,
        to: Moment,
        peek: Peek<'_>,
    ) -> Vec<Wait> {
        // Each with those above it.
        let mut found: Vec<(ResourceKey, Arc<Answer>, Vec<usize>)> =
            vec![(key.clone(), answer.clone(), Vec::new())];
        let mut places: HashMap<u64, usize> = HashMap::from([(answer.serial, 0)]);
        let mut at = 0;
        while at < found.len() {
            let (key, above, _) = &found[at];
            let inputs = above.story.inputs.iter().filter_map(|input| match &input.what {
                Read::Resource(request) => Some(key.beside(request)),
                Read::Root(_) => None,
            });
            let is_computed = above.serial >= asked.begun;
            let is_looked = !is_computed && !self.looked.insert(above.serial);
            let inputs = inputs.take(if is_looked { 0 } else { usize::MAX });
            let below: Vec<_> = inputs.filter_map(|key| Some((peek(&key)?, key))).collect();
            let begun = above.serial;
            for (answer, key) in below {
                // For what was begun after its reader, its reader says itself that it waited.
                if is_computed && answer.serial > begun {
                    continue;
                }
                let next = found.len();
                let place = *places.entry(answer.serial).or_insert(next);
                if place == next {
                    found.push((key, answer, Vec::new()));
                }
                found[place].2.push(at);
            }
            at += 1;
        }
        let is_computed = |at: &usize| found[*at].1.serial >= asked.begun;
        let computed: Vec<usize> = (1..found.len()).filter(is_computed).collect();
        let ends = computed.iter().filter_map(|at| {
            let id = found[*at].1.serial;
            Some((id, self.profile.spans[*self.places.get(&id)?].end))
        });
        let wait = |(on, end): (u64, Moment)| Wait {
            on,
            from: asked.at,
            to: end.min(to),
            thread: thread_number(),
        };
        let mut waits: Vec<Wait> = ends.map(wait).collect();
        waits.sort_by_key(|wait| wait.to);
        let mut above: HashSet<usize> = HashSet::new();
        let mut open = computed;
        while let Some(at) = open.pop() {
            open.extend(found[at].2.iter().copied().filter(|place| above.insert(*place)));
        }
        let mut between: Vec<usize> = above.into_iter().filter(|at| *at > 0).collect();
        between.sort_unstable();
        for at in between {
            let (key, answer, _) = &found[at];
            if answer.serial < asked.begun {
                self.add_spared(key, answer, Outcome::CutOff, (asked.at, to), Vec::new());
            }
        }
        waits
    }
}

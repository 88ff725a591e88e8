//! Endpoints that are data of the tests, and a kernel over a host in memory that uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::Expect;
use vigil_base::Vcid;
use vigil_base::world::{Clock, Moment};
use vigil_kernel::engine::EngineOptions;
use vigil_kernel::{
    Argument, Authority, Blobs, Call, Context, Endpoint, Grammar, Host, Identifier, Invocation,
    Kernel, MediaType, Memory, OfMachines, Owner, Produced, Reason, Refusal, Representation,
    Request, Serving, Space, TracePolicy, Verb, parse_pipeline,
};

pub struct Still;

impl Clock for Still {
    fn now(&self) -> Moment {
        Moment(0)
    }
}

/// An endpoint that is data of the test.
pub struct Toy {
    pub name: &'static str,
    pub grammar: Grammar,
    pub version: Vcid,
    pub gives: Vec<MediaType>,
    pub needs: BTreeSet<String>,
    pub secrecy: BTreeSet<String>,
    pub verbs: Vec<Verb>,
    pub runs: Arc<AtomicUsize>,
    pub serve: for<'a> fn(&'a Call, &'a Context<'a>) -> Serving<'a>,
}

impl Endpoint for Toy {
    fn name(&self) -> &str {
        self.name
    }

    fn help(&self) -> &str {
        "a toy"
    }

    fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    fn version(&self) -> Vcid {
        self.version
    }

    fn gives(&self) -> &[MediaType] {
        &self.gives
    }

    fn needs(&self, _: &Call) -> BTreeSet<String> {
        self.needs.clone()
    }

    fn secrecy(&self, _: &Call) -> BTreeSet<String> {
        self.secrecy.clone()
    }

    fn verbs(&self) -> &[Verb] {
        &self.verbs
    }

    fn serve<'a>(&'a self, call: &'a Call, context: &'a Context<'a>) -> Serving<'a> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        (self.serve)(call, context)
    }
}

pub fn toy(
    name: &'static str,
    pattern: &str,
    serve: for<'a> fn(&'a Call, &'a Context<'a>) -> Serving<'a>,
) -> Toy {
    Toy {
        name,
        grammar: Grammar::new(pattern).expect("the test is right"),
        version: Vcid::of(name.as_bytes()),
        gives: Vec::new(),
        needs: BTreeSet::new(),
        secrecy: BTreeSet::new(),
        verbs: Vec::new(),
        runs: Arc::default(),
        serve,
    }
}

pub fn plain(text: &str) -> Produced {
    Produced::bytes(MediaType::new("text/plain").expect("the test is right"), text.into())
}

pub fn id(text: &str) -> Identifier {
    Identifier::new(text).expect("the test is right")
}

/// `text:…`: the text itself.
pub fn text() -> Toy {
    toy("text", "text:{text:rest}", |call, _| {
        let text = call.parts["text"].clone();
        Box::pin(async move { Ok(plain(&text)) })
    })
}

/// `box:NAME`: what the root of that name holds.
pub fn boxes() -> Toy {
    toy("box", "box:{name:word}", |call, context| {
        Box::pin(async move {
            match context.root(&call.parts["name"]).await? {
                Some(state) => Ok(plain(&String::from_utf8_lossy(&state))),
                None => Err(Refusal::new(Reason::Absent, format!("{} is empty", call.request.uri))),
            }
        })
    })
}

/// Grants these needs, and is cleared for these tags.
#[derive(Clone, Copy)]
pub struct Allows(pub &'static [&'static str], pub &'static [&'static str]);

impl Authority for Allows {
    fn grants(&self, need: &str) -> Result<(), String> {
        match self.0.contains(&need) {
            true => Ok(()),
            false => Err("the bundle has no such capability".to_owned()),
        }
    }

    fn is_cleared(&self, tag: &str) -> bool {
        self.1.contains(&tag)
    }
}

/// `secret:NAME`: the name, labelled.
pub fn secret() -> Toy {
    toy("secret", "secret:{name:word}", |call, _| {
        let mut produced = plain(&call.parts["name"]);
        produced.label.secrecy.insert("payroll".to_owned());
        Box::pin(async { Ok(produced) })
    })
}

/// Reads the operand of a call.
pub async fn operand(call: &Call, context: &Context<'_>) -> Result<String, Refusal> {
    let invocation = Invocation::from_uri(&call.request.uri).expect("a call").expect("canonical");
    match invocation.arguments.get("of") {
        Some(Argument::Reference(uri)) => {
            Ok(String::from_utf8_lossy(&context.bytes(uri).await?).into_owned())
        }
        _ => Err(Refusal::new(Reason::Misuse, "nothing is piped in")),
    }
}

/// `… | first`: the first letter, so that most changes are cut off.
pub fn first() -> Toy {
    toy("first", "active:first{arguments:call}", |call, context| {
        Box::pin(async move { Ok(plain(&operand(call, context).await?[..1])) })
    })
}

/// `… | upper`.
pub fn upper() -> Toy {
    toy("upper", "active:upper{arguments:call}", |call, context| {
        Box::pin(async move { Ok(plain(&operand(call, context).await?.to_uppercase())) })
    })
}

/// A host in memory that knows what JSON begins with.
pub fn host(memory: &Arc<Memory>, policy: impl TracePolicy + 'static, machine: &str) -> Host {
    let json: vigil_kernel::Check = |bytes| match bytes.first() {
        Some(b'{' | b'[') => Ok(()),
        _ => Err("it does not begin with a bracket".to_owned()),
    };
    Host {
        blobs: memory.clone(),
        traces: memory.clone(),
        roots: memory.clone(),
        clock: Arc::new(Still),
        policy: Arc::new(policy),
        machine: machine.to_owned(),
        checks: BTreeMap::from([(
            MediaType::new("application/json").expect("the test is right"),
            json,
        )]),
    }
}

pub struct World {
    pub memory: Arc<Memory>,
    pub kernel: Kernel,
}

impl World {
    pub fn on(memory: &Arc<Memory>, policy: impl TracePolicy + 'static, machine: &str) -> Self {
        let kernel = Kernel::new(host(memory, policy, machine), EngineOptions::default());
        Self { memory: memory.clone(), kernel }
    }

    pub fn new(space: Space) -> Self {
        Self::again(&Arc::default(), space)
    }

    pub fn again(memory: &Arc<Memory>, space: Space) -> Self {
        let world = Self::on(memory, OfMachines(vec!["here".to_owned()]), "here");
        world.kernel.set_scope("s", space);
        world
    }

    pub fn ask_as(
        &self,
        authority: impl Authority + 'static,
        request: Request,
    ) -> Result<Representation, Refusal> {
        let answer = self.kernel.resolve(Arc::new(authority), "s", request);
        self.kernel.engine().block_on(answer)
    }

    pub fn ask(&self, pipeline: &str) -> Result<Representation, Refusal> {
        self.ask_as(Owner, Request::source(parse_pipeline(pipeline).expect("the test is right")))
    }

    /// Asks, and shows the text or the refusal.
    #[track_caller]
    pub fn check(&self, pipeline: &str, want: Expect) {
        want.assert_eq(&self.show(self.ask(pipeline)));
    }

    pub fn show(&self, answer: Result<Representation, Refusal>) -> String {
        match answer {
            Ok(found) => {
                let bytes = self
                    .memory
                    .get(found.vcid)
                    .expect("the test is right")
                    .expect("the test is right");
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Err(refusal) => format!("{:?}: {refusal}", refusal.reason),
        }
    }
}

/// A space of toys, and how often each of them ran.
pub fn space(toys: Vec<Toy>) -> (Space, Vec<Arc<AtomicUsize>>) {
    let runs = toys.iter().map(|toy| toy.runs.clone()).collect();
    let space = toys
        .into_iter()
        .fold(Space::new("s"), |space, toy| space.with(Arc::new(toy)).expect("the test is right"));
    (space, runs)
}

#[track_caller]
pub fn ran(runs: &[Arc<AtomicUsize>], want: &[usize]) {
    let got: Vec<usize> = runs.iter().map(|runs| runs.swap(0, Ordering::Relaxed)).collect();
    assert_eq!(got, want, "how often each endpoint ran");
}

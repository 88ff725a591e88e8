//! Ten thousand random histories, and as many random chains, against the naive reference.

use super::naive::{Naive, Summary};
use super::*;

const HISTORIES: u64 = 10_000;
const MACHINES: usize = 4;
const PERSONS: usize = 3;

/// Keys and requests, made once: signing is what takes the time.
struct Cast {
    keys: BTreeMap<u8, SecretKey>,
    requests: Vec<JoinRequest>,
    /// What the machines have said: in one life with what their thieves signed beside it, and in another.
    batches: Vec<Batch>,
}

impl Cast {
    fn new() -> Self {
        let machines = 1..=MACHINES as u8;
        let persons = PERSON..PERSON + PERSONS as u8;
        let batches = machines.clone().flat_map(|seed| {
            let key = key(seed);
            let honest = batches(&key, 7, None, &SAID[..4]);
            let late = batches(&key, 7, Some(&honest[0]), &["y", "z"]);
            let rival = batches(&key, 7, None, &["x", "y"]);
            let other = batches(&key, 8, None, &SAID[..2]);
            [honest, late, rival, other].concat()
        });
        Self {
            batches: batches.collect(),
            keys: machines.clone().chain(persons).map(|seed| (seed, key(seed))).collect(),
            requests: machines.map(request).collect(),
        }
    }

    fn bytes(&self, seed: u8) -> KeyBytes {
        self.keys[&seed].public().bytes()
    }
}

fn person(random: &Repeating) -> u8 {
    // Mostly the first key, so that histories get somewhere.
    PERSON + if random.below(3) > 0 { 0 } else { random.below(PERSONS) as u8 }
}

fn machine(random: &Repeating) -> u8 {
    1 + random.below(MACHINES) as u8
}

fn random_scope(random: &Repeating) -> Scope {
    let verbs: &[&str] = [&["read"][..], &["read", "write"], &["read", "write"]][random.below(3)];
    let prefix = ["", "", "logs", "logs/a"][random.below(4)];
    scope(verbs, prefix, [None, None, Some(50), Some(100)][random.below(4)])
}

/// A grant and its holder.
type Held = (Vcid, u8);

fn random_event(
    cast: &Cast,
    random: &Repeating,
    puddle: &Vcid,
    ids: &[Vcid],
    held: &[Held],
    after: &[Vcid],
) -> (u8, Event) {
    let pick = || ids[random.below(ids.len())];
    match random.below(13) {
        0..4 => {
            let request = cast.requests[random.below(MACHINES)].clone();
            let is_pardon = random.below(4) == 0;
            let pardons = is_pardon.then_some(Incarnation([7; 16])).into_iter().collect();
            (person(random), Event::Add { request, pardons })
        }
        4 if random.below(2) == 0 => {
            let author = if random.below(2) == 0 { person(random) } else { machine(random) };
            if random.below(2) == 0 {
                return (author, revoke_grant(pick()));
            }
            let machine = machine(random);
            let of_machine: Vec<&Batch> = cast
                .batches
                .iter()
                .filter(|batch| batch.header().feed.machine == cast.bytes(machine))
                .collect();
            let marks =
                (0..random.below(4)).map(|_| mark(of_machine[random.below(of_machine.len())]));
            let kept: BTreeSet<FeedMark> = marks.collect();
            (author, revoke_at(machine, kept.into_iter().collect()))
        }
        5 => {
            let before = person(random);
            let successor = &cast.keys[&(PERSON + random.below(PERSONS) as u8)];
            (before, Event::rotate(puddle, &cast.bytes(before), after, successor))
        }
        12 => {
            let is_person = random.below(3) > 0;
            (if is_person { person(random) } else { machine(random) }, Event::Renew)
        }
        6..8 => {
            let (to, scope) = (cast.bytes(machine(random)), random_scope(random));
            (person(random), Event::Grant { to, parent: None, scope })
        }
        _ if !held.is_empty() && random.below(8) > 0 => {
            // By whoever holds the grant above.
            let (parent, author) = held[random.below(held.len())];
            let (to, scope) = (cast.bytes(machine(random)), random_scope(random));
            (author, Event::Grant { to, parent: Some(parent), scope })
        }
        _ => {
            let (to, scope) = (cast.bytes(machine(random)), random_scope(random));
            (machine(random), Event::Grant { to, parent: Some(pick()), scope })
        }
    }
}

fn summary(view: &View, known: &[&Batch]) -> Summary {
    let word = |state: &MachineState| match state {
        MachineState::Active => "active",
        MachineState::Revoked { .. } => "revoked",
        MachineState::Frozen { .. } => "frozen",
    };
    Summary {
        person: match view.authority {
            Authority::Person(key) => Some(key),
            Authority::Contested(_) => None,
        },
        machines: view.machines.iter().map(|(key, view)| (*key, word(&view.state))).collect(),
        grants: view.grants.iter().map(|(id, grant)| (*id, grant.depth)).collect(),
        signed: view.signed.keys().copied().collect(),
        said: known.iter().filter(|batch| counts(view, known, batch)).map(|it| it.id()).collect(),
    }
}

/// Sometimes, an earlier rotation with its consent, to be signed again by whoever has the old key.
fn replayed(cast: &Cast, random: &Repeating, statements: &[Statement]) -> Option<(u8, Event)> {
    if random.below(20) > 0 {
        return None;
    }
    let found = statements.iter().find_map(|statement| {
        let event = PuddleEvent::decode(statement).expect("an event").event;
        matches!(event, Event::Rotate { .. }).then_some((statement.author(), event))
    })?;
    let seed = cast.keys.keys().find(|seed| cast.bytes(**seed) == found.0)?;
    Some((*seed, found.1))
}

/// A history of up to 15 events after the genesis: some see only a few of those before, sometimes one is
/// lost on the way, and they come in any order.
fn random_history(cast: &Cast, random: &Repeating, genesis: &Statement) -> Vec<Statement> {
    let puddle = genesis.id();
    let mut statements = Vec::from([genesis.clone()]);
    let mut ids = Vec::from([puddle]);
    let mut held: Vec<Held> = Vec::new();
    for _ in 0..random.below(16) {
        let some = || ids[random.below(ids.len())];
        let after = match random.below(8) {
            0 | 1 => BTreeSet::from([some()]),
            2 => BTreeSet::from([some(), some()]),
            _ => BTreeSet::from([ids[ids.len() - 1]]),
        };
        let after: Vec<Vcid> = after.into_iter().collect();
        let (author, event) = match replayed(cast, random, &statements) {
            Some(replayed) => replayed,
            None => random_event(cast, random, &puddle, &ids, &held, &after),
        };
        let to = match &event {
            Event::Grant { to, .. } => (1..=MACHINES as u8).find(|seed| cast.bytes(*seed) == *to),
            _ => None,
        };
        let event = PuddleEvent { puddle: Some(puddle), after, event };
        statements.push(event.sign(&cast.keys[&author], Moment(1)));
        let id = statements[statements.len() - 1].id();
        held.extend(to.map(|to| (id, to)));
        ids.push(id);
    }
    if random.below(8) == 0 && statements.len() > 2 {
        statements.remove(1 + random.below(statements.len() - 1));
    }
    for at in (1..statements.len()).rev() {
        statements.swap(at, random.below(at + 1));
    }
    statements
}

#[test]
fn ten_thousand_random_histories_agree_with_the_naive_reference() {
    let cast = Cast::new();
    let genesis = genesis();
    let puddle = genesis.id();
    let (mut grants, mut deep, mut contested, mut rotated, mut kept) = (0, 0, 0, 0, 0);
    for seed in 0..HISTORIES {
        let random = Repeating::new(seed);
        let statements = random_history(&cast, &random, &genesis);
        let fork =
            |_| FeedId { machine: cast.bytes(machine(&random)), incarnation: Incarnation([7; 16]) };
        let frozen: BTreeSet<FeedId> = (0..random.below(2)).map(fork).collect();
        let view = fold(puddle, &statements, &frozen).expect("there is a genesis");
        let events = statements.iter().map(|statement| {
            (statement.id(), statement.author(), PuddleEvent::decode(statement).expect("an event"))
        });
        // Sometimes a batch has not come.
        let missing = random.below(2 * cast.batches.len());
        let known = cast.batches.iter().enumerate().filter(|(at, _)| *at != missing);
        let known: Vec<&Batch> = known.map(|(_, batch)| batch).collect();
        let naive = Naive { puddle, events: events.collect(), frozen: &frozen, known: &known };
        assert_eq!(summary(&view, &known), naive.summary(), "seed {seed}");
        let of_revoked = |batch: &&&Batch| {
            let machine = view.machines.get(&batch.header().feed.machine);
            let state = machine.map(|machine| &machine.state);
            matches!(state, Some(MachineState::Revoked { .. })) && counts(&view, &known, batch)
        };
        kept += known.iter().filter(of_revoked).count();
        grants += view.grants.len();
        deep += view.grants.values().filter(|grant| grant.depth > 1).count();
        contested += usize::from(matches!(view.authority, Authority::Contested(_)));
        rotated += usize::from(view.persons.len() > 1);
    }
    // The histories are worth comparing: all of it happens, and often.
    let happened = (grants > 2000, deep > 100, contested > 10, rotated > 200, kept > 200);
    let all = (true, true, true, true, true);
    assert_eq!(happened, all, "{grants} {deep} {contested} {rotated} {kept}");
}

/// Links by who gives, who gets, what and under what; chains are drawn from them.
fn random_links(cast: &Cast, random: &Repeating, puddle: Vcid) -> Vec<Statement> {
    let mut pool: Vec<(u8, Statement)> = Vec::new();
    for _ in 0..400 {
        let to = machine(random);
        let is_root = pool.is_empty() || random.below(4) == 0;
        let above = (!is_root).then(|| pool[random.below(pool.len())].clone());
        let author = match &above {
            Some((holder, _)) if random.below(10) > 0 => *holder,
            Some(_) => machine(random),
            None => PERSON,
        };
        let parent = above.map(|(_, statement)| statement.id());
        let event = Event::Grant { to: cast.bytes(to), parent, scope: random_scope(random) };
        let event = PuddleEvent { puddle: Some(puddle), after: Vec::new(), event };
        pool.push((to, event.sign(&cast.keys[&author], Moment(1))));
    }
    pool.into_iter().map(|(_, statement)| statement).collect()
}

#[test]
fn ten_thousand_random_chains_agree_with_the_naive_reference() {
    let cast = Cast::new();
    let puddle = genesis().id();
    let person = cast.bytes(PERSON);
    let ask = Ask { subsystem: "files", verb: "read", resource: "logs/a/x" };
    let random = Repeating::new(5);
    let pool = random_links(&cast, &random, puddle);
    let grants: BTreeMap<Vcid, (KeyBytes, PuddleEvent)> = pool
        .iter()
        .map(|statement| {
            let event = PuddleEvent::decode(statement).expect("a grant");
            (statement.id(), (statement.author(), event))
        })
        .collect();
    let bytes: BTreeMap<Vcid, Vec<u8>> =
        pool.iter().map(|statement| (statement.id(), statement.encode())).collect();
    let mut held = 0;
    for _ in 0..HISTORIES {
        // From some link up to its root, as far as it goes; and sometimes one link is another.
        let mut chain = Vec::new();
        let mut at = Some(pool[random.below(pool.len())].id());
        while let Some(id) = at {
            chain.insert(0, id);
            let Event::Grant { parent, .. } = &grants[&id].1.event else { break };
            at = *parent;
        }
        if random.below(8) == 0 {
            let which = random.below(chain.len());
            chain[which] = pool[random.below(pool.len())].id();
        }
        let now = Moment([0, 60][random.below(2)]);
        let links: Vec<&Vec<u8>> = chain.iter().map(|id| &bytes[id]).collect();
        let got = check_chain(&person, &puddle, &links, &ask, now).is_ok();
        assert_eq!(got, holds(&chain, &grants, &person, &ask, now), "{chain:?}");
        held += usize::from(got);
    }
    assert!(held > 300 && held < HISTORIES as usize - 300, "{held}");
}

/// The rules of a chain, one sentence each.
fn holds(
    chain: &[Vcid],
    grants: &BTreeMap<Vcid, (KeyBytes, PuddleEvent)>,
    person: &KeyBytes,
    ask: &Ask<'_>,
    now: Moment,
) -> bool {
    let parts: Vec<(KeyBytes, KeyBytes, Option<Vcid>, Scope)> = chain
        .iter()
        .filter_map(|id| match &grants[id].1.event {
            Event::Grant { to, parent, scope } => Some((grants[id].0, *to, *parent, scope.clone())),
            _ => None,
        })
        .collect();
    let holders: BTreeSet<KeyBytes> = parts.iter().map(|part| part.1).collect();
    let is_linked = (1..parts.len()).all(|at| {
        parts[at].0 == parts[at - 1].1
            && parts[at].2 == Some(chain[at - 1])
            && parts[at - 1].3.covers(&parts[at].3)
    });
    parts.len() <= 4
        && holders.len() == parts.len()
        && parts[0].0 == *person
        && parts[0].2.is_none()
        && is_linked
        && parts.iter().all(|part| !part.3.is_expired(now))
        && parts[parts.len() - 1].3.allows(ask)
}

//! Every call on a capability: refused for an empty slot, for another kind, without each right.

use vectra_abi::{Access, Call, Kind, Name, Rights, SELF, Status, TABLE, WINDOW_START};
use vectra_tasks::rt::{Refused, call, find, free_name, raw};

use crate::bench::{AT, Bench, Fail, must, refused};

/// A call, what its first argument must be, and the rights that it needs.
const NEEDS: &[(Call, Kind, Rights)] = &[
    (Call::machine_power, Kind::Machine, Rights::CONTROL),
    (Call::machine_digest, Kind::Machine, Rights::INSPECT),
    (Call::machine_task, Kind::Machine, Rights::INSPECT),
    (Call::machine_slot, Kind::Machine, Rights::INSPECT),
    (Call::task_start, Kind::Task, Rights::CONTROL),
    (Call::task_halt, Kind::Task, Rights::CONTROL),
    (Call::task_status, Kind::Task, Rights::INSPECT),
    (Call::task_watch, Kind::Task, Rights::CONTROL),
    (Call::task_resume, Kind::Task, Rights::CONTROL),
    (Call::task_budget, Kind::Task, Rights::CONTROL),
    (Call::budget_set, Kind::Budget, Rights::CONTROL),
    (Call::bundle_put, Kind::Task, Rights::CONTROL),
    (Call::bundle_give, Kind::Task, Rights::CONTROL),
    (Call::bundle_read, Kind::Task, Rights::INSPECT),
    (Call::memory_info, Kind::Memory, Rights::NONE),
    (Call::ring_bind, Kind::Ring, Rights::SEND),
    (Call::ring_send_cap, Kind::Ring, Rights::SEND),
    (Call::ring_take_cap, Kind::Ring, Rights::RECEIVE),
    (Call::ring_info, Kind::Ring, Rights::NONE),
    (Call::signal_raise, Kind::Signal, Rights::RAISE),
    (Call::label_get, Kind::Task, Rights::INSPECT),
    (Call::label_raise, Kind::Task, Rights::CONTROL),
    (Call::label_drop, Kind::Task, Rights::CONTROL),
    (Call::label_clear, Kind::Task, Rights::CONTROL),
    (Call::irq_bind, Kind::Irq, Rights::CONTROL),
    (Call::irq_done, Kind::Irq, Rights::CONTROL),
    (Call::console_write, Kind::Console, Rights::WRITE),
    (Call::console_read, Kind::Console, Rights::READ),
];

/// Calls that find their first slot as those above, but whose objects cannot be narrowed here.
const SLOTS: &[Call] = &[
    Call::cap_copy,
    Call::cap_delete,
    Call::cap_revoke,
    Call::cap_info,
    Call::reticle_retype,
    Call::reticle_split,
    Call::reticle_reset,
    Call::reticle_info,
    Call::ring_unbind,
    Call::ring_bell,
    Call::label_copy,
];

fn name_of(number: Call) -> &'static str {
    TABLE[number as usize].name
}

fn attempt(number: Call, first: u64) -> Result<[u64; 4], Refused> {
    let answer = raw(number as u64, [first, 0, 0, 0, 0, 0]);
    match Status::from_word(answer.status) {
        Some(Status::Ok) => Ok(answer.words),
        status => Err(Refused {
            number: number as u64,
            status: status.unwrap_or(Status::NoCall),
            slot: answer.words[0],
            kind: Kind::from_word(answer.words[1]).unwrap_or(Kind::Empty),
            missing: answer.words[2],
            argument: answer.words[3],
        }),
    }
}

pub fn run(bench: &mut Bench) {
    for &number in NEEDS.iter().map(|(number, ..)| number).chain(SLOTS) {
        bench.case("empty-slot", name_of(number), |_| {
            for slot in [47, 48, 1 << 32, u64::MAX] {
                let refused = refused(attempt(number, slot), Status::EmptySlot)?;
                must(refused.slot == slot, "the refusal names the slot")?;
            }
            Ok(())
        });
    }
    for &(number, kind, _) in NEEDS {
        bench.case("wrong-kind", name_of(number), |bench| {
            let other = match kind {
                Kind::Memory => bench.part.0,
                _ => bench.make(Kind::Memory, 1)?,
            };
            let refused = refused(attempt(number, other), Status::WrongKind)?;
            must(refused.kind != kind && refused.slot == other, "the refusal names the kind")
        });
    }
    for &(number, kind, rights) in NEEDS {
        if rights != Rights::NONE {
            bench.case("missing-right", name_of(number), |bench| {
                missing(bench, number, kind, rights)
            });
        }
    }
    memory_rights(bench);
    narrowing(bench);
}

/// Makes a capability of a kind, takes the rights away, and calls.
fn missing(bench: &mut Bench, number: Call, kind: Kind, rights: Rights) -> Result<(), Fail> {
    let (slot, own) = match kind {
        Kind::Machine => (find("machine")?.0, false),
        Kind::Console => (find("console")?.0, false),
        Kind::Irq => (find("irq1")?.0, false),
        Kind::Signal => (bench.signal(1)?, true),
        Kind::Ring => (bench.make(Kind::Ring, 1)?, true),
        kind => (bench.make(kind, 0)?, true),
    };
    let less = Rights(call::cap_info(slot)?[1] as u16).minus(rights);
    let [low, high] = Name::new("less").words();
    let copy = call::cap_copy(slot, u64::from(less.0), low, high)?[0];
    let result = refused(attempt(number, copy), Status::MissingRight);
    if !own {
        call::cap_delete(copy)?;
    }
    must(result?.missing == u64::from(rights.0), "the refusal names the right")
}

fn memory_rights(bench: &mut Bench) {
    for (access, name) in
        [(Access::Read, "read"), (Access::Write, "write"), (Access::Execute, "execute")]
    {
        bench.case("missing-right", name, |bench| {
            let slot = bench.make(Kind::Memory, 1)?;
            for bit in [Rights::READ, Rights::WRITE, Rights::EXEC] {
                let less = Rights(call::cap_info(slot)?[1] as u16).minus(bit);
                let [low, high] = free_name("less").words();
                let copy = call::cap_copy(slot, u64::from(less.0), low, high)?[0];
                let result = call::memory_map(SELF, copy, AT, access as u64);
                if access.rights().has(bit) {
                    must(
                        refused(result, Status::MissingRight)?.missing == u64::from(bit.0),
                        "the refusal names the right",
                    )?;
                } else {
                    result?;
                    call::memory_unmap(SELF, copy)?;
                }
            }
            Ok(())
        });
    }
    bench.case("rights", "nothing is writable and executable", |bench| {
        let slot = bench.make(Kind::Memory, 1)?;
        for access in [0, 2, 4, 6, 7, 8, u64::MAX] {
            refused(call::memory_map(SELF, slot, AT, access), Status::BadArgument)?;
        }
        Ok(())
    });
}

fn narrowing(bench: &mut Bench) {
    bench.case("rights", "a copy has no more than its source", |bench| {
        let slot = bench.make(Kind::Memory, 1)?;
        let [low, high] = Name::new("less").words();
        let rights = Rights::READ.or(Rights::COPY);
        let less = call::cap_copy(slot, u64::from(rights.0), low, high)?[0];
        let [low, high] = Name::new("more").words();
        let more = rights.or(Rights::WRITE);
        let result = call::cap_copy(less, u64::from(more.0), low, high);
        must(
            refused(result, Status::MissingRight)?.missing == u64::from(Rights::WRITE.0),
            "the refusal names the right",
        )
    });
    bench.case("rights", "without copy nothing is copied", |bench| {
        let slot = bench.make(Kind::Memory, 1)?;
        let [low, high] = Name::new("less").words();
        let less = call::cap_copy(slot, u64::from(Rights::READ.0), low, high)?[0];
        let [low, high] = Name::new("again").words();
        refused(call::cap_copy(less, 0, low, high), Status::MissingRight)?;
        Ok(())
    });
    bench.case("rights", "a Task cannot copy itself", |_| {
        let [low, high] = Name::new("me").words();
        refused(call::cap_copy(SELF, 0, low, high), Status::MissingRight)?;
        Ok(())
    });
    bench.case("rights", "a Reticle cannot be copied", |bench| {
        let [low, high] = Name::new("twin").words();
        refused(call::cap_copy(bench.part.0, 0, low, high), Status::MissingRight)?;
        Ok(())
    });
    bench.case("rights", "the ends of a Ring exist once", |bench| {
        let ring = bench.make(Kind::Ring, 1)?;
        let [low, high] = Name::new("end").words();
        call::cap_copy(ring, u64::from(Rights::SEND.0), low, high)?;
        let left = Rights(call::cap_info(ring)?[1] as u16);
        must(!left.has(Rights::SEND) && left.has(Rights::RECEIVE), "the right moved")
    });
    bench.case("rights", "a Task may not start above its maker", |bench| {
        let task = bench.make(Kind::Task, 0)?;
        for priority in [8, 255, 256, u64::MAX] {
            let stack = WINDOW_START + 16;
            refused(call::task_start(task, WINDOW_START, stack, priority), Status::BadArgument)?;
        }
        Ok(())
    });
}

//! Reticles, memory, Rings, Bundles and the derivation tree.

use core::sync::atomic::Ordering;

use vectra_abi::{
    Access, Kind, Name, PAGE_BYTES, Rights, SELF, Side, Status, TASK_FRAMES, TASK_TABLES,
    WINDOW_END, WINDOW_START,
};
use vectra_tasks::rt::{call, free_name, words};

use crate::bench::{AT, Bench, must, refused, same};

pub fn run(bench: &mut Bench) {
    reticles(bench);
    memory(bench);
    rings(bench);
    bells(bench);
    capabilities(bench);
}

fn reticles(bench: &mut Bench) {
    for (kind, count, frames) in [
        (Kind::Memory, 1, 2),
        (Kind::Memory, 7, 8),
        (Kind::Task, 0, TASK_FRAMES),
        (Kind::Ring, 1, 4),
        (Kind::Ring, 4, 7),
        (Kind::UpRing, 2, 5),
        (Kind::Budget, 0, 1),
    ] {
        bench.case("reticle", "an object costs what it says", |bench| {
            let before = call::reticle_info(bench.part.0)?[1];
            bench.make(kind, count)?;
            same(call::reticle_info(bench.part.0)?[1] - before, frames, "pages")
        });
    }
    for (kind, count) in [
        (Kind::Memory, 0),
        (Kind::Memory, 1025),
        (Kind::Ring, 0),
        (Kind::Ring, 3),
        (Kind::Ring, 128),
        (Kind::Task, 1),
        (Kind::Budget, 1),
    ] {
        bench.case("reticle", "a size that cannot be", |bench| {
            refused(bench.make(kind, count), Status::BadArgument).map(|_| ())
        });
    }
    for kind in [Kind::Empty, Kind::Reticle, Kind::Signal, Kind::Label, Kind::Irq, Kind::Machine] {
        bench.case("reticle", "a kind that is not made of memory", |bench| {
            refused(bench.make(kind, 1), Status::BadArgument).map(|_| ())
        });
    }
    bench.case("reticle", "too little memory says how much is missing", |bench| {
        let [low, high] = Name::new("small").words();
        let small = call::reticle_split(bench.part.0, 10, low, high)?[0];
        let [low, high] = Name::new("big").words();
        let result = call::reticle_retype(small, Kind::Memory as u64, 12, low, high, 0);
        same(refused(result, Status::NoMemory)?.missing, 3 * PAGE_BYTES, "missing")
    });
    bench.case("reticle", "any number of pages, no powers of two", |bench| {
        for pages in [3, 5, 7, 11, 13] {
            let [low, high] = free_name("odd").words();
            call::reticle_split(bench.part.0, pages, low, high)?;
        }
        Ok(())
    });
    bench.case("reticle", "split inside split, reset takes all", |bench| {
        let mut reticle = bench.part.0;
        for pages in [500, 400, 300, 200] {
            let [low, high] = free_name("nest").words();
            reticle = call::reticle_split(reticle, pages, low, high)?[0];
        }
        let [low, high] = Name::new("leaf").words();
        let leaf = call::reticle_retype(reticle, Kind::Memory as u64, 9, low, high, 0)?[0];
        call::reticle_reset(bench.part.0)?;
        refused(call::cap_info(leaf), Status::EmptySlot)?;
        same(call::reticle_info(bench.part.0)?[1], 0, "pages in use")
    });
    bench.case("reticle", "memory is clear when it is made again", |bench| {
        bench.page(AT)?;
        words(AT, 1)[5].store(77, Ordering::Relaxed);
        call::reticle_reset(bench.part.0)?;
        bench.page(AT)?;
        same(words(AT, 1)[5].load(Ordering::Relaxed), 0, "the word")
    });
    bench.case("reticle", "a full Bundle refuses and takes no memory", |bench| {
        while bench.make(Kind::Budget, 0).is_ok() {}
        let used = call::reticle_info(bench.part.0)?[1];
        refused(bench.make(Kind::Memory, 1), Status::NoSlot)?;
        same(call::reticle_info(bench.part.0)?[1], used, "pages in use")
    });
}

fn memory(bench: &mut Bench) {
    bench.case("memory", "what is written is read", |bench| {
        let slot = bench.make(Kind::Memory, 4)?;
        call::memory_map(SELF, slot, AT, Access::Write as u64)?;
        for (at, word) in words(AT, 4).iter().enumerate() {
            word.store(at as u64, Ordering::Relaxed);
        }
        let sum: u64 = words(AT, 4).iter().map(|word| word.load(Ordering::Relaxed)).sum();
        same(sum, 2047 * 2048 / 2, "the sum")
    });
    bench.case("memory", "two mappings show the same page", |bench| {
        let slot = bench.page(AT)?;
        let [low, high] = Name::new("twin").words();
        let rights = u64::from(Rights::READ.0);
        let twin = call::cap_copy(slot, rights, low, high)?[0];
        call::memory_map(SELF, twin, AT + 0x1000, Access::Read as u64)?;
        words(AT, 1)[9].store(5, Ordering::Relaxed);
        same(words(AT + 0x1000, 1)[9].load(Ordering::Relaxed), 5, "the word")
    });
    for (address, name) in [
        (0, "zero"),
        (WINDOW_START - PAGE_BYTES, "below the window"),
        (WINDOW_END, "above the window"),
        (AT + 1, "unaligned"),
        (u64::MAX - PAGE_BYTES + 1, "the last page"),
        (0x8000_0000_0000_0000, "not canonical"),
        (0xffff_ffff_8000_0000, "the kernel"),
    ] {
        bench.case("memory", name, |bench| {
            let slot = bench.make(Kind::Memory, 1)?;
            let result = call::memory_map(SELF, slot, address, Access::Read as u64);
            refused(result, Status::BadArgument).map(|_| ())
        });
    }
    bench.case("memory", "ranges may not overlap", |bench| {
        bench.page(AT + 0x3000)?;
        let slot = bench.make(Kind::Memory, 4)?;
        for at in [AT, AT + 0x1000, AT + 0x3000] {
            let result = call::memory_map(SELF, slot, at, Access::Read as u64);
            refused(result, Status::Overlap)?;
        }
        call::memory_map(SELF, slot, AT + 0x4000, Access::Read as u64)?;
        Ok(())
    });
    bench.case("memory", "a slot is mapped once", |bench| {
        let slot = bench.page(AT)?;
        let result = call::memory_map(SELF, slot, AT + 0x8000, Access::Read as u64);
        refused(result, Status::Busy)?;
        call::memory_unmap(SELF, slot)?;
        refused(call::memory_unmap(SELF, slot), Status::WrongState).map(|_| ())
    });
    bench.case("memory", "translation tables are counted", |bench| {
        let mut mapped = 0;
        for block in 0..=TASK_TABLES as u64 {
            let slot = bench.make(Kind::Memory, 1)?;
            let address = AT + 0x100_0000 + block * 0x20_0000;
            match call::memory_map(SELF, slot, address, Access::Read as u64) {
                Ok(_) => mapped += 1,
                Err(refused) => {
                    must(refused.status == Status::NoTables, "the refusal")?;
                    return same(refused.missing, PAGE_BYTES, "missing");
                }
            }
        }
        same(mapped, 0, "blocks that were mapped")
    });
}

fn bells(bench: &mut Bench) {
    bench.case("ring", "a full Ring refuses, a bell wakes", |bench| {
        let ring = bench.make(Kind::Ring, 1)?;
        let [low, high] = Name::new("end").words();
        let end = call::cap_copy(ring, u64::from(Rights::RECEIVE.0), low, high)?[0];
        call::ring_bind(ring, Side::Producer as u64, AT, 1)?;
        call::ring_bind(end, Side::Consumer as u64, AT + 0x10000, 2)?;
        let mut producer = producer(words(AT, 3), true);
        let filled = (0..100).take_while(|_| producer.push(&[1; 7]).is_ok()).count();
        same(filled as u64, 64, "messages")?;
        call::signal_poll(3)?;
        call::ring_bell(ring, 0, 0)?;
        same(call::signal_poll(3)?[0], 2, "the consumer's bit")?;
        call::ring_bell(end, 0, 0)?;
        same(call::signal_poll(3)?[0], 1, "the producer's bit")
    });
    bench.case("ring", "one call rings a bell and waits", |bench| {
        let ring = bench.make(Kind::Ring, 1)?;
        let [low, high] = Name::new("end").words();
        let end = call::cap_copy(ring, u64::from(Rights::RECEIVE.0), low, high)?[0];
        call::ring_bind(ring, Side::Producer as u64, AT, 1)?;
        call::ring_bind(end, Side::Consumer as u64, AT + 0x10000, 2)?;
        call::signal_poll(3)?;
        same(call::ring_bell(ring, 2 | 4, 0)?[0], 2, "what it waited for")?;
        same(call::ring_bell(ring, 0, 0)?[0], 0, "without a mask it waits for nothing")?;
        same(call::signal_poll(7)?[0], 2, "the consumer's bit")?;
        refused(call::ring_bell(end, 4, 1), Status::Timeout)?;
        same(call::signal_poll(7)?[0], 1, "it was rung before the time ran out")
    });
    bench.case("ring", "unbinding signals the peer", |bench| {
        let ring = bench.make(Kind::Ring, 1)?;
        let [low, high] = Name::new("end").words();
        let end = call::cap_copy(ring, u64::from(Rights::RECEIVE.0), low, high)?[0];
        call::ring_bind(ring, Side::Producer as u64, AT, 1)?;
        call::ring_bind(end, Side::Consumer as u64, AT + 0x10000, 2)?;
        call::signal_poll(3)?;
        call::ring_unbind(end)?;
        same(call::signal_poll(3)?[0], 1, "the producer's bit")?;
        refused(call::ring_bell(end, 1, 0), Status::WrongState)?;
        call::ring_bind(end, Side::Consumer as u64, AT + 0x10000, 2)?;
        same(call::ring_info(ring)?[1], 1, "both are bound")
    });
    bench.case("ring", "deleting an end signals the peer", |bench| {
        let ring = bench.make(Kind::Ring, 1)?;
        let [low, high] = Name::new("end").words();
        let end = call::cap_copy(ring, u64::from(Rights::RECEIVE.0), low, high)?[0];
        call::ring_bind(ring, Side::Producer as u64, AT, 1)?;
        call::ring_bind(end, Side::Consumer as u64, AT + 0x10000, 2)?;
        call::signal_poll(3)?;
        call::cap_delete(end)?;
        same(call::signal_poll(3)?[0], 1, "the producer's bit")
    });
}

fn rings(bench: &mut Bench) {
    bench.case("ring", "both ends in one Task carry a message", |bench| {
        let ring = bench.make(Kind::Ring, 1)?;
        let [low, high] = Name::new("end").words();
        let end = call::cap_copy(ring, u64::from(Rights::RECEIVE.0), low, high)?[0];
        let slots = call::ring_bind(ring, Side::Producer as u64, AT, 1)?[0];
        call::ring_bind(end, Side::Consumer as u64, AT + 0x10000, 2)?;
        same(slots, 64, "slots")?;
        let (out, back) = (words(AT, 3), words(AT + 0x10000, 3));
        let mut producer = producer(out, true);
        let mut consumer = consumer(back, true);
        for round in 0..200 {
            must(producer.push(&[round; 7]).is_ok(), "it takes the message")?;
            must(consumer.pop().map(|(m, _)| m) == Ok([round; 7]), "it gives the message")?;
        }
        Ok(())
    });
    bench.case("ring", "an end is bound once", |bench| {
        let ring = bench.make(Kind::Ring, 1)?;
        call::ring_bind(ring, Side::Producer as u64, AT, 1)?;
        refused(call::ring_bind(ring, Side::Producer as u64, AT, 1), Status::Busy)?;
        refused(call::ring_bind(ring, Side::Consumer as u64, AT, 1), Status::Busy).map(|_| ())
    });
    bench.case("ring", "a capability travels once", |bench| {
        let ring = bench.make(Kind::Ring, 1)?;
        let page = bench.make(Kind::Memory, 1)?;
        let rights = u64::from(Rights::READ.0);
        call::ring_send_cap(ring, page, rights)?;
        refused(call::ring_send_cap(ring, page, rights), Status::Busy)?;
        let [low, high] = Name::new("parcel").words();
        let slot = call::ring_take_cap(ring, low, high)?[0];
        same(call::cap_info(slot)?[1], rights, "the rights")?;
        refused(call::ring_take_cap(ring, low, high), Status::EmptySlot).map(|_| ())
    });
    bench.case("ring", "nothing travels through an upward Ring", |bench| {
        let ring = bench.make(Kind::UpRing, 1)?;
        let page = bench.make(Kind::Memory, 1)?;
        refused(call::ring_send_cap(ring, page, 0), Status::WrongKind).map(|_| ())
    });
    bench.case("ring", "an upward Ring loses the oldest and says so", |bench| {
        let ring = bench.make(Kind::UpRing, 1)?;
        let [low, high] = Name::new("end").words();
        let end = call::cap_copy(ring, u64::from(Rights::RECEIVE.0), low, high)?[0];
        call::ring_bind(ring, Side::Producer as u64, AT, 1)?;
        call::ring_bind(end, Side::Consumer as u64, AT + 0x10000, 2)?;
        let mut producer = upward(words(AT, 1), words(AT + 0x2000, 1));
        let (head, data) = (words(AT + 0x10000, 1), words(AT + 0x12000, 1));
        let mut consumer = vectra_tasks::rt::Consumer::new(head, None, data);
        for round in 0..100 {
            must(producer.push(&[round; 7]).is_ok(), "an upward Ring takes everything")?;
        }
        must(consumer.pop().map(|(m, _)| m[0]) == Ok(36), "the oldest that is left")?;
        same(consumer.lost, 36, "lost")
    });
    bench.case("ring", "an index that cannot be is an error", |bench| {
        let ring = bench.make(Kind::Ring, 1)?;
        call::ring_bind(ring, Side::Producer as u64, AT, 1)?;
        let head = words(AT, 1);
        let fake: [core::sync::atomic::AtomicU64; 2] = Default::default();
        let mut consumer =
            vectra_tasks::rt::Consumer::new(head, Some(&fake), words(AT + 0x2000, 1));
        for index in [65, 1 << 32, u64::MAX] {
            head[0].store(index, Ordering::Relaxed);
            let popped = consumer.pop();
            must(popped == Err(vectra_tasks::rt::PopError::PeerBroken), "it is noticed")?;
        }
        Ok(())
    });
}

type Shared = &'static [core::sync::atomic::AtomicU64];

fn producer(
    pages: Shared,
    credit: bool,
) -> vectra_tasks::rt::Producer<'static, core::sync::atomic::AtomicU64> {
    vectra_tasks::rt::Producer::new(
        &pages[..512],
        credit.then_some(&pages[512..1024]),
        &pages[1024..],
    )
}

fn consumer(
    pages: Shared,
    credit: bool,
) -> vectra_tasks::rt::Consumer<'static, core::sync::atomic::AtomicU64> {
    vectra_tasks::rt::Consumer::new(
        &pages[..512],
        credit.then_some(&pages[512..1024]),
        &pages[1024..],
    )
}

fn upward(
    head: Shared,
    data: Shared,
) -> vectra_tasks::rt::Producer<'static, core::sync::atomic::AtomicU64> {
    vectra_tasks::rt::Producer::new(head, None, data)
}

fn capabilities(bench: &mut Bench) {
    bench.case("tree", "revoke leaves no descendant", |bench| {
        let slot = bench.make(Kind::Memory, 1)?;
        let mut at = slot;
        for _ in 0..8 {
            let [low, high] = free_name("copy").words();
            at = call::cap_copy(at, u64::from(Rights::COPY.0), low, high)?[0];
        }
        call::cap_revoke(slot)?;
        refused(call::cap_info(at), Status::EmptySlot)?;
        same(call::cap_info(slot)?[0], Kind::Memory as u64, "the source stays")
    });
    bench.case("tree", "deleting a middle one leaves the ends revocable", |bench| {
        let slot = bench.make(Kind::Memory, 1)?;
        let rights = u64::from(Rights::COPY.or(Rights::READ).0);
        let [low, high] = Name::new("middle").words();
        let middle = call::cap_copy(slot, rights, low, high)?[0];
        let [low, high] = Name::new("leaf").words();
        let leaf = call::cap_copy(middle, rights, low, high)?[0];
        call::cap_delete(middle)?;
        same(call::cap_info(leaf)?[0], Kind::Memory as u64, "the leaf stays")?;
        call::cap_revoke(slot)?;
        refused(call::cap_info(leaf), Status::EmptySlot).map(|_| ())
    });
    bench.case("tree", "revoking a mapped copy unmaps it", |bench| {
        let slot = bench.make(Kind::Memory, 1)?;
        let [low, high] = Name::new("copy").words();
        let copy = call::cap_copy(slot, u64::from(Rights::READ.0), low, high)?[0];
        call::memory_map(SELF, copy, AT, Access::Read as u64)?;
        call::cap_revoke(slot)?;
        call::memory_map(SELF, slot, AT, Access::Write as u64)?;
        Ok(())
    });
    bench.case("bundle", "names are unique and found", |bench| {
        let slot = bench.make(Kind::Memory, 1)?;
        let [low, high] = Name::new("twice").words();
        let copy = call::cap_copy(slot, 0, low, high)?[0];
        refused(call::cap_copy(slot, 0, low, high), Status::NameTaken)?;
        same(call::cap_find(low, high)?[0], copy, "the slot")
    });
    for (name, words) in [
        ("an empty name", [0, 0]),
        ("a name with a hole", [0x6100_0061, 0x61]),
        ("a name with a blank", [0x0020_6161, 0]),
        ("a name that is no text", [0xff61, 0]),
    ] {
        bench.case("bundle", name, |bench| {
            let slot = bench.make(Kind::Memory, 1)?;
            let result = call::cap_copy(slot, 0, words[0], words[1]);
            refused(result, Status::BadArgument).map(|_| ())
        });
    }
    bench.case("bundle", "the own slot cannot be deleted", |_| {
        refused(call::cap_delete(SELF), Status::BadArgument).map(|_| ())
    });
}

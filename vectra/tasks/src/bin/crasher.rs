//! The actor: does what the slot named `do.…` says. Most of it is what a Task should not do.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "it exists to do what safe code cannot")]

use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};

use vectra_tasks::rt::abi::{Access, Call, Kind, Name, SELF, Side, Status, TABLE};
use vectra_tasks::rt::{
    Consumer, Producer, Slot, call, find, free_name, raw, ring_and_sleep, words,
};
use vectra_tasks::task;

task!(main);

/// Where it maps things; the suite maps there, too, before it starts.
const AT: u64 = 0x0400_0000;

fn main() -> u64 {
    let mut act = Name::default();
    for slot in 1..48 {
        if let Ok([low, high, ..]) = call::bundle_read(SELF, slot) {
            let name = Name::from_words(low, high);
            if name.as_str().starts_with("do.") {
                act = name;
            }
        }
    }
    match act.as_str() {
        "do.yes" => say("yes"),
        "do.exit" => return 42,
        "do.spin" => loop {
            core::hint::spin_loop();
        },
        "do.wait" => wait_for_ever(),
        "do.flood" => flood(),
        "do.count" => count(),
        "do.vectors" => vectors(),
        "do.hog" => verdict(hog()),
        "do.echo" => drop(echo()),
        "do.spin-echo" => drop(spin_echo()),
        "do.drain" => drop(drain(false)),
        "do.drain-many" => drop(drain(true)),
        "do.int80" => int80(),
        "do.bound" => bound(),
        "do.work" => work(),
        "do.raise" => verdict(call::label_raise(SELF, 2, 0).is_err()),
        "do.secret" => verdict(secret()),
        "do.cut" => cut(),
        "do.upward" => upward(),
        "do.rise" => rise(),
        "do.hostile" => hostile(),
        "do.panic" => panic!("as asked"),
        "do.touch" => touch(),
        "do.beside" => beside(),
        "do.sunk" => sunk(),
        other => fault(other),
    }
    0
}

fn say(name: &str) {
    if let Ok(signal) = find(name) {
        // A signal that labels have cut cannot be set: then there is nobody to tell.
        let _ = call::signal_raise(signal.0);
    }
}

fn verdict(yes: bool) {
    say(if yes { "yes" } else { "no" });
}

fn wait_for_ever() {
    // Nobody has the right to set this bit.
    let _ = call::signal_wait(1 << 60, 0);
}

fn flood() {
    loop {
        say("yes");
        // Yielding is never refused.
        let _ = call::task_yield();
    }
}

fn count() {
    let Ok(page) = find("page") else { return };
    if call::memory_map(SELF, page.0, AT, Access::Write as u64).is_ok() {
        loop {
            words(AT, 1)[0].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Keeps numbers in vector registers while others do the same.
fn vectors() {
    for round in 0..300_000u64 {
        let (mut a, b): (u64, u64) = (round, 0);
        let back: u64;
        // WHY: the compiler would not keep these registers across the loop.
        // SAFETY: registers only.
        unsafe {
            asm!(
                "movq xmm9, {a}", "movq xmm15, {b}", "pause", "paddq xmm9, xmm15", "movq {back}, xmm9",
                a = in(reg) a, b = in(reg) b, back = out(reg) back, out("xmm9") _, out("xmm15") _,
            );
        }
        a = black_box(a);
        if a != back {
            say("no");
            return;
        }
    }
    say("yes");
}

fn make(kind: Kind, count: u64) -> Result<u64, vectra_tasks::rt::Refused> {
    let memory = find("memory")?;
    let [low, high] = free_name("made").words();
    Ok(call::reticle_retype(memory.0, kind as u64, count, low, high, 0)?[0])
}

/// Takes memory until it is refused; says whether the refusal was the right one.
fn hog() -> bool {
    loop {
        match make(Kind::Memory, 3) {
            Ok(_) => {}
            Err(refused) => return refused.status == Status::NoMemory && refused.missing > 0,
        }
    }
}

type Ends = (Consumer<'static, AtomicU64>, Producer<'static, AtomicU64>);

fn ends() -> Result<(u64, Ends), vectra_tasks::rt::Refused> {
    let (to, from) = (find("in")?, find("out")?);
    call::ring_bind(to.0, Side::Consumer as u64, AT, 1)?;
    call::ring_bind(from.0, Side::Producer as u64, AT + 0x10000, 2)?;
    let pages = |slot: u64| call::ring_info(slot).map(|info| 2 + info[0] / 64);
    let (a, b) = (words(AT, pages(to.0)?), words(AT + 0x10000, pages(from.0)?));
    let consumer = Consumer::new(&a[..512], Some(&a[512..1024]), &a[1024..]);
    let producer = Producer::new(&b[..512], Some(&b[512..1024]), &b[1024..]);
    Ok((from.0, (consumer, producer)))
}

fn echo() -> Result<(), vectra_tasks::rt::Refused> {
    let (out, (mut consumer, mut producer)) = ends()?;
    loop {
        let mut bell = None;
        while let Ok((message, _)) = consumer.pop() {
            if producer.push(&message) == Ok(true) {
                bell = Some(Slot(out));
            }
        }
        ring_and_sleep(bell, consumer.park(), 1)?;
        consumer.unpark();
    }
}

/// Answers at once, and never sleeps.
fn spin_echo() -> Result<(), vectra_tasks::rt::Refused> {
    let (_, (mut consumer, mut producer)) = ends()?;
    let mut message = [0; 7];
    loop {
        while consumer.pop_into(&mut message).is_err() {
            core::hint::spin_loop();
        }
        // One question at a time is in the Ring, so there is room for its answer.
        let _ = producer.push(&message);
    }
}

/// Pops for ever, one by one or as many as there are; answers those whose first word is not zero.
fn drain(many: bool) -> Result<(), vectra_tasks::rt::Refused> {
    /// Looking all the time would take the index from the producer each time it wants to write it.
    const PAUSES: u32 = 16;
    let (_, (mut consumer, mut producer)) = ends()?;
    let mut message = [0; 7];
    loop {
        while if many {
            consumer.take(&mut message).is_ok()
        } else {
            consumer.pop_into(&mut message).is_ok()
        } {
            if message[0] != 0 {
                // One question at a time is in the Ring, so there is room for its answer.
                let _ = producer.push(&message);
            }
        }
        if many {
            consumer.release();
        }
        (0..PAUSES).for_each(|_| core::hint::spin_loop());
    }
}

/// Calls as 32-bit programs once did: there is no such way.
fn int80() {
    // WHY: safe code cannot.
    // SAFETY: it faults, which ends this Task.
    unsafe { asm!("int 0x80", inlateout("rax") Call::task_exit as u64 => _, in("rdi") 7u64) }
}

fn bound() {
    let Ok(ring) = find("in") else { return };
    verdict(call::ring_bind(ring.0, Side::Consumer as u64, AT, 1).is_ok());
    let _ = call::signal_wait(1 << 60, 0);
}

/// Where the suite has mapped the page of steps.
const GATE_AT: u64 = 0x0480_0000;

/// Says that it stands before a step, and waits until it may take it.
fn gate(step: u64) {
    let page = words(GATE_AT, 1);
    page[1].store(step, Ordering::Release);
    while page[0].load(Ordering::Acquire) < step {
        // Yielding is never refused.
        let _ = call::task_yield();
    }
}

/// Twelve steps that leave something behind; before each it waits at the gate.
fn work() {
    for step in 0..12u64 {
        let done = match step % 6 {
            0 => make(Kind::Memory, 2).map(drop),
            1 => make(Kind::Memory, 1).and_then(|slot| {
                call::memory_map(SELF, slot, AT + step * 0x1000, Access::Write as u64).map(drop)
            }),
            2 => make(Kind::Ring, 1).and_then(|slot| {
                call::ring_bind(slot, 0, AT + 0x20000 + step * 0x4000, 1).map(drop)
            }),
            3 => make(Kind::Task, 0).map(drop),
            4 => free_signal().map(drop),
            _ => find("memory").and_then(|memory| {
                let [low, high] = free_name("part").words();
                call::reticle_split(memory.0, 2, low, high).map(drop)
            }),
        };
        if done.is_err() {
            say("no");
        }
        gate(step + 1);
    }
    let _ = call::signal_wait(1 << 60, 0);
}

fn free_signal() -> Result<[u64; 4], vectra_tasks::rt::Refused> {
    let [low, high] = free_name("signal").words();
    call::signal_mint(1, low, high)
}

/// Makes a Ring for a secret child of its own kind and sees that it cannot read the child.
fn secret() -> bool {
    let Ok(task) = make(Kind::Task, 0) else { return false };
    let flow = |result: Result<[u64; 4], vectra_tasks::rt::Refused>| {
        result.is_err_and(|refused| refused.status == Status::Flow)
    };
    call::label_raise(task, 2, 0).is_ok()
        && flow(call::label_get(task))
        && flow(call::bundle_read(task, 0))
        && flow(call::memory_map(task, 0, AT, 1))
}

/// Binds, raises itself, and sees that the Ring was cut: reading it then ends in a fault, so it
/// asks instead.
fn cut() {
    let Ok(net) = find("net") else { return say("no") };
    if call::ring_bind(net.0, Side::Producer as u64, AT, 1).is_err() {
        return say("no");
    }
    gate(1);
    let raised = call::label_raise(SELF, 2, 0).is_ok();
    let again = call::ring_bind(net.0, Side::Producer as u64, AT, 1);
    if !raised || again.is_ok() {
        loop {
            core::hint::spin_loop();
        }
    }
}

fn upward() {
    let Ok(ring) = find("in") else { return };
    if call::ring_bind(ring.0, Side::Consumer as u64, AT, 1).is_err() {
        let _ = call::signal_wait(1 << 60, 0);
        return;
    }
    let (head, data) = (words(AT, 1), words(AT + 0x2000, 1));
    let mut consumer = Consumer::new(head, None, data);
    let mut heard = 0;
    while heard < 5 {
        while consumer.pop().is_ok() {
            heard += 1;
        }
        if heard < 5 && consumer.park() {
            let _ = call::signal_wait(1, 0);
        }
    }
}

/// After a raise its own stack and data must still be there.
fn rise() {
    let mut numbers = [1u64; 64];
    let _ = call::label_raise(SELF, 2, 0);
    for number in &mut numbers {
        *number += black_box(1);
    }
    if numbers.iter().sum::<u64>() != 128 {
        loop {
            core::hint::spin_loop();
        }
    }
}

fn touch() {
    say("yes");
    loop {
        words(AT, 1)[0].store(1, Ordering::Relaxed);
    }
}

/// Tries one call with every class of word in every place.
fn hostile() {
    let number = number();
    let classes = [
        0,
        1,
        2,
        3,
        5,
        7,
        8,
        12,
        47,
        48,
        255,
        4096,
        AT,
        0x3000_0000,
        1 << 31,
        1 << 32,
        1 << 47,
        1 << 63,
        u64::MAX,
    ];
    for base in [1, AT] {
        for place in 0..6 {
            for class in classes {
                let mut words = [base; 6];
                words[place] = class;
                if number == Call::signal_wait as u64 {
                    words[1] = 1;
                }
                if number == Call::ring_bell as u64 {
                    words[2] = 1;
                }
                raw(number, words);
            }
        }
    }
    if number >= TABLE.len() as u64 {
        for number in [1 << 8, 1 << 31, 1 << 32, 1 << 63, u64::MAX] {
            raw(number, [0; 6]);
        }
    }
}

/// Where a home that is no bare machine has code and a stack of its own.
const BESIDE: u64 = 0x7000_0000_0000;
const BESIDE_STACK: u64 = BESIDE + 0x10_0000;

/// Returns the number that the suite has put into the Bundle.
fn number() -> u64 {
    find("number").and_then(|slot| call::cap_info(slot.0)).map_or(0, |info| info[2] - 1)
}

/// Jumps to somewhere beside the window, with the registers of a call to Linux: `write`, `mmap`,
/// `munmap`, `rt_sigreturn`, `sendmsg`, `clone`, `kill`, `ptrace`, `exit_group`, `pidfd_getfd`.
fn beside() {
    const CALLS: [u64; 10] = [1, 9, 11, 15, 46, 56, 62, 101, 231, 438];
    let place = number();
    let [call, to] = [CALLS[place as usize % CALLS.len()], BESIDE + place];
    // WHY: safe code cannot jump.
    // SAFETY: it ends this Task, or makes one of its calls.
    unsafe {
        asm!(
            "mov rbx, rsp", "jmp {to}", to = in(reg) to, in("rax") call,
            in("rdi") 4u64, in("rsi") AT, in("rdx") 0x1000u64, in("r10") 3u64, options(noreturn)
        )
    }
}

/// Calls with its stack where a home may have its own, with no room left on it.
fn sunk() {
    // WHY: safe code cannot move the stack.
    // SAFETY: nothing of this Task runs after it.
    unsafe {
        asm!(
            "mov rsp, {stack}", "syscall", "ud2", stack = in(reg) BESIDE_STACK + number(),
            in("rax") Call::machine_version as u64, options(noreturn)
        )
    }
}

static TEXT: u64 = 5;
static DATA: AtomicU64 = AtomicU64::new(0);

/// Does what the processor refuses.
fn fault(act: &str) {
    // WHY: safe code cannot do any of this.
    // SAFETY: none is meant: each line ends this Task, which is what it is for.
    unsafe {
        match act {
            "do.null" => asm!("mov rax, [8]", out("rax") _),
            "do.far" => asm!("mov rax, [{}]", in(reg) 0x0900_0000u64, out("rax") _),
            "do.kernel" => asm!("mov rax, [{}]", in(reg) 0xffff_ffff_8010_0000u64, out("rax") _),
            "do.wild" => asm!("mov rax, [{}]", in(reg) 0x8000_0000_0000_0000u64, out("rax") _),
            "do.jump" => asm!("jmp {}", in(reg) 0u64),
            "do.text" => (&raw const TEXT).cast_mut().write_volatile(1),
            "do.data" => asm!("call {}", in(reg) &raw const DATA),
            "do.stack" => deeper(0),
            "do.ud" => asm!("ud2"),
            "do.zero" => asm!("xor edx, edx", "mov eax, 1", "xor ecx, ecx", "div ecx",
                out("eax") _, out("edx") _, out("ecx") _),
            "do.int3" => asm!("int3"),
            "do.resume" => {
                asm!("int3");
                say("yes");
            }
            "do.hlt" => asm!("hlt"),
            "do.cli" => asm!("cli"),
            "do.port" => asm!("in al, dx", out("al") _, in("dx") 0x3f8u16),
            "do.cr3" => asm!("mov rax, cr3", out("rax") _),
            "do.msr" => asm!("rdmsr", in("ecx") 0x10, out("eax") _, out("edx") _),
            "do.write" => asm!("mov qword ptr [{}], 1", in(reg) AT),
            _ => {}
        }
    }
}

/// Uses stack until there is none.
#[expect(unconditional_recursion, reason = "the end of the stack is what is looked for")]
fn deeper(depth: u64) {
    let page = [depth; 64];
    black_box(&page);
    deeper(depth + 1);
    black_box(&page);
}

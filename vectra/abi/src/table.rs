//! The one description. `for_each_call!` hands it to a macro: here it becomes [`Call`] and the
//! documentation, in `vectra-rt` the functions that a Task calls.

/// Hands the whole call table to a macro.
#[macro_export]
macro_rules! for_each_call {
    ($with:ident) => {
        $with! {
            0 machine machine_version() -> (version) "Answers the version of this table; the cheapest call.";
            1 machine machine_power(machine, code) -> () "Switches the machine off with an exit code.";
            2 machine machine_digest(machine) -> (digest) "Answers a digest of all state but time.";
            3 machine machine_task(machine, index) -> (name_low, name_high, state, secrecy_low) "Answers the index-th Task that the caller's label lets it see.";
            4 machine machine_slot(machine, index, slot) -> (name_low, name_high, kind_rights_place, detail) "Answers a Bundle slot of the index-th Task, and the first page of its object.";
            5 task task_start(task, entry, stack, priority) -> () "Starts an embryo; its priority may not exceed the caller's.";
            6 task task_halt(task) -> () "Ends a Task.";
            7 task task_exit(code) -> () "Ends the caller.";
            8 task task_yield() -> () "Lets others of the same priority run.";
            9 task task_status(task) -> (state, code, address, program_counter) "Answers state and fault or exit code; across an illegal flow only whether it runs.";
            10 task task_watch(task, signal) -> () "Names the signal that is set when the Task faults or halts.";
            11 task task_resume(task, entry) -> () "Resumes a faulted Task, at an address unless that is zero.";
            12 task task_budget(task, budget) -> () "Makes a Task run on a Budget from now on.";
            13 task budget_set(budget, quota_ns, period_ns) -> () "Sets how much processor time a Budget gives in each period.";
            14 cap cap_copy(slot, rights, name_low, name_high) -> (slot) "Derives a capability with no more rights into another slot.";
            15 cap cap_delete(slot) -> () "Empties a slot; what was derived from it now derives from its parent.";
            16 cap cap_revoke(slot) -> () "Deletes all that was derived from a slot, a bounded part per call.";
            17 cap cap_info(slot) -> (kind, rights, detail, address) "Answers what a slot holds.";
            18 cap cap_find(name_low, name_high) -> (slot) "Finds a slot by name.";
            19 bundle bundle_put(task, slot, rights, name_low, name_high) -> (slot) "Derives a capability into an embryo's Bundle.";
            20 bundle bundle_give(task, slot, rights, name_low, name_high) -> (slot) "Moves a capability into an embryo's Bundle.";
            21 bundle bundle_read(task, slot) -> (name_low, name_high, kind_rights_place, detail) "Answers a slot of a Task's Bundle, and the first page of its object.";
            22 reticle reticle_retype(reticle, kind, count, name_low, name_high, tags) -> (slot) "Makes an object out of untyped memory, at the caller's label and these secrecy tags.";
            23 reticle reticle_split(reticle, pages, name_low, name_high) -> (slot) "Makes a smaller Reticle out of a part.";
            24 reticle reticle_reset(reticle) -> () "Destroys all that was made from a Reticle and takes the memory back.";
            25 reticle reticle_info(reticle) -> (pages, used) "Answers size and watermark.";
            26 memory memory_map(task, slot, address, access) -> () "Maps a slot of the caller or of an embryo.";
            27 memory memory_unmap(task, slot) -> () "Unmaps a slot.";
            28 memory memory_info(slot) -> (pages, address) "Answers size and where it is mapped.";
            29 ring ring_bind(slot, side, address, bits) -> (slots) "Checks the capability once, maps an end, and says which of the caller's bits the peer may set.";
            30 ring ring_unbind(slot) -> () "Unmaps an end; the peer is signalled.";
            31 ring ring_bell(slot, mask, deadline_ns) -> (bits) "Sets the bits that the peer named; then waits as signal_wait does, unless the mask is zero.";
            32 ring ring_send_cap(slot, payload, rights) -> () "Puts a capability into the Ring's parcel place.";
            33 ring ring_take_cap(slot, name_low, name_high) -> (slot) "Takes the capability out of the parcel place.";
            34 ring ring_info(slot) -> (slots, bound, upward) "Answers the size of a Ring and whether both ends are bound.";
            35 signal signal_wait(mask, deadline_ns) -> (bits) "Waits until any of these bits is set, or until a time; zero waits for ever.";
            36 signal signal_poll(mask) -> (bits) "Takes what is set of these bits.";
            37 signal signal_mint(bits, name_low, name_high) -> (slot) "Makes a capability that sets bits of the caller.";
            38 signal signal_raise(slot) -> () "Sets the bits.";
            39 label label_get(task) -> (secrecy_low, secrecy_high, integrity_low, integrity_high) "Answers a label.";
            40 label label_raise(task, tags_low, tags_high) -> (severed) "Adds secrecy tags; edges that become illegal are cut first.";
            41 label label_drop(task, tags_low, tags_high) -> (severed) "Drops integrity tags; edges that become illegal are cut first.";
            42 label label_clear(task, tags_low, tags_high) -> () "Narrows the clearance to these tags.";
            43 label label_copy(source, target, label, pages) -> () "Copies pages to fresh memory with one tag fewer, against the label capability's byte budget.";
            44 irq irq_bind(irq, signal) -> () "Names the signal that an interrupt line sets.";
            45 irq irq_done(irq) -> () "Lets the line interrupt again.";
            46 clock clock_now() -> (nanoseconds) "Answers the time since start.";
            47 console console_write(console, length, word0, word1, word2, word3) -> () "Writes up to 32 bytes.";
            48 console console_read(console) -> (length, word) "Reads up to 8 bytes that have arrived.";
        }
    };
}

macro_rules! call_enum {
    ($($number:literal $group:ident $name:ident($($arg:ident),*) -> ($($out:ident),*) $doc:literal;)*) => {
        /// A call, by number.
        #[expect(non_camel_case_types, reason = "a call has one name in the table, in code and in output")]
        #[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Call { $(#[doc = $doc] $name = $number,)* }

        impl Call {
            /// Reads a call number; an unknown one is `None`.
            pub const fn from_word(word: u64) -> Option<Self> {
                match word { $($number => Some(Self::$name),)* _ => None }
            }
        }

        pub(crate) const ROWS: &[crate::doc::CallDoc] = &[$(crate::doc::CallDoc {
            number: $number,
            group: stringify!($group),
            name: stringify!($name),
            arguments: &[$(stringify!($arg)),*],
            results: &[$(stringify!($out)),*],
            doc: $doc,
        },)*];
    };
}

for_each_call!(call_enum);

//! Who runs: ready queues by priority, waiting with deadlines, budgets, faults and ends.

use vectra_abi::{Kind, Status, TaskState};

use crate::machine::{Machine, Outcome};
use crate::object::{BUDGET, Body, Frame, Link, Stop, WATCH};
use crate::platform::{Answer, Platform};

/// Priorities, 0 to 7; higher runs first.
pub const PRIORITIES: usize = 8;

/// One queue per priority, linked through the Tasks themselves.
#[derive(Clone, Debug)]
pub(crate) struct Queues {
    first: [Frame; PRIORITIES],
    last: [Frame; PRIORITIES],
    /// Bit *n* is set while queue *n* is not empty.
    filled: u8,
}

impl Queues {
    pub const fn new() -> Self {
        Self { first: [Frame::NONE; PRIORITIES], last: [Frame::NONE; PRIORITIES], filled: 0 }
    }
}

impl<P: Platform> Machine<P> {
    /// Makes a Task ready, behind the others of its priority.
    pub(crate) fn enqueue(&mut self, frame: Frame) {
        let task = self.task_mut(frame);
        task.state = TaskState::Ready;
        if task.queued {
            return;
        }
        task.queued = true;
        task.next_ready = Frame::NONE;
        let priority = usize::from(task.priority);
        let last = self.queues.last[priority];
        if last == Frame::NONE {
            self.queues.first[priority] = frame;
        } else {
            self.task_mut(last).next_ready = frame;
        }
        self.queues.last[priority] = frame;
        self.queues.filled |= 1 << priority;
        self.platform.ready(frame);
    }

    /// Takes a Task out of its queue.
    fn dequeue(&mut self, frame: Frame) {
        if !self.task(frame).queued {
            return;
        }
        let (priority, next) =
            (usize::from(self.task(frame).priority), self.task(frame).next_ready);
        let mut before = Frame::NONE;
        let mut at = self.queues.first[priority];
        while at != frame {
            before = at;
            at = self.task(at).next_ready;
        }
        if before == Frame::NONE {
            self.queues.first[priority] = next;
        } else {
            self.task_mut(before).next_ready = next;
        }
        if self.queues.last[priority] == frame {
            self.queues.last[priority] = before;
        }
        if self.queues.first[priority] == Frame::NONE {
            self.queues.filled &= !(1 << priority);
        }
        self.task_mut(frame).queued = false;
    }

    /// Chooses the Task to run next and marks it running.
    pub fn pick(&mut self) -> Option<Frame> {
        let task = self.first_with_time()?;
        self.dequeue(task);
        self.task_mut(task).state = TaskState::Running;
        Some(task)
    }

    /// Says whether no Task waits for a processor.
    #[inline]
    pub(crate) fn is_nobody_ready(&self) -> bool {
        self.queues.filled == 0
    }

    /// Says whether a ready Task of higher priority has time, so that this one has to make way.
    #[inline(always)]
    pub fn is_outranked(&mut self, running: Frame) -> bool {
        self.queues.filled != 0 && self.is_outranked_by_ready(running)
    }

    fn is_outranked_by_ready(&mut self, running: Frame) -> bool {
        let own = self.task(running).priority;
        u32::from(self.queues.filled) >> own > 1 && self.ready_priority() > Some(own)
    }

    /// The same at the end of a turn: then equals come first, too.
    pub fn is_turn_over(&mut self, running: Frame) -> bool {
        let own = self.task(running).priority;
        u32::from(self.queues.filled) >> own > 0 && self.ready_priority() >= Some(own)
    }

    /// Returns the priority of the first ready Task that has time.
    pub fn ready_priority(&mut self) -> Option<u8> {
        self.first_with_time().map(|task| self.task(task).priority)
    }

    fn first_with_time(&mut self) -> Option<Frame> {
        let mut left = self.queues.filled;
        while left != 0 {
            let priority = left.ilog2();
            left &= !(1 << priority);
            let mut at = self.queues.first[priority as usize];
            while at != Frame::NONE {
                if self.has_time(at) {
                    return Some(at);
                }
                at = self.task(at).next_ready;
            }
        }
        None
    }

    /// A running Task goes behind the others of its priority.
    pub fn preempt(&mut self, frame: Frame) {
        if self.task(frame).state == TaskState::Running {
            self.enqueue(frame);
        }
    }

    /// Says whether a Task's Budget, if it has to have one, gives it time now.
    fn has_time(&mut self, frame: Frame) -> bool {
        if !self.task(frame).budgeted {
            return true;
        }
        let now = self.platform.now_ns();
        self.budget_of(frame).is_some_and(|budget| budget.has_time(now))
    }

    fn budget_of(&mut self, frame: Frame) -> Option<&mut crate::object::Budget> {
        let slot = *self.slot(Link::new(frame, BUDGET));
        if slot.kind != Kind::Budget {
            return None;
        }
        match &mut self.object_mut(slot.object).body {
            Body::Budget(budget) => Some(budget),
            _ => unreachable!("a Budget capability refers to a Budget"),
        }
    }

    /// Charges processor time; returns whether the Task may go on.
    pub fn charge(&mut self, frame: Frame, spent_ns: u64) -> bool {
        if self.task(frame).budgeted
            && let Some(budget) = self.budget_of(frame)
        {
            budget.spend(spent_ns);
        }
        self.has_time(frame)
    }

    /// Ends the waits whose time has come.
    pub fn tick(&mut self) {
        let now = self.platform.now_ns();
        if now < self.deadline_min_ns {
            return;
        }
        self.deadline_min_ns = u64::MAX;
        let mut at = self.tasks;
        while at != Frame::NONE {
            let task = self.task(at);
            let next = task.next_task;
            if task.state == TaskState::Waiting && task.deadline_ns != 0 {
                if task.deadline_ns <= now {
                    self.platform
                        .answer(at, Answer { status: Status::Timeout as u64, words: [0; 4] });
                    self.enqueue(at);
                } else {
                    self.deadline_min_ns = self.deadline_min_ns.min(task.deadline_ns);
                }
            }
            at = next;
        }
    }

    /// Returns when [`Machine::tick`] is next needed.
    pub fn next_deadline_ns(&self) -> Option<u64> {
        (self.deadline_min_ns != u64::MAX).then_some(self.deadline_min_ns)
    }

    // --- signals ---

    /// Sets bits of a Task and wakes it if it waits for one.
    pub(crate) fn signal(&mut self, frame: Frame, bits: u64) {
        let task = self.task_mut(frame);
        task.signals |= bits;
        let taken = task.signals & task.awaited;
        if task.state == TaskState::Waiting && taken != 0 {
            task.signals &= !taken;
            self.platform.answer(frame, Answer::ok([taken, 0, 0, 0]));
            self.enqueue(frame);
        }
    }

    /// Takes those of some bits that are set.
    #[inline]
    pub(crate) fn take_signals(&mut self, caller: Frame, mask: u64) -> u64 {
        let task = self.task_mut(caller);
        let taken = task.signals & mask;
        task.signals &= !taken;
        taken
    }

    pub(crate) fn wait(&mut self, caller: Frame, mask: u64, deadline_ns: u64) -> Outcome {
        let taken = self.take_signals(caller, mask);
        if taken != 0 {
            return Outcome::Answered(Answer::ok([taken, 0, 0, 0]));
        }
        if deadline_ns != 0 && deadline_ns <= self.platform.now_ns() {
            return Outcome::Answered(Answer { status: Status::Timeout as u64, words: [0; 4] });
        }
        let task = self.task_mut(caller);
        (task.state, task.awaited, task.deadline_ns) = (TaskState::Waiting, mask, deadline_ns);
        if deadline_ns != 0 {
            self.deadline_min_ns = self.deadline_min_ns.min(deadline_ns);
        }
        Outcome::Suspended
    }

    /// An interrupt came: its line stays silent until `irq_done`.
    pub fn interrupt(&mut self, irq: Frame) {
        let Body::Irq { line, route } = &self.object(irq).body else { return };
        let (line, route) = (*line, *route);
        self.platform.irq_enable(line, false);
        if route.kind == Kind::Signal {
            self.signal(route.object, route.word);
        }
    }

    // --- ends ---

    /// A Task did what its processor refuses: it stops, and its supervisor is told.
    pub fn fault(&mut self, frame: Frame, stop: Stop) {
        self.platform.stop(frame);
        let task = self.task_mut(frame);
        (task.state, task.stop) = (TaskState::Faulted, stop);
        self.tell_supervisor(frame);
    }

    /// Ends a Task for good.
    pub(crate) fn halt(&mut self, frame: Frame, code: u64) {
        if self.is_gone(frame) {
            return;
        }
        self.platform.stop(frame);
        self.dequeue(frame);
        let task = self.task_mut(frame);
        task.state = TaskState::Halted;
        task.stop = Stop { code, address: 0, program_counter: 0 };
        self.unbind_all(frame);
        self.tell_supervisor(frame);
    }

    fn tell_supervisor(&mut self, frame: Frame) {
        let watch = *self.slot(Link::new(frame, WATCH));
        if watch.kind == Kind::Signal {
            self.signal(watch.object, watch.word);
        }
    }

    /// Takes a Task out of the list of all.
    pub(crate) fn forget_task(&mut self, frame: Frame) {
        let next = self.task(frame).next_task;
        if self.tasks == frame {
            self.tasks = next;
            return;
        }
        let mut at = self.tasks;
        while self.task(at).next_task != frame {
            at = self.task(at).next_task;
        }
        self.task_mut(at).next_task = next;
    }

    /// Returns the Tasks, newest first.
    pub fn tasks(&self) -> impl Iterator<Item = Frame> + '_ {
        let mut at = self.tasks;
        core::iter::from_fn(move || {
            let frame = at;
            (frame != Frame::NONE).then(|| {
                at = self.task(frame).next_task;
                frame
            })
        })
    }
}

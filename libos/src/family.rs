//! The process among others: what it asks `unixd`, and what it hears from it.
#![forbid(unsafe_code)]

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use smallvec::SmallVec;
use spin::Mutex;
use unix::{ChildActions, Operation, Request, SIGNAL_BYTES, Setting};

use crate::errno::{Errno, Result};
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::limits::RESOURCES;
use crate::process::Process;
use crate::signal::{Action, Ending, IGNORE, Information, SIGCHLD, SIGKILL, Set};

/// What a process remembers of what it asked and heard.
#[derive(Debug, Default)]
pub struct Family {
    /// How often it was sent `SIGCONT`, when it last took signals.
    continues: AtomicU32,
    /// How often others had changed its limits, when it last looked.
    limit_changes: AtomicU32,
    ids: Mutex<ThreadIds>,
    /// Whether `unixd` knows that the process has something to do at its end.
    has_will: AtomicBool,
    /// The complement of the most bytes that a file may be made to have.
    file_size: AtomicU64,
    /// Whether its only thread sleeps.
    pub sleeps: AtomicBool,
    /// Its supplementary groups.
    pub groups: Mutex<Vec<u32>>,
    /// Saved and file system user ids, saved and file system group ids.
    pub other_ids: Mutex<[u32; 4]>,
    /// Whether no program that it runs gives it other ids (`PR_SET_NO_NEW_PRIVS`).
    no_new_privileges: AtomicBool,
}

impl Family {
    /// The most bytes that a file may be made to have (`RLIMIT_FSIZE`).
    #[must_use]
    pub fn file_size_limit(&self) -> u64 {
        !self.file_size.load(Ordering::Relaxed)
    }

    /// Whether no program that it runs gives it other ids (`PR_SET_NO_NEW_PRIVS`).
    #[must_use]
    pub fn has_no_new_privileges(&self) -> bool {
        self.no_new_privileges.load(Ordering::Relaxed)
    }

    /// So it is from now on, for its children too.
    pub fn set_no_new_privileges(&self) {
        self.no_new_privileges.store(true, Ordering::Relaxed);
    }

    /// Set it.
    pub fn set_file_size_limit(&self, bytes: u64) {
        self.file_size.store(!bytes, Ordering::Relaxed);
    }
}

/// Ids of the process for threads.
#[derive(Debug, Default)]
struct ThreadIds {
    /// The next that no thread ever had, and how many follow.
    fresh: (u32, u32),
    /// Those of threads that have ended, in order.
    used: VecDeque<u32>,
}

/// Ids are taken so many at a time.
const IDS: u32 = 32;
/// So many other threads have ended when an id is used again: who still asks about its last thread finds none.
const REST: usize = 1024;
const INFORMATION_BYTES: usize = size_of::<Information>();

impl<K: Kernel> Process<K> {
    /// Ask `unixd` something that words say.
    ///
    /// # Errors
    /// What it answers.
    pub fn ask(&self, operation: Operation, small: u16, large: u32, words: [u64; 3]) -> Result<[u64; 4]> {
        self.kernel.ask(Request { operation, small, large, words })
    }

    /// Hear what `unixd` told since this was last asked.
    pub fn hear(&self) {
        self.look_at_shared(None);
        self.look_at_rings();
        self.hear_doorbell(0);
    }

    /// [`Process::hear`], but for words that threads wait on. If no other signals wait than `left`, these are not taken.
    pub(crate) fn hear_doorbell(&self, left: Set) {
        let rings = self.kernel.doorbell().value;
        if self.heard.swap(rings, Ordering::Relaxed) == rings {
            return;
        }
        let bulletin = self.kernel.bulletin();
        if bulletin.killed.load(Ordering::Relaxed) != 0 {
            self.end(Ending::Signal(SIGKILL));
        }
        self.files.hear(self);
        self.give_back(rings);
        self.timers.follow_others(self.ticks_of_us(u64::from(bulletin.turn_us.load(Ordering::Relaxed))));
        self.note_change();
        let (parent, group) = (bulletin.parent.load(Ordering::Relaxed), bulletin.group.load(Ordering::Relaxed));
        self.kernel.identity().set(Word::Parent, parent);
        self.kernel.identity().set(Word::Group, group);
        let changes = bulletin.limit_changes.load(Ordering::Relaxed);
        if self.family.limit_changes.swap(changes, Ordering::Relaxed) != changes {
            self.hear_limits();
        }
        while bulletin.signals.load(Ordering::Relaxed) & !left != 0 && self.take_signals().is_ok() {}
        self.answer_questions();
    }

    /// So many microseconds in ticks of the counter; some, if it is not 0.
    pub(crate) fn ticks_of_us(&self, us: u64) -> u64 {
        if us == 0 { 0 } else { (us * self.kernel.info().clock_hz / 1_000_000).max(1) }
    }

    /// Take signals that others sent.
    fn take_signals(&self) -> Result<()> {
        for (thread, information) in self.fetch_signals()? {
            match thread {
                0 => self.signal_process(&information),
                // A thread that is not there any more takes no notice.
                thread => self.find_thread(thread).into_iter().for_each(|slot| self.signal_thread(slot, &information)),
            }
        }
        Ok(())
    }

    /// Signals that others sent, and the threads that they are for; 0: any.
    ///
    /// # Errors
    /// `ENOSYS`: there is nobody to ask.
    pub fn fetch_signals(&self) -> Result<SmallVec<[(u32, Information); 1]>> {
        let [count, continues, ..] = self.ask(Operation::TakeSignals, 0, 0, [0; 3])?;
        self.family.continues.store(continues as u32, Ordering::Relaxed);
        let letters = (0..count as usize)
            .map(|index| {
                let mut letter = [0; SIGNAL_BYTES];
                self.kernel.fetch(index * SIGNAL_BYTES, &mut letter);
                let (information, thread) = letter.split_at(INFORMATION_BYTES);
                let information = Information::from_bytes(information.try_into().expect("so many bytes"));
                (u64::from_le_bytes(thread.try_into().expect("eight bytes")) as u32, information)
            })
            .collect();
        Ok(letters)
    }

    /// Take over the limits that another process set.
    fn hear_limits(&self) {
        for resource in 0..RESOURCES {
            if let Ok([_, soft, hard, _]) = self.ask(Operation::Limit, resource as u16, 0, [0; 3]) {
                self.note_limit(resource, [soft, hard]);
            }
        }
    }

    /// A signal's action was set: `unixd` must know what becomes of children.
    pub fn note_action(&self, signal: u32, old: &Action, new: &Action) {
        if signal == SIGCHLD && child_actions(old) != child_actions(new) {
            let _ = self.ask(Operation::Children, child_actions(new).bits(), 0, [0; 3]);
        }
    }

    /// Stop, because of a signal, until somebody sends `SIGCONT`.
    pub fn stop(&self, signal: u32) {
        self.files.let_go();
        let continues = self.family.continues.load(Ordering::Relaxed);
        if !matches!(self.ask(Operation::Stop, signal as u16, continues, [0; 3]), Ok([1, ..])) {
            return;
        }
        loop {
            let doorbell = self.kernel.doorbell();
            let bulletin = self.kernel.bulletin();
            if bulletin.stopped.load(Ordering::Relaxed) == 0 || bulletin.killed.load(Ordering::Relaxed) != 0 {
                break;
            }
            self.answer_questions();
            let _ = self.kernel.wait(&[doorbell], None);
        }
        self.hear();
    }

    /// Whether no thread of the process takes notice of `SIGCHLD`, wherever it was sent.
    pub fn drops_child_signals(&self) -> bool {
        self.threads.with(|table| table.is_alone()) && self.signals.is_dropped(SIGCHLD)
    }

    /// An id for a new thread.
    ///
    /// # Errors
    /// `EAGAIN`: there is none.
    pub fn new_thread_id(&self) -> Result<u32> {
        let mut ids = self.family.ids.lock();
        if ids.used.len() > REST
            && let Some(id) = ids.used.pop_front()
        {
            return Ok(id);
        }
        if ids.fresh.1 == 0 {
            let [first, ..] = self.ask(Operation::ReserveIds, 0, IDS, [0; 3]).map_err(|_| Errno::EAGAIN)?;
            ids.fresh = (first as u32, IDS);
        }
        let id = ids.fresh.0;
        ids.fresh = (id + 1, ids.fresh.1 - 1);
        Ok(id)
    }

    /// A thread has ended: its id may be another's some time. The process's own stays its own.
    pub fn give_thread_id(&self, id: u32) {
        if id != self.id() {
            self.family.ids.lock().used.push_back(id);
        }
    }

    /// The process may hold robust futexes, and is to say so at its end: `unixd` gives it time for that.
    pub fn note_will(&self) {
        if !self.family.has_will.swap(true, Ordering::Relaxed) {
            let _ = self.ask(Operation::Setting, Setting::Will as u16, 1, [1, 0, 0]);
        }
    }

    /// The process is a copy, or runs another program: ids for threads are not its any more, and it holds no futex.
    pub fn begin_again(&self) {
        let mut ids = self.family.ids.lock();
        // What its room was is left there: a copy has enough to do.
        ids.used.clear();
        ids.fresh = (0, 0);
        drop(ids);
        self.family.has_will.store(false, Ordering::Relaxed);
    }

    /// This is a copy of another process: what was that one's alone is forgotten.
    pub fn begin_as_copy(&self) {
        self.begin_again();
        self.trace.begin_as_copy();
    }
}

fn child_actions(action: &Action) -> ChildActions {
    let mut actions = ChildActions::empty();
    actions.set(ChildActions::IGNORED, action.handler == IGNORE);
    actions.set(ChildActions::NO_WAIT, action.flags & Action::NO_CHILD_WAIT != 0);
    actions.set(ChildActions::NO_STOPS, action.flags & Action::NO_CHILD_STOP != 0);
    actions
}

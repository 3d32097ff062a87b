//! Points that a process goes on from when a signal has ended it.
//!
//! All state of a process is its own, in its own pages: the program's memory, and the library with descriptors, offsets, handlers, masks and
//! directories. So a point to come back to is what fork(2) makes, and costs what fork costs: pages are copied when one of the two stores
//! to them. The copy is the process's *spare*: it is nobody's child, and sleeps. When a signal has ended the process, `unixd` lets the spare
//! take its place among the others: its id, its parent, its children, its group. It goes on behind the call at which it was made, and makes a
//! spare of its own first.
//!
//! What is outside the process stays as it is: what was written is written again, in the same place if the file has an offset, since those go
//! back too; what was read from a pipe is gone. A point is made only where a copy would have all there is: with one thread, without
//! timers and signals that wait. Record locks, which fork(2) does not inherit, are lost. `SIGKILL` from elsewhere is final.
#![forbid(unsafe_code)]

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use policy::recovery::{End, Progress, Recovery};
use unix::Operation;

use crate::errno::Errno;
use crate::file::Description;
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::SIGKILL;
use crate::thread::Birth;
use crate::vfs::attributes::Kind;

/// When there are points, and how far the program is from the last.
#[derive(Default)]
pub struct Points {
    policy: Option<Box<dyn Recovery>>,
    since: Progress,
    /// What [`Kernel::ran`] was at the last point, in ticks.
    ran: u64,
}

/// A descriptor's description, and where it stood.
type Place = (Arc<Description>, u64);

impl Points {
    /// Let another policy say when there are points; none: never.
    pub fn set_policy(&mut self, policy: Option<Box<dyn Recovery>>) {
        self.policy = policy;
    }

    /// Whether there can be any.
    #[must_use]
    pub fn are_wanted(&self) -> bool {
        self.policy.is_some()
    }

    /// Count from here.
    pub fn begin_anew(&mut self, ran: u64) {
        (self.since, self.ran) = (Progress::default(), ran);
    }
}

impl<K: Kernel> Process<K> {
    /// After a call: make a point if the policy wants one here, and one can be made.
    pub fn pass_point(&self) {
        let is_due = {
            let mut points = self.points.lock();
            let Points { policy: Some(policy), since, ran } = &mut *points else { return };
            since.calls += 1;
            since.ticks = self.kernel.ran() - *ran;
            policy.is_due(since)
        };
        if is_due && self.has_all_in_itself() {
            self.make_point();
        }
    }

    /// Whether a copy has all that the process has.
    fn has_all_in_itself(&self) -> bool {
        // A signal on the way is the program's from here on, or its end.
        self.hear();
        let is_alone = self.threads.with(|table| table.is_alone());
        let has_signals = self.signals.with(|state| state.pending_set() != 0) || self.signals.is_wait_over();
        is_alone && !has_signals && self.timers.due_asleep().is_none()
    }

    /// Make a spare of the process as it is. It comes back in the process, and again in the spare when that is the process.
    fn make_point(&self) {
        let (id, places) = (self.id(), self.places());
        let mut times = 0;
        // Without memory for a copy there is no point here.
        while let Ok(copy) = self.fork(&Birth::default()) {
            if copy != 0 {
                let _ = self.ask(Operation::Spare, 0, copy as u32, [0; 3]);
                break;
            }
            let signal = self.await_call();
            self.be_called(id);
            let goes_back = self.points.lock().policy.as_mut().is_some_and(|policy| policy.goes_back(&End { signal, times }));
            if !goes_back {
                self.kernel.exit(signal, 0);
            }
            self.report(&alloc::format!("signal {signal} ended process {id}: it goes on from its last point"));
            for (description, offset) in &places {
                description.set_offset(*offset);
            }
            times += 1;
        }
        self.points.lock().begin_anew(self.kernel.ran());
    }

    /// Where the descriptors of files stand.
    fn places(&self) -> Vec<Place> {
        let descriptions = self.files.numbers().into_iter().filter_map(|fd| self.files.get(fd).ok());
        let of_files = descriptions.filter(|description| description.entry.node.kind() == Kind::Regular);
        of_files.map(|description| (description.clone(), description.offset())).collect()
    }

    /// In a spare: sleep until it is the process; gives the signal that ended the one before.
    fn await_call(&self) -> u32 {
        loop {
            let doorbell = self.kernel.doorbell();
            match self.ask(Operation::AwaitCall, 0, 0, [0; 3]) {
                Ok([signal, ..]) => return signal as u32,
                Err(Errno::EAGAIN) => {
                    let _ = self.kernel.wait(&[doorbell], None);
                }
                Err(_) => self.kernel.exit(SIGKILL, 0),
            }
        }
    }

    /// The spare is the process with this id from here on.
    fn be_called(&self, id: u32) {
        let identity = self.kernel.identity();
        identity.set(Word::Process, id);
        identity.set(Word::Thread, id);
        identity.set(Word::Parent, self.kernel.bulletin().parent.load(Ordering::Relaxed));
        self.threads.with(|table| table.current().id = id);
    }
}

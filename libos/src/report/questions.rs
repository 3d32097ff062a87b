//! Texts about other processes: each makes those about itself, and `unixd` carries the questions.
//!
//! ```text
//!   who reads /proc/7/maps ── Inspect ──► unixd ── the doorbell ──► process 7 ── TakeQuestion
//!              ▲                            │                           │
//!              └───────── the doorbell ─────┴────────── Tell ───────────┘
//! ```
//!
//! A process answers where it hears its doorbell: in a wait, on the way out of a call, when a slice of its begins. One that does not is not
//! waited for longer than [`PATIENCE_NS`]: `unixd` then says what it knows itself, as of the dead.

use alloc::vec::Vec;

use unix::message::{BYTES, BYTES_MOST};
use unix::{MAILBOX_BYTES, Operation, Request, TEXT_MOST};

use crate::errno::{Errno, Result};
use crate::identity::Word;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::thread::Waits;
use crate::time::SECOND;
use crate::vfs::world::{Person, Report};

/// How long an answer is waited for, in nanoseconds.
const PATIENCE_NS: u64 = SECOND;

impl<K: Kernel> Process<K> {
    /// The ids of all processes, in order.
    pub(super) fn all_processes(&self) -> Vec<u32> {
        const AT_ONCE: usize = MAILBOX_BYTES / 4;
        let mut ids: Vec<u32> = Vec::new();
        loop {
            let from = ids.last().map_or(0, |last| last + 1);
            let Ok([count, ..]) = self.ask(Operation::Processes, 0, from, [0; 3]) else { break };
            let count = (count as usize).min(AT_ONCE);
            for index in 0..count {
                let mut id = [0; 4];
                self.kernel.fetch(4 * index, &mut id);
                ids.push(u32::from_le_bytes(id));
            }
            if count < AT_ONCE {
                break;
            }
        }
        if ids.is_empty() { Vec::from([self.id()]) } else { ids }
    }

    /// Who has an id: a process, or a thread of one.
    ///
    /// # Errors
    /// `ENOENT`: nobody.
    pub(super) fn find_person(&self, id: u32) -> Result<Person> {
        if id == self.id() {
            let identity = self.kernel.identity();
            let owner = (identity.get(Word::EffectiveUser), identity.get(Word::EffectiveUserGroup));
            return Ok(Person { process: id, birth: 0, thread: 0, owner });
        }
        let [process, birth, owner, _] = self.ask(Operation::Person, 0, id, [0; 3]).map_err(|_| Errno::ENOENT)?;
        let process = process as u32;
        let thread = if process == id { 0 } else { id };
        // Ids of the own threads are given out before there are threads.
        if process == self.id() && self.threads.with(|table| table.find(thread)).is_none() {
            return Err(Errno::ENOENT);
        }
        Ok(Person { process, birth, thread, owner: (owner as u32, (owner >> 32) as u32) })
    }

    /// A text about another process.
    ///
    /// # Errors
    /// What the other says, and what `unixd` does: see [`Operation::Inspect`].
    pub(super) fn inspect(&self, person: &Person, report: Report, number: u32) -> Result<Vec<u8>> {
        let until = self.now_ns() + PATIENCE_NS;
        let mut is_last = false;
        loop {
            match self.ask(Operation::Inspect, report as u16, person.process, [person.birth, u64::from(number), u64::from(is_last)]) {
                // A signal does not end it: on Linux nothing waits here.
                Err(Errno::EAGAIN) => is_last = self.block(Waits::Release, Some(until)).is_err(),
                Err(errno) => return Err(errno),
                Ok([length, ..]) => return self.collect(length as usize),
            }
        }
    }

    /// Take a text of so many bytes that `unixd` has for this process.
    fn collect(&self, length: usize) -> Result<Vec<u8>> {
        let mut text = alloc::vec![0; length.min(TEXT_MOST)];
        for (index, part) in text.chunks_mut(BYTES_MOST).enumerate() {
            if index > 0 {
                self.ask(Operation::Unstage, 0, 0, [(index * BYTES_MOST) as u64, 0, 0])?;
            }
            self.kernel.fetch(BYTES, part);
        }
        Ok(text)
    }

    /// Answer what others ask about this process.
    pub fn answer_questions(&self) {
        while self.kernel.bulletin().questions.load(core::sync::atomic::Ordering::Relaxed) != 0 {
            let Ok([question, called, ..]) = self.ask(Operation::TakeQuestion, 0, 0, [0; 3]) else { return };
            let (what, number) = (question as u16, (question >> 32) as u32);
            let answer = Report::from_number(what).ok_or(Errno::EINVAL).and_then(|report| self.own_text(report, number));
            if self.tell(called, answer).is_err() {
                return;
            }
        }
    }

    fn tell(&self, called: u64, answer: Result<Vec<u8>>) -> Result<()> {
        let (error, mut text) = match answer {
            Ok(text) => (0, text),
            Err(Errno(errno)) => (errno as u32, Vec::new()),
        };
        text.truncate(TEXT_MOST);
        let mut staged = 0;
        while text.len() - staged > BYTES_MOST {
            let part = &text[staged..staged + BYTES_MOST];
            self.kernel.post(BYTES, part);
            self.ask(Operation::Stage, 0, 0, [staged as u64, part.len() as u64, 0])?;
            staged += part.len();
        }
        self.kernel.post(BYTES, &text[staged..]);
        self.kernel.ask(Request { operation: Operation::Tell, small: 0, large: error, words: [called, text.len() as u64, 0] }).map(|_| ())
    }
}

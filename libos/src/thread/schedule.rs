//! Who runs next: a policy.
#![forbid(unsafe_code)]

use alloc::collections::VecDeque;

/// Which of the ready threads runs. Threads are named by their slot in the table.
pub trait Schedule: Send {
    /// A thread became ready, or its slice ended.
    fn ready(&mut self, thread: usize);
    /// The thread to run, which is then not ready any more.
    fn next(&mut self) -> Option<usize>;
    /// A thread is gone, ready or not.
    fn forget(&mut self, thread: usize);
    /// Whether no thread is ready.
    fn is_empty(&self) -> bool;
    /// No thread is ready any more.
    fn clear(&mut self);
}

/// One after the other.
#[derive(Debug, Default)]
pub struct RoundRobin(VecDeque<usize>);

impl Schedule for RoundRobin {
    fn ready(&mut self, thread: usize) {
        self.0.push_back(thread);
    }

    fn next(&mut self) -> Option<usize> {
        self.0.pop_front()
    }

    fn forget(&mut self, thread: usize) {
        self.0.retain(|&other| other != thread);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

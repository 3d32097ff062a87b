//! The page that `unixd` writes and a process reads.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What a process is told without asking. Everything but the doorbell and `company` only changes before the doorbell rings.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Bulletin {
    /// Counted up, and woken, whenever something happened that the process may care for.
    pub doorbell: AtomicU32,
    /// Signals from elsewhere that wait to be taken: a set.
    pub signals: AtomicU64,
    /// A child that lives and whose end sends `SIGCHLD`, while none of all the children has anything to tell: to wait for that one, or for any, is to
    /// wait indeed. 0: it is to be asked.
    pub quiet_child: AtomicU32,
    /// The parent's id.
    pub parent: AtomicU32,
    /// The process group's id.
    pub group: AtomicU32,
    /// The session's id.
    pub session: AtomicU32,
    /// Not 0 while the process is stopped.
    pub stopped: AtomicU32,
    /// Not 0: the process is to end by `SIGKILL`, at once.
    pub killed: AtomicU32,
    /// How often somebody else changed the process's limits.
    pub limit_changes: AtomicU32,
    /// Not 0 while somebody watches files: what is not needed any more is given up at once.
    pub watched: AtomicU32,
    /// How often a file lost its last name that the process had opened: what it keeps of files that are closed is to be given up.
    pub removals: AtomicU32,
    /// Frames that the process is asked to give back; 0: none. It answers by [`Operation::GiveBack`](crate::Operation::GiveBack).
    pub asked: AtomicU32,
    /// Until when, in ticks of the counter: past that they are taken by force from who has not answered.
    pub asked_until: AtomicU64,
    /// Not 0 while others ask something of the process.
    pub questions: AtomicU32,
    /// Not 0 while there are other processes, who could use the time that this one does not need.
    pub company: AtomicU32,
    /// How long the process may compute, in microseconds, before it lets others have their turn; 0: to the end of its slice. From who does not, time
    /// is taken.
    pub turn_us: AtomicU32,
    /// How often time was taken of the process.
    pub rests: AtomicU32,
}

impl Bulletin {
    /// How often the doorbell rang.
    #[must_use]
    pub fn rings(&self) -> u32 {
        self.doorbell.load(Ordering::Acquire)
    }
}

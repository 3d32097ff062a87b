//! System V's message queues, semaphores and shared memory: sysvipc(7).

mod messages;
mod registry;
mod segments;
mod semaphores;
mod serve;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use unix::system_v::{DESTINED, OBJECTS_MOST, SEGMENTS_MOST};

use messages::Queue;
use registry::Registry;
use segments::Segment;
use semaphores::Set;

/// All of them.
pub struct SystemV {
    queues: Registry<Queue>,
    sets: Registry<Set>,
    segments: Registry<Segment>,
}

impl Default for SystemV {
    fn default() -> SystemV {
        SystemV { queues: Registry::new(OBJECTS_MOST), sets: Registry::new(OBJECTS_MOST), segments: Registry::new(SEGMENTS_MOST) }
    }
}

impl SystemV {
    /// A process has ended.
    pub fn forget(&mut self, process: u32, now_s: u64) {
        for (_, set) in self.sets.iter_mut() {
            set.body.forget(process, now_s);
        }
        self.forget_attachments(process, now_s);
    }

    /// A process runs another program, which has no segment attached.
    pub fn forget_attachments(&mut self, process: u32, now_s: u64) {
        for (_, segment) in self.segments.iter_mut() {
            segment.body.forget(process, now_s);
        }
        self.end_destined();
    }

    /// A child has attached what its parent has.
    pub fn copy(&mut self, parent: u32, child: u32) {
        for (_, segment) in self.segments.iter_mut() {
            segment.body.copy(parent, child);
        }
    }

    /// Remove the segments that were to go with their last attachment.
    fn end_destined(&mut self) {
        let is_due = |segment: &registry::Owned<Segment>| segment.ownership.mode & DESTINED != 0 && segment.body.is_free();
        let due: Vec<u32> = self.segments.iter().filter(|(_, segment)| is_due(segment)).map(|(id, _)| id).collect();
        for id in due {
            let _ = self.segments.remove(id);
        }
    }
}

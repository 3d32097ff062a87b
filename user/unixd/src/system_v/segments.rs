//! Segments of shared memory: shmop(2). A segment is a file that is in no directory; attaching is mapping it.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use libos::vfs::node::Entry;

/// A segment.
pub struct Segment {
    /// The file.
    pub file: Arc<Entry>,
    bytes: u64,
    attached_s: u64,
    detached_s: u64,
    changed_s: u64,
    maker: u32,
    last: u32,
    /// How often each process has it attached.
    attachments: BTreeMap<u32, u64>,
}

impl Segment {
    /// A segment that nobody has attached.
    #[must_use]
    pub fn new(file: Arc<Entry>, bytes: u64, maker: u32, now_s: u64) -> Segment {
        Segment { file, bytes, attached_s: 0, detached_s: 0, changed_s: now_s, maker, last: 0, attachments: BTreeMap::new() }
    }

    /// Bytes of it, as it was asked for.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The words of its state.
    #[must_use]
    pub fn state(&self) -> [u64; 7] {
        let (maker, last) = (u64::from(self.maker), u64::from(self.last));
        [self.bytes, self.attached_s, self.detached_s, self.changed_s, maker, last, self.attachments.values().sum()]
    }

    /// Whether no process has it attached.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.attachments.is_empty()
    }

    /// Its owner has changed.
    pub fn note_changed(&mut self, now_s: u64) {
        self.changed_s = now_s;
    }

    /// A process attaches it once more.
    pub fn attach(&mut self, process: u32, now_s: u64) {
        *self.attachments.entry(process).or_default() += 1;
        (self.last, self.attached_s) = (process, now_s);
    }

    /// A process detaches it once.
    pub fn detach(&mut self, process: u32, now_s: u64) {
        let Some(count) = self.attachments.get_mut(&process) else { return };
        *count -= 1;
        if *count == 0 {
            self.attachments.remove(&process);
        }
        (self.last, self.detached_s) = (process, now_s);
    }

    /// A process has what another has.
    pub fn copy(&mut self, from: u32, to: u32) {
        if let Some(&count) = self.attachments.get(&from) {
            self.attachments.insert(to, count);
        }
    }

    /// A process has none of its attachments any more.
    pub fn forget(&mut self, process: u32, now_s: u64) {
        if self.attachments.remove(&process).is_some() {
            (self.last, self.detached_s) = (process, now_s);
        }
    }
}

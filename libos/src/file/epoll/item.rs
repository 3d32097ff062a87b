//! A file that is watched: what it is watched for, and what was told of it.

use alloc::sync::{Arc, Weak};

use crate::file::remote::State;
use crate::file::watchers::{Changed, Mark};
use crate::file::{Description, Edges, File, Readiness, Telling};

/// `EPOLLET`
pub(super) const EDGE: u32 = 1 << 31;
/// `EPOLLONESHOT`
const ONE_SHOT: u32 = 1 << 30;
/// `EPOLLWAKEUP`: nothing here suspends the machine.
const WAKE_UP: u32 = 1 << 29;
/// `EPOLLEXCLUSIVE`
pub(super) const EXCLUSIVE: u32 = 1 << 28;
/// What stays when a one-shot entry has been told of.
const PRIVATE: u32 = EDGE | ONE_SHOT | WAKE_UP | EXCLUSIVE;
/// What may be asked together with `EPOLLEXCLUSIVE`.
pub(super) const WITH_EXCLUSIVE: u32 = 0x1 | 0x4 | 0x8 | 0x10 | WAKE_UP | EDGE | EXCLUSIVE;
/// What is always told of.
const ALWAYS: Readiness = Readiness::ERROR.union(Readiness::HANG_UP);

/// What is asked for, or found; and the caller's own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// `EPOLL*`
    pub events: u32,
    /// Given back with what is found.
    pub data: u64,
}

fn with_always(wanted: Event) -> Event {
    Event { events: wanted.events | ALWAYS.bits(), ..wanted }
}

/// What a look found of a file.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) ready: Readiness,
    pub(super) edges: Edges,
}

impl Found {
    const NOTHING: Found = Found { ready: Readiness::empty(), edges: Edges { input: 0, output: 0 } };
}

/// When a file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Each time.
    Each,
    /// When it told of a change.
    Told,
    /// When the doorbell rang, and as long as it is in the queue.
    Rung,
}

/// A file that is watched, by the descriptor that it was added by.
pub(super) struct Item {
    pub(super) fd: i32,
    pub(super) target: Weak<Description>,
    pub(super) wanted: Event,
    /// What the last look found.
    pub(super) found: Found,
    /// What was so when an edge was last told of; none if the next readiness is one.
    pub(super) seen: Option<Found>,
    /// Whether it is in the queue of those that are ready.
    pub(super) is_queued: bool,
    pub(super) source: Source,
    mark: Arc<Mark>,
}

impl Item {
    /// A file that nothing was told of, by its number in the set that `changed` is of.
    pub(super) fn new(fd: i32, target: &Arc<Description>, wanted: Event, changed: &Arc<Changed>, number: u32) -> Item {
        Item {
            fd,
            target: Arc::downgrade(target),
            wanted: with_always(wanted),
            found: Found::NOTHING,
            seen: None,
            is_queued: false,
            source: Source::Each,
            mark: Mark::new(changed, number),
        }
    }

    /// Before the file is looked at: let it tell of what changes from then on, if it does that.
    #[inline]
    pub(super) fn begin_look(&mut self, file: &Arc<dyn File>) {
        self.mark.begin_look();
        let before = self.source;
        self.source = match file.telling() {
            Telling::Watchers(watchers) => {
                if before != Source::Told {
                    watchers.mark(&self.mark);
                }
                Source::Told
            }
            Telling::Server => Source::Rung,
            Telling::Nobody => Source::Each,
        };
    }

    /// Whether it is looked at where nothing told of it: a file that counts no edges may be less ready and again more so meanwhile, of which
    /// the first is not told.
    pub(super) fn falls_unseen(&self) -> bool {
        self.wanted.events & EDGE != 0 && self.found.edges == Edges::default()
    }

    /// Watch it for something else. What is ready is news.
    pub(super) fn set(&mut self, wanted: Event) {
        (self.wanted, self.seen) = (with_always(wanted), None);
    }

    /// What it is to be told of.
    fn mask(&self) -> Readiness {
        // A one-shot entry that has been told of is silent: even errors wait until it is set again.
        Readiness::from_bits_truncate(self.wanted.events & !PRIVATE)
    }

    /// The edges that concern it.
    fn concerns(&self, edges: Edges) -> Edges {
        let mask = self.mask();
        let output = Readiness::WRITABLE | Readiness::OUT_BAND;
        let of_input = mask.intersects(output.complement() & ALWAYS.complement());
        Edges { input: if of_input { edges.input } else { 0 }, output: if mask.intersects(output) { edges.output } else { 0 } }
    }

    /// The last edge that the last look found.
    pub(super) fn last_edge(&self) -> u64 {
        let edges = self.concerns(self.found.edges);
        edges.input.max(edges.output)
    }

    /// Note what a look at the file found; whether it is to be queued now.
    pub(super) fn note(&mut self, (ready, edges): State) -> bool {
        let ready = ready & self.mask();
        self.found = Found { ready, edges };

        let is_new = self.seen.is_none_or(|seen| {
            let rises = !seen.ready.contains(ready);
            rises || self.concerns(edges) != self.concerns(seen.edges)
        });
        // What falls may rise again.
        if let Some(seen) = &mut self.seen {
            seen.ready &= ready;
        }
        !self.is_queued && is_new && !ready.is_empty()
    }

    /// Note that it was told of; whether it stays in the queue.
    pub(super) fn told(&mut self) -> bool {
        if self.wanted.events & EDGE != 0 {
            self.seen = Some(self.found);
        }
        if self.wanted.events & ONE_SHOT != 0 {
            self.wanted.events &= PRIVATE;
        }
        self.wanted.events & (EDGE | ONE_SHOT) == 0
    }
}

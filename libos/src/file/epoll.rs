//! epoll(7): a set of descriptors to wait for.
//!
//! An instance knows a file by its readiness and its edges alone, and looks at all of them when it is asked: a file need not know who
//! watches it, and may be in another process. What is ready stands in a queue; a level-triggered file goes back to its end each time that
//! it is told of, so that none starves where fewer are asked for than are ready.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::file::{Description, Edges, File, Readiness, edge};
use crate::vfs::world::World;

/// `EPOLLET`
const EDGE: u32 = 1 << 31;
/// `EPOLLONESHOT`
const ONE_SHOT: u32 = 1 << 30;
/// `EPOLLWAKEUP`: nothing here suspends the machine.
const WAKE_UP: u32 = 1 << 29;
/// `EPOLLEXCLUSIVE`
const EXCLUSIVE: u32 = 1 << 28;
/// What stays when a one-shot entry has been told of.
const PRIVATE: u32 = EDGE | ONE_SHOT | WAKE_UP | EXCLUSIVE;
/// What may be asked together with `EPOLLEXCLUSIVE`.
const WITH_EXCLUSIVE: u32 = 0x1 | 0x4 | 0x8 | 0x10 | WAKE_UP | EDGE | EXCLUSIVE;
/// An instance may be watched by one that is watched, and so on, so often (`EP_MAX_NESTS`).
const NESTS_MOST: usize = 4;
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
struct Found {
    ready: Readiness,
    edges: Edges,
}

impl Found {
    const NOTHING: Found = Found { ready: Readiness::empty(), edges: Edges { input: 0, output: 0 } };
}

/// A file that is watched, by the descriptor that it was added by.
struct Item {
    fd: i32,
    target: Weak<Description>,
    wanted: Event,
    /// What the last look found.
    found: Found,
    /// What was so when an edge was last told of; none if the next readiness is one.
    seen: Option<Found>,
    /// Its place in the queue of those that are ready.
    place: Option<u64>,
}

impl Item {
    fn is_target(&self, fd: i32, target: &Arc<Description>) -> bool {
        self.fd == fd && core::ptr::eq(self.target.as_ptr(), Arc::as_ptr(target))
    }

    /// What it is to be told of.
    fn mask(&self) -> Readiness {
        // A one-shot entry that has been told of is silent: even errors wait until it is set again.
        Readiness::from_bits_truncate(self.wanted.events & !PRIVATE)
    }

    /// The last edge that concerns it.
    fn last_edge(&self, edges: Edges) -> u64 {
        let mask = self.mask();
        let output = Readiness::WRITABLE | Readiness::OUT_BAND;
        let input = if mask.intersects(output.complement() & ALWAYS.complement()) { edges.input } else { 0 };
        if mask.intersects(output) { input.max(edges.output) } else { input }
    }

    /// Look at the file; whether it is to be queued now.
    fn look(&mut self, world: &dyn World, file: &Arc<dyn File>) -> bool {
        let ready = file.readiness(world) & self.mask();
        self.found = Found { ready, edges: file.edges(world) };
        let is_new = self.seen.is_none_or(|seen| {
            let rises = !seen.ready.contains(ready);
            rises || self.last_edge(self.found.edges) > self.last_edge(seen.edges)
        });
        // What falls may rise again.
        if let Some(seen) = &mut self.seen {
            seen.ready &= ready;
        }
        self.place.is_none() && is_new && !ready.is_empty()
    }

    /// Note that it was told of; whether it stays in the queue.
    fn told(&mut self) -> bool {
        if self.wanted.events & EDGE != 0 {
            self.seen = Some(self.found);
        }
        if self.wanted.events & ONE_SHOT != 0 {
            self.wanted.events &= PRIVATE;
        }
        self.wanted.events & (EDGE | ONE_SHOT) == 0
    }
}

#[derive(Default)]
struct State {
    items: Vec<Item>,
    /// The last place that was given.
    last_place: u64,
    /// The last edge of the set itself: something was added or set again.
    changed: u64,
}

impl State {
    fn find(&mut self, fd: i32, target: &Arc<Description>) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.is_target(fd, target))
    }

    fn next_place(&mut self) -> u64 {
        self.last_place += 1;
        self.last_place
    }

    /// Look at all files: what became ready is queued, in the order in which it did.
    fn look(&mut self, world: &dyn World) {
        self.items.retain(|item| item.target.strong_count() > 0);
        let mut fresh = Vec::new();
        for (index, item) in self.items.iter_mut().enumerate() {
            let Some(target) = item.target.upgrade() else { continue };
            let Ok(file) = target.file() else { continue };
            if item.look(world, file) {
                fresh.push((item.last_edge(item.found.edges), index));
            }
        }
        fresh.sort_unstable();
        for (_, index) in fresh {
            self.items[index].place = Some(self.next_place());
        }
    }

    /// The queue: indices of items.
    fn queue(&self) -> Vec<usize> {
        let mut queue: Vec<_> = self.items.iter().enumerate().filter_map(|(index, item)| Some((item.place?, index))).collect();
        queue.sort_unstable();
        queue.into_iter().map(|(_, index)| index).collect()
    }
}

/// An instance.
#[derive(Default)]
pub struct Epoll {
    state: Mutex<State>,
    /// The instances that watch this one.
    above: Mutex<Vec<Weak<Epoll>>>,
}

impl Epoll {
    /// Watch a file.
    ///
    /// # Errors
    /// `EPERM`: it cannot be waited for. `EINVAL`: it is this instance, or the flags do not go together. `ELOOP`: it is an instance that
    /// watches this one, or too many would stand above each other. `EEXIST`: it is watched by this descriptor.
    pub fn add(self: &Arc<Epoll>, world: &dyn World, fd: i32, target: &Arc<Description>, wanted: Event) -> Result<()> {
        let file = self.check(target)?;
        let inner = file.of_type::<Epoll>();
        if wanted.events & EXCLUSIVE != 0 && (inner.is_some() || wanted.events & !WITH_EXCLUSIVE != 0) {
            return Err(Errno::EINVAL);
        }
        if let Some(inner) = &inner {
            self.check_nesting(inner)?;
        }
        if self.state.lock().find(fd, target).is_some() {
            return Err(Errno::EEXIST);
        }
        if let Some(inner) = inner {
            inner.above.lock().push(Arc::downgrade(self));
        }
        let wanted = with_always(wanted);
        let mut item = Item { fd, target: Arc::downgrade(target), wanted, found: Found::NOTHING, seen: None, place: None };
        let is_ready = item.look(world, file);
        let mut state = self.state.lock();
        if is_ready {
            item.place = Some(state.next_place());
            state.changed = edge::stamp();
        }
        state.items.push(item);
        Ok(())
    }

    /// Set what a file is watched for. What is ready already is an edge.
    ///
    /// # Errors
    /// `EPERM`, `EINVAL`: as [`Epoll::add`], and for what is or would be watched exclusively. `ENOENT`: it is not watched.
    pub fn modify(self: &Arc<Epoll>, world: &dyn World, fd: i32, target: &Arc<Description>, wanted: Event) -> Result<()> {
        let file = self.check(target)?;
        if wanted.events & EXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.lock();
        let item = state.find(fd, target).ok_or(Errno::ENOENT)?;
        if item.wanted.events & EXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        (item.wanted, item.seen) = (with_always(wanted), None);
        if item.look(world, file) {
            let place = state.next_place();
            state.changed = edge::stamp();
            state.find(fd, target).ok_or(Errno::ENOENT)?.place = Some(place);
        }
        Ok(())
    }

    /// Watch a file no more.
    ///
    /// # Errors
    /// `EPERM`, `EINVAL`: as [`Epoll::add`]. `ENOENT`: it is not watched.
    pub fn remove(self: &Arc<Epoll>, fd: i32, target: &Arc<Description>) -> Result<()> {
        let file = self.check(target)?;
        let mut state = self.state.lock();
        let index = state.items.iter().position(|item| item.is_target(fd, target)).ok_or(Errno::ENOENT)?;
        state.items.remove(index);
        let is_watched_still = state.items.iter().any(|item| core::ptr::eq(item.target.as_ptr(), Arc::as_ptr(target)));
        if !is_watched_still && let Some(inner) = file.of_type::<Epoll>() {
            inner.above.lock().retain(|above| !core::ptr::eq(above.as_ptr(), Arc::as_ptr(self)));
        }
        Ok(())
    }

    /// A target's file, if it can be watched by this instance.
    fn check<'a>(self: &Arc<Epoll>, target: &'a Arc<Description>) -> Result<&'a Arc<dyn File>> {
        let file = target.file()?;
        if !file.is_pollable() {
            return Err(Errno::EPERM);
        }
        if core::ptr::addr_eq(Arc::as_ptr(file), Arc::as_ptr(self)) {
            return Err(Errno::EINVAL);
        }
        Ok(file)
    }

    fn check_nesting(self: &Arc<Epoll>, inner: &Arc<Epoll>) -> Result<()> {
        let below = inner.depth_below(self, 0).ok_or(Errno::ELOOP)?;
        if below + 1 + self.depth_above() > NESTS_MOST { Err(Errno::ELOOP) } else { Ok(()) }
    }

    /// How many instances stand below this one, at most, one below the other; none if `searched` is among them or they are too many.
    fn depth_below(&self, searched: &Arc<Epoll>, level: usize) -> Option<usize> {
        let targets: Vec<_> = self.state.lock().items.iter().filter_map(|item| item.target.upgrade()).collect();
        let mut depth = 0;
        for inner in targets.iter().filter_map(|target| target.file().ok()?.of_type::<Epoll>()) {
            if level > NESTS_MOST || Arc::ptr_eq(&inner, searched) {
                return None;
            }
            depth = depth.max(inner.depth_below(searched, level + 1)? + 1);
        }
        (depth <= NESTS_MOST).then_some(depth)
    }

    /// How many instances stand above this one.
    fn depth_above(&self) -> usize {
        let above: Vec<_> = self.above.lock().iter().filter_map(Weak::upgrade).collect();
        above.iter().filter(|above| above.watches(self)).map(|above| above.depth_above() + 1).max().unwrap_or(0)
    }

    fn watches(&self, inner: &Epoll) -> bool {
        let targets: Vec<_> = self.state.lock().items.iter().filter_map(|item| item.target.upgrade()).collect();
        targets.iter().any(|target| target.file().is_ok_and(|file| core::ptr::addr_eq(Arc::as_ptr(file), inner)))
    }

    /// Tell of at most `most` files that are ready; gives how many were told of.
    ///
    /// # Errors
    /// That of `tell` for the first one.
    pub fn take(&self, world: &dyn World, most: usize, tell: &mut dyn FnMut(usize, Event) -> Result<()>) -> Result<usize> {
        let mut state = self.state.lock();
        state.look(world);
        let mut count = 0;
        for index in state.queue() {
            let item = &mut state.items[index];
            if item.found.ready.is_empty() {
                item.place = None;
                continue;
            }
            if count == most {
                break;
            }
            match tell(count, Event { events: item.found.ready.bits(), data: item.wanted.data }) {
                Err(errno) if count == 0 => return Err(errno),
                Err(_) => break,
                Ok(()) => count += 1,
            }
            let stays = item.told();
            state.items[index].place = if stays { Some(state.next_place()) } else { None };
        }
        Ok(count)
    }
}

impl File for Epoll {
    fn is_pollable(&self) -> bool {
        true
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        let mut state = self.state.lock();
        state.look(world);
        let is_ready = state.items.iter().any(|item| item.place.is_some() && !item.found.ready.is_empty());
        if is_ready { Readiness::READABLE } else { Readiness::empty() }
    }

    fn edges(&self, world: &dyn World) -> Edges {
        let mut state = self.state.lock();
        state.look(world);
        let last = state.items.iter().map(|item| item.last_edge(item.found.edges)).max().unwrap_or(0);
        Edges { input: last.max(state.changed), output: 0 }
    }

    fn waits_for_console(&self) -> bool {
        let targets: Vec<_> = self.state.lock().items.iter().filter_map(|item| item.target.upgrade()).collect();
        targets.iter().any(|target| target.file().is_ok_and(|file| file.waits_for_console()))
    }
}

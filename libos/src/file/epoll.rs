//! epoll(7): a set of descriptors to wait for.
//!
//! An instance knows a file by its readiness and its edges alone, and looks at all of them when it is asked: a file need not know who
//! watches it, and may be in another process. What is ready stands in a queue; a level-triggered file goes back to its end each time that
//! it is told of, so that none starves where fewer are asked for than are ready.

mod item;
#[cfg(test)]
mod tests;

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use spin::Mutex;

use self::item::{EXCLUSIVE, Item, WITH_EXCLUSIVE};
use crate::errno::{Errno, Result};
use crate::file::{Description, Edges, File, Readiness, Seeking, edge, remote};
use crate::vfs::world::World;
pub use item::Event;

/// An instance may be watched by one that is watched, and so on, so often (`EP_MAX_NESTS`).
const NESTS_MOST: usize = 4;

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
        let states = if self.items.len() > 1 { self.look_at_many() } else { Vec::new() };
        let mut fresh = Vec::new();
        for (index, item) in self.items.iter_mut().enumerate() {
            let Some(target) = item.target.upgrade() else { continue };
            let Ok(file) = target.file() else { continue };
            if item.note(states.get(index).copied().flatten().unwrap_or_else(|| file.state(world))) {
                fresh.push((item.last_edge(), index));
            }
        }
        fresh.sort_unstable();
        for (_, index) in fresh {
            self.items[index].place = Some(self.next_place());
        }
    }

    /// What `unixd` tells of the files that are there, by the items' places.
    fn look_at_many(&self) -> Vec<Option<remote::State>> {
        let targets: Vec<Option<Arc<Description>>> = self.items.iter().map(|item| item.target.upgrade()).collect();
        remote::look_at_all(targets.iter().map(|target| target.as_ref()?.file().ok()))
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
        let mut item = Item::new(fd, target, wanted);
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
        item.set(wanted);
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
    fn seeking(&self) -> Seeking {
        Seeking::Pointless
    }

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
        // A sum changes with each of its parts, of whatever sequence they are.
        let input = state.items.iter().fold(state.changed, |sum, item| sum.wrapping_add(item.last_edge()));
        Edges { input, output: 0 }
    }
}

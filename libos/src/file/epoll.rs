//! epoll(7): a set of descriptors to wait for.
//!
//! An instance knows a file by its readiness and its edges alone, and looks at those that may have changed when it is asked: a file need not
//! know who watches it, and may be in another process. What is ready stands in a queue; a level-triggered file goes back to its end each time
//! that it is told of, so that none starves where fewer are asked for than are ready.

mod item;
mod set;
#[cfg(test)]
mod tests;

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use spin::Mutex;

use self::item::{EXCLUSIVE, WITH_EXCLUSIVE};
use self::set::Set;
use crate::errno::{Errno, Result};
use crate::file::{Description, Edges, File, Readiness, Seeking};
use crate::vfs::world::World;
pub use item::Event;

/// An instance may be watched by one that is watched, and so on, so often (`EP_MAX_NESTS`).
const NESTS_MOST: usize = 4;

/// An instance.
#[derive(Default)]
pub struct Epoll {
    set: Mutex<Set>,
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
        let mut set = self.set.lock();
        if set.find(fd, target).is_some() {
            return Err(Errno::EEXIST);
        }
        if let Some(inner) = inner {
            inner.above.lock().push(Arc::downgrade(self));
        }
        let number = set.add(fd, target, wanted);
        set.look_at(world, number);
        Ok(())
    }

    /// Set what a file is watched for. What is ready already is an edge.
    ///
    /// # Errors
    /// `EPERM`, `EINVAL`: as [`Epoll::add`], and for what is or would be watched exclusively. `ENOENT`: it is not watched.
    pub fn modify(self: &Arc<Epoll>, world: &dyn World, fd: i32, target: &Arc<Description>, wanted: Event) -> Result<()> {
        self.check(target)?;
        if wanted.events & EXCLUSIVE != 0 {
            return Err(Errno::EINVAL);
        }
        let mut set = self.set.lock();
        let number = set.find(fd, target).ok_or(Errno::ENOENT)?;
        if set.item(number).is_some_and(|item| item.wanted.events & EXCLUSIVE != 0) {
            return Err(Errno::EINVAL);
        }
        set.set(number, wanted);
        set.look_at(world, number);
        Ok(())
    }

    /// Watch a file no more.
    ///
    /// # Errors
    /// `EPERM`, `EINVAL`: as [`Epoll::add`]. `ENOENT`: it is not watched.
    pub fn remove(self: &Arc<Epoll>, fd: i32, target: &Arc<Description>) -> Result<()> {
        let file = self.check(target)?;
        let mut set = self.set.lock();
        let number = set.find(fd, target).ok_or(Errno::ENOENT)?;
        set.remove(number);
        if let Some(inner) = file.of_type::<Epoll>()
            && !set.targets().any(|other| Arc::ptr_eq(&other, target))
        {
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
        let targets: Vec<_> = self.set.lock().targets().collect();
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
        let targets: Vec<_> = self.set.lock().targets().collect();
        targets.iter().any(|target| target.file().is_ok_and(|file| core::ptr::addr_eq(Arc::as_ptr(file), inner)))
    }

    /// Tell of at most `most` files that are ready; gives how many were told of.
    ///
    /// # Errors
    /// That of `tell` for the first one.
    pub fn take(&self, world: &dyn World, most: usize, tell: &mut dyn FnMut(usize, Event) -> Result<()>) -> Result<usize> {
        let mut set = self.set.lock();
        set.look(world);
        set.tell(most, tell)
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
        let mut set = self.set.lock();
        set.look(world);
        if set.is_ready() { Readiness::READABLE } else { Readiness::empty() }
    }

    fn edges(&self, world: &dyn World) -> Edges {
        let mut set = self.set.lock();
        set.look(world);
        Edges { input: set.last_edge(), output: 0 }
    }
}

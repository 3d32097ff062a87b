//! The files of an instance: which are looked at, and which are ready.
//!
//! ```text
//!   a file changes ─► Mark ─► changed ─┐
//!   the doorbell rang ─────► rung ─────┼─► look ─► queue ─► told of, by the next wait
//!   files that tell nobody ► each ─────┘             └─ not ready any more: out of it
//! ```
//!
//! What nothing was told of is not looked at: a wait costs what is ready or changed, not what is watched.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::take;

use super::item::{Event, Item, Source};
use crate::errno::{Errno, Result};
use crate::file::watchers::Changed;
use crate::file::{Description, edge, remote};
use crate::vfs::world::World;

/// A target: the descriptor that it was added by, and the description. Whose address is nobody else's as long as an item has it.
type Name = (i32, usize);

fn name(fd: i32, target: &Arc<Description>) -> Name {
    (fd, Arc::as_ptr(target).addr())
}

#[derive(Default)]
pub(super) struct Set {
    /// By number.
    items: Vec<Option<Item>>,
    /// Numbers that no item has.
    free: Vec<u32>,
    names: BTreeMap<Name, u32>,
    /// Those that are ready, or were when they were last looked at.
    queue: VecDeque<u32>,
    /// Those that told of a change.
    changed: Arc<Changed>,
    /// Those that are looked at each time, and when the doorbell rang.
    each: BTreeSet<u32>,
    rung: BTreeSet<u32>,
    /// Which process looked at all of `rung`, and how often its doorbell had rung.
    heard: Option<(u32, u32)>,
    /// The last edge of the set itself: something was added or set again.
    own_edge: u64,
    /// The sum of all last edges.
    edges: u64,
    /// How many items there were when those were last dropped whose targets are closed.
    swept: usize,
    /// Numbers to look at: kept for its memory.
    looks: Vec<u32>,
}

impl Set {
    pub(super) fn find(&self, fd: i32, target: &Arc<Description>) -> Option<u32> {
        self.names.get(&name(fd, target)).copied()
    }

    pub(super) fn item(&self, number: u32) -> Option<&Item> {
        self.items.get(number as usize)?.as_ref()
    }

    /// What is watched.
    pub(super) fn targets(&self) -> impl Iterator<Item = Arc<Description>> + '_ {
        self.items.iter().flatten().filter_map(|item| item.target.upgrade())
    }

    /// How many files are in it, some of them perhaps closed.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.names.len()
    }

    /// A value that changes with each edge.
    pub(super) fn last_edge(&self) -> u64 {
        // A sum changes with each of its parts, of whatever sequence they are.
        self.own_edge.wrapping_add(self.edges)
    }

    /// Change an item; the sum of edges follows.
    fn change<T>(&mut self, number: u32, work: impl FnOnce(&mut Item) -> T) -> Option<T> {
        let item = self.items.get_mut(number as usize)?.as_mut()?;
        let before = item.last_edge();
        let outcome = work(item);
        self.edges = self.edges.wrapping_add(item.last_edge()).wrapping_sub(before);
        Some(outcome)
    }

    /// Watch a file; gives its number.
    pub(super) fn add(&mut self, fd: i32, target: &Arc<Description>, wanted: Event) -> u32 {
        const SWEPT_LEAST: usize = 16;
        if self.names.len() >= SWEPT_LEAST.max(2 * self.swept) {
            self.sweep();
        }
        let number = self.free.pop().unwrap_or(self.items.len() as u32);
        if number as usize == self.items.len() {
            self.items.push(None);
        }
        self.items[number as usize] = Some(Item::new(fd, target, wanted, &self.changed, number));
        self.names.insert(name(fd, target), number);
        self.each.insert(number);
        number
    }

    /// Drop what watches files that are closed.
    fn sweep(&mut self) {
        let closed = |item: &Option<Item>| item.as_ref().is_some_and(|item| item.target.strong_count() == 0);
        let numbers: Vec<u32> = (0..).zip(&self.items).filter(|(_, item)| closed(item)).map(|(number, _)| number).collect();
        numbers.into_iter().for_each(|number| self.remove(number));
        self.swept = self.names.len();
    }

    pub(super) fn remove(&mut self, number: u32) {
        let Some(item) = self.items.get_mut(number as usize).and_then(Option::take) else { return };
        self.edges = self.edges.wrapping_sub(item.last_edge());
        self.names.remove(&(item.fd, item.target.as_ptr().addr()));
        self.each.remove(&number);
        self.rung.remove(&number);
        if item.is_queued {
            self.queue.retain(|&other| other != number);
        }
        self.free.push(number);
    }

    /// Watch a file for something else.
    pub(super) fn set(&mut self, number: u32, wanted: Event) {
        self.change(number, |item| item.set(wanted));
    }

    /// Look at one file, which was added or set.
    pub(super) fn look_at(&mut self, world: &dyn World, number: u32) {
        if self.look_at_one(world, number).is_some_and(|is_fresh| is_fresh) {
            self.enqueue(number);
            self.own_edge = edge::stamp();
        }
    }

    /// Look at a file; whether it is to be queued. `None`: it is closed, and out of the set.
    fn look_at_one(&mut self, world: &dyn World, number: u32) -> Option<bool> {
        let target = self.begin_look(number)?;
        let state = target.file().ok()?.state(world);
        self.change(number, |item| item.note(state))
    }

    /// Before a file is looked at.
    fn begin_look(&mut self, number: u32) -> Option<Arc<Description>> {
        let item = self.items.get_mut(number as usize)?.as_mut()?;
        let Some(target) = item.target.upgrade() else {
            self.remove(number);
            return None;
        };
        let before = item.source;
        item.begin_look(target.file().ok()?);
        let now = item.source;
        if before != now {
            self.list(before).map(|list| list.remove(&number));
            self.list(now).map(|list| list.insert(number));
        }
        Some(target)
    }

    fn list(&mut self, source: Source) -> Option<&mut BTreeSet<u32>> {
        match source {
            Source::Each => Some(&mut self.each),
            Source::Rung => Some(&mut self.rung),
            Source::Told => None,
        }
    }

    fn enqueue(&mut self, number: u32) {
        if let Some(Some(item)) = self.items.get_mut(number as usize) {
            item.is_queued = true;
            self.queue.push_back(number);
        }
    }

    /// Look at all files that may have changed: what became ready is queued, in the order in which it did.
    pub(super) fn look(&mut self, world: &dyn World) {
        let mut looks = take(&mut self.looks);
        self.changed.take(&mut looks);
        looks.extend(&self.each);
        if !self.rung.is_empty() {
            self.choose_rung(world, &mut looks);
        }
        match looks[..] {
            [] => {}
            [number] => {
                if self.look_at_one(world, number) == Some(true) {
                    self.enqueue(number);
                }
            }
            _ => self.look_at_many(world, &looks),
        }
        looks.clear();
        self.looks = looks;
    }

    /// Which of those that `unixd` tells of are to be looked at.
    fn choose_rung(&mut self, world: &dyn World, looks: &mut Vec<u32>) {
        let rings = self.rung.iter().find_map(|&number| {
            let target = self.item(number)?.target.upgrade()?;
            Some(target.file().ok()?.polled()?.server().rings())
        });
        let heard = rings.map(|rings| (world.id(), rings));
        let is_news = heard.is_none() || self.heard != heard;
        self.heard = heard;
        let chosen = self.rung.iter().filter(|&&number| {
            let is_due = |item: &Item| is_news || item.is_queued || item.falls_unseen() || item.target.strong_count() == 0;
            self.item(number).is_some_and(is_due)
        });
        looks.extend(chosen);
    }

    fn look_at_many(&mut self, world: &dyn World, numbers: &[u32]) {
        let targets: Vec<Option<Arc<Description>>> = numbers.iter().map(|&number| self.begin_look(number)).collect();
        let files = || targets.iter().map(|target| target.as_ref()?.file().ok());
        let states = remote::look_at_all(files());
        let mut fresh = Vec::new();
        for (index, (&number, file)) in numbers.iter().zip(files()).enumerate() {
            let Some(file) = file else { continue };
            let state = states.get(index).copied().flatten().unwrap_or_else(|| file.state(world));
            let looked = self.change(number, |item| (item.note(state), item.last_edge()));
            fresh.extend(looked.filter(|(is_fresh, _)| *is_fresh).map(|(_, edge)| (edge, number)));
        }
        fresh.sort_unstable();
        for (_, number) in fresh {
            // One that is looked at each time may have told of a change too.
            if self.item(number).is_some_and(|item| !item.is_queued) {
                self.enqueue(number);
            }
        }
    }

    /// Whether a file is ready. Those at the queue's head that are not any more leave it.
    pub(super) fn is_ready(&mut self) -> bool {
        while let Some(&number) = self.queue.front() {
            if self.is_ready_still(number) {
                return true;
            }
            self.queue.pop_front();
        }
        false
    }

    /// Whether a queued file was ready at the last look. If not it is out of the queue, as far as it knows.
    fn is_ready_still(&mut self, number: u32) -> bool {
        let Some(Some(item)) = self.items.get_mut(number as usize) else { return false };
        item.is_queued = !item.found.ready.is_empty() && item.target.strong_count() > 0;
        item.is_queued
    }

    /// Tell of at most `most` files that are ready; gives how many were told of.
    pub(super) fn tell(&mut self, most: usize, tell: &mut dyn FnMut(usize, Event) -> Result<()>) -> Result<usize> {
        let mut count = 0;
        for _ in 0..self.queue.len() {
            let Some(&number) = self.queue.front() else { break };
            if !self.is_ready_still(number) {
                self.queue.pop_front();
                continue;
            }
            if count == most {
                break;
            }
            let item = self.item(number).ok_or(Errno::EINVAL)?;
            match tell(count, Event { events: item.found.ready.bits(), data: item.wanted.data }) {
                Err(errno) if count == 0 => return Err(errno),
                Err(_) => break,
                Ok(()) => count += 1,
            }
            self.queue.pop_front();
            let stays = self.change(number, |item| {
                item.is_queued = item.told();
                item.is_queued
            });
            if stays == Some(true) {
                self.queue.push_back(number);
            }
        }
        Ok(count)
    }
}

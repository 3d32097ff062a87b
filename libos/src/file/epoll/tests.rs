//! Sets of files that count their edges, and of one that does not.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::item::EDGE;
use super::*;
use crate::fake::FakeKernel;
use crate::fake::calls::{Caller, cpio};
use crate::file::event::{AnonymousNode, Event as Counter};
use crate::file::{Access, Blocking, Input, Output, Place, Telling};
use crate::process::Process;
use crate::vfs::attributes::{Kind, Time};

const IN: u32 = 1;

/// A file that tells no edges.
#[derive(Default)]
struct Silent(AtomicBool);

impl File for Silent {
    fn is_pollable(&self) -> bool {
        true
    }

    fn readiness(&self, _: &dyn World) -> Readiness {
        if self.0.load(Ordering::Relaxed) { Readiness::IN } else { Readiness::empty() }
    }
}

/// A counter that counts how often it was looked at.
struct Counted {
    counter: Arc<Counter>,
    looks: AtomicUsize,
}

impl File for Counted {
    fn is_pollable(&self) -> bool {
        true
    }

    fn telling(&self) -> Telling<'_> {
        self.counter.telling()
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.counter.readiness(world)
    }

    fn edges(&self, world: &dyn World) -> Edges {
        self.counter.edges(world)
    }
}

fn process() -> &'static Process<FakeKernel> {
    Caller::new(cpio(&[])).process
}

fn open(file: Arc<dyn File>) -> Arc<Description> {
    let entry = AnonymousNode::entry(file.clone(), Kind::Anonymous, 1, b"file", Time::from_nanoseconds(0));
    Description::new(entry, file, Access::READ | Access::WRITE, 0)
}

fn told(set: &Epoll, world: &dyn World, most: usize) -> Vec<u64> {
    let mut told = Vec::new();
    let mut tell = |_: usize, event: Event| {
        told.push(event.data);
        Ok(())
    };
    set.take(world, most, &mut tell).expect("nothing fails");
    told
}

fn add_one(world: &dyn World, counter: &Counter) {
    counter.write(world, &mut Input::own(&1u64.to_ne_bytes()), Place::At(0), Blocking::Refused).expect("room");
}

#[test]
fn each_write_is_an_edge_of_a_file_that_counts_them() {
    let world = process();
    let (set, counter) = (Arc::new(Epoll::default()), Counter::new(1, 0, false));
    let open = open(counter.clone());
    set.add(world, 3, &open, Event { events: IN | EDGE, data: 7 }).unwrap();
    assert_eq!(told(&set, world, 8), []);
    for _ in 0..2 {
        add_one(world, &counter);
        assert_eq!((told(&set, world, 8), told(&set, world, 8)), (alloc::vec![7], alloc::vec![]));
    }
}

#[test]
fn a_file_without_edges_is_told_of_when_it_becomes_ready() {
    let world = process();
    let (set, silent) = (Arc::new(Epoll::default()), Arc::new(Silent::default()));
    let open = open(silent.clone());
    set.add(world, 3, &open, Event { events: IN | EDGE, data: 7 }).unwrap();
    for _ in 0..2 {
        silent.0.store(true, Ordering::Relaxed);
        assert_eq!((told(&set, world, 8), told(&set, world, 8)), (alloc::vec![7], alloc::vec![]));
        silent.0.store(false, Ordering::Relaxed);
        assert_eq!(told(&set, world, 8), []);
    }
}

#[test]
fn what_cannot_be_told_stays() {
    let world = process();
    let (set, counter) = (Arc::new(Epoll::default()), Counter::new(1, 1, false));
    let open = open(counter);
    set.add(world, 3, &open, Event { events: IN | EDGE, data: 7 }).unwrap();
    assert_eq!(set.take(world, 8, &mut |_, _| Err(Errno::EFAULT)), Err(Errno::EFAULT));
    assert_eq!(told(&set, world, 8), [7]);
}

#[test]
fn what_is_closed_is_not_watched() {
    let world = process();
    let (set, counter) = (Arc::new(Epoll::default()), Counter::new(1, 1, false));
    let description = open(counter);
    set.add(world, 3, &description, Event { events: IN, data: 7 }).unwrap();
    assert_eq!(told(&set, world, 8), [7]);
    drop(description);
    assert_eq!(told(&set, world, 8), []);
    assert_eq!(set.set.lock().targets().count(), 0);
}

fn take_all(world: &dyn World, counter: &Counter) {
    counter.read(world, &mut Output::own(&mut [0; 8]), 0, Blocking::Refused).expect("it was ready");
}

#[test]
fn what_does_not_change_is_not_looked_at() {
    let world = process();
    let set = Arc::new(Epoll::default());
    let files: Vec<Arc<Counted>> =
        (0..100).map(|number| Arc::new(Counted { counter: Counter::new(number, 0, false), looks: AtomicUsize::new(0) })).collect();
    let descriptions: Vec<_> = files.iter().map(|file| open(file.clone())).collect();
    for (number, description) in descriptions.iter().enumerate() {
        set.add(world, number as i32, description, Event { events: IN, data: number as u64 }).unwrap();
    }
    let looks = || files.iter().map(|file| file.looks.load(Ordering::Relaxed)).sum::<usize>();
    assert_eq!((looks(), told(&set, world, 8)), (100, alloc::vec![]));
    for number in [60, 7] {
        add_one(world, &files[number].counter);
        add_one(world, &files[number].counter);
    }
    assert_eq!((told(&set, world, 8), told(&set, world, 1), told(&set, world, 1)), (alloc::vec![60, 7], alloc::vec![60], alloc::vec![7]));
    assert_eq!(looks(), 102);
    take_all(world, &files[60].counter);
    assert_eq!((told(&set, world, 8), looks()), (alloc::vec![7], 103));
    drop(descriptions);
    assert_eq!((told(&set, world, 8), looks()), (alloc::vec![], 103));
}

#[test]
fn sets_of_what_is_closed_do_not_grow() {
    let world = process();
    let set = Arc::new(Epoll::default());
    let kept = open(Counter::new(1, 0, false));
    set.add(world, 3, &kept, Event { events: IN, data: 3 }).unwrap();
    for _ in 0..1000 {
        set.add(world, 4, &open(Counter::new(1, 0, false)), Event { events: IN, data: 4 }).unwrap();
    }
    assert!(set.set.lock().known() < 64);
    assert_eq!(set.add(world, 3, &kept, Event { events: IN, data: 3 }), Err(Errno::EEXIST));
}

#[test]
fn changes_are_seen_through_a_set_of_sets_and_after_it_was_taken_apart() {
    let world = process();
    let (outer, inner) = (Arc::new(Epoll::default()), Arc::new(Epoll::default()));
    let counter = Counter::new(1, 0, false);
    let (counted, nested) = (open(counter.clone()), open(inner.clone()));
    inner.add(world, 3, &counted, Event { events: IN, data: 3 }).unwrap();
    outer.add(world, 4, &nested, Event { events: IN | EDGE, data: 4 }).unwrap();
    for _ in 0..2 {
        add_one(world, &counter);
        assert_eq!((told(&outer, world, 8), told(&outer, world, 8)), (alloc::vec![4], alloc::vec![]));
    }
    take_all(world, &counter);
    assert_eq!(inner.readiness(world), Readiness::empty());
    inner.remove(3, &counted).unwrap();
    add_one(world, &counter);
    assert_eq!((told(&inner, world, 8), told(&outer, world, 8)), (alloc::vec![], alloc::vec![]));
    inner.add(world, 3, &counted, Event { events: IN, data: 5 }).unwrap();
    assert_eq!((told(&outer, world, 8), told(&inner, world, 8)), (alloc::vec![4], alloc::vec![5]));
}

#[test]
fn sets_stand_above_each_other_so_far_and_in_no_circle() {
    let world = process();
    let sets: Vec<_> = (0..6).map(|_| Arc::new(Epoll::default())).collect();
    let open: Vec<_> = sets.iter().map(|set| open(set.clone())).collect();
    let add = |outer: usize, inner: usize| sets[outer].add(world, inner as i32, &open[inner], Event { events: IN, data: 0 });
    for inner in [2, 0, 1, 3] {
        assert_eq!(add(inner + 1, inner), Ok(()));
    }
    assert_eq!(add(0, 4), Err(Errno::ELOOP), "a circle");
    assert_eq!(add(0, 0), Err(Errno::EINVAL), "itself");
    assert_eq!(add(5, 4), Err(Errno::ELOOP), "too many");
    assert_eq!(add(5, 3), Ok(()));
}

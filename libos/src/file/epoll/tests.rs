//! Sets of files that count their edges, and of one that does not.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::item::EDGE;
use super::*;
use crate::fake::FakeKernel;
use crate::fake::calls::{Caller, cpio};
use crate::file::event::{AnonymousNode, Event as Counter};
use crate::file::{Access, Blocking, Input, Place};
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
    assert!(set.state.lock().items.is_empty());
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

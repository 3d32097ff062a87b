//! What a process is told of children that have nothing to tell: never that there is nothing where there is.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use libos::signal::{Information, SIGCHLD, SIGCONT, SIGKILL, SIGSTOP, SIGUSR1, bit};
use proptest::prelude::*;
use unix::{ChildActions, SERVER_ID, Setting, WaitOptions, Whom};

use super::signals::Target;
use super::waits::Asked;
use super::*;

const FIRST: u32 = 2;
const ALL_NEWS: WaitOptions = WaitOptions::EXITED.union(WaitOptions::STOPPED).union(WaitOptions::CONTINUED);

/// A family, and what its bulletins say.
struct World {
    family: Family,
    published: BTreeMap<u32, u32>,
}

impl World {
    fn new() -> World {
        let mut family = Family::new(1000);
        assert_eq!(family.new_id(), FIRST);
        family.begin(FIRST);
        World { family, published: BTreeMap::new() }
    }

    fn fork(&mut self, parent: u32, exit_signal: u32) -> u32 {
        let id = self.family.new_id();
        self.family.copy(parent, id, exit_signal, parent, false).expect("a parent");
        self.settle();
        id
    }

    fn end(&mut self, id: u32) {
        self.family.end(id, 0, Usage::default());
        self.settle();
    }

    fn wait(&mut self, waiter: u32, whom: Whom, options: WaitOptions) -> Result<u32> {
        let found = self.family.wait(waiter, &Asked { whom, options, thread: waiter });
        self.settle();
        found.map(|found| found.id)
    }

    /// Do what changes ask for: who rang.
    fn settle(&mut self) -> Vec<u32> {
        let mut rang = Vec::new();
        while let Some(effect) = self.family.next_effect() {
            match effect {
                Effect::Publish(id) => {
                    if let Ok(member) = self.family.member(id) {
                        self.published.insert(id, member.quiet_child);
                    }
                }
                Effect::Ring(id) => rang.push(id),
                Effect::Destroy(id) => self.family.end(id, SIGKILL, Usage::default()),
                Effect::Suspend(_) | Effect::Resume(_) => {}
            }
        }
        rang
    }

    fn quiet(&self, id: u32) -> u32 {
        self.published.get(&id).copied().unwrap_or(0)
    }

    /// Those who run, but for the server.
    fn living(&self) -> Vec<u32> {
        self.family.members().filter(|member| member.id != SERVER_ID && !member.is_dead()).map(|member| member.id).collect()
    }

    /// A wait that would be in vain by what is told is.
    fn check(&mut self) {
        for id in self.living() {
            let quiet = self.quiet(id);
            assert_eq!(quiet, self.family.member(id).unwrap().quiet_child, "what was told last");
            if quiet != 0 {
                for whom in [Whom::All, Whom::Process(quiet)] {
                    assert_eq!(self.wait(id, whom, ALL_NEWS | WaitOptions::KEEP), Err(Errno::EAGAIN));
                }
            }
        }
    }
}

#[test]
fn the_only_child_is_quiet_from_its_fork_to_its_end() {
    let mut world = World::new();
    let child = world.fork(FIRST, SIGCHLD);
    assert_eq!((world.quiet(FIRST), world.quiet(child)), (child, 0));
    world.family.end(child, 0, Usage::default());
    assert_eq!(world.settle(), [FIRST], "one ring for the end and its signal");
    assert_eq!(world.quiet(FIRST), 0);
    assert_eq!(world.wait(FIRST, Whom::Process(child), ALL_NEWS), Ok(child));
    assert_eq!(world.quiet(FIRST), 0);
}

#[test]
fn who_watches_its_child_by_a_pidfd_too_is_told_at_its_end_that_it_is_not_quiet() {
    let mut world = World::new();
    let child = world.fork(FIRST, SIGCHLD);
    let birth = world.family.birth(child).unwrap();
    assert!(!world.family.has_ended(FIRST, child, birth));
    assert_eq!(world.quiet(FIRST), child);
    world.family.end(child, 0, Usage::default());
    assert_eq!((world.settle(), world.quiet(FIRST)), (vec![FIRST], 0));
    assert!(world.family.has_ended(FIRST, child, birth));
    assert_eq!(world.wait(FIRST, Whom::Process(child), ALL_NEWS), Ok(child));
}

#[test]
fn where_one_has_news_none_is_quiet() {
    let mut world = World::new();
    let [one, two] = [(); 2].map(|()| world.fork(FIRST, SIGCHLD));
    assert_eq!(world.quiet(FIRST), two);
    world.end(one);
    let three = world.fork(FIRST, SIGCHLD);
    assert_eq!(world.quiet(FIRST), 0);
    assert_eq!(world.wait(FIRST, Whom::Process(three), ALL_NEWS), Err(Errno::EAGAIN));
    assert_eq!(world.quiet(FIRST), 0, "one has ended");
    assert_eq!(world.wait(FIRST, Whom::All, ALL_NEWS), Ok(one));
    assert_eq!(world.quiet(FIRST), two);
    assert_eq!(world.wait(FIRST, Whom::Process(three), ALL_NEWS), Err(Errno::EAGAIN));
    assert_eq!(world.quiet(FIRST), three, "it was asked for");
}

#[test]
fn a_child_that_sends_another_signal_is_not_told_of() {
    let mut world = World::new();
    let clone = world.fork(FIRST, SIGUSR1);
    assert_eq!(world.wait(FIRST, Whom::All, ALL_NEWS | WaitOptions::ALL), Err(Errno::EAGAIN));
    assert_eq!(world.quiet(FIRST), 0);
    let child = world.fork(FIRST, SIGCHLD);
    assert_eq!(world.wait(FIRST, Whom::Process(child), ALL_NEWS), Err(Errno::EAGAIN));
    assert_eq!(world.quiet(FIRST), child);
    world.end(clone);
    assert_eq!(world.quiet(FIRST), 0);
}

#[test]
fn an_orphan_that_has_stopped_is_news_to_who_inherits_it() {
    let mut world = World::new();
    world.family.setting(FIRST, Setting::Subreaper, Some(1)).unwrap();
    let child = world.fork(FIRST, SIGCHLD);
    let middle = world.fork(child, SIGCHLD);
    let orphan = world.fork(middle, SIGCHLD);
    assert_eq!(world.family.stop(orphan, SIGSTOP, 0), Ok(true));
    world.settle();
    assert_eq!(world.quiet(FIRST), child);
    // Its parent's end is told to another.
    world.end(middle);
    assert_eq!(world.quiet(FIRST), 0);
    world.check();
    assert_eq!(world.wait(FIRST, Whom::All, ALL_NEWS), Ok(orphan));
}

#[test]
fn a_signal_that_is_nothing_to_a_process_waits_no_more() {
    let mut world = World::new();
    let child = world.fork(FIRST, SIGCHLD);
    world.end(child);
    world.family.send(FIRST, 0, Information::new(SIGUSR1, Information::USER, 0)).unwrap();
    world.family.drop_signal(FIRST, SIGCHLD).unwrap();
    let left: u64 = world.family.member(FIRST).unwrap().queue.iter().map(|(_, information)| bit(information.signal as u32)).sum();
    assert_eq!(left, bit(SIGUSR1));
}

/// What happens to the process at a place among those that live.
#[derive(Clone, Copy, Debug)]
enum Event {
    Fork(u32),
    End,
    Signal(u32),
    Stop,
    Wait(u32, bool),
    WaitForChild(u32, bool),
    Actions(u16),
    Subreaper,
    /// Its record goes, as that of a copy that becomes a spare.
    Forget,
}

fn event() -> impl Strategy<Value = Event> {
    let options = || prop_oneof![Just(4u32), Just(2), Just(8), Just(6), Just(14)];
    prop_oneof![
        6 => prop_oneof![4 => Just(SIGCHLD), 1 => Just(0), 1 => Just(SIGUSR1)].prop_map(Event::Fork),
        3 => Just(Event::End),
        4 => prop_oneof![Just(SIGCONT), Just(SIGSTOP), Just(SIGUSR1)].prop_map(Event::Signal),
        3 => Just(Event::Stop),
        4 => (options(), any::<bool>()).prop_map(|(options, all)| Event::Wait(options, all)),
        4 => (options(), any::<bool>()).prop_map(|(options, all)| Event::WaitForChild(options, all)),
        1 => (0u16..8).prop_map(Event::Actions),
        1 => Just(Event::Subreaper),
        1 => Just(Event::Forget),
    ]
}

proptest! {
    #[test]
    fn who_is_told_of_a_quiet_child_has_one_and_a_ring_comes_before_news(
        events in proptest::collection::vec((any::<prop::sample::Index>(), event()), 1..60),
    ) {
        let mut world = World::new();
        for (place, event) in events {
            let living = world.living();
            if living.is_empty() {
                break;
            }
            let id = *place.get(&living);
            let before: Vec<(u32, u32)> = living.iter().map(|&id| (id, world.quiet(id))).collect();
            let parents: BTreeMap<u32, u32> = world.family.members().map(|member| (member.id, member.parent)).collect();
            let with_clones = |options: u32, all: bool| {
                WaitOptions::from_bits_truncate(options) | if all { WaitOptions::ALL } else { WaitOptions::empty() }
            };
            match event {
                Event::Fork(exit_signal) => {
                    let child = world.family.new_id();
                    world.family.copy(id, child, exit_signal, id, false).unwrap();
                }
                Event::End => world.family.end(id, 0, Usage::default()),
                Event::Signal(signal) => {
                    let _ = world.family.kill(FIRST, Target::Process(id), signal, Information::new(signal, Information::USER, 0));
                }
                Event::Stop => {
                    let continues = world.family.member(id).unwrap().continues;
                    let _ = world.family.stop(id, SIGSTOP, continues);
                }
                Event::Wait(options, all) => {
                    let _ = world.family.wait(id, &Asked { whom: Whom::All, options: with_clones(options, all), thread: id });
                }
                Event::WaitForChild(options, all) => {
                    let child = world.family.member(id).unwrap().children.as_slice().first().copied().unwrap_or(1);
                    let _ = world.family.wait(id, &Asked { whom: Whom::Process(child), options: with_clones(options, all), thread: id });
                }
                Event::Actions(bits) => world.family.member_mut(id).unwrap().child_actions = ChildActions::from_bits_truncate(bits),
                Event::Subreaper => world.family.setting(id, Setting::Subreaper, Some(1)).map(drop).unwrap(),
                Event::Forget => world.family.forget(id),
            }
            let rang = world.settle();
            world.check();
            // Who could sleep on a quiet child, and has something to be told now, was rung for; but for an orphan's stop, which its own parent could
            // have been told of before.
            for (id, quiet) in before {
                let is_there = world.family.member(id).is_ok_and(|member| !member.is_dead());
                let was_parent = |other: &Member| other.is_dead() || parents.get(&other.id) == Some(&id);
                let tells = |other: &Member| other.parent == id && other.has_news() && was_parent(other);
                if quiet != 0 && is_there && world.family.members().any(tells) {
                    prop_assert!(rang.contains(&id), "{id} sleeps on");
                }
            }
        }
    }
}

//! The tree of environments: handing over, orphans, quotas that move; and what may not be done to it.
#![no_std]
#![no_main]

use abi::{EnvId, Error};
use native::{
    child::{Child, End, Function, PATIENCE, QUOTA},
    info,
    scene::Scene,
    shared,
};

exo::program!(main);

/// Words by which the generations here talk.
const CHILD: usize = shared::FREE;
const READY: usize = shared::FREE + 2;
const GO: usize = shared::FREE + 3;

fn main() -> u8 {
    let mut scene = Scene::new();
    scene.act("a loop in the tree", End::Exited(0), handed_to_a_descendant, 0);
    scene.act("the parent's end", End::Exited(0), against_the_parent, exo::identify().0);
    scene.act("quotas that move down and up", End::Exited(0), quotas, 0);
    handed_up();
    scene.after("a child handed up");
    let full = Child::new(2 * QUOTA, native::NONE);
    full.give_unused_slices(1);
    full.start(handed_up_to_one_who_is_full, 0);
    full.expect("a child handed up to one who is full", End::Exited(0));
    scene.after("a child handed up to one who is full");
    handed_down();
    scene.after("a child handed down");
    orphans();
    scene.after("orphans go to their grandparent");
    reaped_by_the_grandparent();
    scene.after("the dead reaped by their grandparent");
    destroyed_below();
    scene.after("a parent ended together with what it runs");
    scene.act("a grandchild's pages and quota", End::Exited(0), grandchild, 0);
    scene.close()
}

fn used(env: EnvId) -> u64 {
    info::environment(env).used
}

fn parent_of(env: EnvId) -> u32 {
    info::environment(env).parent
}

/// Two words of the shared page hold a name.
fn tell(env: EnvId) {
    shared::set(CHILD, env.0 as u32);
    shared::set(CHILD + 1, (env.0 >> 32) as u32);
    shared::set(READY, 1);
}

fn told() -> EnvId {
    assert!(shared::await_value(READY, 1, PATIENCE), "nobody told");
    shared::set(READY, 0);
    EnvId(u64::from(shared::get(CHILD)) | u64::from(shared::get(CHILD + 1)) << 32)
}

fn handed_to_a_descendant(_: u64) -> u64 {
    let own = exo::identify();
    let child = exo::env_create(64, native::NONE).expect("a child");
    assert_eq!(exo::env_hand(child, child), Err(Error::BadArgument));
    assert_eq!(exo::env_hand(own, child), Err(Error::Denied), "an environment is not its own child");
    let other = exo::env_create(8, native::NONE).expect("another");
    assert_eq!(exo::env_hand(child, other), Err(Error::Quota), "64 frames do not fit into 8");
    let before = used(own);
    exo::env_hand(other, child).expect("both are ours");
    assert_eq!(parent_of(other), child.slot() as u32);
    assert_eq!((used(own), used(child)), (before - 8, 2 + 8));
    assert_eq!(exo::env_hand(child, other), Err(Error::BadArgument), "it would be below its own child");
    assert_eq!(exo::env_hand(other, own), Err(Error::Denied), "it is no longer ours, but our child's");
    assert_eq!(exo::env_quota(other, 4), Err(Error::Denied));
    for env in [child, other] {
        exo::env_destroy(env, 0).expect("we are over both");
        exo::env_reap(env).expect("it is dead");
    }
    assert_eq!(used(own), before - 72);
    0
}

fn against_the_parent(root: u64) -> u64 {
    let root = EnvId(root);
    assert_eq!(exo::env_destroy(root, 0), Err(Error::Denied));
    assert_eq!(exo::env_reap(root), Err(Error::Denied));
    assert_eq!(exo::env_quota(root, 4), Err(Error::Denied));
    let child = exo::env_create(8, native::NONE).expect("a child");
    assert_eq!(exo::env_hand(root, child), Err(Error::Denied));
    assert_eq!(exo::env_reap(EnvId::SELF), Err(Error::Busy));
    exo::env_destroy(child, 0).expect("it lives");
    exo::env_reap(child).expect("it is dead");
    0
}

fn quotas(_: u64) -> u64 {
    let own = exo::identify();
    let before = used(own);
    let child = exo::env_create(16, native::NONE).expect("a child");
    assert_eq!(used(own), before + 16);
    for quota in [32, 16, 2, 100] {
        exo::env_quota(child, quota).expect("within ours");
        assert_eq!((used(own), info::environment(child).quota), (before + quota as u64, quota as u64));
    }
    exo::env_destroy(child, 0).expect("it lives");
    exo::env_reap(child).expect("it is dead");
    assert_eq!(used(own), before);
    0
}

/// A child that has a child and room for its quota.
fn with_child(function: Function) -> Child {
    let child = Child::new(2 * QUOTA, native::NONE);
    child.start(function, exo::identify().0);
    child
}

fn handed_up() {
    let before = used(exo::identify());
    let child = with_child(|root| {
        let own = exo::identify();
        let grandchild = exo::env_create(32, native::NONE).expect("a child");
        let before = info::environment(own);
        exo::env_hand(grandchild, EnvId(root)).expect("to the own parent");
        assert_eq!((used(own), info::environment(own).quota), (before.used - 32, before.quota - 32));
        assert_eq!(exo::env_destroy(grandchild, 0), Err(Error::Denied), "it is no longer below");
        tell(grandchild);
        0
    });
    let grandchild = told();
    assert_eq!(parent_of(grandchild), exo::identify().slot() as u32);
    child.expect("a child that hands up", End::Exited(0));
    assert_eq!(used(exo::identify()), before + 32);
    Child { id: grandchild }.end();
    assert_eq!(used(exo::identify()), before);
}

/// The parent was charged for the quota already, as a part of its child's: it needs no room for it.
fn handed_up_to_one_who_is_full(_: u64) -> u64 {
    let own = exo::identify();
    let room = info::environment(own).quota - used(own);
    let child = Child::new(room as usize - native::place::STACK_PAGES - 8, native::NONE);
    child.start(
        |parent| {
            let grandchild = exo::env_create(32, native::NONE).expect("a child");
            exo::env_hand(grandchild, EnvId(parent)).expect("it is charged already");
            tell(grandchild);
            0
        },
        own.0,
    );
    let before = used(own);
    let grandchild = told();
    assert_eq!(used(own), before, "not charged again");
    child.expect("a child that hands up", End::Exited(0));
    Child { id: grandchild }.end();
    assert_eq!(info::environment(own).quota - used(own), room);
    0
}

fn handed_down() {
    let own = exo::identify();
    let before = used(own);
    let (one, other) = (Child::new(QUOTA, native::NONE), Child { id: exo::env_create(16, native::NONE).expect("a child") });
    exo::env_hand(other.id, one.id).expect("room enough");
    assert_eq!((used(own), parent_of(other.id)), (before + QUOTA as u64, one.id.slot() as u32));
    one.start(
        |env| {
            let env = EnvId(env);
            exo::env_quota(env, 12).expect("it is a child now");
            exo::env_destroy(env, 9).expect("it is a child now");
            exo::env_reap(env).expect("it is dead");
            0
        },
        other.id.0,
    );
    one.expect("a child that was handed another", End::Exited(0));
    assert_eq!(used(own), before);
}

fn orphans() {
    let own = exo::identify();
    let before = used(own);
    let child = with_child(|_| {
        let grandchild = Child::new(QUOTA, native::NONE);
        let _ = grandchild.context(
            |_| {
                shared::set(GO, 1);
                5
            },
            0,
        );
        tell(grandchild.id);
        4
    });
    let grandchild = Child { id: told() };
    let entry = child.await_death(PATIENCE);
    assert!(End::Exited(4).is(&entry), "{entry:?}");
    assert_eq!(parent_of(grandchild.id), own.slot() as u32);
    assert_eq!(used(own), before + 2 * QUOTA as u64, "what was promised to both");
    child.reap();
    assert_eq!(used(own), before + QUOTA as u64);
    grandchild.give_slice(0);
    grandchild.expect("an orphan", End::Exited(5));
    assert_eq!(shared::get(GO), 1);
    assert_eq!(used(own), before);
}

fn reaped_by_the_grandparent() {
    let before = used(exo::identify());
    let child = with_child(|_| {
        let grandchild = exo::env_create(8, native::NONE).expect("a child");
        exo::env_destroy(grandchild, 3).expect("it lives");
        tell(grandchild);
        assert!(shared::await_value(GO, 2, PATIENCE));
        assert_eq!(exo::env_reap(grandchild), Err(Error::NoEnv), "another did that");
        0
    });
    let grandchild = told();
    exo::env_reap(grandchild).expect("an ancestor may");
    shared::set(GO, 2);
    child.expect("the parent in between", End::Exited(0));
    assert_eq!(used(exo::identify()), before);
}

/// The child's own child runs endlessly; both are ended by the grandparent, the lower one first and last.
fn destroyed_below() {
    for lower_first in [true, false] {
        let before = used(exo::identify());
        let child = Child::new(2 * QUOTA, native::NONE);
        child.give_unused_slices(1);
        let context = child.context(
            |_| {
                let grandchild = Child::run(
                    |_| loop {
                        core::hint::spin_loop();
                    },
                    0,
                );
                tell(grandchild.id);
                loop {
                    exo::yield_now();
                }
            },
            0,
        );
        child.give_slice(context);
        let grandchild = Child { id: told() };
        let order = if lower_first { [grandchild, child] } else { [child, grandchild] };
        order.into_iter().for_each(Child::end);
        assert_eq!(used(exo::identify()), before);
    }
}

fn grandchild(_: u64) -> u64 {
    let child = Child::new(QUOTA / 2, native::NONE);
    assert_eq!(exo::page_query(child.id, native::place::SHARED).map(|page| page.rights.is_consistent()), Ok(true));
    child.end();
    0
}

//! Waiting until a page has no other holder: by its frame's count, whatever way the others go.
#![no_std]
#![no_main]

use abi::{EnvId, Error, FrameEntry, Rights, WaitWord};
use native::{
    child::{Child, End, PATIENCE, QUOTA, poke},
    info,
    place::{FREE, FREE_TOO},
    scene::Scene,
    shared,
};

exo::program!(main);

const ASLEEP: usize = shared::FREE;
const WAKES: usize = shared::FREE + 1;

fn main() -> u8 {
    let mut scene = Scene::new();
    last_holder();
    scene.after("sleeping until all other holders of a page are gone");
    scene.act("a page that is held once more", End::Exited(0), more_holders, 0);
    scene.close()
}

fn frame_at(address: usize) -> u64 {
    exo::page_query(EnvId::SELF, address).expect("a page").frame
}

/// The count of the frame of the page at an address, and the word that holds it.
fn count_of(address: usize) -> (u32, u64) {
    let number = frame_at(address);
    (info::frame(number).count, info::frame_address(number) as u64 + core::mem::offset_of!(FrameEntry, count) as u64)
}

/// Sleeps until it is the only holder of its page. Ends with the number of times that it slept.
fn await_others(_: u64) -> u64 {
    info::map_frame(frame_at(FREE));
    let mut slept = 0;
    loop {
        let (count, address) = count_of(FREE);
        if count == 1 {
            return slept;
        }
        slept += 1;
        shared::set(ASLEEP, slept as u32);
        assert_eq!(exo::wait(&[WaitWord { address, value: count, reserved: 0 }], Some(info::deadline(PATIENCE))), Ok(0));
        shared::set(WAKES, count);
    }
}

fn holder() -> Child {
    let child = Child::new(QUOTA, native::NONE);
    exo::page_map(child.id, FREE, FREE, 1, Rights::READ_WRITE).expect("the page");
    child
}

fn unmap(env: EnvId, address: usize) {
    // SAFETY: nothing refers to the page.
    unsafe { exo::page_unmap(env, address, 1) }.expect("user space");
}

/// Four others: one lets go itself, one is unmapped by its parent, one dies by a fault and is reaped, and the parent lets go last.
fn last_holder() {
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    shared::set(ASLEEP, 0);
    let [waiter, first, second, third] = [(); 4].map(|()| holder());
    waiter.start(await_others, 0);
    let asleep = |times| {
        assert!(shared::await_value(ASLEEP, times, PATIENCE), "{times}: {}", shared::get(ASLEEP));
        info::sleep(20);
        assert_eq!(shared::get(ASLEEP), times);
        assert!(End::Alive.is(&waiter.entry()));
    };
    asleep(1);
    first.start(
        |_| {
            unmap(EnvId::SELF, FREE);
            info::sleep(20);
            0
        },
        0,
    );
    asleep(2);
    unmap(second.id, FREE);
    asleep(3);
    third.start(
        |_| {
            poke(0x1000, 0);
            0
        },
        0,
    );
    let _ = third.await_death(PATIENCE);
    asleep(3);
    assert_eq!(shared::get(WAKES), 4, "the dead hold until they are reaped");
    third.reap();
    asleep(4);
    unmap(EnvId::SELF, FREE);
    waiter.expect("the last holder", End::Exited(4));
    first.expect("one that let go", End::Exited(0));
    second.end();
}

/// A holder more, another frame and a wait that is too late: the count says how it is.
fn more_holders(_: u64) -> u64 {
    exo::page_alloc(FREE, 2, Rights::READ_WRITE, None).expect("pages");
    info::map_frame(frame_at(FREE));
    let (count, address) = count_of(FREE);
    assert_eq!(count, 1);
    exo::page_map(EnvId::SELF, FREE_TOO, FREE, 1, Rights::READ_ONLY).expect("another mapping");
    assert_eq!(exo::wait(&[WaitWord { address, value: count, reserved: 0 }], None), Ok(0), "it differs already");
    let still_two = WaitWord { address, value: 2, reserved: 0 };
    assert_eq!(exo::wait(&[still_two], Some(info::deadline(5))), Err(Error::TimedOut));
    unmap(EnvId::SELF, FREE + 4096);
    unmap(EnvId::SELF, FREE_TOO);
    assert_eq!(exo::wait(&[still_two], None), Ok(0));
    assert_eq!(exo::wake(address as *const u32, usize::MAX), Ok(0), "nobody is left in the queue");
    0
}

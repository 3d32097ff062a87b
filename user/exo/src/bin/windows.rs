//! Pages between peers: through a window that the receiver opened, and never otherwise.
#![no_std]
#![no_main]

use abi::{EnvId, Error, FaultKind, PAGE_SIZE, Rights};
use native::{
    child::{Child, End, PATIENCE, QUOTA, peek, poke},
    info,
    place::{FREE, FREE_TOO, page},
    scene::Scene,
    shared,
};

exo::program!(main);

/// The guest's name, for the host, and the state of their talk.
const GUEST: usize = shared::FREE;
const STEP: usize = shared::FREE + 2;
/// Where the host's window is.
const WINDOW: usize = FREE_TOO;
const WINDOW_PAGES: usize = 4;

fn main() -> u8 {
    let mut scene = Scene::new();
    meet(host, End::Exited(0), guest);
    scene.after("a host and a guest");
    meet(host_that_writes, End::Fault(FaultKind::Write), guest_that_lends);
    scene.after("a host that writes to what it may only read");
    meet(closed_host, End::Exited(0), stranger);
    scene.after("no window, another's window, a closed window");
    small_host();
    scene.after("a host that cannot pay");
    let neighbour = scene.neighbour().0;
    scene.act("one who was never let in", End::Exited(0), never_let_in, neighbour);
    scene.close()
}

/// Two siblings; the guest is told the host's name, the host finds the guest's in the shared page.
fn meet(host: fn(u64) -> u64, host_end: End, guest: fn(u64) -> u64) {
    shared::set(STEP, 0);
    let (host_child, guest_child) = (Child::new(QUOTA, native::NONE), Child::new(QUOTA, native::NONE));
    shared::set(GUEST, guest_child.id.0 as u32);
    shared::set(GUEST + 1, (guest_child.id.0 >> 32) as u32);
    host_child.start(host, exo::identify().0);
    guest_child.start(guest, host_child.id.0);
    guest_child.expect("the guest", End::Exited(0));
    host_child.expect("the host", host_end);
}

fn guest_name() -> EnvId {
    EnvId(u64::from(shared::get(GUEST)) | u64::from(shared::get(GUEST + 1)) << 32)
}

fn step(number: u32) {
    assert!(shared::await_value(STEP, number, PATIENCE), "step {number} never came");
}

fn map(env: u64, target: usize, source: usize, rights: Rights) -> exo::Result<()> {
    exo::page_map(EnvId(env), target, source, 1, rights)
}

fn host(_: u64) -> u64 {
    exo::env_window(guest_name(), WINDOW, WINDOW_PAGES).expect("a good window");
    let used = info::environment(exo::identify()).used;
    shared::set(STEP, 1);
    step(2);
    assert!(info::environment(exo::identify()).used > used, "the host pays");
    assert_eq!((peek(WINDOW), peek(page(WINDOW, 1))), (41, 42));
    assert_eq!(exo::page_query(EnvId::SELF, WINDOW).map(|page| page.rights), Ok(Rights::READ_ONLY));
    poke(page(WINDOW, 1), 43);
    shared::set(STEP, 3);
    step(4);
    assert_eq!(peek(WINDOW), 44, "one frame, two holders");
    0
}

fn guest(host: u64) -> u64 {
    step(1);
    exo::page_alloc(FREE, 2, Rights::READ_WRITE, None).expect("pages");
    poke(FREE, 41);
    poke(page(FREE, 1), 42);
    for outside in [WINDOW - PAGE_SIZE, page(WINDOW, WINDOW_PAGES), FREE] {
        assert_eq!(map(host, outside, FREE, Rights::READ_ONLY), Err(Error::Denied), "{outside:#x}");
    }
    assert_eq!(exo::page_map(EnvId(host), page(WINDOW, 3), FREE, 2, Rights::READ_ONLY), Err(Error::Denied), "half outside");
    exo::page_alloc(page(FREE, 5), 1, Rights::READ_ONLY, None).expect("a page");
    assert_eq!(map(host, WINDOW, page(FREE, 5), Rights::READ_WRITE), Err(Error::BadRights));
    map(host, WINDOW, FREE, Rights::READ_ONLY).expect("inside the window");
    map(host, page(WINDOW, 1), page(FREE, 1), Rights::READ_WRITE).expect("inside the window");
    assert_eq!(map(host, WINDOW, FREE, Rights::READ_WRITE), Err(Error::Occupied));
    // A window lets pages in, and nothing else.
    // SAFETY: refused.
    assert_eq!(unsafe { exo::page_unmap(EnvId(host), WINDOW, 1) }, Err(Error::Denied));
    assert_eq!(exo::page_query(EnvId(host), WINDOW), Err(Error::Denied));
    shared::set(STEP, 2);
    step(3);
    assert_eq!(peek(page(FREE, 1)), 43);
    poke(FREE, 44);
    shared::set(STEP, 4);
    0
}

fn host_that_writes(_: u64) -> u64 {
    exo::env_window(guest_name(), WINDOW, WINDOW_PAGES).expect("a good window");
    shared::set(STEP, 1);
    step(2);
    // SAFETY: refused.
    let raised = unsafe { exo::page_protect(EnvId::SELF, WINDOW, 1, Rights::READ_WRITE) };
    assert_eq!(raised, Err(Error::BadRights));
    assert_eq!(exo::page_map(EnvId::SELF, FREE, WINDOW, 1, Rights::READ_WRITE), Err(Error::BadRights));
    poke(WINDOW, 1);
    0
}

fn guest_that_lends(host: u64) -> u64 {
    step(1);
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    map(host, WINDOW, FREE, Rights::READ_ONLY).expect("inside the window");
    shared::set(STEP, 2);
    info::sleep(100);
    assert_eq!(peek(FREE), 0);
    0
}

fn closed_host(root: u64) -> u64 {
    exo::env_window(EnvId(root), WINDOW, WINDOW_PAGES).expect("a good window, for another");
    shared::set(STEP, 1);
    step(2);
    exo::env_window(guest_name(), WINDOW, WINDOW_PAGES).expect("a good window");
    exo::env_window(guest_name(), WINDOW, 0).expect("closed again");
    shared::set(STEP, 3);
    step(4);
    assert_eq!(exo::page_query(EnvId::SELF, WINDOW), Err(Error::NotMapped));
    0
}

fn stranger(host: u64) -> u64 {
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    for number in [1, 3] {
        step(number);
        assert_eq!(map(host, WINDOW, FREE, Rights::READ_ONLY), Err(Error::Denied), "at step {number}");
        shared::set(STEP, number + 1);
    }
    0
}

/// A guest may not spend more of the host's quota than there is.
fn small_host() {
    shared::set(STEP, 0);
    let guest = Child::new(QUOTA, native::NONE);
    let host = Child::new(QUOTA, native::NONE);
    shared::set(GUEST, guest.id.0 as u32);
    shared::set(GUEST + 1, (guest.id.0 >> 32) as u32);
    host.start(
        |_| {
            exo::env_window(guest_name(), FREE_TOO, 2000).expect("a good window");
            shared::set(STEP, 1);
            step(2);
            let own = info::environment(exo::identify());
            assert_eq!(own.quota, own.used);
            0
        },
        0,
    );
    guest.start(
        |host| {
            step(1);
            exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
            let refused = (0..2000).find_map(|count| map(host, page(FREE_TOO, count), FREE, Rights::READ_ONLY).err());
            assert_eq!(refused, Some(Error::Quota));
            shared::set(STEP, 2);
            0
        },
        host.id.0,
    );
    guest.expect("the guest", End::Exited(0));
    host.expect("the host", End::Exited(0));
}

fn never_let_in(neighbour: u64) -> u64 {
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    for target in [0x1000, FREE, native::place::stack(0), 0x7c00_0000_1000] {
        assert_eq!(map(neighbour, target, FREE, Rights::READ_ONLY), Err(Error::Denied), "{target:#x}");
    }
    0
}

//! Rights only go down, and writing and executing never stand together.
#![no_std]
#![no_main]

use abi::{CloneMode, CloneRange, EnvId, Error, FaultKind, Registers, Rights, RunState, UpcallEntries};
use native::{
    child::{Child, End, peek, poke},
    info,
    place::{FREE, FREE_TOO, INFO, page},
    scene::Scene,
    upcall::{attempt_jump, attempt_read, attempt_write, install_attempts},
};

exo::program!(main);

const READ_ALL: Rights = Rights::READ.union(Rights::MAY_ALL);
const WRITE_EXECUTE: Rights = Rights::READ_WRITE.union(Rights::EXECUTE);

fn main() -> u8 {
    let mut scene = Scene::new();
    scene.act("words that are no rights", End::Exited(0), meaningless, 0);
    scene.act("more than the maximum", End::Exited(0), beyond_the_maximum, 0);
    scene.act("a maximum raised again", End::Exited(0), raised_again, 0);
    scene.act("writable and executable", End::Exited(0), write_and_execute, 0);
    scene.act("rights that come through clones", End::Exited(0), through_clones, 0);
    scene.act("the kernel's pages written through calls", End::Exited(0), info_pages, 0);
    shared_read_only();
    scene.after("a page shared read-only");
    scene.act("a store to text", End::Fault(FaultKind::Write), |_| store_to(meaningless as *const () as usize), 0);
    scene.act("a store to constants", End::Fault(FaultKind::Write), |_| store_to("text".as_ptr() as usize & !7), 0);
    scene.act("a store to the info pages", End::Fault(FaultKind::Write), |_| store_to(INFO), 0);
    scene.close()
}

fn store_to(address: usize) -> u64 {
    poke(address, 0);
    0
}

fn protect(address: usize, rights: Rights) -> exo::Result<()> {
    // SAFETY: the pages are this program's playthings; nothing keeps a reference into them.
    unsafe { exo::page_protect(EnvId::SELF, address, 1, rights) }
}

fn rights_at(address: usize) -> Rights {
    exo::page_query(EnvId::SELF, address).expect("it is mapped").rights
}

fn meaningless(_: u64) -> u64 {
    for bits in [1 << 3, 1 << 12, 1 << 11, 1 << 63, u64::MAX, Rights::COW.bits() | 0x11, Rights::DEVICE.bits() | 0x11] {
        let rights = Rights::from_bits_retain(bits);
        assert_eq!(exo::page_alloc(FREE, 1, rights, None), Err(Error::BadArgument), "{bits:#x}");
    }
    let inconsistent = [Rights::READ, Rights::READ | Rights::WRITE, Rights::READ_ONLY | Rights::WRITE, Rights::WRITE | Rights::MAY_WRITE];
    for rights in inconsistent {
        assert_eq!(exo::page_alloc(FREE, 1, rights, None), Err(Error::BadRights), "{rights:?}");
    }
    0
}

fn beyond_the_maximum(_: u64) -> u64 {
    install_attempts();
    exo::page_alloc(FREE, 1, Rights::READ_ONLY, None).expect("a page");
    for rights in [Rights::READ_WRITE, Rights::READ_EXECUTE, Rights::READ | Rights::WRITE | Rights::MAY_READ | Rights::MAY_WRITE] {
        assert_eq!(protect(FREE, rights), Err(Error::BadRights));
        assert_eq!(exo::page_map(EnvId::SELF, FREE_TOO, FREE, 1, rights), Err(Error::BadRights));
    }
    // Only the maximum asked for is more than what is held: that is refused too where a new mapping would have it.
    assert_eq!(exo::page_map(EnvId::SELF, FREE_TOO, FREE, 1, READ_ALL), Err(Error::BadRights));
    protect(FREE, READ_ALL).expect("what is held of it");
    assert_eq!(rights_at(FREE), Rights::READ_ONLY);
    let caught = attempt_write(FREE as u64).expect("a fault");
    assert!(caught.is(FaultKind::Write) && caught.address == FREE as u64, "{caught:?}");
    assert!(attempt_jump(FREE as u64).expect("a fault").is(FaultKind::Execute));
    assert_eq!(attempt_read(FREE as u64), None);
    0
}

fn raised_again(_: u64) -> u64 {
    install_attempts();
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    assert_eq!(attempt_write(FREE as u64), None);
    protect(FREE, Rights::MAY_READ | Rights::MAY_WRITE).expect("fewer rights");
    assert!(attempt_read(FREE as u64).expect("a fault").is(FaultKind::Read));
    protect(FREE, Rights::READ_ONLY).expect("fewer rights");
    assert!(attempt_write(FREE as u64).expect("a fault").is(FaultKind::Write));
    assert_eq!(protect(FREE, Rights::READ_WRITE), Err(Error::BadRights));
    assert_eq!(exo::page_map(EnvId::SELF, FREE_TOO, FREE, 1, Rights::READ_WRITE), Err(Error::BadRights));
    assert_eq!(exo::page_break(FREE), Err(Error::BadRights));
    // An alias with fewer rights cannot be the way back to more.
    exo::page_alloc(page(FREE, 1), 1, Rights::READ_WRITE, None).expect("a page");
    exo::page_map(EnvId::SELF, FREE_TOO, page(FREE, 1), 1, Rights::READ_ONLY).expect("an alias");
    assert_eq!(protect(FREE_TOO, Rights::READ_WRITE), Err(Error::BadRights));
    assert_eq!(exo::page_map(EnvId::SELF, page(FREE_TOO, 1), FREE_TOO, 1, Rights::READ_WRITE), Err(Error::BadRights));
    assert_eq!(attempt_write(page(FREE, 1) as u64), None);
    assert!(attempt_write(FREE_TOO as u64).expect("a fault").is(FaultKind::Write));
    assert_eq!(peek(FREE_TOO), 0xbad);
    0
}

fn write_and_execute(_: u64) -> u64 {
    install_attempts();
    assert_eq!(exo::page_alloc(FREE, 1, WRITE_EXECUTE, None), Err(Error::BadRights));
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    assert_eq!(protect(FREE, WRITE_EXECUTE), Err(Error::BadRights));
    assert_eq!(exo::page_map(EnvId::SELF, FREE_TOO, FREE, 1, WRITE_EXECUTE), Err(Error::BadRights));
    assert!(attempt_jump(FREE as u64).expect("a fault").is(FaultKind::Execute));
    protect(FREE, Rights::READ | Rights::EXECUTE | Rights::MAY_ALL).expect("executable instead of writable");
    assert!(attempt_write(FREE as u64).expect("a fault").is(FaultKind::Write));
    assert!(attempt_jump(info::header as *const () as u64 & !0xfff | 0x1000_0000).is_some());
    assert!(attempt_jump(&raw const WORD as u64).expect("a fault").is(FaultKind::Execute));
    0
}

static WORD: u64 = 0xc3c3_c3c3_c3c3_c3c3;

fn clone(source: usize, target: usize, mode: CloneMode) -> exo::Result<()> {
    exo::page_clone(EnvId::SELF, &[CloneRange { source: source as u64, target: target as u64, pages: 1, mode: mode as u64 }])
}

fn through_clones(_: u64) -> u64 {
    install_attempts();
    exo::page_alloc(FREE, 1, Rights::READ_ONLY, None).expect("a page");
    for mode in [CloneMode::Share, CloneMode::CopyOnWrite, CloneMode::Copy] {
        clone(FREE, FREE_TOO, mode).expect("a clone");
        assert_eq!(rights_at(FREE_TOO), Rights::READ_ONLY, "{mode:?}");
        assert_eq!(protect(FREE_TOO, Rights::READ_WRITE), Err(Error::BadRights), "{mode:?}");
        assert_eq!(exo::page_break(FREE_TOO), Err(Error::BadRights), "{mode:?}");
        assert!(attempt_write(FREE_TOO as u64).expect("a fault").is(FaultKind::Write));
        // SAFETY: nothing keeps a reference into the page.
        unsafe { exo::page_unmap(EnvId::SELF, FREE_TOO, 1) }.expect("it is mapped");
    }
    let (own, copy, alias) = (page(FREE, 1), page(FREE_TOO, 1), page(FREE_TOO, 2));
    exo::page_alloc(own, 1, Rights::READ_WRITE, None).expect("a page");
    clone(own, copy, CloneMode::CopyOnWrite).expect("a clone");
    for address in [own, copy] {
        protect(address, Rights::READ_WRITE).expect("allowed, once the page is broken");
        assert!(attempt_write(address as u64).expect("a fault").is(FaultKind::Write), "copy-on-write stays so");
    }
    exo::page_map(EnvId::SELF, alias, copy, 1, Rights::READ_WRITE).expect("an alias, copy-on-write too");
    assert!(rights_at(alias).contains(Rights::COW) && attempt_write(alias as u64).is_some());
    protect(copy, Rights::READ_ONLY).expect("fewer rights");
    assert_eq!(exo::page_break(copy), Err(Error::BadRights));
    assert_eq!(exo::page_break(alias), Ok(true));
    assert_eq!(attempt_write(alias as u64), None);
    assert_eq!((peek(own), peek(copy), peek(alias)), (0, 0, 0xbad));
    0
}

fn info_pages(_: u64) -> u64 {
    install_attempts();
    assert_eq!(protect(INFO, Rights::READ_WRITE), Err(Error::BadRights));
    assert_eq!(exo::page_map(EnvId::SELF, FREE, INFO, 1, Rights::READ_WRITE), Err(Error::BadRights));
    assert_eq!(exo::page_break(INFO), Err(Error::BadRights));
    assert_eq!(exo::upcall_set(EnvId::SELF, 0, INFO, &UpcallEntries::default()), Err(Error::NotMapped));
    let index = exo::context_create(EnvId::SELF).expect("a context");
    let mut message = [0; 4];
    // SAFETY: the call is refused, or writes nothing.
    let (status, _) = unsafe { exo::raw_call::<{ abi::Call::ContextGet as u16 }>([0, index as u64, INFO as u64, 0, 0, 0], &mut message) };
    assert_eq!(status, Error::NotMapped as i64);
    clone(INFO, FREE, CloneMode::CopyOnWrite).expect("a clone of an info page");
    assert_eq!(exo::page_break(FREE), Err(Error::BadRights));
    let registers = Registers::default();
    assert_eq!(exo::context_set(EnvId::SELF, index, Some(&registers), RunState::Stopped), Ok(()));
    0
}

fn shared_read_only() {
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    poke(FREE, 77);
    for (function, end) in [(read_shared as fn(u64) -> u64, End::Exited(77)), (write_shared, End::Fault(FaultKind::Write))] {
        let child = Child::new(native::child::QUOTA, native::NONE);
        assert_eq!(exo::page_map(child.id, FREE, FREE, 1, Rights::READ_ONLY), Ok(()));
        child.start(function, 0);
        child.expect("a holder of a read-only share", end);
        assert_eq!(peek(FREE), 77);
    }
    // SAFETY: nothing keeps a reference into the page.
    unsafe { exo::page_unmap(EnvId::SELF, FREE, 1) }.expect("it is mapped");
}

fn read_shared(_: u64) -> u64 {
    peek(FREE)
}

fn write_shared(_: u64) -> u64 {
    assert_eq!(protect(FREE, Rights::READ_WRITE), Err(Error::BadRights));
    store_to(FREE)
}

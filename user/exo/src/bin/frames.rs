//! Frames by number: what nobody may have, and what everybody gets.
#![no_std]
#![no_main]

use abi::{EnvId, Error, FrameKind, Privileges, Rights};
use native::{
    child::{Child, End, peek, poke},
    info,
    place::{FREE, FREE_TOO, SHARED, page},
    scene::Scene,
    shared,
};

exo::program!(main);

/// Frame numbers of interrupt controllers: mapped by a driver, they would take the machine from the kernel.
#[cfg(target_arch = "x86_64")]
const CONTROLLERS: [u64; 1] = [0xfee00];
/// Frame numbers of interrupt controllers: mapped by a driver, they would take the machine from the kernel.
#[cfg(target_arch = "aarch64")]
const CONTROLLERS: [u64; 1] = [0x8000];

fn main() -> u8 {
    let mut scene = Scene::new();
    let header = info::header();
    let user = exo::page_query(scene.neighbour(), native::place::stack(0)).expect("the neighbour has a stack").frame;
    let kinds = [FrameKind::Kernel, FrameKind::Table].map(|kind| info::any_frame(kind).expect("there are such frames"));
    let end = header.first_frame + header.frame_count;
    let outside = [header.first_frame.saturating_sub(1), end, u64::MAX - 1, 1 << 40, 1 << 52];
    for frame in [user].into_iter().chain(kinds).chain(outside).chain(CONTROLLERS) {
        scene.act("a frame that is not free, by number", End::Exited(0), claim, frame);
        privileged_claim(frame);
        scene.after("the same with the privilege for devices");
    }
    scene.act("sources that are not held", End::Exited(0), map_what_is_not_held, 0);
    contiguous();
    scene.after("frames in a row");
    zeroed();
    scene.after("frames come zeroed");
    scene.act("a dead environment's frames come zeroed", End::Exited(0), dirty, 0);
    scene.act("and hold nothing of its", End::Exited(0), look_for_dirt, 0);
    scene.close()
}

fn claim(frame: u64) -> u64 {
    for rights in [Rights::READ_ONLY, Rights::READ_WRITE, Rights::READ_EXECUTE] {
        let refused = exo::page_alloc(FREE, 1, rights, Some(frame));
        assert!(matches!(refused, Err(Error::NoFrame | Error::Denied)), "frame {frame:#x}: {refused:?}");
    }
    let large = exo::page_alloc(FREE, 512, Rights::READ_WRITE | Rights::LARGE, Some(frame & !511));
    assert!(matches!(large, Err(Error::NoFrame | Error::Denied)), "{large:?}");
    assert_eq!(exo::page_query(EnvId::SELF, FREE), Err(Error::NotMapped));
    0
}

fn privileged_claim(frame: u64) {
    let child = Child::new(native::child::QUOTA, Privileges::DEVICES);
    child.start(
        |frame| {
            let refused = exo::page_alloc(FREE, 1, Rights::READ_WRITE, Some(frame));
            assert_eq!(refused, Err(Error::NoFrame), "frame {frame:#x}");
            0
        },
        frame,
    );
    child.expect("a claim", End::Exited(0));
}

fn map_what_is_not_held(_: u64) -> u64 {
    let sources = [FREE_TOO, 0x1000, 0x7fff_ffff_e000];
    for source in sources {
        assert_eq!(exo::page_map(EnvId::SELF, FREE, source, 1, Rights::READ_ONLY), Err(Error::NotMapped));
    }
    for source in [0, 0x7fff_ffff_f000, 0x8000_0000_0000, 0xffff_8000_0000_0000, !0xfff, FREE + 1, SHARED + 8] {
        assert_eq!(exo::page_map(EnvId::SELF, FREE, source, 1, Rights::READ_ONLY), Err(Error::BadAddress), "{source:#x}");
        assert_eq!(exo::page_map(EnvId::SELF, source, SHARED, 1, Rights::READ_ONLY), Err(Error::BadAddress), "{source:#x}");
        assert_eq!(exo::page_alloc(source, 1, Rights::READ_WRITE, None), Err(Error::BadAddress), "{source:#x}");
    }
    for pages in [usize::MAX, usize::MAX >> 12, 1 << 52, 1 << 40] {
        assert_eq!(exo::page_alloc(FREE, pages, Rights::READ_WRITE, None), Err(Error::BadAddress), "{pages:#x}");
    }
    assert_eq!(exo::page_query(EnvId::SELF, FREE), Err(Error::NotMapped));
    0
}

fn contiguous() {
    // So that no page table is taken out of the run.
    exo::page_alloc(page(FREE, 16), 1, Rights::READ_WRITE, None).expect("a page beside them");
    let first = info::free_run(16).expect("sixteen free frames in a row");
    exo::page_alloc(FREE, 16, Rights::READ_WRITE, Some(first)).expect("they are free");
    for index in 0..16 {
        let held = exo::page_query(EnvId::SELF, page(FREE, index)).expect("it is mapped");
        assert_eq!((held.frame, held.rights), (first + index as u64, Rights::READ_WRITE));
        let entry = info::frame(held.frame);
        assert_eq!((entry.kind, entry.count), (FrameKind::User as u32, 1));
    }
    assert_eq!(exo::page_alloc(FREE_TOO, 1, Rights::READ_WRITE, Some(first + 3)), Err(Error::NoFrame));
    assert_eq!(exo::page_alloc(FREE, 1, Rights::READ_WRITE, None), Err(Error::Occupied));
    // SAFETY: nothing keeps a reference into these pages.
    unsafe { exo::page_unmap(EnvId::SELF, FREE, 17) }.expect("they are mapped");
    assert!(info::is(first, FrameKind::Free));
}

fn zeroed() {
    let frame = info::any_frame(FrameKind::Free).expect("a free frame");
    for _ in 0..2 {
        exo::page_alloc(FREE, 1, Rights::READ_WRITE, Some(frame)).expect("it is free");
        for offset in (0..4096).step_by(8) {
            assert_eq!(peek(FREE + offset), 0);
            poke(FREE + offset, 0x5ec2_e7d1_5ec2_e7d1);
        }
        // SAFETY: as above.
        unsafe { exo::page_unmap(EnvId::SELF, FREE, 1) }.expect("it is mapped");
    }
}

const DIRTY: usize = 200;

fn dirty(_: u64) -> u64 {
    exo::page_alloc(FREE, DIRTY, Rights::READ_WRITE, None).expect("within the quota");
    for index in 0..DIRTY * 512 {
        poke(FREE + index * 8, 0x5ec2_e7d1_5ec2_e7d1);
    }
    shared::set(shared::FREE, 1);
    0
}

fn look_for_dirt(_: u64) -> u64 {
    exo::page_alloc(FREE, DIRTY, Rights::READ_WRITE, None).expect("within the quota");
    for index in 0..DIRTY * 512 {
        assert_eq!(peek(FREE + index * 8), 0);
    }
    0
}

//! The kernel's addresses, and those that nobody has: read, written, jumped to, and handed to calls.
#![no_std]
#![no_main]

use abi::{EnvId, Error, FaultKind, USER_TOP};
use native::{
    child::{End, peek, poke},
    isa,
    scene::Scene,
    upcall::{Caught, attempt_jump, attempt_read, attempt_write, install_attempts},
};

exo::program!(main);

/// Addresses of the kernel's half.
const KERNEL: [u64; 7] = [
    0xffff_0000_0000_0000,
    0xffff_8000_0000_0000,
    0xffff_8000_0010_0000,
    0xffff_8000_4008_0000,
    0xffff_ffff_8000_0000,
    0xffff_ffff_8010_0000,
    0xffff_ffff_ffff_f000,
];
/// Addresses of no half.
const NOBODY: [u64; 4] = [0x0000_8000_0000_0000, 0x0001_0000_0000_0000, 0x7fff_ffff_ffff_f000, 0xfffe_ffff_ffff_f000];
/// Addresses of the user's half where nothing is.
const UNMAPPED: [u64; 4] = [0, 0x1000, USER_TOP - 0x1000, USER_TOP];

fn main() -> u8 {
    let mut scene = Scene::new();
    scene.act("attempts on every address", End::Exited(0), attempts, 0);
    scene.act("a load from the kernel", End::Fault(FaultKind::Read), |_| peek(KERNEL_WORD), 0);
    let store = |_| {
        poke(KERNEL_WORD, 1);
        0
    };
    scene.act("a store to the kernel", End::Fault(FaultKind::Write), store, 0);
    let jump = |_| {
        isa::jump(KERNEL_WORD as u64);
        0
    };
    scene.act("a jump into the kernel", End::Fault(FaultKind::Execute), jump, 0);
    scene.act("a load from address 0", End::Fault(FaultKind::Read), |_| peek(0), 0);
    scene.act("the kernel's addresses in calls", End::Exited(0), calls, 0);
    scene.close()
}

/// A canonical address of the kernel's half on both ISAs, a multiple of 8.
const KERNEL_WORD: usize = 0xffff_ffff_8010_0000;

fn attempts(_: u64) -> u64 {
    install_attempts();
    for address in KERNEL.into_iter().chain(NOBODY).chain(UNMAPPED) {
        // Without a canonical address x86_64 has no page fault to report, but a protection fault.
        let canonical = cfg!(target_arch = "aarch64")
            || address << 16 >> 16 == address & (u64::MAX >> 16) && (address as i64) << 16 >> 16 == address as i64;
        let is = |caught: Option<Caught>, kind| {
            let caught = caught.unwrap_or_else(|| panic!("{address:#x} is open to user mode"));
            if canonical {
                assert!(caught.is(kind), "{address:#x}: {caught:x?}");
                assert_eq!(caught.address & (u64::MAX >> 8), address & (u64::MAX >> 8));
            } else {
                assert!(caught.is(FaultKind::Protection) || caught.is(kind), "{address:#x}: {caught:x?}");
            }
        };
        is(attempt_read(address), FaultKind::Read);
        is(attempt_write(address), FaultKind::Write);
        is(attempt_jump(address), FaultKind::Execute);
    }
    0
}

fn calls(_: u64) -> u64 {
    for address in KERNEL.into_iter().chain(NOBODY).chain([USER_TOP, USER_TOP + 0x1000]) {
        let mut message = [0; 4];
        // SAFETY: all are refused.
        let statuses = unsafe {
            [
                exo::raw_call::<{ abi::Call::DebugPut as u16 }>([address, 8, 0, 0, 0, 0], &mut message),
                exo::raw_call::<{ abi::Call::Resume as u16 }>([address, 0, 0, 0, 0, 0], &mut message),
                exo::raw_call::<{ abi::Call::Wait as u16 }>([address, 1, 0, 0, 0, 0], &mut message),
                exo::raw_call::<{ abi::Call::Wake as u16 }>([address, 1, 0, 0, 0, 0], &mut message),
                exo::raw_call::<{ abi::Call::PageClone as u16 }>([0, address, 1, 0, 0, 0], &mut message),
                exo::raw_call::<{ abi::Call::UpcallSet as u16 }>([0, 0, address, address, 0, 0], &mut message),
                exo::raw_call::<{ abi::Call::PageBreak as u16 }>([address, 0, 0, 0, 0, 0], &mut message),
                exo::raw_call::<{ abi::Call::PageQuery as u16 }>([0, address, 0, 0, 0, 0], &mut message),
            ]
        };
        assert_eq!(statuses.map(|(status, _)| status), [Error::BadAddress as i64; 8], "{address:#x}");
        let address = address as usize;
        // SAFETY: refused.
        assert_eq!(unsafe { exo::page_unmap(EnvId::SELF, address, 1) }, Err(Error::BadAddress));
        assert_eq!(exo::info_map(EnvId::SELF, address, 0, 1), Err(Error::BadAddress));
        assert_eq!(exo::env_window(EnvId::SELF, address, 1), Err(Error::BadAddress));
    }
    0
}

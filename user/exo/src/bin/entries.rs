//! Entering the kernel with any stack pointer and any flags: by call, by foreign syscall, by fault and by a slice's end.
#![no_std]
#![no_main]

use abi::{ANY_FRAME, Call, EnvId, FaultKind, Rights};
use native::{
    child::{End, peek, poke},
    isa,
    place::FREE,
    scene::Scene,
    upcall::{attempt, install_attempts},
};

exo::program!(main);

/// Stack pointers: nothing, misaligned, the kernel's, nobody's, the very top.
const STACKS: [u64; 10] = [
    0,
    1,
    0x7bfc_0000_0001,
    0x7fff_ffff_f000,
    0x8000_0000_0000,
    0x7fff_ffff_ffff_fff8,
    0xffff_8000_0000_0000,
    0xffff_ffff_8010_0000,
    0xffff_ffff_ffff_fff8,
    u64::MAX,
];

fn main() -> u8 {
    let mut scene = Scene::new();
    scene.act("kernel calls with any stack pointer", End::Exited(0), kernel_calls, 0);
    scene.act("foreign syscalls with any stack pointer", End::Exited(0), foreign, 0);
    scene.act("faults with any stack pointer", End::Exited(0), faults, 0);
    scene.act("the end of a slice with any stack pointer", End::Exited(0), preempted, 0);
    scene.act("kernel calls with any flags", End::Exited(0), flags, 0);
    let unentered = |stack| {
        // SAFETY: it ends this child.
        unsafe { isa::syscall_with_stack(stack, 0) }
    };
    scene.act("a foreign syscall without a stack or an entry", End::Foreign, unentered, 0);
    scene.act("the same with the kernel's stack pointer", End::Foreign, unentered, STACKS[6]);
    scene.close()
}

fn kernel_calls(_: u64) -> u64 {
    let own = exo::identify().0;
    for stack in STACKS {
        // SAFETY: the null call changes nothing.
        let answer = unsafe { isa::syscall_with_stack(stack, isa::call_number(Call::Identify)) };
        assert_eq!(answer, 0, "the status with sp {stack:#x}");
    }
    assert_eq!(exo::identify().0, own);
    0
}

fn foreign(_: u64) -> u64 {
    install_attempts();
    assert_eq!(isa::foreign(41, 7), 42, "the entry answers the number plus one");
    for stack in STACKS {
        // SAFETY: there is an entry, and it needs no stack.
        assert_eq!(unsafe { isa::syscall_with_stack(stack, 0) }, 1, "with sp {stack:#x}");
    }
    0
}

fn faults(_: u64) -> u64 {
    install_attempts();
    for stack in STACKS {
        let caught = attempt(isa::fault_with_stack, stack).expect("a fault");
        assert!(caught.is(FaultKind::IllegalInstruction), "{caught:x?} with sp {stack:#x}");
    }
    0
}

fn preempted(_: u64) -> u64 {
    install_attempts();
    for stack in STACKS {
        assert_eq!(attempt(isa::spin_with_stack, stack), None, "with sp {stack:#x}");
    }
    0
}

fn flags(_: u64) -> u64 {
    for flags in isa::TROUBLESOME_FLAGS {
        let arguments = [FREE as u64, 2, Rights::READ_WRITE.bits(), ANY_FRAME];
        for _ in 0..3 {
            // SAFETY: nothing is mapped there.
            let status = unsafe { isa::call_with_flags(&arguments, isa::call_number(Call::PageAlloc), flags) };
            assert_eq!(status, 0, "page_alloc with flags {flags:#x}");
            for offset in (0..8192).step_by(8) {
                assert_eq!(peek(FREE + offset), 0, "zeroed with flags {flags:#x}");
                poke(FREE + offset, u64::MAX);
            }
            // SAFETY: nothing keeps a reference into the pages.
            unsafe { exo::page_unmap(EnvId::SELF, FREE, 2) }.expect("they are mapped");
        }
    }
    0
}

//! Upcalls that cannot be taken: each ends the environment, its parent sees how, and nobody else notices.
#![no_std]
#![no_main]

use abi::{CloneMode, CloneRange, EnvId, Error, FaultKind, PAGE_SIZE, Registers, Rights, UpcallEntries, UpcallPage};
use native::{
    child::{Child, End, Function, peek, poke},
    isa,
    place::{FREE, FREE_TOO, INFO, stack, upcall_page},
    scene::Scene,
    upcall::{entries, install, page_of},
};

exo::program!(main);

fn main() -> u8 {
    let mut scene = Scene::new();
    let acts: [(&str, End, Function); 14] = [
        ("a fault without an entry", End::Fault(FaultKind::Read), |_| peek(0)),
        ("a foreign syscall without a page", End::Foreign, |_| isa::foreign(1, 2)),
        ("a foreign syscall without an entry", End::Foreign, foreign_without_entry),
        ("a fault with an entry for syscalls only", End::Fault(FaultKind::Write), fault_without_entry),
        ("a fault in the handler", End::Fault(FaultKind::Write), fault_in_handler),
        ("another kind of fault in the handler", End::Fault(FaultKind::IllegalInstruction), other_fault_in_handler),
        ("a handler without a stack", End::Fault(FaultKind::Write), handler_without_stack),
        ("a fault entry that is not mapped", End::Fault(FaultKind::Execute), entry_not_mapped),
        ("a fault entry that is not executable", End::Fault(FaultKind::Execute), entry_not_executable),
        ("a syscall entry that is not mapped", End::Fault(FaultKind::Execute), syscall_entry_not_mapped),
        ("an upcall page that is no longer mapped", End::Fault(FaultKind::Write), page_unmapped),
        ("an upcall page that is no longer writable", End::Fault(FaultKind::Write), page_read_only),
        ("a stack that grows without end", End::Fault(FaultKind::Write), overflow),
        ("a flag that says a fault is being handled", End::Fault(FaultKind::Read), flag_set_by_hand),
    ];
    for (what, end, function) in acts {
        scene.act(what, end, function, 0);
    }
    scene.act("upcall pages that are none", End::Exited(0), bad_pages, 0);
    scene.act("entries that are none", End::Exited(0), bad_entries, 0);
    scene.act("a pinned page, unmapped and cloned", End::Exited(0), pinned, 0);
    details();
    scene.after("what the parent sees");
    scene.close()
}

fn survive(registers: &mut Registers, _: &mut UpcallPage) {
    panic!("a handler that was not to run, at {:#x}", registers.pc);
}

fn set_entries(syscall: u64, fault: u64) {
    install(0, survive);
    exo::upcall_set(EnvId::SELF, 0, upcall_page(0), &UpcallEntries { syscall, fault }).expect("a good page");
}

fn foreign_without_entry(_: u64) -> u64 {
    set_entries(0, entries().fault);
    isa::foreign(1, 2)
}

fn fault_without_entry(_: u64) -> u64 {
    set_entries(entries().syscall, 0);
    poke(0, 1);
    0
}

fn fault_in_handler(_: u64) -> u64 {
    install(0, |_, _| poke(8, 1));
    peek(0)
}

fn other_fault_in_handler(_: u64) -> u64 {
    install(0, |_, _| isa::fault_with_stack(0));
    peek(0)
}

fn handler_without_stack(_: u64) -> u64 {
    install(0, survive);
    // SAFETY: what the handler would need goes: that is the point.
    unsafe { exo::page_unmap(EnvId::SELF, upcall_page(0) - PAGE_SIZE, 1) }.expect("it is mapped");
    peek(0)
}

fn entry_not_mapped(_: u64) -> u64 {
    set_entries(0, 0x1000);
    peek(0)
}

fn entry_not_executable(_: u64) -> u64 {
    set_entries(0, stack(0) as u64);
    peek(0)
}

fn syscall_entry_not_mapped(_: u64) -> u64 {
    set_entries(0x1000, 0);
    isa::foreign(1, 2)
}

fn page_unmapped(_: u64) -> u64 {
    install(0, survive);
    // SAFETY: as above.
    unsafe { exo::page_unmap(EnvId::SELF, upcall_page(0), 1) }.expect("it is mapped");
    peek(0)
}

fn page_read_only(_: u64) -> u64 {
    install(0, survive);
    // SAFETY: as above.
    unsafe { exo::page_protect(EnvId::SELF, upcall_page(0), 1, Rights::READ_ONLY) }.expect("fewer rights");
    peek(0)
}

#[expect(unconditional_recursion, reason = "the stack is to overflow")]
fn overflow(depth: u64) -> u64 {
    let kept = core::hint::black_box([depth; 64]);
    overflow(depth + 1) + kept[depth as usize % 64]
}

fn flag_set_by_hand(_: u64) -> u64 {
    install(0, survive);
    page_of(0).fault_active = 1;
    peek(0)
}

fn bad_pages(_: u64) -> u64 {
    let set = |page| exo::upcall_set(EnvId::SELF, 0, page, &entries());
    exo::page_alloc(FREE, 1, Rights::READ_ONLY, None).expect("a page");
    exo::page_alloc(FREE + PAGE_SIZE, 1, Rights::READ_WRITE, None).expect("a page");
    let (source, target) = ((FREE + PAGE_SIZE) as u64, FREE_TOO as u64);
    let range = CloneRange { source, target, pages: 1, mode: CloneMode::CopyOnWrite as u64 };
    exo::page_clone(EnvId::SELF, &[range]).expect("a clone");
    for page in [FREE, FREE + PAGE_SIZE, FREE_TOO, INFO, 0x1000, bad_pages as *const () as usize & !(PAGE_SIZE - 1)] {
        assert_eq!(set(page), Err(Error::NotMapped), "{page:#x}");
    }
    for page in [FREE + 8, 1, usize::MAX] {
        assert_eq!(set(page), Err(Error::BadAddress), "{page:#x}");
    }
    exo::page_break(FREE_TOO).expect("a copy-on-write page");
    assert_eq!(set(FREE_TOO), Ok(()));
    0
}

fn bad_entries(_: u64) -> u64 {
    exo::page_alloc(FREE, 1, Rights::READ_WRITE, None).expect("a page");
    for entry in [abi::USER_TOP, 0x8000_0000_0000, 0xffff_8000_0000_0000, u64::MAX] {
        for (syscall, fault) in [(entry, 0), (0, entry)] {
            let set = exo::upcall_set(EnvId::SELF, 0, FREE, &UpcallEntries { syscall, fault });
            assert_eq!(set, Err(Error::BadAddress), "{entry:#x}");
        }
    }
    0
}

/// The kernel goes on writing to the page's frame, and nobody else gets it.
fn pinned(_: u64) -> u64 {
    install(0, |registers, page| {
        assert_eq!(page.address, 0x1238);
        registers.pc = resumed as *const () as u64;
        registers.sp = native::place::stack_top(0) as u64 - 64 - 8 * u64::from(cfg!(target_arch = "x86_64"));
    });
    let frame = exo::page_query(EnvId::SELF, upcall_page(0)).expect("it is mapped").frame;
    // An alias keeps the page in reach of the handler's own stores.
    exo::page_map(EnvId::SELF, FREE, upcall_page(0), 1, Rights::READ_WRITE).expect("an alias");
    exo::page_alloc(FREE_TOO, 1, Rights::READ_WRITE, None).expect("a page");
    assert_ne!(exo::page_query(EnvId::SELF, FREE_TOO).expect("it is mapped").frame, frame);
    peek(0x1238)
}

extern "C" fn resumed() -> ! {
    assert_eq!(peek(FREE + core::mem::offset_of!(UpcallPage, address)), 0x1238, "the alias shows what the kernel wrote");
    loop {
        let _ = exo::env_destroy(EnvId::SELF, 0);
    }
}

/// Reason, address and pc of a fatal fault are kept until the child is reaped.
fn details() {
    let child = Child::run(|address| peek(address as usize), 0x1238);
    let entry = child.await_death(native::child::PATIENCE);
    assert!(End::Fault(FaultKind::Read).is(&entry), "{entry:?}");
    assert_eq!(entry.status, 0x1238);
    let text = details as *const () as u64;
    assert!(entry.pc.abs_diff(text) < 0x10_0000, "the pc {:#x} is in the program", entry.pc);
    assert_eq!(exo::context_get(child.id, 0).map(drop), Err(Error::NoEnv), "the dead have no registers");
    child.reap();
}

//! Faults handed to Rust, and attempts that survive them.
//!
//! The fault entry saves the registers that it interrupted into a [`Registers`] in the library's part of the upcall page, calls the
//! handler on a stack of its own, and resumes what the handler made of the registers. `fault_active` stays set until then, so that a fault
//! inside a handler is the double fault that it is.

use core::sync::atomic::{AtomicUsize, Ordering};

use abi::{EnvId, FaultKind, Registers, Rights, UpcallEntries, UpcallPage};

use crate::place::{page, upcall_page};

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "aarch64")]
use aarch64 as entry;
#[cfg(target_arch = "x86_64")]
use x86_64 as entry;

/// What a handler is given: the registers, which it may change, and the page.
pub type Handler = fn(&mut Registers, &mut UpcallPage);

/// Pages of the handler's stack.
pub const STACK_PAGES: usize = 4;
/// Where in the upcall page the registers are.
const FRAME: usize = 512;
/// Where in the upcall page its own address is.
const OWN: usize = 504;

static HANDLER: AtomicUsize = AtomicUsize::new(0);

/// The entries: foreign syscalls are answered with their number plus one, faults go to the handler.
#[must_use]
pub fn entries() -> UpcallEntries {
    UpcallEntries { syscall: entry::foreign as *const () as u64, fault: entry::fault as *const () as u64 }
}

/// Map an upcall page and a stack for context `index` of this environment, and send its faults to `handler`.
pub fn install(index: usize, handler: Handler) {
    HANDLER.store(handler as usize, Ordering::Release);
    let address = upcall_page(index);
    exo::page_alloc(address - page(0, STACK_PAGES), STACK_PAGES + 1, Rights::READ_WRITE, None).expect("frames for upcalls");
    // SAFETY: the page was just mapped.
    unsafe { ((address + OWN) as *mut usize).write(address) };
    exo::upcall_set(EnvId::SELF, index, address, &entries()).expect("a mapped page and good entries");
}

/// Map an upcall page for this environment's context 0, whose faults are to be page faults: each maps a page where it was. This is
/// the shortest way from fault to resume that a library can take.
pub fn install_mapper() {
    install(0, |_, page| panic!("a fault of kind {}", page.kind));
    let entries = UpcallEntries { fault: entry::map_fault as *const () as u64, ..entries() };
    exo::upcall_set(EnvId::SELF, 0, upcall_page(0), &entries).expect("a mapped page and good entries");
}

/// What [`entry::map_fault`] calls: the address is that of the fault.
extern "C" fn map_page(address: u64) {
    let arguments = [address & !(abi::PAGE_SIZE as u64 - 1), 1, Rights::READ_WRITE.bits(), abi::ANY_FRAME, 0, 0];
    // SAFETY: a page appears where nothing was.
    let (status, _) = unsafe { exo::raw_call::<{ abi::Call::PageAlloc as u16 }>(arguments, &mut [0; 4]) };
    assert!(status == 0, "no page at {address:#x}: status {status}");
}

/// The upcall page that [`install`] mapped for context `index`.
#[must_use]
pub fn page_of(index: usize) -> &'static mut UpcallPage {
    // SAFETY: `install` mapped it; the kernel writes to it only while this context does not run.
    unsafe { &mut *(upcall_page(index) as *mut UpcallPage) }
}

/// What the assembly calls.
extern "C" fn handle(page: *mut UpcallPage) -> ! {
    // SAFETY: the entry passes this context's page, which only the kernel else writes to, while the context does not run.
    let page = unsafe { &mut *page };
    // SAFETY: the frame is inside the page, aligned, and apart from the fields that handlers use.
    let registers = unsafe { &mut *page_frame(page) };
    registers.sp = page.fault.sp;
    registers.pc = page.fault.pc;
    registers.flags = page.fault.flags;
    registers.tls = crate::isa::tls();
    entry::set_scratch(registers, page.fault.scratch);
    // SAFETY: only `install` writes here, and only handlers.
    let handler: Handler = unsafe { core::mem::transmute(HANDLER.load(Ordering::Acquire)) };
    handler(registers, page);
    page.fault_active = 0;
    // SAFETY: the registers are those of the interrupted program, as far as the handler left them.
    let error = unsafe { exo::resume(registers) };
    panic!("resuming: {error:?}")
}

fn page_frame(page: &mut UpcallPage) -> *mut Registers {
    core::ptr::from_mut(page).cast::<u8>().wrapping_add(FRAME).cast()
}

/// A fault, as an attempt ran into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caught {
    /// A [`FaultKind`].
    pub kind: u64,
    /// See [`UpcallPage::address`].
    pub address: u64,
    /// Where.
    pub pc: u64,
}

impl Caught {
    /// Whether it is of a kind.
    #[must_use]
    pub fn is(&self, kind: FaultKind) -> bool {
        self.kind == kind as u64
    }
}

static mut CAUGHT: Option<Caught> = None;

/// Let attempts of context 0 survive their faults.
pub fn install_attempts() {
    install(0, |registers, page| {
        // SAFETY: one context makes attempts, and it is in this handler.
        unsafe { CAUGHT = Some(Caught { kind: page.kind, address: page.address, pc: page.fault.pc }) };
        entry::give_up(registers);
    });
}

/// Try `function(argument)`. None if it returned, else the fault that it ran into. Needs [`install_attempts`].
pub fn attempt(function: extern "C" fn(u64), argument: u64) -> Option<Caught> {
    // SAFETY: as in the handler.
    unsafe { CAUGHT = None };
    // SAFETY: `try_call` keeps what the callee saves, whether the function returns or is given up.
    unsafe { entry::try_call(function, argument) };
    // SAFETY: as above.
    unsafe { CAUGHT }
}

/// Try to read a word.
pub fn attempt_read(address: u64) -> Option<Caught> {
    extern "C" fn read(address: u64) {
        let _ = crate::child::peek(address as usize);
    }
    attempt(read, address)
}

/// Try to write a word.
pub fn attempt_write(address: u64) -> Option<Caught> {
    extern "C" fn write(address: u64) {
        crate::child::poke(address as usize, 0xbad);
    }
    attempt(write, address)
}

/// Try to go somewhere.
pub fn attempt_jump(address: u64) -> Option<Caught> {
    extern "C" fn jump(address: u64) {
        crate::isa::jump(address);
    }
    attempt(jump, address)
}

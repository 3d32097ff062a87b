//! From the entries' assembly to the safe layers, and back.

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use abi::{FaultKind, PAGE_SIZE, Registers, Rights};
use rewrite::aarch64::SPARED_BYTES;

use crate::entry::isa::Way;
use crate::entry::native::Native;
use crate::entry::thread::Machine;
use crate::entry::vdso;
use crate::entry::words::LibraryWords;
use crate::entry::{channel, isa, native, place};
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::memory::FORKS_REMEMBERED;
use crate::memory::fault::{Access, Refusal};
use crate::process::Process;
use crate::signal::{Trap, attention};
use crate::syscall::Arguments;
use crate::syscall::table::{self, Entered, Handlers, LinkedThunk, QUICK_NUMBERS, Thunk, Thunks};
use crate::user::PROGRAM_TOP;

/// The process, once there is one. It is never freed.
static PROCESS: AtomicPtr<Process<Native>> = AtomicPtr::new(core::ptr::null_mut());

/// Make `process` the one that the entries serve.
///
/// # Safety
/// The upcall page is prepared, and the program has not begun.
pub unsafe fn install(process: &'static Process<Native>) {
    PROCESS.store(core::ptr::from_ref(process).cast_mut(), Ordering::Release);
    IS_PLAIN.store(!HAS_FORKED.load(Ordering::Relaxed), Ordering::Relaxed);
    vdso::install(&process.times.clocks);
    LibraryWords::choose_way(process.trace.is_on);
}

/// The process that the entries serve.
#[inline(always)]
pub fn process() -> &'static Process<Native> {
    // SAFETY: 1. `install` ran before the first instruction of the program, and the entries are entered by the program only.
    // 2. It stored a reference that lives for ever, and nobody holds a mutable one.
    unsafe { &*PROCESS.load(Ordering::Relaxed) }
}

impl Entered for Native {
    #[inline(always)]
    fn process() -> &'static Process<Native> {
        process()
    }

    fn arguments() -> &'static Arguments {
        native::arguments()
    }

    #[cold]
    fn refused(number: u64, errno: Errno) -> i64 {
        if errno == Errno::ENOSYS {
            let bit = (number as usize).min(table::NUMBERS);
            if REPORTED[bit / 64].fetch_or(1 << (bit % 64), Ordering::Relaxed) & 1 << (bit % 64) == 0 {
                process().report_absent(number as usize);
            }
        }
        -(errno.0 as i64)
    }
}

/// What stands in every place of the table where calls are printed, or come by a policy.
extern "C" fn watched(arguments: &Arguments, number: u64) -> i64 {
    let handler = Handlers::<Native>::TABLE.get(number as usize);
    match process().watched(number as usize, arguments, handler) {
        Ok(value) => value as i64,
        Err(errno) => Native::refused(number, errno),
    }
}

/// The thunks of a process whose calls are printed, or come by a policy.
pub static WATCHED: [Thunk; table::NUMBERS + 1] = [watched; table::NUMBERS + 1];

/// Where the linked entry goes, by number, where calls are not watched.
pub static LINKED: [LinkedThunk; table::NUMBERS + 1] = linked();
/// Where it goes where they are.
pub static LINKED_WATCHED: [LinkedThunk; table::NUMBERS + 1] = [isa::by_frame; table::NUMBERS + 1];

const fn linked() -> [LinkedThunk; table::NUMBERS + 1] {
    let mut linked: [LinkedThunk; table::NUMBERS + 1] = [isa::by_frame; table::NUMBERS + 1];
    let mut number = 0;
    while number < QUICK_NUMBERS {
        linked[number] = match Thunks::<Native>::LANES[number] {
            Some(lane) => lane,
            None => isa::by_arguments,
        };
        number += 1;
    }
    let mut index = 0;
    while index < table::ROWS.len() {
        let row = &table::ROWS[index];
        if row.needs_registers && row.number() != table::NONE {
            linked[row.number() as usize] = isa::by_frame;
        }
        index += 1;
    }
    linked[isa::SIGRETURN as usize] = isa::return_by_frame;
    linked
}

/// What asked for attention on the way out of a call, which answers `result` if it comes back.
pub extern "C" fn deliver(result: u64) -> u64 {
    process().leave_call(result);
    result
}

/// A linked rt_sigreturn(2) of a program with this stack pointer. Comes back if the straight way is not to be gone, with the call's number.
pub extern "C" fn return_straight(sp: u64) -> u64 {
    process().sigreturn_straight(sp);
    isa::SIGRETURN.into()
}

/// The stack pointer of the program that returns from a handler.
static RETURNING: AtomicU64 = AtomicU64::new(0);

/// Note it, for [`return_refused`].
#[inline(always)]
pub fn note_return(sp: u64) {
    RETURNING.store(sp, Ordering::Relaxed);
}

/// Where who returns by a handler's frame goes on if that is not as the library wrote it, or not there.
pub static RETURN_REFUSED: Way = Way::to(return_refused);

/// A handler's frame was to be used in place, and is not there, or not as the CPU takes it.
extern "C" fn return_refused() -> ! {
    process().sigreturn_by_copies(RETURNING.load(Ordering::Relaxed))
}

/// Where who writes a handler's frame goes on if that is refused.
pub static FRAME_REFUSED: Way = Way::to(frame_refused);

/// A handler's frame was to be written, and its stack is not there.
extern "C" fn frame_refused() -> ! {
    process().end_for_frame()
}

/// Numbers of calls whose absence was reported already, a bit each.
static REPORTED: [AtomicU64; table::NUMBERS / 64 + 1] = [const { AtomicU64::new(0) }; table::NUMBERS / 64 + 1];

/// What [`resolve`] answers where nothing more is to be done.
const RESOLVED: u64 = 0;
/// What it answers for a fault that no region explains. A refusal's answer is above.
const UNEXPLAINED: u64 = 1;

/// Signals from elsewhere wait to be taken: that is looked after on the way out of the call.
#[cold]
pub fn heed_signals() {
    if !PROCESS.load(Ordering::Relaxed).is_null() {
        process().signals.attend(attention::TURN);
    }
}

/// What it answers for a fault that is resolved where other faults may come meanwhile.
const POSTPONED: u64 = 0x100;

const SLICE: u64 = FaultKind::Slice as u64;

/// The slice ended. In the library the thread goes on to the end of its call.
fn slice_ended() -> u64 {
    if PROCESS.load(Ordering::Relaxed).is_null() {
        return RESOLVED;
    }
    let process = process();
    process.kernel.arm_slice();
    if process.kernel.interrupted_at() < PROGRAM_TOP as u64 {
        return UNEXPLAINED;
    }
    // The functions of the vDSO, and the entries up to where they are on the library's stack, do not look at that word: the next slice's
    // end comes back to it.
    process.signals.attend(attention::TURN);
    if process.kernel.was_on_programs_stack() {
        process.postpone_timers();
    }
    RESOLVED
}

/// What a fault on a page tried.
#[inline(always)]
fn access(kind: u64) -> Option<Access> {
    match kind {
        1 => Some(Access::Read),
        2 => Some(Access::Write),
        3 => Some(Access::Execute),
        _ => None,
    }
}

/// Resolve a fault if that is all it needs. Called while `fault_active` is set: nothing here touches the program's memory.
pub extern "C" fn resolve(kind: u64, address: u64) -> u64 {
    match access(kind) {
        Some(access) if address < PROGRAM_TOP as u64 && IS_PLAIN.load(Ordering::Relaxed) => resolve_program(access, address),
        access => resolve_otherwise(access, kind, address),
    }
}

/// [`resolve`], but for an access to the program's memory in a process that has not forked.
#[inline(never)]
fn resolve_otherwise(access: Option<Access>, kind: u64, address: u64) -> u64 {
    let access = match access {
        Some(access) => access,
        None if kind == SLICE => return slice_ended(),
        None => return UNEXPLAINED,
    };
    if address >= PROGRAM_TOP as u64 && resolve_own(access, address as usize & !(PAGE_SIZE - 1)) {
        return RESOLVED;
    }
    if PROCESS.load(Ordering::Relaxed).is_null() {
        return UNEXPLAINED;
    }
    if HAS_FORKED.load(Ordering::Relaxed) {
        return POSTPONED;
    }
    resolve_program(access, address)
}

/// How a handler begins: where its frame is, and where it is itself.
#[cfg(target_arch = "x86_64")]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    frame: u64,
    handler: u64,
}

/// Let the handler begin of an access that [`resolve`] says is [`DENIED`]. Of its frame all is written but the registers, which are given, the thread
/// pointer excepted. Does not come back where there is more to it than that.
#[cfg(target_arch = "x86_64")]
pub extern "C" fn denied(registers: &mut Registers, kind: u64, address: u64, code: u64) -> Beginning {
    if registers.pc < PROGRAM_TOP as u64
        && let trap = (Trap { kind, address, code, refusal: Some(Refusal::Denied) })
        && let Some((frame, handler)) = process().raise_denied(registers.sp, &trap)
    {
        return Beginning { frame, handler };
    }
    trapped_otherwise(registers, kind, address, code)
}

/// [`denied`], for what else there is.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
fn trapped_otherwise(registers: &mut Registers, kind: u64, address: u64, code: u64) -> ! {
    (registers.tls, registers.reserved) = (0, 0);
    trapped(registers, kind, address, code, DENIED)
}

/// Pages of the library that were stored to after forks, while they were copied on write; 0s for less.
static STORED: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];
/// Those that the kernel knows of.
static TOLD: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];

/// Let a fork copy those pages at once: that saves each side a fault.
pub fn tell_stored() {
    static SINCE: AtomicUsize = AtomicUsize::new(0);
    if SINCE.fetch_add(1, Ordering::Relaxed) % FORKS_REMEMBERED == FORKS_REMEMBERED - 1 {
        STORED.iter().for_each(|page| page.store(0, Ordering::Relaxed));
    }
    for (stored, told) in STORED.iter().zip(&TOLD) {
        let (page, before) = (stored.load(Ordering::Relaxed), told.load(Ordering::Relaxed));
        if page != before {
            native::set_copied(before, false);
            native::set_copied(page, true);
            told.store(page, Ordering::Relaxed);
        }
    }
}

/// Resolve a fault on a page of the library's own: one that is copied on write since a fork, or of a stack, where it is touched for the first time.
#[cold]
fn resolve_own(access: Access, page: usize) -> bool {
    if access == Access::Write && exo::page_break(page).is_ok() {
        let [stored, ..] = &STORED;
        let place = STORED.iter().find(|place| [0, page].contains(&place.load(Ordering::Relaxed))).unwrap_or(stored);
        place.store(page, Ordering::Relaxed);
        return true;
    }
    let rights = Rights::READ | Rights::WRITE | Rights::MAY_READ | Rights::MAY_WRITE;
    Machine::is_on_a_stack(page) && channel::page_alloc(page, 1, rights).is_ok()
}

/// Whether pages of the library may be copied on write: what resolves a fault may then have faults of its own.
static HAS_FORKED: AtomicBool = AtomicBool::new(false);
/// Whether there is a process, and it has not forked.
static IS_PLAIN: AtomicBool = AtomicBool::new(false);

/// From now on pages of the library may be copied on write; whether this is the first time.
pub fn note_fork() -> bool {
    IS_PLAIN.store(false, Ordering::Relaxed);
    !HAS_FORKED.swap(true, Ordering::Relaxed)
}

/// Resolve a fault of the program, or of a copy to or from it. A part of who calls it: there are few of them, and one is on the way of each fault.
#[inline(always)]
fn resolve_program(access: Access, address: u64) -> u64 {
    let process = process();
    // Of what takes the lock only a copy to or from the program can fault on the program's pages, and no copy is made with this lock held.
    let Some(mut memory) = process.memory.try_lock() else { return UNEXPLAINED };
    match memory.resolve(&process.kernel, address as usize, access) {
        Ok(()) => RESOLVED,
        Err(refusal) => refusal_code(refusal) | if memory.has_texts() { TEXTS } else { 0 },
    }
}

/// Set in a refusal's answer where rewritten text is mapped, which may be what was refused.
const TEXTS: u64 = 0x200;

const REFUSALS: [Refusal; 6] =
    [Refusal::Unmapped, Refusal::Denied, Refusal::PastEnd, Refusal::Unreadable, Refusal::Taken, Refusal::NoMemory];

/// The answer for an access that its region denies.
#[cfg(target_arch = "x86_64")]
pub const DENIED: u64 = UNEXPLAINED + 2;
#[cfg(target_arch = "x86_64")]
const _: () = assert!(matches!(REFUSALS[1], Refusal::Denied));

fn refusal_code(refusal: Refusal) -> u64 {
    UNEXPLAINED + 1 + REFUSALS.iter().position(|&other| other == refusal).unwrap_or(0) as u64
}

/// Serve a fault that [`resolve`] gave `outcome` for. Continues the program, or a handler of a signal, or ends the process.
pub extern "C" fn trapped(registers: &mut Registers, kind: u64, address: u64, code: u64, outcome: u64) -> ! {
    // Mostly it is an access of the program's that its region refuses.
    let refusal = match refusal_of(outcome) {
        Some(refusal) if registers.pc < PROGRAM_TOP as u64 => Some(refusal),
        _ => look_closer(registers, kind, address, outcome),
    };
    let process = process();
    process.raise_fault(registers, &Trap { kind, address, code, refusal });
    process.kernel.start(registers)
}

/// The refusal that [`resolve`] gave as its answer.
#[inline(always)]
fn refusal_of(outcome: u64) -> Option<Refusal> {
    REFUSALS.get(outcome.wrapping_sub(UNEXPLAINED + 1) as usize).copied()
}

/// [`trapped`], for what else there is. Comes back if it becomes a signal, with the refusal if it is an access.
#[inline(never)]
fn look_closer(registers: &mut Registers, kind: u64, address: u64, outcome: u64) -> Option<Refusal> {
    if PROCESS.load(Ordering::Relaxed).is_null() {
        panic!("fault {kind} at {address:#x}, pc {:#x}", registers.pc);
    }
    let process = process();
    let outcome = match access(kind) {
        Some(access) if outcome == POSTPONED => resolve_program(access, address),
        _ => outcome,
    };
    if outcome != RESOLVED {
        if HAS_FORKED.load(Ordering::Relaxed) {
            ready_stack(registers);
        }
        if kind == SLICE {
            take_turns(process, registers);
        // The vDSO's functions are the library's code on the program's stack: their faults are the program's.
        } else if registers.pc >= abi::IMAGE_BASE && registers.sp >= PROGRAM_TOP as u64 {
            unresolved_inside(registers, kind, address);
        } else if access(kind).is_some() && outcome & TEXTS == 0 || !resumes_rewritten(process, registers, kind, address) {
            return refusal_of(outcome & !TEXTS);
        }
    }
    // SAFETY: the fault saved where the program was; what it needs to go on is mapped now, or it is sent to a handler or a fixup.
    unsafe { process.kernel.resume_unsafely(registers) }
}

/// The slice ended in the program.
#[inline(never)]
fn take_turns(process: &'static Process<Native>, registers: &mut Registers) {
    registers.tls = process.kernel.thread_pointer();
    process.hear();
    process.preempt(registers);
    process.deliver(registers);
}

/// Touch what this work will use of the fault stack, whose lower pages a copy of a process does not have yet. A fault there is resolved further
/// up, where there is room: the pages are touched in order, and a fault needs less than one.
fn ready_stack(registers: &Registers) {
    /// Pages that it uses at most before the next fault, and one for that.
    const PAGES: usize = 3;
    let top = core::ptr::from_ref(registers).addr();
    for below in (1..=PAGES).map(|page| page * PAGE_SIZE).take_while(|below| top - below >= place::FAULT_STACK) {
        // SAFETY: the address is on the fault stack, below what is in use of it; the byte is not looked at.
        unsafe { ((top - below) as *const u8).read_volatile() };
    }
}

/// Whether a fault came of rewritten text alone: the registers then say where to go on. If not, they are made to say where the
/// program would have been without rewriting.
fn resumes_rewritten(process: &Process<Native>, registers: &mut Registers, kind: u64, address: u64) -> bool {
    let Some(memory) = process.memory.try_lock() else { return false };
    if !memory.has_texts() {
        return false;
    }
    // x86_64: an instruction that is none any more; aarch64: the store with which a trampoline begins, whatever is wrong with the stack that it
    // is to.
    let expected = match access(kind) {
        Some(_) => cfg!(target_arch = "aarch64") && registers.sp.wrapping_sub(address).wrapping_sub(1) < SPARED_BYTES.into(),
        None => cfg!(target_arch = "aarch64") || kind == FaultKind::IllegalInstruction as u64,
    };
    if expected && let Some(pc) = memory.resume_rewritten(registers.pc as usize) {
        registers.pc = pc as u64;
        return true;
    }
    if let Some(pc) = memory.original_of(registers.pc as usize) {
        registers.pc = pc as u64;
    }
    false
}

/// A fault of the library itself that no region explains: a copy's or an attempt's, which go on at their fixups, or a defect.
fn unresolved_inside(registers: &mut Registers, kind: u64, address: u64) {
    if let Some(fixup) = crate::entry::isa::fixup(registers.pc) {
        registers.pc = fixup;
        return;
    }
    if LibraryWords::get().is_attempting() && (address as usize) < PROGRAM_TOP {
        registers.pc = crate::entry::isa::attempt_refused as *const () as u64;
        return;
    }
    panic!("fault {kind} at {address:#x} in the library, pc {:#x}", registers.pc);
}

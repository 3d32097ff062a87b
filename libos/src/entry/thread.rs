//! What the machine has of a thread while it does not run, and how one is left for another.
//!
//! A thread stopped in one of two places: in a call, on its own syscall stack, with what C preserves on that stack; or in the program, with all
//! of its registers. The library uses no vector register, so that those are the program's in both.

use alloc::vec::Vec;
use core::arch::asm;
use core::cell::UnsafeCell;

use abi::{EnvId, PAGE_SIZE, Registers, Rights, SavedState, UpcallPage};
use spin::Mutex;

use crate::entry::words::{self, LibraryWords};
use crate::entry::{channel, dispatch, isa, place};
use crate::kernel::{Kernel, VectorState};
use crate::signal::attention;

/// The state; aligned so that no registers cross a page's end.
#[repr(C, align(512))]
struct State {
    /// Of a thread that stopped in the program; its thread pointer in any case.
    registers: Registers,
    vectors: VectorState,
    /// What the upcall page has of the call that is being served.
    call: isa::CallState,
    /// The stack pointer of a thread that stopped in a call; 0 for one that stopped in the program.
    sp: u64,
    /// The top of its syscall stack.
    stack_top: usize,
}

/// See the module.
pub struct Machine(UnsafeCell<State>);

// SAFETY: one context runs the library, and the state is touched by the functions of this module only, none of which is entered anew
// before it is done with it.
unsafe impl Sync for Machine {}

/// Bytes of a syscall stack with the machine above it.
const STACK_BYTES: usize = 0x1_0000;
const _: () = assert!(size_of::<Machine>() <= 2 * PAGE_SIZE && STACK_BYTES < place::THREAD_STEP);

impl State {
    fn new(stack_top: usize) -> State {
        State { registers: Registers::default(), vectors: VectorState::new(), call: isa::CallState::default(), sp: 0, stack_top }
    }
}

impl Machine {
    /// The machine of the first thread, which runs on the first stack: at the end of the upcall page, since a fork copies both.
    ///
    /// # Safety
    /// The upcall page is mapped, and this is called once.
    pub unsafe fn first() -> &'static Machine {
        const { assert!(words::END <= PAGE_SIZE - size_of::<Machine>()) };
        let machine = (place::UPCALL_PAGE + PAGE_SIZE - size_of::<Machine>()) as *mut Machine;
        // SAFETY: the caller's promise; the machine is behind the words, and as aligned as it is large.
        unsafe {
            machine.write(Machine(UnsafeCell::new(State::new(place::SYSCALL_STACK_TOP))));
            &*machine
        }
    }
}

impl Machine {
    /// Whether the thread was left in the program.
    #[must_use]
    pub fn is_in_program(&self) -> bool {
        // SAFETY: see `Sync`: nobody changes the state meanwhile.
        unsafe { (*self.0.get()).sp == 0 }
    }
}

/// Machines that no thread has.
struct Spare {
    /// Those that are there.
    made: Vec<&'static Machine>,
    /// The place of the one that a fork kept, if it is not below `end`.
    kept: Option<usize>,
    /// Places that were ever used, but for that.
    end: usize,
}

/// Machines that nobody has. They are never unmapped.
pub struct Machines(Mutex<Spare>);

impl Machines {
    /// None yet.
    pub const fn new() -> Machines {
        Machines(Mutex::new(Spare { made: Vec::new(), kept: None, end: 0 }))
    }

    /// A machine that will begin in the program with these registers and the vector state of the thread that runs.
    pub fn take(&self, registers: &Registers) -> exo::Result<&'static Machine> {
        let kept = self.0.lock().made.pop();
        let machine = kept.map_or_else(|| self.make(), Ok)?;
        // SAFETY: nobody else has the machine.
        let state = unsafe { &mut *machine.0.get() };
        state.registers = *registers;
        isa::save_vectors(&mut state.vectors);
        state.sp = 0;
        Ok(machine)
    }

    /// Take back the machine of a thread that has ended.
    pub fn give(&self, machine: &'static Machine) {
        self.0.lock().made.push(machine);
    }

    /// In a new process: no machine is there but this one.
    pub fn keep_only(&self, machine: &'static Machine) {
        let offset = core::ptr::from_ref(machine).addr().checked_sub(place::THREADS);
        let mut spare = self.0.lock();
        spare.made.clear();
        (spare.kept, spare.end) = (offset.map(|offset| offset / place::THREAD_STEP), 0);
    }

    // Most calls that may come here do not, and need no room on the stack for a machine.
    #[inline(never)]
    fn make(&self) -> exo::Result<&'static Machine> {
        let mut spare = self.0.lock();
        let index = if spare.kept == Some(spare.end) { spare.end + 1 } else { spare.end };
        if index >= place::THREADS_MOST {
            return Err(abi::Error::Full);
        }
        let base = place::THREADS + index * place::THREAD_STEP;
        let rights = Rights::READ | Rights::WRITE | Rights::MAY_READ | Rights::MAY_WRITE;
        if let Err(error) = channel::page_alloc(base, STACK_BYTES / PAGE_SIZE, rights) {
            // SAFETY: nothing uses what was mapped of the range.
            let _ = unsafe { exo::page_unmap(EnvId::SELF, base, STACK_BYTES / PAGE_SIZE) };
            return Err(error);
        }
        spare.end = index + 1;
        let address = (base + STACK_BYTES - size_of::<Machine>()) & !(align_of::<Machine>() - 1);
        let machine = address as *mut Machine;
        // SAFETY: the memory was just mapped, is aligned and large enough, and is nobody else's, for ever.
        unsafe {
            machine.write(Machine(UnsafeCell::new(State::new(address))));
            Ok(&*machine)
        }
    }
}

/// Where the kernel and the entries save the state of a call.
#[inline(always)]
fn call_state() -> *mut isa::CallState {
    let mut page = place::UPCALL_PAGE;
    // Else each word of it would come by an address of its own, all of them constants that take an instruction to load.
    // SAFETY: no instructions.
    unsafe { asm!("/* {} */", inout(reg) page, options(pure, nomem, nostack, preserves_flags)) };
    let page = page as *mut UpcallPage;
    // SAFETY: the address of a field of a page that `start` mapped.
    let state = unsafe { &raw mut (*page).syscall };
    const { assert!(align_of::<isa::CallState>() <= align_of::<SavedState>() && size_of::<isa::CallState>() <= size_of::<SavedState>()) };
    state.cast()
}

/// Keep what is in registers and in the upcall page of the thread that runs.
///
/// # Safety
/// `machine` is its.
#[inline(always)]
pub unsafe fn keep(machine: &'static Machine) {
    // SAFETY: see `Sync`; the upcall page is mapped.
    unsafe {
        let state = machine.0.get();
        isa::save_vectors(&mut (*state).vectors);
        (*state).registers.tls = dispatch::process().kernel.thread_pointer();
        (*state).call = isa::copied(&*call_state());
    }
}

impl Machine {
    /// The pages of the stack that its thread's calls are served on; the state of one that is not the first is above the stack in them.
    pub fn stack(&self) -> core::ops::Range<usize> {
        let address = core::ptr::from_ref(self).addr();
        match address.checked_sub(place::THREADS) {
            Some(offset) if address < place::THREADS + place::THREADS_MOST * place::THREAD_STEP => {
                let base = address - offset % place::THREAD_STEP;
                base..base + STACK_BYTES
            }
            _ => place::SYSCALL_STACK_TOP - exo::start::STACK_BYTES..place::SYSCALL_STACK_TOP,
        }
    }

    /// Whether a page is of some thread's stack, be it one that is or that could be, or of the stack for faults.
    pub fn is_on_a_stack(page: usize) -> bool {
        let first = place::SYSCALL_STACK_TOP - exo::start::STACK_BYTES..place::SYSCALL_STACK_TOP;
        let others = place::THREADS..place::THREADS + place::THREADS_MOST * place::THREAD_STEP;
        first.contains(&page)
            || place::FAULTS.contains(&page)
            || others.contains(&page) && (page - place::THREADS) % place::THREAD_STEP < STACK_BYTES
    }

    /// Where the stack pointer of a thread that stopped in a call is stored.
    pub fn stopped_at(&self) -> *mut u64 {
        // SAFETY: the address of a field.
        unsafe { &raw mut (*self.0.get()).sp }
    }
}

/// Leave the thread that runs, in a call, for another.
///
/// # Safety
/// `from` is its machine; `to` is that of a thread that was left or has not begun.
#[inline(always)]
pub unsafe fn switch(from: &'static Machine, to: &'static Machine) {
    // SAFETY: the caller's promise. `enter` does not come back here but by the stack pointer that is stored.
    unsafe {
        keep(from);
        isa::suspend(&raw mut (*from.0.get()).sp, core::ptr::from_ref(to).addr(), enter_at);
    }
}

/// Leave the thread that runs, in the program, for another.
///
/// # Safety
/// As [`switch`]; `registers` are the thread's.
pub unsafe fn preempt(from: &'static Machine, registers: &Registers, to: &'static Machine) -> ! {
    // SAFETY: the caller's promise.
    unsafe {
        let state = from.0.get();
        (*state).registers = *registers;
        (*state).sp = 0;
        keep(from);
        enter(to)
    }
}

/// Go on with the thread whose machine is at an address.
///
/// # Safety
/// It is the current one for the process, and what ran before has been kept, or is not needed again.
unsafe extern "C" fn enter_at(to: usize) -> ! {
    // SAFETY: the caller's promise.
    unsafe { enter(&*(to as *const Machine)) }
}

/// Go on with a thread.
///
/// # Safety
/// As [`enter_at`].
#[inline(always)]
pub unsafe fn enter(to: &'static Machine) -> ! {
    let process = dispatch::process();
    // SAFETY: see `Sync`, and the caller's promise: the state is that of a thread that may go on.
    unsafe {
        let state = &mut *to.0.get();
        LibraryWords::get().set_syscall_stack(state.stack_top);
        isa::reload_vectors(&state.vectors);
        *call_state() = isa::copied(&state.call);
        let by_kernel = process.kernel.load_thread_pointer(state.registers.tls);
        if state.sp == 0 {
            enter_program(state);
        }
        if by_kernel {
            process.signals.attend(attention::REGISTERS);
        }
        isa::proceed(state.sp)
    }
}

/// Go on with a thread that was left in the program.
///
/// # Safety
/// As [`enter_at`]; all but its registers is where the CPU looks for it.
#[inline(never)]
unsafe fn enter_program(state: &mut State) -> ! {
    let process = dispatch::process();
    let _ = process.signals.take_attention(attention::REGISTERS);
    process.deliver(&mut state.registers);
    // SAFETY: the caller's promise.
    unsafe { process.kernel.resume_unsafely(&mut state.registers) }
}

//! What the machine has of a thread while it does not run, and how one is left for another.
//!
//! A thread stopped in one of two places: in a call, on its own syscall stack, with what C preserves on that stack; or in the program, with all
//! of its registers. The library uses no vector register, so that those are the program's in both.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::UnsafeCell;

use abi::{EnvId, PAGE_SIZE, Registers, Rights, SavedState, UpcallPage};
use spin::Mutex;

use crate::entry::words::LibraryWords;
use crate::entry::{channel, dispatch, isa, place};
use crate::kernel::{Kernel, VectorState};
use crate::signal::attention;

/// The state; aligned so that no registers cross a page's end.
#[repr(C, align(512))]
struct State {
    /// Of a thread that stopped in the program; its thread pointer in any case.
    registers: Registers,
    vectors: VectorState,
    /// How much of `vectors` there is.
    vector_bytes: usize,
    /// What the upcall page has of the call that is being served.
    call: SavedState,
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
        State {
            registers: Registers::default(),
            vectors: VectorState::new(),
            vector_bytes: 0,
            call: SavedState::default(),
            sp: 0,
            stack_top,
        }
    }
}

impl Machine {
    /// The machine of the first thread, which runs on the first stack.
    pub fn first() -> &'static Machine {
        Box::leak(Box::new(Machine(UnsafeCell::new(State::new(place::SYSCALL_STACK_TOP)))))
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

/// Machines that nobody has, and how many were ever made: they are never unmapped.
pub struct Machines(Mutex<(Vec<&'static Machine>, usize)>);

impl Machines {
    /// None yet.
    pub const fn new() -> Machines {
        Machines(Mutex::new((Vec::new(), 0)))
    }

    /// A machine that will begin in the program with these registers and the vector state of the thread that runs.
    pub fn take(&self, registers: &Registers) -> exo::Result<&'static Machine> {
        let kept = self.0.lock().0.pop();
        let machine = kept.map_or_else(|| self.make(), Ok)?;
        // SAFETY: nobody else has the machine.
        let state = unsafe { &mut *machine.0.get() };
        state.registers = *registers;
        state.vector_bytes = isa::save_vectors(&mut state.vectors);
        state.sp = 0;
        Ok(machine)
    }

    /// Take back the machine of a thread that has ended.
    pub fn give(&self, machine: &'static Machine) {
        self.0.lock().0.push(machine);
    }

    fn make(&self) -> exo::Result<&'static Machine> {
        let mut made = self.0.lock();
        if made.1 == place::THREADS_MOST {
            return Err(abi::Error::Full);
        }
        let base = place::THREADS + made.1 * place::THREAD_STEP;
        let rights = Rights::READ | Rights::WRITE | Rights::MAY_READ | Rights::MAY_WRITE;
        if let Err(error) = channel::page_alloc(base, STACK_BYTES / PAGE_SIZE, rights) {
            // SAFETY: nothing uses what was mapped of the range.
            let _ = unsafe { exo::page_unmap(EnvId::SELF, base, STACK_BYTES / PAGE_SIZE) };
            return Err(error);
        }
        made.1 += 1;
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
fn call_state() -> *mut SavedState {
    let page = place::UPCALL_PAGE as *mut UpcallPage;
    // SAFETY: the address of a field of a page that `start` mapped.
    unsafe { &raw mut (*page).syscall }
}

/// Keep what is in registers and in the upcall page of the thread that runs.
///
/// # Safety
/// `machine` is its.
unsafe fn keep(machine: &'static Machine) {
    // SAFETY: see `Sync`; the upcall page is mapped.
    unsafe {
        let state = machine.0.get();
        (*state).vector_bytes = isa::save_vectors(&mut (*state).vectors);
        (*state).registers.tls = dispatch::process().kernel.thread_pointer();
        (*state).call = call_state().read_volatile();
    }
}

/// Leave the thread that runs, in a call, for another.
///
/// # Safety
/// `from` is its machine; `to` is that of a thread that was left or has not begun.
pub unsafe fn switch(from: &'static Machine, to: &'static Machine) {
    // SAFETY: the caller's promise. `enter` does not come back here but by the stack pointer that is stored.
    unsafe {
        keep(from);
        isa::suspend(&raw mut (*from.0.get()).sp, to, enter);
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

/// Go on with a thread.
///
/// # Safety
/// It is the current one for the process, and what ran before has been kept, or is not needed again.
pub unsafe extern "C" fn enter(to: &'static Machine) -> ! {
    let process = dispatch::process();
    // SAFETY: see `Sync`, and the caller's promise: the state is that of a thread that may go on.
    unsafe {
        let state = &mut *to.0.get();
        LibraryWords::get().set_syscall_stack(state.stack_top);
        isa::restore_vectors(&mut state.vectors, state.vector_bytes);
        call_state().write_volatile(state.call);
        let by_kernel = process.kernel.load_thread_pointer(state.registers.tls);
        if state.sp != 0 {
            if by_kernel {
                process.signals.attend(attention::POINTER);
            }
            isa::proceed(state.sp)
        }
        let _ = process.signals.take_attention(attention::POINTER);
        process.deliver(&mut state.registers);
        process.kernel.resume_unsafely(&mut state.registers)
    }
}

//! What the personality asks of the exokernel: the seam between policy and machine.
//!
//! `Native` makes the calls; `FakeKernel` keeps pages in a map and holds the same rules, so that everything above this trait is
//! tested on a host.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU8;

use abi::{InfoPage, LedgerEntry, Registers, Rights, WaitWord};

use unix::{Bulletin, Kin, Request};

use crate::errno::Result;
use crate::file::description::CommonPage;
use crate::identity::Identity;
use crate::memory::CloneRanges;
use crate::pool::Pool;
use crate::server::Server;
use crate::user::{Plain, UserMemory};

/// Bytes of a vector state: on x86_64 what XSAVE stores of x87, SSE, AVX and AVX-512 in its standard format, on aarch64 a signal frame's record.
const VECTOR_BYTES: usize = if cfg!(target_arch = "x86_64") { 2816 } else { 528 };

/// Room for the vector state of a program, as the CPU's own instructions align it.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct VectorState {
    /// The state, and room for what a signal frame adds.
    pub bytes: [u8; VECTOR_BYTES + 64],
}

impl VectorState {
    /// Zeros.
    #[must_use]
    pub const fn new() -> VectorState {
        VectorState { bytes: [0; VECTOR_BYTES + 64] }
    }
}

impl Default for VectorState {
    fn default() -> Self {
        Self::new()
    }
}

/// On which side of a fork one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// In the process that was there before; the id of the new one.
    Parent(u32),
    /// In the new one; its id.
    Child(u32),
}

/// What is to be in a signal frame. Not a closure, which cannot be told to become part of who calls it.
pub trait Fill<T> {
    /// Write it there.
    fn fill(&self, frame: &mut T);
}

/// The exokernel's calls, as one process uses them on itself. Addresses of pages are multiples of the page size.
pub trait Kernel: UserMemory + Send + Sync + Sized + 'static {
    /// What the machine has of a thread while it does not run, and the stack that its calls are served on.
    type Machine: Sync + 'static;
    /// Room on a stack of the program's for any signal frame.
    #[cfg(target_arch = "x86_64")]
    type Room: Copy;

    /// The byte that is not 0 while the way out of a call is not the straight one.
    fn attention(&self) -> &'static AtomicU8;

    /// The machine of the thread that runs first, for the one process that there is.
    fn first_machine(&self) -> &'static Self::Machine;
    /// The machine of a new thread that will begin in the program, with these registers and the vector state of the one that runs.
    fn new_machine(&self, registers: &Registers) -> exo::Result<&'static Self::Machine>;
    /// Leave the thread that runs, in the middle of a call, for another. Returns when somebody switches back.
    fn switch(&self, from: &'static Self::Machine, to: &'static Self::Machine);
    /// Leave the thread that runs, in the program, where these are its registers, for another.
    fn preempt(&self, from: &'static Self::Machine, registers: &Registers, to: &'static Self::Machine) -> !;
    /// Leave the thread that runs for ever, for another.
    fn abandon(&self, from: Option<&'static Self::Machine>, to: &'static Self::Machine) -> !;
    /// Whether a process that this one made has ended, or runs another program: `unixd` tells.
    fn is_released(&self, id: u32) -> bool;
    /// Let other processes have the rest of the slice.
    fn yield_slice(&self);
    /// Ask for an upcall where the counter passes `ticks`, if the process runs then, or for none.
    fn set_deadline(&self, ticks: Option<u64>);
    /// Make a process that is a copy of this one, but for its threads: it has the one that runs, whose machine this is. `program` is what it gets
    /// of the program's memory, `kin` how the two are related. Returns in both.
    fn fork(&self, machine: &'static Self::Machine, program: &mut CloneRanges, kin: Kin) -> Result<Side>;
    /// In the new process: the machines of all threads but this one's are not there.
    fn keep_only(&self, machine: &'static Self::Machine);
    /// Ask for an upcall when the slice after the next forced end begins. Always asked for: a process that got the CPU back learns there
    /// what happened meanwhile.
    fn arm_slice(&self);
    /// Have the program's calls come by [`Process::watched`](crate::process::Process::watched) from now on, or not.
    fn watch_calls(&self, watched: bool);
    /// Whether somebody watches calls come and go.
    fn are_calls_watched(&self) -> bool;

    /// A page of zeros that those who inherit an open file description share.
    fn common_page(&self) -> Result<Arc<dyn CommonPage>>;
    /// The way to `unixd`; none for a process that is alone.
    fn server(&self) -> Option<&'static dyn Server>;
    /// Where `unixd` counts what the process may care for, and how far it has counted.
    fn doorbell(&self) -> WaitWord;

    /// Ask `unixd`; gives its answer's words.
    fn ask(&self, request: Request) -> Result<[u64; 4]>;
    /// Put bytes into the mailbox from `at` on; gives how many there was room for.
    fn post(&self, at: usize, bytes: &[u8]) -> usize;
    /// Take bytes out of the mailbox from `at` on; gives how many there were room for.
    fn fetch(&self, at: usize, bytes: &mut [u8]) -> usize;
    /// What `unixd` tells without being asked.
    fn bulletin(&self) -> &Bulletin;

    /// Map zeroed frames. On an error none is mapped.
    fn page_alloc(&self, address: usize, pages: usize, rights: Rights) -> exo::Result<()>;
    /// The same with frames by number, that one and those behind it, all of which are free; with `LARGE`, as large pages. On an error none is
    /// mapped.
    fn page_alloc_named(&self, address: usize, pages: usize, rights: Rights, frame: u64) -> exo::Result<()>;
    /// Whether nobody has a frame.
    fn is_free(&self, frame: u64) -> bool;
    /// Have `frames` frames of zeros ready, for whoever takes some next.
    fn zero_ahead(&self, frames: usize);
    /// Give frames back; pages that are not mapped are passed over.
    fn page_unmap(&self, address: usize, pages: usize);
    /// Set current rights; pages that are not mapped are passed over.
    fn page_protect(&self, address: usize, pages: usize, rights: Rights) -> exo::Result<()>;
    /// Map pages held at `source` at `target` too.
    fn page_map(&self, target: usize, source: usize, pages: usize, rights: Rights) -> exo::Result<()>;
    /// Let a page that is copied on write be the process's own, and writable. Whether it was one.
    fn page_break(&self, address: usize) -> bool;
    /// Whether forks copy a page at once that they else copy on write, up to when its rights are set.
    fn page_copied(&self, address: usize, is_copied: bool);
    /// What is mapped at an address.
    fn page_query(&self, address: usize) -> exo::Result<exo::PageInfo>;
    /// How often a frame is mapped, by everybody; `None` behind the last one.
    fn frame_uses(&self, frame: u64) -> Option<u32>;
    /// Work on the bytes of pages just mapped writable, which the program cannot see change.
    fn with_pages(&self, address: usize, pages: usize, work: &mut dyn FnMut(&mut [u8]));
    /// Copy pages that the library has to as many just mapped writable, which the program cannot see change.
    fn copy_pages(&self, to: usize, from: usize, pages: usize);
    /// Where the frames of files come from.
    fn pool(&self) -> Arc<Pool>;

    /// The words of the process's identity, where the entries read them.
    fn identity(&self) -> &Identity;
    /// The first info page.
    fn info(&self) -> &InfoPage;
    /// The counter, in ticks.
    fn clock(&self) -> u64;
    /// Ticks for which the process has had a CPU.
    fn ran(&self) -> u64;
    /// Sleep until a word differs or is woken, or the counter passes `deadline`.
    fn wait(&self, words: &[WaitWord], deadline: Option<u64>) -> exo::Result<usize>;
    /// Let other processes have the rest of the time that this one has.
    fn give_way(&self) {}
    /// Wake at most `most` contexts that sleep on the word at an address of the program; gives how many.
    fn wake(&self, address: usize, most: usize) -> usize;
    /// Whether this process would get so many frames more, if it asked for them now.
    fn could_have(&self, frames: usize) -> bool {
        let _ = frames;
        true
    }
    /// Frames that this process could come to be charged for if nobody else took any, and frames that it is charged for.
    fn quota(&self) -> (usize, usize);
    /// How many pages were taken by force so far, from anybody.
    fn taken(&self) -> u32;
    /// What the kernel's ledger says was taken of this process since `taken` was `since`, and whether the ledger still has all of that.
    fn losses(&self, since: u32) -> (Vec<LedgerEntry>, bool);
    /// A word off the CPU's random number generator, if it has one.
    fn entropy(&self) -> Option<u64>;

    /// Write to the debug console.
    fn put(&self, bytes: &[u8]);

    /// The program's thread pointer: FS base or TPIDR_EL0.
    fn thread_pointer(&self) -> u64;
    /// Set it.
    fn set_thread_pointer(&self, address: u64);
    /// Bytes of the program's vector state as a signal frame has it. x86_64: an `fxsave` or `xsave` area with what marks it; aarch64: a record with
    /// q0 to q31, FPSR and FPCR.
    fn vector_bytes(&self) -> usize;
    /// Write a signal frame: what `fill` sets, as [`UserMemory::write_with`], and the vector state at `vectors`, a multiple of 64 (x86_64) or 16.
    fn write_frame<T: Plain>(&self, address: usize, vectors: usize, fill: impl FnOnce(&mut T)) -> Result<()>
    where
        Self: Sized;
    /// [`Kernel::write_frame`], for who does nothing but [`Kernel::start`] after it: if the program's memory is refused then, the process ends by
    /// `SIGSEGV`, and this does not return.
    fn write_last_frame<T: Plain>(&self, address: usize, vectors: usize, contents: impl Fill<T>) -> Result<()>
    where
        Self: Sized,
    {
        self.write_frame(address, vectors, |frame| contents.fill(frame))
    }
    /// Room for a signal frame below `top`, if there is some without a look at more than this.
    #[cfg(target_arch = "x86_64")]
    fn room_below(&self, top: u64) -> Option<Self::Room>;
    /// [`Kernel::write_last_frame`], for who writes the program's registers to it after that; gives its address, 8 below a multiple of 16. `contents` is
    /// told where the vector state is, behind it.
    #[cfg(target_arch = "x86_64")]
    fn write_frame_in<T: Plain, F: Fill<T>>(&self, room: Self::Room, contents: impl FnOnce(u64) -> F) -> u64
    where
        Self: Sized;
    /// Look at a signal frame, as [`UserMemory::read_with`], and load the vector state that is where `look` says (0: there is none), reduced to what the
    /// CPU takes.
    fn read_frame<T: Plain, R: Copy>(&self, address: usize, look: impl Fn(&T) -> (R, usize)) -> Result<R>
    where
        Self: Sized;
    /// Load the vector state at an address of the program, reduced to what the CPU takes.
    fn pop_vectors(&self, address: usize) -> Result<()>;
    /// `AT_HWCAP` and `AT_HWCAP2`.
    fn capabilities(&self) -> (u64, u64);
    /// The most bytes that a signal frame takes: `AT_MINSIGSTKSZ`.
    fn signal_frame_bytes(&self) -> usize;
    /// Address of code that calls rt_sigreturn(2).
    fn signal_return(&self) -> usize;
    /// Address of the ELF image that programs take their vDSO's functions from; 0 if none.
    fn vdso(&self) -> usize;
    /// The program's registers at the syscall that is being served, its result register as the call found it. For calls whose row says that they
    /// need them, and on the way out of any.
    fn registers(&self) -> Registers;
    /// The program's stack pointer at the syscall that is being served. As [`Kernel::registers`].
    fn stack_pointer(&self) -> u64;
    /// An address in use of the stack that the call that is being served returns by: the program's stack pointer, or the word below it.
    fn stack_in_use(&self) -> u64;
    /// Continue the program with the vector state of a signal frame, which is where `look` says, and its registers, which are `context` bytes behind its
    /// beginning, from where they are in its memory. Returns if `look` gives nothing, or if that cannot be: then they are to be read first. If the
    /// program's memory is refused, this goes on with [`Process::sigreturn_by_copies`](crate::process::Process::sigreturn_by_copies) and `sp`. Nothing asks
    /// for attention where `look` gives something: the thread pointer is the program's.
    fn resume_frame<T: Plain>(&self, address: usize, sp: u64, context: usize, look: impl FnOnce(&T) -> Option<usize>)
    where
        Self: Sized;
    /// Start a handler of the program with these registers, whose frame is written.
    fn start(&self, registers: &Registers) -> !;
    /// Where the program made the call that is being served: from there it makes it again. As [`Kernel::registers`].
    fn call_site(&self) -> u64;
    /// Whether a thread that does not run was left in the program, so that nothing of the library is on its stack.
    fn is_in_program(&self, machine: &'static Self::Machine) -> bool;
    /// Take back the machine of a thread that was left in the program and is not to go on.
    fn give_machine(&self, machine: &'static Self::Machine);
    /// Tell `unixd` that the old program and its memory are gone, what the process is called now, and the handle that it gives up by that, plus
    /// one; 0: none.
    fn executed(&self, name: &[u8], released: u32);
    /// Make the vector state what a program begins with.
    fn clear_vectors(&self);
    /// Continue the program with a full register frame, the thread pointer included.
    fn resume_elsewhere(&self, registers: &Registers) -> !;
    /// Continue the program with a full register frame.
    fn resume(&self, registers: &Registers) -> !;
    /// End the process, with a status word as wait(2) packs it. `memory`: the most pages that were resident, and page faults << 32.
    fn exit(&self, status: u32, memory: u64) -> !;
}

//! The exokernel itself, behind `Kernel`.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use abi::{
    EnvEntry, EnvId, FrameEntry, FrameKind, INFO_ENVS_PAGE, INFO_LEDGER_PAGE, INFO_SLICES_PAGE, InfoPage, LEDGER_ENTRIES, LedgerEntry,
    PAGE_SIZE, Registers, Rights, RunState, UpcallPage, WaitWord,
};

use spin::Mutex;
use unix::{Bulletin, Kin, Operation, Request};

use crate::entry::channel;
use crate::entry::descriptions;
use crate::entry::dispatch;
use crate::entry::fork;
use crate::entry::isa::{self, Frame};
use crate::entry::place;
use crate::entry::placed;
use crate::entry::thread::{self, Machine, Machines};
use crate::entry::words::LibraryWords;
use crate::errno::{Errno, Result};
use crate::file::description::CommonPage;
use crate::identity::Identity;
use crate::kernel::{Fill, Kernel, Side, VectorState};
use crate::memory::CloneRanges;
use crate::pool::{Pool, Source};
use crate::server::Server;
use crate::syscall::Arguments;
use crate::user::{PROGRAM_TOP, Plain, UserMemory};

/// The calls of the environment that this runs in.
pub struct Native {
    /// The caller's own name.
    identity: AtomicU64,
    /// Its entry, in the page that is mapped.
    entry: AtomicPtr<EnvEntry>,
    /// FS base where only the kernel can set it (x86_64 without FSGSBASE).
    thread_pointer: AtomicU64,
    /// Which page of the frame table is mapped.
    frame_table: Mutex<Option<u64>>,
    /// Machines of threads.
    machines: Machines,
}

impl Native {
    /// The calls. Expects the info pages at [`place::INFO`].
    #[must_use]
    pub fn new() -> Native {
        let own = exo::identify();
        crate::mapped_ring::be(own);
        Native {
            identity: AtomicU64::new(own.0),
            entry: AtomicPtr::new(entry_of(own)),
            thread_pointer: AtomicU64::new(0),
            frame_table: Mutex::new(None),
            machines: Machines::new(),
        }
    }

    /// Be this environment from now on: a copy of the one that this was.
    pub fn become_copy(&self) {
        let own = exo::identify();
        self.identity.store(own.0, Ordering::Relaxed);
        self.entry.store(entry_of(own), Ordering::Relaxed);
        crate::mapped_ring::be(own);
        *self.frame_table.lock() = None;
    }

    /// What the kernel's table has of a frame, if that knows it.
    fn frame_entry(&self, frame: u64) -> Option<FrameEntry> {
        const ENTRIES: u64 = (PAGE_SIZE / size_of::<FrameEntry>()) as u64;
        let info = self.info();
        let index = frame.checked_sub(info.first_frame).filter(|&index| index < info.frame_count)?;
        // The whole table is a page for each 256 frames, too much to keep mapped for what is asked this rarely; but whoever asks for one
        // frame mostly asks for the next.
        let mut mapped = self.frame_table.lock();
        let page = info.frames_page + index / ENTRIES;
        if *mapped != Some(page) {
            // SAFETY: entries are copied out of the page before the lock is released.
            let _ = unsafe { exo::page_unmap(EnvId::SELF, place::FRAME_TABLE, 1) };
            *mapped = None;
            exo::info_map(EnvId::SELF, place::FRAME_TABLE, page as usize, 1).ok()?;
            *mapped = Some(page);
        }
        let entry = (place::FRAME_TABLE as *const FrameEntry).wrapping_add((index % ENTRIES) as usize);
        // SAFETY: 1. The page is mapped, and has this many entries. 2. The kernel changes it behind our back, hence volatile.
        Some(unsafe { entry.read_volatile() })
    }

    /// Whether user mode may read and set the thread pointer itself.
    fn has_thread_pointer_access(&self) -> bool {
        cfg!(target_arch = "aarch64") || self.info().features & InfoPage::FSGSBASE != 0
    }

    /// Continue with a full register frame.
    ///
    /// # Safety
    /// It is a state of the program, or of this library as a fault found it.
    #[inline(always)]
    pub unsafe fn resume_unsafely(&self, registers: &mut Registers) -> ! {
        if self.has_thread_pointer_access() && isa::can_resume(registers) {
            // SAFETY: as the caller promises; the thread pointer is what it is to be. Faults are over when Rust sees them (`fault_active`).
            unsafe { isa::resume(registers) }
        }
        registers.tls = self.thread_pointer();
        // SAFETY: as the caller promises.
        let error = unsafe { exo::resume(registers) };
        panic!("cannot continue at {:#x}: {error:?}", registers.pc);
    }

    fn upcall_page(&self) -> &UpcallPage {
        // SAFETY: `start` mapped it before anything else ran; the words read here are written by the kernel at a syscall only.
        unsafe { &*(place::UPCALL_PAGE as *const UpcallPage) }
    }

    /// Where the last fault or end of a slice found the context.
    #[must_use]
    pub fn interrupted_at(&self) -> u64 {
        let page = place::UPCALL_PAGE as *const UpcallPage;
        // SAFETY: `start` mapped the page; the kernel wrote the word before it sent the context here.
        unsafe { (&raw const (*page).fault.pc).read_volatile() }
    }

    /// Whether the last fault or end of a slice found the context on the program's stack.
    #[must_use]
    pub fn was_on_programs_stack(&self) -> bool {
        let page = place::UPCALL_PAGE as *const UpcallPage;
        // SAFETY: as in `interrupted_at`.
        unsafe { (&raw const (*page).fault.sp).read_volatile() < PROGRAM_TOP as u64 }
    }

    /// Set the thread pointer, on the way to a thread of the program. Whether its return there must be by the kernel, since only the kernel
    /// can.
    #[inline(always)]
    pub fn load_thread_pointer(&self, address: u64) -> bool {
        if self.has_thread_pointer_access() {
            // SAFETY: just asked; the library does not use the register.
            unsafe { isa::write_thread_pointer(address) };
            return false;
        }
        self.thread_pointer.store(address, Ordering::Relaxed);
        true
    }

    /// This environment's name.
    fn own(&self) -> EnvId {
        EnvId(self.identity.load(Ordering::Relaxed))
    }

    fn entry(&self) -> &EnvEntry {
        // SAFETY: the page with the environment's own entry is mapped there (`map_entry`), and is full of entries.
        unsafe { &*self.entry.load(Ordering::Relaxed) }
    }
}

impl Default for Native {
    fn default() -> Self {
        Self::new()
    }
}

impl Native {
    /// Frames that `unixd` and this process could be charged for, as far as that is seen from here.
    #[inline(always)]
    fn chargeable(&self) -> usize {
        let (own, server) = (self.own(), channel::server());
        // The page that is mapped has the entries around the process's own.
        if server == EnvId::SELF || own.slot() / ENTRIES != server.slot() / ENTRIES {
            return usize::MAX;
        }
        let left = |entry: *const EnvEntry| {
            // SAFETY: an entry in the page that is mapped; the kernel changes these words, one aligned store each.
            unsafe { ((&raw const (*entry).quota).read_volatile() - (&raw const (*entry).used).read_volatile()) as usize }
        };
        let entry = core::ptr::from_ref(self.entry());
        left(entry) + left(entry.wrapping_add(server.slot()).wrapping_sub(own.slot()))
    }
}

/// Environments' entries in an info page.
const ENTRIES: usize = PAGE_SIZE / size_of::<EnvEntry>();

/// Where the entry of an environment is in the page that has it.
fn entry_of(env: EnvId) -> *mut EnvEntry {
    (place::INFO as *mut EnvEntry).wrapping_add(ENTRIES + env.slot() % ENTRIES)
}

/// Map the info page with the entry of `own` where `env` looks for its own.
///
/// # Errors
/// The kernel's, of `info_map`.
pub fn map_entry(env: EnvId, own: EnvId) -> exo::Result<()> {
    exo::info_map(env, place::INFO + PAGE_SIZE, INFO_ENVS_PAGE + own.slot() / ENTRIES, 1)
}

/// Let forks copy a page at once, or on write again.
pub fn set_copied(page: usize, is_copied: bool) {
    let Ok(exo::PageInfo { mut rights, .. }) = exo::page_query(EnvId::SELF, page) else { return };
    if rights.contains(Rights::MAY_WRITE) && !rights.contains(Rights::LARGE) {
        rights.remove(Rights::COW);
        rights.set(Rights::COPIED, is_copied);
        // SAFETY: nothing else changes: the kernel keeps what is copied on write so.
        let _ = unsafe { exo::page_protect(EnvId::SELF, page, 1, rights) };
    }
}

/// Whether the page of another environment's entry is that of this one's.
pub fn shares_entry_page(other: EnvId) -> bool {
    dispatch::process().kernel.own().slot() / ENTRIES == other.slot() / ENTRIES
}

/// What the entry saved of the call that is being served.
fn frame() -> &'static Frame {
    // SAFETY: this is only asked while a call is served: its frame is where the entry put it, at the top of the syscall stack.
    unsafe { &*LibraryWords::get().frame() }
}

/// The arguments of the call that is served.
pub fn arguments() -> &'static Arguments {
    &frame().arguments
}

/// Whether a range is in the program's half.
fn is_programs(address: usize, length: usize) -> bool {
    address.checked_add(length).is_some_and(|end| end <= PROGRAM_TOP)
}

/// Bytes behind the program's half where nothing is ever mapped.
const NOTHING: usize = abi::IMAGE_BASE as usize - PROGRAM_TOP;

/// Whether a range may be copied from or to: one that leaves the program's half by no more than there is nothing behind it ends at the copy's fixup.
/// What uses memory in place has no such fixup there.
#[inline(always)]
fn is_copyable(address: usize, length: usize) -> bool {
    address <= PROGRAM_TOP && (length <= NOTHING || length <= PROGRAM_TOP - address)
}

/// Whether a value is, if it is there.
#[inline(always)]
const fn is_value_programs<T>(address: usize) -> bool {
    address <= PROGRAM_TOP - size_of::<T>()
}

/// Room for a signal frame with an extended area.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Room {
    /// [`Room::BYTES`] below this are the program's.
    top: u64,
    area: isa::Area,
}

#[cfg(target_arch = "x86_64")]
impl Room {
    /// More than any frame takes.
    const BYTES: u64 = 0x4000;

    #[inline(always)]
    fn below(top: u64) -> Option<Room> {
        // All of it, that is: nothing wraps then.
        let is_programs = top.wrapping_sub(Self::BYTES) < PROGRAM_TOP as u64 - Self::BYTES;
        if is_programs { isa::known_area().map(|area| Room { top, area }) } else { None }
    }
}

impl UserMemory for Native {
    fn read(&self, address: usize, into: &mut [u8]) -> Result<()> {
        if !is_copyable(address, into.len()) {
            return Err(Errno::EFAULT);
        }
        // SAFETY: `into` is valid; the other side may fault, which ends the copy at its fixup.
        match unsafe { isa::copy(into.as_mut_ptr(), address as *const u8, into.len()) } {
            0 => Ok(()),
            _ => Err(Errno::EFAULT),
        }
    }

    #[inline(always)]
    fn read_word(&self, address: usize) -> Result<u32> {
        if !is_value_programs::<u32>(address) {
            return Err(Errno::EFAULT);
        }
        // SAFETY: the program's memory, which may fault: that ends the load at its fixup.
        unsafe { isa::load(address as *const u32) }.ok_or(Errno::EFAULT)
    }

    #[inline(always)]
    fn read_long(&self, address: usize) -> Result<u64> {
        if !is_value_programs::<u64>(address) {
            return Err(Errno::EFAULT);
        }
        // SAFETY: as in `read_word`.
        unsafe { isa::load_long(address as *const u64) }.ok_or(Errno::EFAULT)
    }

    fn compare_exchange(&self, address: usize, old: u32, new: u32) -> Result<u32> {
        if !is_value_programs::<u32>(address) || !address.is_multiple_of(size_of::<u32>()) {
            return Err(Errno::EFAULT);
        }
        let mut found = 0;
        // SAFETY: `found` is valid; the other side is the program's memory, and may fault, which ends the exchange at its fixup.
        match unsafe { isa::exchange(address as *mut u32, old, new, &raw mut found) } {
            0 => Ok(found),
            _ => Err(Errno::EFAULT),
        }
    }

    #[inline(always)]
    fn read_fresh(&self, address: usize, into: &mut [MaybeUninit<u8>]) -> Result<()> {
        if !is_copyable(address, into.len()) {
            return Err(Errno::EFAULT);
        }
        // SAFETY: as in `read`; whole if it was not broken off.
        match unsafe { isa::copy(into.as_mut_ptr().cast::<u8>(), address as *const u8, into.len()) } {
            0 => Ok(()),
            _ => Err(Errno::EFAULT),
        }
    }

    fn read_with<T: Plain, R: Copy>(&self, address: usize, look: impl FnOnce(&T) -> R) -> Result<R> {
        if !address.is_multiple_of(align_of::<T>()) {
            return Ok(look(&self.read_value(address)?));
        }
        if !is_value_programs::<T>(address) {
            return Err(Errno::EFAULT);
        }
        let mut seen = MaybeUninit::uninit();
        attempt(|| {
            // SAFETY: 1. The memory is the program's, and nobody else in this process runs; that other processes may change it is as with any
            // copy of it. 2. It is aligned, and any bits are a value. 3. Should it not be readable, the attempt ends with the first load.
            seen.write(look(unsafe { &*(address as *const T) }));
        })?;
        // SAFETY: the attempt was not broken off.
        Ok(unsafe { seen.assume_init() })
    }

    fn write_with<T: Plain>(&self, address: usize, fill: impl FnOnce(&mut T)) -> Result<()> {
        if !is_value_programs::<T>(address) || !address.is_multiple_of(align_of::<T>()) {
            return Err(Errno::EFAULT);
        }
        attempt(|| {
            // SAFETY: 1. The memory is the program's: nothing of the library's is there, and nobody else in this process runs. 2. It is
            // aligned, and any bits are a value. 3. Should it not be writable, the attempt ends with the first store.
            fill(unsafe { &mut *(address as *mut T) });
        })
    }

    fn write(&self, address: usize, from: &[u8]) -> Result<()> {
        if !is_copyable(address, from.len()) {
            return Err(Errno::EFAULT);
        }
        // SAFETY: `from` is valid; the other side is the program's memory, which holds nothing of the library's, and may fault,
        // which ends the copy at its fixup.
        match unsafe { isa::copy(address as *mut u8, from.as_ptr(), from.len()) } {
            0 => Ok(()),
            _ => Err(Errno::EFAULT),
        }
    }
}

/// Use the program's memory in place. `EFAULT` if `work` was broken off because it was refused; what it holds is not dropped then.
#[inline(always)]
fn attempt<F: FnOnce()>(work: F) -> Result<()> {
    unsafe extern "C" fn run<F: FnOnce()>(work: *mut ManuallyDrop<F>) {
        // SAFETY: `attempt` gives a work that is taken once.
        unsafe { ManuallyDrop::take(&mut *work)() }
    }
    let mut work = ManuallyDrop::new(work);
    let run: unsafe extern "C" fn(*mut ManuallyDrop<F>) = run::<F>;
    // SAFETY: the function takes what it is called with, and `work` outlives the call.
    match unsafe { isa::attempt(run as *const (), (&raw mut work).cast()) } {
        0 => Ok(()),
        _ => Err(Errno::EFAULT),
    }
}

/// The frames of files.
struct FilePages;

/// One past the last of them that was ever mapped.
static FILES_END: AtomicUsize = AtomicUsize::new(place::FILES);

/// Where frames of files may be mapped.
#[must_use]
pub fn file_pages() -> core::ops::Range<usize> {
    place::FILES..FILES_END.load(Ordering::Relaxed)
}

impl Source for FilePages {
    fn map(&self, address: usize, pages: usize) -> bool {
        let mapped = channel::page_alloc(address, pages, Rights::READ_WRITE);
        FILES_END.fetch_max(address + pages * PAGE_SIZE, Ordering::Relaxed);
        if mapped.is_err() {
            // SAFETY: nothing refers to the part that was mapped. Pages that were not are passed over.
            let _ = unsafe { exo::page_unmap(EnvId::SELF, address, pages) };
        }
        mapped.is_ok()
    }

    fn unmap(&self, address: usize) {
        // SAFETY: the pool gives up a page that nobody refers to any more.
        let _ = unsafe { exo::page_unmap(EnvId::SELF, address, 1) };
    }

    fn bytes(&self, address: usize) -> NonNull<u8> {
        NonNull::new(address as *mut u8).expect("the pool does not begin at 0")
    }
}

/// Where the frames of an environment's own files come from.
#[must_use]
pub fn file_pool() -> Arc<Pool> {
    Pool::new(Box::new(FilePages), place::FILES..place::FILES + place::FILES_BYTES)
}

impl Kernel for Native {
    type Machine = Machine;
    #[cfg(target_arch = "x86_64")]
    type Room = Room;

    fn attention(&self) -> &'static AtomicU8 {
        &LibraryWords::get().attention
    }

    fn first_machine(&self) -> &'static Machine {
        // SAFETY: this is asked once, by the process that is made after `start` has mapped the page.
        unsafe { Machine::first() }
    }

    fn new_machine(&self, registers: &Registers) -> exo::Result<&'static Machine> {
        self.machines.take(registers)
    }

    #[inline(always)]
    fn switch(&self, from: &'static Machine, to: &'static Machine) {
        // SAFETY: the thread that runs is in a call, and `to` is another.
        unsafe { thread::switch(from, to) }
    }

    fn preempt(&self, from: &'static Machine, registers: &Registers, to: &'static Machine) -> ! {
        // SAFETY: the thread that runs was in the program, with these registers, and `to` is another.
        unsafe { thread::preempt(from, registers, to) }
    }

    fn abandon(&self, from: Option<&'static Machine>, to: &'static Machine) -> ! {
        if let Some(from) = from {
            self.machines.give(from);
        }
        // SAFETY: nobody goes on with `from`, whose stack this still stands on: it is not taken before the next call is served.
        unsafe { thread::enter(to) }
    }

    fn fork(&self, machine: &'static Machine, program: &mut CloneRanges, kin: Kin) -> Result<Side> {
        fork::fork(machine, program, kin)
    }

    fn is_released(&self, id: u32) -> bool {
        channel::call(Request { large: id, ..Request::new(Operation::AwaitRelease, [0; 3]) }) != Err(Errno::EAGAIN)
    }

    fn keep_only(&self, machine: &'static Machine) {
        self.machines.keep_only(machine);
    }

    fn watch_calls(&self, watched: bool) {
        LibraryWords::choose_way(watched);
    }

    fn are_calls_watched(&self) -> bool {
        LibraryWords::get().are_calls_watched()
    }

    fn arm_slice(&self) {
        let page = place::UPCALL_PAGE as *mut UpcallPage;
        // SAFETY: `start` mapped the page; the word is for the library to write and for the kernel to read.
        unsafe { (&raw mut (*page).slice_armed).write_volatile(1) };
    }

    fn common_page(&self) -> Result<Arc<dyn CommonPage>> {
        descriptions::page()
    }

    fn server(&self) -> Option<&'static dyn Server> {
        (channel::server() != EnvId::SELF).then_some(&channel::Channel)
    }

    fn doorbell(&self) -> WaitWord {
        let bulletin = channel::bulletin();
        WaitWord { address: bulletin.doorbell.as_ptr() as u64, value: bulletin.rings(), reserved: 0 }
    }

    fn ask(&self, request: Request) -> Result<[u64; 4]> {
        channel::call(request)
    }

    fn post(&self, at: usize, bytes: &[u8]) -> usize {
        channel::post(at, bytes)
    }

    fn fetch(&self, at: usize, bytes: &mut [u8]) -> usize {
        channel::fetch(at, bytes)
    }

    fn bulletin(&self) -> &Bulletin {
        channel::bulletin()
    }

    fn yield_slice(&self) {
        exo::yield_now();
    }

    fn set_deadline(&self, ticks: Option<u64>) {
        let page = place::UPCALL_PAGE as *mut UpcallPage;
        let new = ticks.unwrap_or(0);
        // SAFETY: `start` mapped the page; the word is for the library to write, and for the kernel to read and to clear.
        let old = unsafe {
            let word = &raw mut (*page).deadline;
            let old = word.read_volatile();
            word.write_volatile(new);
            old
        };
        // The kernel looks by itself when the earlier of the two has passed.
        if new != 0 && (old == 0 || new < old) {
            let _ = exo::context_set(EnvId::SELF, 0, None, RunState::Unchanged);
        }
    }

    #[inline(always)]
    fn page_alloc(&self, address: usize, pages: usize, rights: Rights) -> exo::Result<()> {
        channel::page_alloc(address, pages, rights).inspect_err(|_| self.page_unmap(address, pages))
    }

    fn page_alloc_named(&self, address: usize, pages: usize, rights: Rights, frame: u64) -> exo::Result<()> {
        placed::alloc(address, pages, rights, frame)
    }

    fn is_free(&self, frame: u64) -> bool {
        self.frame_entry(frame).is_some_and(|entry| entry.kind == FrameKind::Free as u32)
    }

    fn zero_ahead(&self, frames: usize) {
        placed::zero_ahead(frames);
    }

    fn page_unmap(&self, address: usize, pages: usize) {
        // It was mapped, so the call has nothing to refuse.
        // SAFETY: the range is the program's, in which the library keeps nothing.
        let _ = placed::apart(address, pages, || unsafe { exo::page_unmap(EnvId::SELF, address, pages) });
    }

    fn page_protect(&self, address: usize, pages: usize, rights: Rights) -> exo::Result<()> {
        // SAFETY: the range is the program's.
        placed::apart(address, pages, || unsafe { exo::page_protect(EnvId::SELF, address, pages, rights) })
    }

    fn page_map(&self, target: usize, source: usize, pages: usize, rights: Rights) -> exo::Result<()> {
        let mapped = exo::page_map(EnvId::SELF, target, source, pages, rights);
        if mapped != Err(abi::Error::Quota) {
            return mapped;
        }
        channel::with_quota(pages, || {
            // SAFETY: the range was not mapped before: this undoes what an attempt mapped of it.
            let _ = unsafe { exo::page_unmap(EnvId::SELF, target, pages) };
            exo::page_map(EnvId::SELF, target, source, pages, rights)
        })
    }

    fn page_break(&self, address: usize) -> bool {
        placed::apart(address, 1, || exo::page_break(address)).is_ok()
    }

    fn page_copied(&self, address: usize, is_copied: bool) {
        set_copied(address, is_copied);
    }

    fn page_query(&self, address: usize) -> exo::Result<exo::PageInfo> {
        exo::page_query(EnvId::SELF, address)
    }

    fn with_pages(&self, address: usize, pages: usize, work: &mut dyn FnMut(&mut [u8])) {
        // SAFETY: the caller has just mapped the pages writable, under the lock of `memory`, and no other reference to them exists.
        work(unsafe { core::slice::from_raw_parts_mut(address as *mut u8, pages * PAGE_SIZE) });
    }

    fn frame_uses(&self, frame: u64) -> Option<u32> {
        // Below the first there are frames, though nobody's.
        if frame < self.info().first_frame {
            return Some(0);
        }
        self.frame_entry(frame).map(|entry| if entry.kind == FrameKind::User as u32 { entry.count } else { 0 })
    }

    fn copy_pages(&self, to: usize, from: usize, pages: usize) {
        // SAFETY: 1. The caller has just mapped the pages at `to` writable, under the lock of `memory`, and nobody else refers to them.
        // 2. Those at `from` are the library's, in another part of the address space, and stay mapped under the same lock.
        unsafe { (to as *mut u8).copy_from_nonoverlapping(from as *const u8, pages * PAGE_SIZE) };
    }

    fn pool(&self) -> Arc<Pool> {
        file_pool()
    }

    fn identity(&self) -> &Identity {
        &LibraryWords::get().identity
    }

    fn info(&self) -> &InfoPage {
        // SAFETY: `start` mapped it. What changes in it (counts) is read through `read_volatile` or waited on.
        unsafe { &*(place::INFO as *const InfoPage) }
    }

    fn clock(&self) -> u64 {
        isa::clock()
    }

    fn ran(&self) -> u64 {
        let word = &raw const self.entry().ran;
        loop {
            // SAFETY: the kernel changes the word, one aligned store each time.
            let (before, now, after) = unsafe { (word.read_volatile(), isa::clock(), word.read_volatile()) };
            if before == after {
                return before.wrapping_add(now);
            }
        }
    }

    fn wait(&self, words: &[WaitWord], deadline: Option<u64>) -> exo::Result<usize> {
        exo::wait(words, deadline)
    }

    fn give_way(&self) {
        exo::yield_now();
    }

    fn wake(&self, address: usize, most: usize) -> usize {
        exo::wake(address as *const u32, most).unwrap_or(0)
    }

    fn quota(&self) -> (usize, usize) {
        let (entry, info) = (core::ptr::from_ref(self.entry()), core::ptr::from_ref(self.info()));
        // SAFETY: the kernel changes these words, one aligned store each.
        let (used, free) =
            unsafe { ((&raw const (*entry).used).read_volatile() as usize, (&raw const (*info).free_frames).read_volatile() as usize) };
        // A frame that several have is charged to each: there may be fewer to be charged for than there are.
        (used + free.min(self.chargeable()), used)
    }

    fn could_have(&self, frames: usize) -> bool {
        /// Frames that are left for each that is asked about, and the most of them: for what the process does once it is refused. So who is
        /// refused much may still have a little.
        const LEFT_FOR_EACH: u64 = 8;
        const LEFT_MOST: u64 = 256;
        /// Pages of a page table.
        const TABLE: u64 = 512;
        let entry = core::ptr::from_ref(self.entry());
        // SAFETY: the kernel changes these words, one aligned store each.
        let (quota, used) = unsafe { ((&raw const (*entry).quota).read_volatile(), (&raw const (*entry).used).read_volatile()) };
        let frames = frames as u64;
        let left = frames.saturating_mul(LEFT_FOR_EACH).min(LEFT_MOST);
        let wanted = frames.saturating_add(frames / TABLE + left).saturating_sub(quota.saturating_sub(used));
        let request = Request { small: 1, ..Request::new(Operation::MoreFrames, [wanted, 0, 0]) };
        wanted == 0 || channel::server() == EnvId::SELF || channel::call_patiently(request).is_ok()
    }

    fn taken(&self) -> u32 {
        // SAFETY: the kernel changes the word, one aligned store each time.
        unsafe { (&raw const (*core::ptr::from_ref(self.info())).taken).read_volatile() }
    }

    fn losses(&self, since: u32) -> (Vec<LedgerEntry>, bool) {
        const PAGES: usize = INFO_SLICES_PAGE - INFO_LEDGER_PAGE;
        let until = self.taken();
        let count = until.wrapping_sub(since);
        if exo::info_map(EnvId::SELF, place::LEDGER, INFO_LEDGER_PAGE, PAGES).is_err() {
            return (Vec::new(), count == 0);
        }
        let first = until.wrapping_sub(count.min(LEDGER_ENTRIES as u32));
        let ring = place::LEDGER as *const LedgerEntry;
        let own = self.identity.load(Ordering::Relaxed);
        let entries = (0..until.wrapping_sub(first)).map(|index| {
            let place = first.wrapping_add(index) as usize % LEDGER_ENTRIES;
            // SAFETY: 1. The pages are mapped, and have so many entries. 2. The kernel changes them behind our back, hence volatile.
            unsafe { ring.add(place).read_volatile() }
        });
        let own = entries.filter(|entry| entry.holder == own).collect();
        // SAFETY: the entries were copied.
        let _ = unsafe { exo::page_unmap(EnvId::SELF, place::LEDGER, PAGES) };
        (own, count <= LEDGER_ENTRIES as u32)
    }

    fn entropy(&self) -> Option<u64> {
        isa::entropy()
    }

    fn put(&self, bytes: &[u8]) {
        let _ = exo::debug_put(bytes);
    }

    fn thread_pointer(&self) -> u64 {
        if self.has_thread_pointer_access() {
            // SAFETY: just asked.
            return unsafe { isa::read_thread_pointer() };
        }
        self.thread_pointer.load(Ordering::Relaxed)
    }

    fn set_thread_pointer(&self, address: u64) {
        self.thread_pointer.store(address, Ordering::Relaxed);
        if self.has_thread_pointer_access() {
            // SAFETY: just asked; the library does not use the register.
            return unsafe { isa::write_thread_pointer(address) };
        }
        // The call that is served returns 0, whatever it is: only arch_prctl(2) sets the thread pointer of a running program.
        let mut registers = self.registers();
        set_result(&mut registers, 0);
        self.resume(&registers)
    }

    fn vector_bytes(&self) -> usize {
        isa::frame_vector_bytes()
    }

    #[inline(always)]
    fn write_frame<T: Plain>(&self, address: usize, vectors: usize, fill: impl FnOnce(&mut T)) -> Result<()> {
        let fits = is_value_programs::<T>(address) && is_programs(vectors, isa::frame_vector_bytes());
        if !fits || !address.is_multiple_of(align_of::<T>()) {
            return Err(Errno::EFAULT);
        }
        attempt(|| {
            // SAFETY: as in `write_with`, for both; they are written one after the other.
            unsafe {
                fill(&mut *(address as *mut T));
                isa::store_frame_vectors(vectors);
            }
        })
    }

    #[inline(always)]
    fn write_last_frame<T: Plain>(&self, address: usize, vectors: usize, contents: impl Fill<T>) -> Result<()> {
        let fits = is_value_programs::<T>(address) && is_programs(vectors, isa::frame_vector_bytes());
        if !fits || !address.is_multiple_of(align_of::<T>()) {
            return Err(Errno::EFAULT);
        }
        LibraryWords::get().attempt_by(&dispatch::FRAME_REFUSED);
        // SAFETY: as in `write_with`, for both; they are written one after the other. Should one not be writable, nothing here is come back to.
        unsafe {
            contents.fill(&mut *(address as *mut T));
            isa::store_frame_vectors(vectors);
        }
        Ok(())
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn room_below(&self, top: u64) -> Option<Room> {
        Room::below(top)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn write_frame_in<T: Plain, F: Fill<T>>(&self, room: Room, contents: impl FnOnce(u64) -> F) -> u64 {
        const { assert!(align_of::<T>() <= 8 && size_of::<VectorState>() + 64 + size_of::<T>() + 16 + 8 <= Room::BYTES as usize) };
        let vectors = (room.top - room.area.frame_bytes() as u64) & !63;
        let address = ((vectors - size_of::<T>() as u64) & !15) - 8;
        LibraryWords::get().attempt_by(&dispatch::FRAME_REFUSED);
        // SAFETY: as in `write_last_frame`: all of the room is the program's, and both are aligned.
        unsafe {
            contents(vectors).fill(&mut *(address as *mut T));
            isa::store_frame_area(room.area, vectors as usize);
        }
        address
    }

    #[inline(always)]
    fn read_frame<T: Plain, R: Copy>(&self, address: usize, look: impl Fn(&T) -> (R, usize)) -> Result<R> {
        let mut seen = None;
        if is_value_programs::<T>(address) && address.is_multiple_of(align_of::<T>()) {
            let attempted = attempt(|| {
                // SAFETY: as in `read_with`.
                let (result, vectors) = look(unsafe { &*(address as *const T) });
                let is_in_place = vectors != 0 && is_programs(vectors, isa::frame_vector_bytes());
                // SAFETY: the range is the program's; what the CPU does not take of it, or may not read, breaks the attempt off.
                if vectors == 0 || is_in_place && unsafe { isa::load_frame_vectors(vectors) } {
                    seen = Some(result);
                }
            });
            if attempted.is_ok()
                && let Some(seen) = seen
            {
                return Ok(seen);
            }
        }
        let (result, vectors) = look(&self.read_value(address)?);
        if vectors != 0 {
            self.pop_vectors(vectors)?;
        }
        Ok(result)
    }

    fn pop_vectors(&self, address: usize) -> Result<()> {
        if is_programs(address, isa::frame_vector_bytes()) { isa::pop_vectors(self, address) } else { Err(Errno::EFAULT) }
    }

    fn capabilities(&self) -> (u64, u64) {
        isa::capabilities(self.info().features)
    }

    fn signal_frame_bytes(&self) -> usize {
        isa::signal_frame_bytes()
    }

    fn signal_return(&self) -> usize {
        isa::signal_return as *const () as usize
    }

    fn vdso(&self) -> usize {
        exo::start::LIBOS_BASE
    }

    fn registers(&self) -> Registers {
        let mut registers = frame().registers(self.upcall_page());
        registers.tls = self.thread_pointer();
        registers
    }

    fn call_site(&self) -> u64 {
        frame().site(self.upcall_page())
    }

    fn is_in_program(&self, machine: &'static Machine) -> bool {
        machine.is_in_program()
    }

    fn give_machine(&self, machine: &'static Machine) {
        self.machines.give(machine);
    }

    fn executed(&self, name: &[u8], released: u32) {
        let [first, second] = unix::name_words(name);
        // There is nothing in it that could be refused.
        let _ = channel::call(Request { large: released, ..Request::new(Operation::Executed, [first, second, 0]) });
    }

    fn clear_vectors(&self) {
        isa::clear_vectors();
    }

    fn stack_pointer(&self) -> u64 {
        self.upcall_page().syscall.sp
    }

    fn stack_in_use(&self) -> u64 {
        // A linked call's return address may be there still.
        self.upcall_page().syscall.sp
    }

    #[inline(always)]
    fn resume_frame<T: Plain>(&self, address: usize, sp: u64, context: usize, look: impl FnOnce(&T) -> Option<usize>) {
        if !address.is_multiple_of(align_of::<T>()) {
            return;
        }
        if !is_value_programs::<T>(address) || context + isa::CONTEXT_BYTES > size_of::<T>() {
            return;
        }
        let words = LibraryWords::get();
        dispatch::note_return(sp);
        words.attempt_by(&dispatch::RETURN_REFUSED);
        // SAFETY: as in `read_with`, but that nothing here is come back to.
        let found = look(unsafe { &*(address as *const T) });
        // No vector state of a frame is larger than that.
        if let Some(vectors) = found
            && is_value_programs::<VectorState>(vectors)
        {
            // SAFETY: 1. Both ranges are the program's: what the CPU does not take of them, or may not read, breaks the attempt off. 2. What is
            // loaded is checked or the program's own to choose. 3. Nothing is held that somebody waits for.
            unsafe {
                if isa::load_frame_vectors(vectors) {
                    isa::resume_context(address + context);
                }
            }
        }
        words.end_attempt();
    }

    #[inline(always)]
    fn start(&self, registers: &Registers) -> ! {
        if self.has_thread_pointer_access() {
            // SAFETY: the caller made it from a state of the program.
            unsafe { isa::start(registers) }
        }
        LibraryWords::get().end_attempt();
        self.resume(registers)
    }

    fn resume_elsewhere(&self, registers: &Registers) -> ! {
        self.load_thread_pointer(registers.tls);
        self.resume(registers)
    }

    fn resume(&self, registers: &Registers) -> ! {
        if self.has_thread_pointer_access() && isa::can_resume(registers) {
            // SAFETY: the caller made it from a state of the program.
            unsafe { isa::resume(registers) }
        }
        let mut registers = InOnePage(*registers);
        // SAFETY: the caller made it from a state of the program.
        unsafe { self.resume_unsafely(&mut registers.0) }
    }

    fn exit(&self, status: u32, memory: u64) -> ! {
        let _ = channel::call(Request::new(Operation::Exit, [u64::from(status), memory, 0]));
        // `unixd` is gone, or this is it.
        let _ = exo::env_destroy(EnvId::SELF, u64::from(status));
        unreachable!("an environment can end itself");
    }
}

/// Registers where `resume` takes them: not across a page's end.
#[repr(align(512))]
struct InOnePage(Registers);

/// Set the register in which a call's result is.
pub fn set_result(registers: &mut Registers, result: u64) {
    #[cfg(target_arch = "x86_64")]
    {
        registers.rax = result;
    }
    #[cfg(target_arch = "aarch64")]
    {
        registers.x[0] = result;
    }
}

//! A kernel for tests: pages in a map, with the exokernel's rules about them.

pub mod calls;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use abi::{InfoPage, LedgerEntry, PAGE_SIZE, Registers, Rights, WaitWord};
use exo::command::CommandFlags;
use spin::Mutex;
use unix::{Bulletin, Kin, Operation, Request};

use crate::errno::{Errno, Result};
use crate::file::description::{Common, CommonPage};
use crate::identity::Identity;
#[cfg(target_arch = "x86_64")]
use crate::kernel::Fill;
use crate::kernel::{Kernel, Side};
use crate::limits::Limits;
use crate::memory::CloneRanges;
use crate::memory::fault::Access;
use crate::pool::{Pool, Source};
use crate::process::Process;
use crate::strace::Trace;
use crate::user::{Plain, UserMemory};

/// A frame: bytes that several pages may show.
struct Frame(UnsafeCell<[u8; PAGE_SIZE]>);

// SAFETY: a test's process has one thread.
unsafe impl Send for Frame {}
// SAFETY: as above.
unsafe impl Sync for Frame {}

impl Frame {
    fn zeroed() -> Arc<Frame> {
        Arc::new(Frame(UnsafeCell::new([0; PAGE_SIZE])))
    }

    #[allow(clippy::mut_from_ref, reason = "a frame is memory: whoever maps it may write it")]
    fn bytes(&self) -> &mut [u8; PAGE_SIZE] {
        // SAFETY: a test's process has one thread, and nobody keeps what this gives.
        unsafe { &mut *self.0.get() }
    }
}

struct Page {
    frame: Arc<Frame>,
    rights: Rights,
    /// Whether the process is charged for it.
    charged: bool,
}

/// Bytes of the vector state in a signal frame.
const VECTOR_BYTES: usize = if cfg!(target_arch = "x86_64") { 512 } else { 528 };

type Pages = Arc<Mutex<BTreeMap<usize, Page>>>;

/// Where the pages of files are.
const FILES: Range<usize> = 0x7d80_0000_0000..0x7d80_1000_0000;

/// What a test's process says when it exits.
pub const EXITED: &str = "the process ended with status";

/// What a test's process says when it leaves a thread for another.
pub const SWITCHED: &str = "another thread runs";

/// The upcall that resolves a page fault of a copy, as the native entry does.
type OnFault = Box<dyn Fn(usize, Access) -> bool + Send + Sync>;

/// What happens while the process sleeps without an end.
type OnSleep = Box<dyn FnMut(&[WaitWord]) + Send>;

/// What answers for `unixd`.
type OnAsk = Box<dyn FnMut(Request) -> Result<[u64; 4]> + Send>;

/// What `unixd` answers the only process that there is, which is root's.
fn alone(request: Request) -> Result<[u64; 4]> {
    let is_own = request.large <= 1;
    match request.operation {
        Operation::Wait => Err(Errno::ECHILD),
        Operation::GetGroup | Operation::Limit | Operation::Priority if !is_own => Err(Errno::ESRCH),
        Operation::Kill | Operation::Queue => Err(Errno::ESRCH),
        Operation::GetGroup => Ok([1, 1, 0, 0]),
        Operation::SetGroup | Operation::SetSession => Err(Errno::EPERM),
        Operation::Priority => Ok([20, 0, 0, 0]),
        Operation::Limit => {
            let limits = Limits::new();
            let [soft, hard] = limits.get(usize::from(request.small & 0xff))?;
            if request.small > 0xff {
                limits.clone().set(usize::from(request.small & 0xff), [request.words[0], request.words[1]], true)?;
            }
            Ok([0, soft, hard, 0])
        }
        Operation::ReserveIds => Ok([2, 0, 0, 0]),
        _ => Ok([0; 4]),
    }
}

/// See the module.
pub struct FakeKernel {
    pages: Pages,
    quota: usize,
    info: InfoPage,
    identity: Identity,
    ticks: AtomicU64,
    /// How many of them passed in waits.
    slept: AtomicU64,
    thread_pointer: AtomicU64,
    /// What the kernel is asked to tell of, in ticks; 0 for nothing.
    pub deadline: AtomicU64,
    /// How often others were let have the rest of a slice.
    pub yields: AtomicU64,
    /// Whether who lets another thread run goes on as if that one's turn had passed.
    pub comes_back: AtomicBool,
    registers: Mutex<Registers>,
    /// Whether the call that is served is one that the registers are at hand for.
    pub has_registers: AtomicBool,
    on_fault: Mutex<Option<OnFault>>,
    /// What happens in such a sleep.
    pub on_sleep: Mutex<Option<OnSleep>>,
    /// What `unixd` answers.
    pub on_ask: Mutex<OnAsk>,
    /// The mailbox.
    pub mailbox: Mutex<[u8; unix::MAILBOX_BYTES]>,
    /// What `unixd` tells.
    pub bulletin: Bulletin,
    /// What was taken by force.
    pub ledger: Mutex<Vec<LedgerEntry>>,
    /// Pages whose frames were asked for by number: where, how many, whether they are large, and the first frame.
    pub named: Mutex<Vec<(usize, usize, bool, u64)>>,
    /// Frames that were zeroed ahead.
    pub zeroed: core::sync::atomic::AtomicUsize,
    /// What was written to the console.
    pub output: Mutex<Vec<u8>>,
}

impl FakeKernel {
    /// A kernel that gives at most `quota` frames.
    #[must_use]
    pub fn new(quota: usize) -> FakeKernel {
        // SAFETY: the struct is all integers.
        let zeroed: InfoPage = unsafe { core::mem::zeroed() };
        FakeKernel {
            pages: Pages::default(),
            quota,
            info: InfoPage {
                clock_hz: 1_000_000_000,
                clock_mult: 1 << 32,
                frame_count: 1 << 16,
                boot_unix_ns: 1_700_000_000_000_000_000,
                ..zeroed
            },
            identity: {
                let identity = Identity::default();
                identity.begin(1, 0);
                identity
            },
            ticks: AtomicU64::new(0),
            slept: AtomicU64::new(0),
            thread_pointer: AtomicU64::new(0),
            deadline: AtomicU64::new(0),
            yields: AtomicU64::new(0),
            comes_back: false.into(),
            registers: Mutex::new(Registers::default()),
            has_registers: true.into(),
            on_fault: Mutex::new(None),
            on_sleep: Mutex::new(None),
            on_ask: Mutex::new(Box::new(alone)),
            mailbox: Mutex::new([0; unix::MAILBOX_BYTES]),
            bulletin: Bulletin::default(),
            named: Mutex::default(),
            zeroed: core::sync::atomic::AtomicUsize::default(),
            ledger: Mutex::new(Vec::new()),
            output: Mutex::new(Vec::new()),
        }
    }

    /// Take a page by force, as a parent does.
    pub fn take(&self, address: usize) {
        let page = self.pages.lock().remove(&(address / PAGE_SIZE)).expect("a page that is there");
        let entry = LedgerEntry { address: address as u64, frame: number(&page.frame) as u32, ..LedgerEntry::default() };
        self.ledger.lock().push(entry);
    }

    /// Frames in use.
    #[must_use]
    pub fn used(&self) -> usize {
        used(&self.pages.lock())
    }

    /// Frames that a file's page and the program's page at these addresses have in common: whether they are the same.
    #[must_use]
    pub fn is_same_frame(&self, one: usize, other: usize) -> bool {
        let pages = self.pages.lock();
        let frame = |address: usize| pages.get(&(address / PAGE_SIZE)).map(|page| Arc::as_ptr(&page.frame));
        frame(one).is_some() && frame(one) == frame(other)
    }

    /// Show whole pages of an image as whoever made the environment does: never to be written, and nobody's charge.
    fn show(&self, image: &'static [u8]) {
        let start = image.as_ptr().addr().next_multiple_of(PAGE_SIZE);
        let end = (image.as_ptr().addr() + image.len()) / PAGE_SIZE * PAGE_SIZE;
        for address in (start..end).step_by(PAGE_SIZE) {
            let frame = Frame::zeroed();
            frame.bytes().copy_from_slice(&image[address - image.as_ptr().addr()..][..PAGE_SIZE]);
            let rights = Rights::READ_ONLY | Rights::MAY_EXECUTE;
            self.pages.lock().insert(address / PAGE_SIZE, Page { frame, rights, charged: false });
        }
    }

    /// The rights of a page.
    #[must_use]
    pub fn rights(&self, address: usize) -> Option<Rights> {
        self.pages.lock().get(&(address / PAGE_SIZE)).map(|page| page.rights)
    }

    /// Visit the bytes of a range page by page, as far as `access` is allowed.
    fn visit(&self, address: usize, length: usize, access: Access, mut work: impl FnMut(Range<usize>, &mut [u8])) -> Result<()> {
        let needed = if access == Access::Write { Rights::WRITE } else { Rights::READ };
        let mut done = 0;
        while done < length {
            let at = address.checked_add(done).ok_or(Errno::EFAULT)?;
            let part = (PAGE_SIZE - at % PAGE_SIZE).min(length - done);
            let mut pages = self.pages.lock();
            match pages.get_mut(&(at / PAGE_SIZE)) {
                Some(page) if page.rights.contains(needed) => {
                    work(done..done + part, &mut page.frame.bytes()[at % PAGE_SIZE..][..part]);
                    done += part;
                }
                _ => {
                    drop(pages);
                    if !self.on_fault.lock().as_ref().is_some_and(|resolve| resolve(at, access)) {
                        return Err(Errno::EFAULT);
                    }
                }
            }
        }
        Ok(())
    }
}

/// A number that no other frame has.
fn number(frame: &Arc<Frame>) -> u64 {
    (Arc::as_ptr(frame).addr() / size_of::<Frame>()) as u64
}

fn used(pages: &BTreeMap<usize, Page>) -> usize {
    pages.values().filter(|page| page.charged).count()
}

/// The frames of files.
struct FilePages {
    pages: Pages,
    quota: usize,
}

impl Source for FilePages {
    fn map(&self, address: usize, pages: usize) -> bool {
        let mut map = self.pages.lock();
        if used(&map) + pages > self.quota {
            return false;
        }
        for page in address / PAGE_SIZE..address / PAGE_SIZE + pages {
            let page = map.insert(page, Page { frame: Frame::zeroed(), rights: Rights::READ_WRITE, charged: true });
            assert!(page.is_none(), "the pool's pages are its own");
        }
        true
    }

    fn unmap(&self, address: usize) {
        self.pages.lock().remove(&(address / PAGE_SIZE)).expect("the pool gives up what it had");
    }

    fn bytes(&self, address: usize) -> NonNull<u8> {
        NonNull::from(self.pages.lock()[&(address / PAGE_SIZE)].frame.bytes()).cast()
    }
}

/// A process on a fake kernel, whose copies resolve faults as the native upcall does.
#[must_use]
pub fn process(quota: usize, initramfs: &'static [u8]) -> &'static Process<FakeKernel> {
    process_traced(quota, initramfs, CommandFlags::empty())
}

/// The same, traced as these flags say.
#[must_use]
pub fn process_traced(quota: usize, initramfs: &'static [u8], flags: CommandFlags) -> &'static Process<FakeKernel> {
    let kernel = FakeKernel::new(quota);
    kernel.show(initramfs);
    let process: &'static Process<FakeKernel> = Box::leak(Box::new(Process::new(kernel, initramfs, Trace::new(flags))));
    let resolve = move |address, access| {
        let mut memory = process.memory.try_lock().expect("no user memory is touched while the memory lock is held");
        memory.resolve(&process.kernel, address, access).is_ok()
    };
    *process.kernel.on_fault.lock() = Some(Box::new(resolve));
    process
}

impl UserMemory for FakeKernel {
    fn read(&self, address: usize, into: &mut [u8]) -> Result<()> {
        self.visit(address, into.len(), Access::Read, |part, bytes| into[part].copy_from_slice(bytes))
    }

    fn write(&self, address: usize, from: &[u8]) -> Result<()> {
        self.visit(address, from.len(), Access::Write, |part, bytes| bytes.copy_from_slice(&from[part]))
    }
}

/// What a process has in common with others, were there any.
struct OnePage(Common);

impl CommonPage for OnePage {
    fn common(&self) -> &Common {
        &self.0
    }
}

impl Kernel for FakeKernel {
    type Machine = ();
    #[cfg(target_arch = "x86_64")]
    type Room = u64;

    fn attention(&self) -> &'static AtomicU8 {
        Box::leak(Box::default())
    }

    fn first_machine(&self) -> &'static () {
        &()
    }

    fn new_machine(&self, _: &Registers) -> exo::Result<&'static ()> {
        Ok(&())
    }

    fn switch(&self, (): &'static (), (): &'static ()) {
        assert!(self.comes_back.load(Ordering::Relaxed), "{SWITCHED}");
    }

    fn preempt(&self, (): &'static (), _: &Registers, (): &'static ()) -> ! {
        panic!("{SWITCHED}")
    }

    fn abandon(&self, _: Option<&'static ()>, (): &'static ()) -> ! {
        panic!("{SWITCHED}")
    }

    fn fork(&self, (): &'static (), _: &mut CloneRanges, _: Kin) -> Result<Side> {
        Err(Errno::EAGAIN)
    }

    fn is_released(&self, _: u32) -> bool {
        true
    }

    fn keep_only(&self, (): &'static ()) {}

    fn arm_slice(&self) {}

    fn watch_calls(&self, _: bool) {}

    fn are_calls_watched(&self) -> bool {
        true
    }

    fn common_page(&self) -> Result<Arc<dyn CommonPage>> {
        Ok(Arc::new(OnePage(Common::default())))
    }

    fn server(&self) -> Option<&'static dyn crate::server::Server> {
        None
    }

    fn doorbell(&self) -> WaitWord {
        WaitWord { address: self.bulletin.doorbell.as_ptr() as u64, value: self.bulletin.rings(), reserved: 0 }
    }

    fn ask(&self, request: Request) -> Result<[u64; 4]> {
        (self.on_ask.lock())(request)
    }

    fn post(&self, at: usize, bytes: &[u8]) -> usize {
        self.mailbox.lock()[at..][..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    fn fetch(&self, at: usize, bytes: &mut [u8]) -> usize {
        bytes.copy_from_slice(&self.mailbox.lock()[at..][..bytes.len()]);
        bytes.len()
    }

    fn bulletin(&self) -> &Bulletin {
        &self.bulletin
    }

    fn yield_slice(&self) {
        self.yields.fetch_add(1, Ordering::Relaxed);
    }

    fn set_deadline(&self, ticks: Option<u64>) {
        self.deadline.store(ticks.unwrap_or(0), Ordering::Relaxed);
    }

    fn page_alloc(&self, address: usize, pages: usize, rights: Rights) -> exo::Result<()> {
        let mut map = self.pages.lock();
        let first = address / PAGE_SIZE;
        assert!(address.is_multiple_of(PAGE_SIZE) && rights.is_consistent(), "page_alloc({address:#x}, {rights:?})");
        assert!(!(first..first + pages).any(|page| map.contains_key(&page)), "page_alloc over a mapped page");
        if used(&map) + pages > self.quota {
            return Err(abi::Error::Quota);
        }
        for page in first..first + pages {
            map.insert(page, Page { frame: Frame::zeroed(), rights, charged: true });
        }
        Ok(())
    }

    fn page_alloc_named(&self, address: usize, pages: usize, rights: Rights, frame: u64) -> exo::Result<()> {
        if !(frame..frame + pages as u64).all(|frame| self.is_free(frame)) {
            return Err(abi::Error::NoFrame);
        }
        self.page_alloc(address, pages, rights - Rights::LARGE)?;
        self.named.lock().push((address, pages, rights.contains(Rights::LARGE), frame));
        Ok(())
    }

    fn is_free(&self, frame: u64) -> bool {
        let is_in = |&(_, pages, _, first): &(usize, usize, bool, u64)| (first..first + pages as u64).contains(&frame);
        !self.named.lock().iter().any(is_in)
    }

    fn zero_ahead(&self, frames: usize) {
        self.zeroed.fetch_add(frames, Ordering::Relaxed);
    }

    fn page_unmap(&self, address: usize, pages: usize) {
        let first = address / PAGE_SIZE;
        self.pages.lock().retain(|page, _| !(first..first + pages).contains(page));
    }

    fn page_protect(&self, address: usize, pages: usize, rights: Rights) -> exo::Result<()> {
        assert!(rights.is_consistent(), "page_protect to {rights:?}");
        let mut map = self.pages.lock();
        for page in address / PAGE_SIZE..address / PAGE_SIZE + pages {
            if let Some(page) = map.get_mut(&page) {
                let rights = rights.current() | (rights.maximum() & page.rights.maximum());
                if !rights.is_consistent() {
                    return Err(abi::Error::BadRights);
                }
                page.rights = rights;
            }
        }
        Ok(())
    }

    fn page_map(&self, target: usize, source: usize, pages: usize, rights: Rights) -> exo::Result<()> {
        let mut map = self.pages.lock();
        for index in 0..pages {
            if used(&map) == self.quota {
                return Err(abi::Error::Quota);
            }
            let page = map.get(&(source / PAGE_SIZE + index)).ok_or(abi::Error::NotMapped)?;
            if !rights.is_consistent() || !page.rights.maximum().contains(rights.maximum()) {
                return Err(abi::Error::BadRights);
            }
            let page = Page { frame: page.frame.clone(), rights, charged: true };
            assert!(map.insert(target / PAGE_SIZE + index, page).is_none(), "page_map over a mapped page");
        }
        Ok(())
    }

    fn page_break(&self, _: usize) -> bool {
        false
    }

    fn page_copied(&self, address: usize, is_copied: bool) {
        if let Some(page) = self.pages.lock().get_mut(&(address / PAGE_SIZE)) {
            page.rights.set(Rights::COPIED, is_copied);
        }
    }

    fn page_query(&self, address: usize) -> exo::Result<exo::PageInfo> {
        let rights = self.rights(address).ok_or(abi::Error::NotMapped)?;
        Ok(exo::PageInfo { frame: number(&self.pages.lock()[&(address / PAGE_SIZE)].frame), rights })
    }

    fn with_pages(&self, address: usize, pages: usize, work: &mut dyn FnMut(&mut [u8])) {
        let mut bytes = alloc::vec![0; pages * PAGE_SIZE];
        work(&mut bytes);
        let mut map = self.pages.lock();
        for (index, chunk) in bytes.chunks_exact(PAGE_SIZE).enumerate() {
            let page = map.get_mut(&(address / PAGE_SIZE + index)).expect("with_pages of a mapped page");
            assert!(page.rights.contains(Rights::WRITE), "with_pages of a writable page");
            page.frame.bytes().copy_from_slice(chunk);
        }
    }

    fn frame_uses(&self, frame: u64) -> Option<u32> {
        let pages = self.pages.lock();
        Some(pages.values().filter(|page| number(&page.frame) == frame).count() as u32)
    }

    fn copy_pages(&self, to: usize, from: usize, pages: usize) {
        let map = self.pages.lock();
        for index in 0..pages {
            let (to, from) = (&map[&(to / PAGE_SIZE + index)], &map[&(from / PAGE_SIZE + index)]);
            assert!(to.rights.contains(Rights::WRITE) && from.rights.contains(Rights::READ), "a copy that the rights allow");
            to.frame.bytes().copy_from_slice(from.frame.bytes());
        }
    }

    fn pool(&self) -> Arc<Pool> {
        Pool::new(Box::new(FilePages { pages: self.pages.clone(), quota: self.quota }), FILES)
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn info(&self) -> &InfoPage {
        &self.info
    }

    fn clock(&self) -> u64 {
        self.ticks.fetch_add(1000, Ordering::Relaxed)
    }

    fn ran(&self) -> u64 {
        self.clock() - self.slept.load(Ordering::Relaxed)
    }

    fn wait(&self, words: &[WaitWord], deadline: Option<u64>) -> exo::Result<usize> {
        let Some(deadline) = deadline else {
            (self.on_sleep.lock().as_mut().expect("a wait that ends"))(words);
            return Ok(0);
        };
        let before = self.ticks.fetch_max(deadline, Ordering::Relaxed);
        self.slept.fetch_add(deadline.saturating_sub(before), Ordering::Relaxed);
        Err(abi::Error::TimedOut)
    }

    fn wake(&self, _: usize, _: usize) -> usize {
        0
    }

    fn quota(&self) -> (usize, usize) {
        (self.quota, self.used())
    }

    fn taken(&self) -> u32 {
        self.ledger.lock().len() as u32
    }

    fn losses(&self, since: u32) -> (Vec<LedgerEntry>, bool) {
        (self.ledger.lock()[since as usize..].to_vec(), true)
    }

    fn entropy(&self) -> Option<u64> {
        None
    }

    fn put(&self, bytes: &[u8]) {
        self.output.lock().extend_from_slice(bytes);
    }

    fn thread_pointer(&self) -> u64 {
        self.thread_pointer.load(Ordering::Relaxed)
    }

    fn set_thread_pointer(&self, address: u64) {
        self.thread_pointer.store(address, Ordering::Relaxed);
    }

    fn vector_bytes(&self) -> usize {
        VECTOR_BYTES
    }

    fn write_frame<T: Plain>(&self, address: usize, vectors: usize, fill: impl FnOnce(&mut T)) -> Result<()> {
        self.write_with(address, fill)?;
        let mut record = [0; VECTOR_BYTES];
        if cfg!(target_arch = "aarch64") {
            record[..8].copy_from_slice(&[0x01, 0x80, 0x50, 0x46, 0x10, 0x02, 0, 0]);
        }
        self.write(vectors, &record)
    }

    fn read_frame<T: Plain, R: Copy>(&self, address: usize, look: impl Fn(&T) -> (R, usize)) -> Result<R> {
        let (seen, vectors) = look(&self.read_value(address)?);
        if vectors != 0 {
            self.pop_vectors(vectors)?;
        }
        Ok(seen)
    }

    fn pop_vectors(&self, address: usize) -> Result<()> {
        self.read(address, &mut [0; VECTOR_BYTES])
    }

    fn capabilities(&self) -> (u64, u64) {
        (3, 0)
    }

    fn signal_frame_bytes(&self) -> usize {
        4096
    }

    fn signal_return(&self) -> usize {
        0x7e00_0000_1000
    }

    fn vdso(&self) -> usize {
        0
    }

    fn registers(&self) -> Registers {
        assert!(self.has_registers.load(Ordering::Relaxed), "a call whose row does not say so needs registers");
        *self.registers.lock()
    }

    fn stack_pointer(&self) -> u64 {
        self.registers().sp
    }

    fn stack_in_use(&self) -> u64 {
        self.registers.lock().sp
    }

    fn resume_frame<T: Plain>(&self, _: usize, _: u64, _: usize, _: impl FnOnce(&T) -> Option<usize>) {}

    #[cfg(target_arch = "x86_64")]
    fn room_below(&self, top: u64) -> Option<u64> {
        Some(top).filter(|&top| top > 0x4000)
    }

    #[cfg(target_arch = "x86_64")]
    fn write_frame_in<T: Plain, F: Fill<T>>(&self, top: u64, contents: impl FnOnce(u64) -> F) -> u64 {
        let vectors = (top - self.vector_bytes() as u64) & !63;
        let address = ((vectors - size_of::<T>() as u64) & !15) - 8;
        let contents = contents(vectors);
        self.write_frame(address as usize, vectors as usize, |frame| contents.fill(frame)).expect("a stack");
        address
    }

    fn start(&self, registers: &Registers) -> ! {
        self.resume(registers)
    }

    fn call_site(&self) -> u64 {
        self.registers().pc
    }

    fn is_in_program(&self, (): &'static ()) -> bool {
        true
    }

    fn give_machine(&self, (): &'static ()) {}

    fn executed(&self, _: &[u8], _: u32) {}

    fn clear_vectors(&self) {}

    fn resume_elsewhere(&self, registers: &Registers) -> ! {
        panic!("continued at {:#x}", registers.pc)
    }

    fn resume(&self, registers: &Registers) -> ! {
        panic!("continued at {:#x}", registers.pc)
    }

    fn exit(&self, status: u32, _: u64) -> ! {
        panic!("{EXITED} {status}")
    }
}

//! The way to `unixd`: calls by protected control transfer, the mailbox, the bulletin.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::{EnvId, Error, PAGE_SIZE, Rights, WaitWord};
use unix::{Bulletin, Changes, InodeWords, MAILBOX_BYTES, Operation, Request, SERVER_CONTEXT, place};

use crate::entry::dispatch;
use crate::errno::{Errno, Result};
use crate::file::{Input, Output};
use crate::mapped_ring::MappedRing;
use crate::server::Server;
use crate::user::UserMemory;

/// The environment of `unixd`; 0 in `unixd` itself.
static SERVER: AtomicU64 = AtomicU64::new(0);

/// The highest number of an error (`MAX_ERRNO`): an answer may have its highest bit set and be none.
const ERRNO_MOST: i64 = 4095;

/// Let calls go to this environment.
pub fn connect(server: EnvId) {
    SERVER.store(server.0, Ordering::Relaxed);
}

/// The environment of `unixd`.
#[must_use]
pub fn server() -> EnvId {
    EnvId(SERVER.load(Ordering::Relaxed))
}

/// Ask `unixd`; gives its answer's words.
///
/// # Errors
/// What it answers; `ENOSYS`: it is gone.
pub fn call(request: Request) -> Result<[u64; 4]> {
    loop {
        match exo::transfer_call(server(), SERVER_CONTEXT, request.pack()) {
            Ok(answer) => {
                let first = answer.words[0] as i64;
                let is_refusal = (-ERRNO_MOST..0).contains(&first);
                if bulletin().signals.load(Ordering::Relaxed) != 0 {
                    // What it did may have sent one to this process, which is to be there when the call is left.
                    dispatch::heed_signals();
                }
                return if is_refusal { Err(Errno::from_number(-first)) } else { Ok(answer.words) };
            }
            // It serves somebody whose slice ended: it goes on in this one.
            Err(Error::Busy) => {
                let _ = exo::yield_to(server(), SERVER_CONTEXT);
            }
            Err(Error::Interrupted) => {}
            Err(_) => return Err(Errno::ENOSYS),
        }
    }
}

/// [`call`], and again after a ring for as long as the answer is `EAGAIN`: others are asked for what this process wants. Nothing else of the
/// process runs meanwhile.
///
/// # Errors
/// What it answers in the end; `ENOSYS`: it is gone.
pub fn call_patiently(request: Request) -> Result<[u64; 4]> {
    loop {
        let doorbell = WaitWord { address: bulletin().doorbell.as_ptr() as u64, value: bulletin().rings(), reserved: 0 };
        match call(request) {
            Err(Errno::EAGAIN) => {
                // However the wait ends, it is asked again.
                let _ = exo::wait(&[doorbell], None);
            }
            outcome => return outcome,
        }
    }
}

/// What `unixd` tells the process without being asked.
#[must_use]
pub fn bulletin() -> &'static Bulletin {
    // SAFETY: the creator mapped the page before the process began; everything in it is atomic.
    unsafe { &*(place::BULLETIN as *const Bulletin) }
}

/// Put bytes into the mailbox from `at` on; gives how many there was room for.
pub fn post(at: usize, bytes: &[u8]) -> usize {
    let count = bytes.len().min(MAILBOX_BYTES.saturating_sub(at));
    // SAFETY: the mailbox is mapped and has room; one thread of the process runs the library at a time, and `unixd` reads only in a call.
    unsafe { ((place::MAILBOX + at) as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), count) };
    count
}

/// Take bytes out of the mailbox from `at` on; gives how many there were room for.
pub fn fetch(at: usize, bytes: &mut [u8]) -> usize {
    let count = bytes.len().min(MAILBOX_BYTES.saturating_sub(at));
    // SAFETY: as in `post`.
    unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping((place::MAILBOX + at) as *const u8, count) };
    count
}

/// The way to `unixd`, as what is safe sees it.
pub struct Channel;

impl Server for Channel {
    fn call(&self, request: Request) -> Result<[u64; 4]> {
        call(request)
    }

    fn post(&self, at: usize, bytes: &[u8]) -> usize {
        post(at, bytes)
    }

    fn fetch(&self, at: usize, bytes: &mut [u8]) -> usize {
        fetch(at, bytes)
    }

    fn with_mailbox(&self, work: &mut dyn FnMut(&mut [u8])) {
        // SAFETY: the mailbox is mapped; nobody else of the process touches it while the work goes on, and `unixd` only in calls that use it.
        work(unsafe { core::slice::from_raw_parts_mut(place::MAILBOX as *mut u8, MAILBOX_BYTES) });
    }

    fn inode(&self, index: u32) -> &InodeWords {
        assert!((index as usize) < place::INODES_PAGES * InodeWords::PER_PAGE, "a place that unixd gave");
        // SAFETY: `unixd` mapped the page before it gave the place, for as long as the process lives; everything in it is atomic.
        unsafe { &*(place::INODES as *const InodeWords).add(index as usize) }
    }

    fn clock(&self) -> u64 {
        super::clock()
    }

    #[inline(always)]
    fn changes(&self) -> &Changes {
        // SAFETY: the creator mapped the page before the process began; everything in it is atomic.
        unsafe { &*(place::CHANGES as *const Changes) }
    }

    fn is_watched(&self) -> bool {
        bulletin().watched.load(Ordering::Relaxed) != 0
    }

    fn rings(&self) -> u32 {
        bulletin().rings()
    }

    fn removals(&self) -> u32 {
        bulletin().removals.load(Ordering::Relaxed)
    }

    fn ring(&self, index: u32) -> Option<MappedRing> {
        // SAFETY: `unixd` mapped the pages before it told of them, for as long as the process has a handle of an end of that pipe, without
        // which the library does not look at them (`pipe::End`).
        unsafe { MappedRing::new(index) }
    }

    fn put(&self, output: &mut Output, address: usize, length: usize) -> Result<usize> {
        // SAFETY: `unixd` mapped the range for this process, and it stays mapped until the caller has it unmapped, which it does not while it
        // copies. Others may store to the file meanwhile; nothing is concluded from the bytes' values.
        output.put(unsafe { core::slice::from_raw_parts(address as *const u8, length) })
    }

    fn take(&self, input: &mut Input, address: usize, length: usize) -> Result<()> {
        // SAFETY: as in `put`; the pages are ones that may be stored to.
        input.take_exactly(unsafe { core::slice::from_raw_parts_mut(address as *mut u8, length) })
    }

    fn copy_out(&self, memory: &dyn UserMemory, to: usize, address: usize, length: usize) -> Result<()> {
        // SAFETY: as in `put`.
        memory.write(to, unsafe { core::slice::from_raw_parts(address as *const u8, length) })
    }

    fn copy_in(&self, memory: &dyn UserMemory, from: usize, address: usize, length: usize) -> Result<()> {
        // SAFETY: as in `take`.
        memory.read(from, unsafe { core::slice::from_raw_parts_mut(address as *mut u8, length) })
    }

    fn bytes(&self, address: usize, length: usize) -> &'static [u8] {
        // SAFETY: `unixd` mapped the range for this process, which never unmaps it; it is of the boot image, which never changes.
        unsafe { core::slice::from_raw_parts(address as *const u8, length) }
    }

    fn unmap(&self, address: usize, pages: usize) {
        debug_assert!((place::WINDOWS..place::WINDOWS + place::WINDOWS_BYTES).contains(&address), "a window's pages");
        // SAFETY: the pages are a window's, out of which nobody copies.
        let _ = unsafe { exo::page_unmap(EnvId::SELF, address, pages) };
    }
}

/// Do something that is charged for `frames`; if the quota does not allow it, ask for more and try again.
///
/// # Errors
/// The kernel's.
pub fn with_quota<T>(frames: usize, mut work: impl FnMut() -> exo::Result<T>) -> exo::Result<T> {
    /// How often what was granted may be taken back before it is used: others may ask in between.
    const ATTEMPTS: usize = 8;
    let mut outcome = work();
    for _ in 0..ATTEMPTS {
        if !matches!(outcome, Err(Error::Quota)) || server() == EnvId::SELF {
            break;
        }
        // Page tables are charged too: one for each 512 pages, and those above.
        let wanted = frames + frames / 512 + 4;
        call_patiently(Request::new(Operation::MoreFrames, [wanted as u64, 0, 0])).map_err(|_| Error::Quota)?;
        outcome = work();
    }
    outcome
}

/// Map zeroed frames. On an error some may have been mapped.
///
/// # Errors
/// The kernel's; `Quota`: `unixd` does not grant more.
#[inline(always)]
pub fn page_alloc(address: usize, pages: usize, rights: Rights) -> exo::Result<()> {
    let done = exo::page_alloc(address, pages, rights, None);
    if done == Err(Error::Quota) { more_pages(address, pages, rights) } else { done }
}

#[cold]
fn more_pages(address: usize, pages: usize, rights: Rights) -> exo::Result<()> {
    with_quota(pages, || {
        // SAFETY: the caller asked for fresh pages: nothing refers to what an attempt mapped of the range.
        let _ = unsafe { exo::page_unmap(EnvId::SELF, address, pages) };
        exo::page_alloc(address, pages, rights, None)
    })
    .inspect_err(|_| debug_assert!(address.is_multiple_of(PAGE_SIZE)))
}

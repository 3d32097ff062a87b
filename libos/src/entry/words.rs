//! The library's part of the upcall page: what the entries' assembly reads through GS base or TPIDRRO_EL0.
//!
//! The first three words are a contract with code outside the library (trampolines of rewritten programs read the third).

use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering, compiler_fence};

use abi::UpcallPage;

use crate::entry::dispatch::{LINKED as LINKED_BY_NUMBER, LINKED_WATCHED, WATCHED};
use crate::entry::isa::{self, Frame, Way};
use crate::entry::native::Native;
use crate::entry::place;
use crate::identity::Identity;
use crate::syscall::table::{QUICK_NUMBERS, ROWS, Row, Thunk, Thunks};

/// The words, from `UpcallPage::library` on.
#[repr(C)]
pub struct LibraryWords {
    /// The syscall stack of the thread that runs, up to what a linked call does not save at first: the end of [`Frame`].
    syscall_stack: AtomicU64,
    /// The top of the fault stack.
    fault_stack: u64,
    /// The entry of rewritten syscalls: where trampolines jump to.
    rewritten: u64,
    /// The thunks by number, or those that trace.
    thunks: u64,
    /// Where the linked entry goes, by number.
    linked: u64,
    /// While the program's memory is used in place: the stack pointer with which to go on should that be refused (`attempt`); else 0.
    recovery: AtomicU64,
    /// Who the process is.
    pub identity: Identity,
    /// By number: which word of this page, counted from its start, the call answers; 0 if it does more than that.
    quick: [u8; QUICK_NUMBERS],
    /// Not 0 while the way out of a call is not the straight one.
    pub attention: AtomicU8,
}

const LIBRARY: usize = offset_of!(UpcallPage, library);

/// Offset in the upcall page of what is behind the words.
pub const END: usize = LIBRARY + size_of::<LibraryWords>();
/// Offset in the upcall page of the syscall stack.
pub const SYSCALL_STACK: usize = LIBRARY + offset_of!(LibraryWords, syscall_stack);
/// Offset of the top of the fault stack.
pub const FAULT_STACK: usize = LIBRARY + offset_of!(LibraryWords, fault_stack);
/// Offset of the thunks' address.
pub const THUNKS: usize = LIBRARY + offset_of!(LibraryWords, thunks);
/// Offset of the byte that asks for attention.
pub const ATTENTION: usize = LIBRARY + offset_of!(LibraryWords, attention);
/// Offset of the recovery's stack pointer.
pub const RECOVERY: usize = LIBRARY + offset_of!(LibraryWords, recovery);
/// Offset of the quick calls' words, one byte a number.
pub const QUICK: usize = LIBRARY + offset_of!(LibraryWords, quick);
/// Offset of the address of the table that the linked entry goes by.
pub const LINKED: usize = LIBRARY + offset_of!(LibraryWords, linked);

/// Bytes from where a [`Frame`] begins to where `syscall_stack` points, and from there to its end, the stack's top.
const FRAME_BEGIN: usize = offset_of!(Frame, preserved);
const FRAME_END: usize = size_of::<Frame>() - FRAME_BEGIN;

const IDENTITY: usize = LIBRARY + offset_of!(LibraryWords, identity);
// A debugger reads it there.
const _: () = assert!(place::UPCALL_PAGE + IDENTITY == exo::start::IDENTITY_ADDRESS);
// Trampolines read it there.
const _: () = assert!(LIBRARY + offset_of!(LibraryWords, rewritten) == 168);
// A quick call's byte can hold the number of its word.
const _: () = assert!((IDENTITY + size_of::<Identity>()) / 4 <= u8::MAX as usize && IDENTITY.is_multiple_of(4));

impl LibraryWords {
    /// The words of this context.
    #[must_use]
    pub fn get() -> &'static LibraryWords {
        // SAFETY: `start` mapped the page before anything asks. What changes while it is shared is atomic.
        unsafe { &*((place::UPCALL_PAGE + LIBRARY) as *const LibraryWords) }
    }

    /// What the entry saved of the call that is being served.
    #[must_use]
    pub fn frame(&self) -> *const Frame {
        (self.syscall_stack.load(Ordering::Relaxed) as usize - FRAME_BEGIN) as *const Frame
    }

    /// Whether the program's memory is being used in place.
    #[must_use]
    pub fn is_attempting(&self) -> bool {
        self.recovery.load(Ordering::Relaxed) != 0
    }

    /// Use the program's memory in place from here on, and go on by this way should that be refused.
    #[inline(always)]
    pub fn attempt_by(&self, way: &'static Way) {
        self.recovery.store(core::ptr::from_ref(way).addr() as u64, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    /// That is over.
    #[inline(always)]
    pub fn end_attempt(&self) {
        compiler_fence(Ordering::SeqCst);
        self.recovery.store(0, Ordering::Relaxed);
    }

    /// Whether calls are served through [`WATCHED`].
    #[must_use]
    pub fn are_calls_watched(&self) -> bool {
        self.linked == LINKED_WATCHED.as_ptr() as u64
    }

    /// Let calls be served on another stack.
    pub fn set_syscall_stack(&self, top: usize) {
        self.syscall_stack.store((top - FRAME_END) as u64, Ordering::Relaxed);
    }

    /// What the entries need before there is a process.
    ///
    /// # Safety
    /// The upcall page was just mapped, and no entry is set.
    pub unsafe fn prepare() {
        let words = (place::UPCALL_PAGE + LIBRARY) as *mut LibraryWords;
        // SAFETY: the caller's promise.
        unsafe {
            (*words).syscall_stack = AtomicU64::new((place::SYSCALL_STACK_TOP - FRAME_END) as u64);
            (*words).fault_stack = (place::FAULT_STACK + place::FAULT_STACK_BYTES) as u64;
            (*words).rewritten = isa::rewritten as *const () as u64;
        }
    }

    /// Let calls be served through [`WATCHED`], or by the shortest way.
    pub fn choose_way(watched: bool) {
        let words = (place::UPCALL_PAGE + LIBRARY) as *mut LibraryWords;
        let (thunks, linked): (&[Thunk], _) =
            if watched { (&WATCHED, &LINKED_WATCHED) } else { (Thunks::<Native>::TABLE, &LINKED_BY_NUMBER) };
        let quick = |row: &Row| match row.word {
            Some(word) if !watched => (IDENTITY / 4) as u8 + word as u8,
            _ => 0,
        };
        // SAFETY: 1. The words are read by the entries' assembly alone, which does not run while the library does. 2. Each value is one that the
        // assembly may find there: tables of thunks, and words of this page.
        unsafe {
            (&raw mut (*words).thunks).write_volatile(thunks.as_ptr() as u64);
            (&raw mut (*words).linked).write_volatile(linked.as_ptr() as u64);
            for row in ROWS.iter().filter(|row| (row.number() as usize) < QUICK_NUMBERS) {
                (&raw mut (*words).quick[row.number() as usize]).write_volatile(quick(row));
            }
        }
    }
}

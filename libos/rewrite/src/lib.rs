//! Turns syscall instructions of unmodified ELF files into jumps to trampolines that enter the libOS by a call.
//!
//! Pure functions from a file's bytes to pages: nothing here runs, maps or stores. The build tool uses them when it makes an image
//! and keeps the outcome as an [`overlay`]; the libOS uses them when a file without an overlay is mapped executable.
//!
//! # What is proven before a byte changes
//!
//! A program that ran right must run right afterwards, whichever address it jumps to, and also where it was interrupted.
//!
//! **aarch64.** Instructions are words, so a word that is `svc #0` in an executable segment is an instruction unless it is data. It is
//! taken for data, and left, where a mapping symbol (`$d`) says so, where it lies outside the executable sections of a file that has
//! section headers, and where a load of a literal or an `adr` anywhere in the segment names it. One word becomes one branch.
//!
//! **x86_64.** First, where instructions begin: bytes are decoded from a place that is known to begin one (a function's symbol, a frame
//! description, the entry, an executable section's start) to the next such place or known end. Each such *stretch* must decode without
//! an invalid instruction, end exactly at its end, and every direct branch inside it must hit one of its instructions. Otherwise all of its
//! sites are left. A file that has neither symbols nor frame descriptions is one stretch per executable section: the same proof over more bytes.
//! A segment without section headers is swept only from known starts.
//!
//! Second, a jump takes five bytes and `syscall` has two. The jump is laid over the instructions before the site, which move to the
//! trampoline; they must not depend on where they are. **No branch target needs to be known**: every address in the patch at which
//! an instruction began executes, after patching, a byte that is no instruction in 64-bit mode on any CPU, and the libOS continues whoever
//! gets there at the trampoline's copy of that instruction ([`Entry`]). Where such an address falls on the jump's own displacement, the
//! trampoline is placed so that the displacement's byte there is such a byte. That is why trampolines lie in sparse pages after the image.
//! Right is not quick, though: a fault costs more than the trap that it stands for. So a patch does not reach back past a place where a direct
//! branch goes, and the site of a tight loop is left.
//!
//! Left on purpose: the sequences by which unwinders and debuggers know a signal frame (`rt_sigreturn` stubs), which they compare byte
//! by byte; files with text relocations; code that is generated.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod aarch64;
pub mod elf;
mod frames;
pub mod overlay;
mod page;
#[cfg(test)]
mod tests;
mod verdict;
pub mod x86_64;

use alloc::vec::Vec;
use core::ops::Range;

use goblin::elf::header::{EM_AARCH64, EM_X86_64};

pub use elf::Segment;
pub use page::{PAGE, Page};
pub use verdict::{Kind, Reason, Verdict};

/// Offset in the upcall page of the word that holds the rewritten entry's address.
pub const ENTRY_WORD: u32 = 168;

/// A place in the file where a syscall instruction's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Offset in the file.
    pub offset: u64,
    /// Address in the image.
    pub address: u64,
    /// What was done.
    pub verdict: Verdict,
}

/// Where to go on when a fault arrives at a program counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The program counter of the fault: x86_64, a former instruction's address (an undefined instruction); aarch64, a trampoline's first
    /// instruction (a store that faults).
    pub fault: u64,
    /// Where the same is done without what faulted.
    pub resume: u64,
}

/// Which address of the file a trampoline's instruction stands for: what a signal handler or a debugger is to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The address in the trampoline. All registers but the program counter (x86_64: and rcx) are as at the original there.
    pub trampoline: u64,
    /// The address in the file's text.
    pub original: u64,
}

/// What became of a file. All addresses are as the file has them: add what the image was moved by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewriting {
    /// The machine, as ELF numbers it.
    pub machine: u16,
    /// The addresses that the file itself takes, in whole pages.
    pub image: Range<u64>,
    /// Its executable segments.
    pub segments: Vec<Segment>,
    /// Every site, by address.
    pub sites: Vec<Site>,
    /// Patched copies of pages of the file, by offset.
    pub text: Vec<Page>,
    /// Pages to add, by address; all after the image.
    pub trampolines: Vec<Page>,
    /// By fault.
    pub entries: Vec<Entry>,
    /// By trampoline address.
    pub origins: Vec<Origin>,
}

impl Rewriting {
    /// Whether anything was patched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Sites that were patched.
    #[must_use]
    pub fn patched(&self) -> usize {
        self.sites.iter().filter(|site| matches!(site.verdict, Verdict::Patched(_))).count()
    }
}

/// Why a file is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no ELF program of 64 bits, or its headers make no sense.
    NotAProgram,
    /// For neither machine.
    Machine,
    /// Its text is to be changed by relocations, which know nothing of moved instructions.
    TextRelocations,
    /// Executable segments that show the same page of the file at different distances.
    SharedPages,
}

/// Rewrite a file.
///
/// # Errors
/// See [`Refusal`]. A file without sites is no error: the outcome is empty.
pub fn rewrite(file: &[u8]) -> Result<Rewriting, Refusal> {
    let image = elf::Image::read(file)?;
    match image.machine {
        EM_AARCH64 => Ok(aarch64::rewrite(&image)),
        EM_X86_64 => Ok(x86_64::rewrite(&image)),
        _ => Err(Refusal::Machine),
    }
}

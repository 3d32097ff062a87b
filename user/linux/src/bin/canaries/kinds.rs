//! The calls that take turns, and the memory that they work on.

use std::ffi::c_long;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

/// Kinds of calls.
pub const KINDS: usize = 16;

const PAGE: usize = 4096;
/// Pages that calls write to and read from; all are given back once each was used.
const PAGES: usize = 64;

/// A call, and what it must answer.
pub struct Call {
    /// What it is called.
    pub name: &'static str,
    /// Its number.
    pub number: c_long,
    /// Its arguments.
    pub arguments: [usize; 6],
    right: Right,
}

enum Right {
    Is(i64),
    AtLeast(i64),
    /// A page's address, which the next calls use.
    Page,
}

impl Call {
    /// Whether a result is the right one.
    pub fn is_right(&self, result: i64) -> bool {
        match self.right {
            Right::Is(right) => result == right,
            Right::AtLeast(least) => result >= least,
            Right::Page => result > 0 && (result as usize).is_multiple_of(PAGE),
        }
    }
}

/// The memory and the files of the calls.
pub struct Scene {
    pages: *mut u8,
    zero: File,
    null: File,
    text: File,
    pipe: (OwnedFd, OwnedFd),
    parent: i64,
    break_end: i64,
}

impl Scene {
    /// Files and fresh pages. No other scene of the same name may be made at the same time.
    pub fn new(name: usize) -> Scene {
        let open = |path: &str| File::options().read(true).write(true).open(path).expect("a device");
        let path = format!("/tmp/canaries-{}-{name}", std::process::id());
        std::fs::write(&path, [b'x'; 3 * PAGE]).expect("a file");
        let text = open(&path);
        let _ = std::fs::remove_file(&path);
        let (read, write) = std::io::pipe().expect("a pipe");
        // SAFETY: a fresh mapping that nothing refers to, and two calls without arguments that matter.
        let (pages, parent, break_end) = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let pages = libc::mmap(std::ptr::null_mut(), PAGES * PAGE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            assert_ne!(pages, libc::MAP_FAILED);
            (pages.cast(), libc::getppid().into(), libc::syscall(libc::SYS_brk, 0) as i64)
        };
        Scene { pages, zero: open("/dev/zero"), null: open("/dev/null"), text, pipe: (read.into(), write.into()), parent, break_end }
    }

    fn page(&self, index: u64) -> usize {
        self.pages as usize + (index / KINDS as u64) as usize % PAGES * PAGE
    }

    /// The call whose turn it is.
    pub fn call(&self, index: u64) -> Call {
        use libc::*;
        let page = self.page(index);
        let (zero, null, text) = (self.zero.as_raw_fd() as usize, self.null.as_raw_fd() as usize, self.text.as_raw_fd() as usize);
        let error = |number: i32| Right::Is(-i64::from(number));
        let call = |name, number: c_long, arguments: &[usize], right| {
            let mut six = [0x5eed; 6];
            six[..arguments.len()].copy_from_slice(arguments);
            Call { name, number, arguments: six, right }
        };
        match index as usize % KINDS {
            0 => call("getppid", SYS_getppid, &[], Right::Is(self.parent)),
            1 => call("read of zeros", SYS_read, &[zero, page + 100, 64], Right::Is(64)),
            2 => call("write", SYS_write, &[null, page, 64], Right::Is(64)),
            3 => call("pread", SYS_pread64, &[text, page + PAGE - 8, 8, 4000], Right::Is(8)),
            4 => call("bad descriptor", SYS_write, &[usize::MAX, page, 1], error(EBADF)),
            5 => call("bad address", SYS_read, &[zero, 16, 64], error(EFAULT)),
            6 => call("no such call", 500, &[], error(ENOSYS)),
            7 => call("lseek", SYS_lseek, &[text, index as usize % 5000, SEEK_SET as usize], Right::Is((index % 5000) as i64)),
            8 => call("clock_gettime", SYS_clock_gettime, &[CLOCK_MONOTONIC as usize, page + 512], Right::Is(0)),
            9 => call("mmap", SYS_mmap, &[page, PAGE, 3, (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED) as usize, usize::MAX, 0], Right::Page),
            10 => call("rt_sigprocmask", SYS_rt_sigprocmask, &[SIG_BLOCK as usize, 0, page + 1024, 8], Right::Is(0)),
            11 => call("fstat", SYS_fstat, &[text, page + 2048], Right::Is(0)),
            12 => call("brk", SYS_brk, &[0], Right::AtLeast(self.break_end)),
            13 => call("a call with a negative number", -7, &[], error(ENOSYS)),
            14 => call("write to a pipe", SYS_write, &[self.pipe.1.as_raw_fd() as usize, page, 32], Right::Is(32)),
            _ => call("read from a pipe", SYS_read, &[self.pipe.0.as_raw_fd() as usize, page + 8, 64], Right::Is(32)),
        }
    }

    /// What the program does itself: touch a page now and then, and give all of them back in the end.
    pub fn between(&self, index: u64) {
        if index.is_multiple_of(7) {
            // SAFETY: the page is the scene's.
            unsafe { (self.page(index) as *mut u8).add(300).write_volatile(index as u8) };
        }
        if index.is_multiple_of((KINDS * PAGES) as u64) {
            // SAFETY: the pages are the scene's, and what is in them is of no use.
            unsafe { libc::madvise(self.pages.cast(), PAGES * PAGE, libc::MADV_DONTNEED) };
        }
    }
}

//! Calls as a program makes them, by name, for tests.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use abi::PAGE_SIZE;

use crate::errno::Result;
use crate::fake::{self, FakeKernel};
use crate::memory::{Label, Placement, Protection, Region};
use crate::process::Process;
use crate::syscall::Arguments;
use crate::syscall::table::{Handlers, ROWS};
use crate::user::UserMemory;

/// Where paths go.
const PATH: usize = 0x10_0000;
/// Where a second path goes.
const SECOND: usize = PATH + 2 * PAGE_SIZE;
/// Where buffers are.
const BUFFER: usize = PATH + 4 * PAGE_SIZE;
/// `AT_FDCWD`
const HERE: u64 = -100i64 as u64;
const BUFFER_BYTES: usize = 16 * PAGE_SIZE;

/// A process that makes calls.
pub struct Caller {
    /// The process.
    pub process: &'static Process<FakeKernel>,
}

impl Caller {
    /// A process with an archive's files.
    #[must_use]
    pub fn new(archive: &'static [u8]) -> Caller {
        let process = fake::process(512, archive);
        let region = Region::anonymous(0, Protection::READ | Protection::WRITE, Label::None);
        let length = BUFFER + BUFFER_BYTES - PATH;
        process.memory.lock().map(&process.kernel, Placement::Fixed(PATH), length, region).expect("room");
        Caller { process }
    }

    /// Make a call.
    pub fn call(&self, name: &str, arguments: [u64; 6]) -> Result<usize> {
        let row = ROWS.iter().find(|row| row.name == name).expect("a row");
        let has_registers = &self.process.kernel.has_registers;
        has_registers.store(row.needs_registers, Ordering::Relaxed);
        let outcome = Handlers::TABLE.get(row.number().into())(self.process, &Arguments(arguments));
        has_registers.store(true, Ordering::Relaxed);
        outcome
    }

    fn put(&self, at: usize, path: &str) -> u64 {
        self.process.write(at, format!("{path}\0").as_bytes()).expect("room");
        at as u64
    }

    /// An `*at` call on a path and a number.
    pub fn path_call(&self, name: &str, path: &str, number: u64) -> Result<usize> {
        self.call(name, [HERE, self.put(PATH, path), number, 0, 0, 0])
    }

    /// An `*at` call on two paths.
    pub fn two_paths(&self, name: &str, first: &str, second: &str) -> Result<usize> {
        self.call(name, [HERE, self.put(PATH, first), HERE, self.put(SECOND, second), 0, 0])
    }

    /// open(2)
    pub fn open(&self, path: &str, flags: u64) -> Result<u64> {
        self.call("openat", [HERE, self.put(PATH, path), flags, 0o644, 0, 0]).map(|fd| fd as u64)
    }

    /// read(2)
    pub fn read(&self, fd: u64, most: usize) -> Result<Vec<u8>> {
        let count = self.call("read", [fd, BUFFER as u64, most as u64, 0, 0, 0])?;
        let mut bytes = alloc::vec![0; count];
        self.process.read(BUFFER, &mut bytes)?;
        Ok(bytes)
    }

    /// write(2)
    pub fn write(&self, fd: u64, bytes: &[u8]) -> Result<usize> {
        self.process.write(BUFFER, bytes)?;
        self.call("write", [fd, BUFFER as u64, bytes.len() as u64, 0, 0, 0])
    }

    /// mmap(2) of a file from its start.
    pub fn map(&self, fd: u64, pages: usize, protection: Protection, shared: bool) -> Result<usize> {
        let flags = if shared { 1 } else { 2 };
        self.call("mmap", [0, (pages * PAGE_SIZE) as u64, protection.bits().into(), flags, fd, 0])
    }

    /// munmap(2)
    pub fn unmap(&self, address: usize, pages: usize) {
        self.call("munmap", [address as u64, (pages * PAGE_SIZE) as u64, 0, 0, 0, 0]).expect("pages of the program");
    }

    /// A byte of the program's memory.
    pub fn byte(&self, address: usize) -> Result<u8> {
        self.process.read_value(address)
    }

    /// All of a file.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        let fd = self.open(path, 0)?;
        let mut contents = Vec::new();
        loop {
            let part = self.read(fd, 1000)?;
            if part.is_empty() {
                break;
            }
            contents.extend(part);
        }
        self.call("close", [fd, 0, 0, 0, 0, 0])?;
        Ok(contents)
    }

    /// The names in a directory, listed into `room` bytes at a time.
    #[must_use]
    pub fn list(&self, path: &str, room: u64) -> Vec<Vec<u8>> {
        const LENGTH: usize = 16;
        const NAME: usize = 19;
        let fd = self.open(path, 0).expect("a directory");
        let mut names = Vec::new();
        loop {
            let count = self.call("getdents64", [fd, BUFFER as u64, room, 0, 0, 0]).expect("a listing");
            if count == 0 {
                return names;
            }
            let mut bytes = alloc::vec![0; count];
            self.process.read(BUFFER, &mut bytes).expect("just written");
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (record, after) = rest.split_at(usize::from(rest[LENGTH]));
                names.push(record[NAME..].split(|&byte| byte == 0).next().expect("a name").to_vec());
                rest = after;
            }
        }
    }

    /// pipe2(2)
    #[must_use]
    pub fn pipe(&self, flags: u64) -> [u64; 2] {
        self.call("pipe2", [BUFFER as u64, flags, 0, 0, 0, 0]).expect("a pipe");
        let ends: [i32; 2] = self.process.read_value(BUFFER).expect("just written");
        ends.map(|end| end as u64)
    }

    /// Block every signal.
    pub fn block_signals(&self) {
        self.process.signals.with(|state| state.set_blocked(u64::MAX));
    }
}

/// A member of an archive: name, mode, contents.
pub type Member<'a> = (&'a str, u32, &'a [u8]);

/// An archive as cpio's `newc` format has it.
#[must_use]
pub fn cpio(members: &[Member]) -> &'static [u8] {
    Box::leak(archive(members, 4).into_boxed_slice())
}

/// An archive in memory as the boot image has it: pages, and contents that begin at theirs.
#[must_use]
pub fn paged_cpio(members: &[Member]) -> &'static [u8] {
    #[derive(Clone)]
    #[repr(align(4096))]
    struct Aligned([u8; PAGE_SIZE]);
    let bytes = archive(members, PAGE_SIZE);
    let mut pages = alloc::vec![Aligned([0; PAGE_SIZE]); bytes.len().div_ceil(PAGE_SIZE)];
    pages.iter_mut().zip(bytes.chunks(PAGE_SIZE)).for_each(|(page, chunk)| page.0[..chunk.len()].copy_from_slice(chunk));
    let pages = pages.leak();
    // SAFETY: the pages are bytes without padding, leaked and never changed again.
    unsafe { core::slice::from_raw_parts(pages.as_ptr().cast(), pages.len() * PAGE_SIZE) }
}

fn archive(members: &[Member], alignment: usize) -> Vec<u8> {
    let mut archive = Vec::new();
    for (index, (name, mode, contents)) in members.iter().chain([&("TRAILER!!!", 0, &b""[..])]).enumerate() {
        let alignment = if contents.len() >= alignment { alignment } else { 4 };
        let start: usize = archive.len() + 110;
        let name_bytes = (start + name.len() + 1).next_multiple_of(alignment) - start;
        // magic, then inode, mode, uid, gid, links, time, size, device (2), special (2), name's length, checksum.
        let fields = [index as u32 + 1, *mode, 0, 0, 1, 0, contents.len() as u32, 0, 0, 0, 0, name_bytes as u32, 0];
        archive.extend_from_slice(b"070701");
        for field in fields {
            archive.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        archive.extend_from_slice(name.as_bytes());
        archive.resize(start + name_bytes, 0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(contents);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}

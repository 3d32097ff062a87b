//! The table of calls: one row each.
//!
//! Dispatch, the names that `--strace` prints and the README's list of what is covered all come from here.
//!
//! A row: `name: x86_64 number, aarch64 number, handler, support, [argument formats];` with `-` for a call that an ISA does not
//! have. Numbers are those of the kernel's `arch/x86/entry/syscalls/syscall_64.tbl` and `include/uapi/asm-generic/unistd.h`.

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::process::Process;
use crate::syscall::{Arguments, Handler};

/// How much of a call works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// All that Linux documents.
    Full,
    /// A part; this says which part does not.
    Partial(&'static str),
    /// It answers, and does nothing; this says why that is right enough.
    Stub(&'static str),
    /// It answers `ENOSYS`.
    Absent,
}

/// How an argument is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A signed number.
    Int,
    /// An unsigned number.
    Unsigned,
    /// A hexadecimal number.
    Hex,
    /// An octal number: a mode.
    Octal,
    /// A pointer, as it is; 0 is `NULL`.
    Pointer,
    /// A file descriptor.
    Fd,
    /// A directory's descriptor, or `AT_FDCWD`.
    DirectoryFd,
    /// A NUL-terminated string, quoted.
    Path,
    /// A buffer that the call reads; the next argument is its length.
    BufferIn,
    /// A buffer that the call fills; the result is its length.
    BufferOut,
    /// A vector of stretches that the call reads; the next argument is their number.
    VectorIn,
    /// A vector of stretches that the call fills.
    VectorOut,
    /// open(2)'s flags.
    OpenFlags,
    /// mmap(2)'s protection.
    Protection,
    /// mmap(2)'s flags.
    MapFlags,
    /// madvise(2)'s advice.
    Advice,
    /// lseek(2)'s whence.
    Whence,
    /// fcntl(2)'s command.
    FcntlCommand,
    /// ioctl(2)'s request.
    IoctlRequest,
    /// The flags of the `*at` calls.
    AtFlags,
    /// A clock's name.
    Clock,
    /// A signal's name.
    Signal,
    /// sigprocmask(2)'s how.
    SignalHow,
    /// A pointer to a signal set.
    SignalSet,
    /// A pointer to a `struct sigaction` that the call reads.
    SignalAction,
    /// A pointer to a `struct timespec` that the call reads.
    TimeIn,
    /// A pointer to a `struct timespec` that the call fills.
    TimeOut,
    /// A pointer to a `struct stat` that the call fills.
    StatOut,
    /// futex(2)'s operation.
    FutexOperation,
    /// A resource's name.
    Resource,
    /// A pointer to a `struct rlimit` that the call reads.
    LimitIn,
    /// A pointer to a `struct rlimit` that the call fills.
    LimitOut,
    /// prctl(2)'s option.
    PrctlOption,
    /// arch_prctl(2)'s code.
    ArchPrctlCode,
    /// getrandom(2)'s flags.
    RandomFlags,
}

/// A call, as the table knows it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in section 2 of the manual.
    pub name: &'static str,
    /// Its number on x86_64, or `NONE`.
    pub x86_64: u16,
    /// Its number on aarch64, or `NONE`.
    pub aarch64: u16,
    /// How much of it works.
    pub support: Support,
    /// Its arguments.
    pub formats: &'static [Format],
}

/// "No such call on this ISA".
pub const NONE: u16 = u16::MAX;
/// One past the highest number that the table covers.
pub const NUMBERS: usize = 512;

impl Row {
    /// Its number on the ISA that this is built for.
    #[must_use]
    pub const fn number(&self) -> u16 {
        if cfg!(target_arch = "x86_64") { self.x86_64 } else { self.aarch64 }
    }
}

/// The row of a number on this ISA.
#[must_use]
pub fn row(number: usize) -> Option<&'static Row> {
    ROWS.iter().find(|row| usize::from(row.number()) == number && row.number() != NONE)
}

/// A call that has no handler: `ENOSYS`. The caller, who knows the number, logs it.
pub fn absent<K: Kernel>(_: &Process<K>, _: &Arguments) -> Result<usize> {
    Err(Errno::ENOSYS)
}

/// The handlers by number, for this ISA.
pub struct Handlers<K: Kernel>([Handler<K>; NUMBERS]);

impl<K: Kernel> Handlers<K> {
    /// The one table.
    pub const TABLE: &'static Handlers<K> = &Handlers(handlers());

    /// What serves a number.
    #[must_use]
    #[inline(always)]
    pub fn get(&self, number: usize) -> Handler<K> {
        if number < NUMBERS { self.0[number] } else { absent }
    }
}

macro_rules! number {
    (-) => {
        NONE
    };
    ($number:literal) => {
        $number
    };
}

macro_rules! rows {
    ($($name:ident: $x86_64:tt, $aarch64:tt, $handler:path, $support:expr, [$($format:ident),*];)*) => {
        /// Every call that the table knows.
        pub const ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            x86_64: number!($x86_64),
            aarch64: number!($aarch64),
            support: { use Support::*; $support },
            formats: &[$(Format::$format),*],
        },)*];

        const fn handlers<K: Kernel>() -> [Handler<K>; NUMBERS] {
            let mut table: [Handler<K>; NUMBERS] = [absent; NUMBERS];
            $({
                let number = if cfg!(target_arch = "x86_64") { number!($x86_64) } else { number!($aarch64) };
                if number != NONE {
                    table[number as usize] = $handler;
                }
            })*
            table
        }
    };
}

rows! {
    // Processes.
    clone: 56, 220, absent, Absent, [Hex, Pointer, Pointer, Pointer, Pointer];
    clone3: 435, 435, absent, Absent, [Pointer, Unsigned];
    fork: 57, -, absent, Absent, [];
    vfork: 58, -, absent, Absent, [];
    execve: 59, 221, absent, Absent, [Path, Pointer, Pointer];
    execveat: 322, 281, absent, Absent, [DirectoryFd, Path, Pointer, Pointer, AtFlags];
    // Files.
}

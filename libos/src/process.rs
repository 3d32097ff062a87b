//! The process: what its calls work on.
//!
//! Every part has a lock of its own, so that a page-fault upcall in the middle of a call's user copy needs the lock of `memory`
//! alone. Calls get `&Process`.

use alloc::vec::Vec;

use spin::Mutex;

use crate::errno::Result;
use crate::kernel::Kernel;
use crate::user::UserMemory;

/// A process, and the parts of it that no policy layer owns.
pub struct Process<K: Kernel> {
    /// The exokernel.
    pub kernel: K,
    /// Whether calls are printed as strace(1) does.
    pub strace: bool,
    /// The path that the program was started by, absolute: `/proc/self/exe`.
    pub executable: Mutex<Vec<u8>>,
    /// The arguments, each with its NUL: `/proc/self/cmdline`.
    pub command_line: Mutex<Vec<u8>>,
}

impl<K: Kernel> Process<K> {
    /// The process's id, its group's and its session's: it is the first and only one.
    pub const ID: u32 = 1;
}

impl<K: Kernel> UserMemory for Process<K> {
    fn read(&self, address: usize, into: &mut [u8]) -> Result<()> {
        self.kernel.read(address, into)
    }

    fn write(&self, address: usize, from: &[u8]) -> Result<()> {
        self.kernel.write(address, from)
    }
}

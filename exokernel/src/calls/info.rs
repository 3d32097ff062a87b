//! Calls for honesty: what the kernel knows, the debug console, the machine's end.

use abi::{Error, PAGE_SIZE, Privileges, Rights};
use arch::{Leaf, Machine};

use super::Caller;
use crate::space::{batch, check_range};
use crate::{Kernel, Result};

impl<M: Machine> Kernel<M> {
    /// Map info pages read-only. `BadAddress`: not pages of user space. `BadArgument`: beyond the last info page. `Occupied`, `Quota`: see
    /// [`Kernel::insert`].
    pub(super) fn info_map(&mut self, caller: Caller, env: u64, address: u64, first: u64, pages: u64) -> Result<u64> {
        let id = self.under(caller.id, env)?;
        check_range(address, pages)?;
        let all = self.info_page().pages;
        if first > all || pages > all - first {
            return Err(Error::BadArgument);
        }
        batch(pages, |done| {
            let frame = self.info + first + done;
            self.insert(id, address + done * PAGE_SIZE as u64, 0, Leaf { frame, rights: Rights::READ_ONLY })?;
            Ok([1, 1])
        })
    }

    /// Write to the debug console, up to the end of a page. `NotMapped`: not readable. `BadAddress`: not in user space.
    pub(super) fn debug_put(&mut self, caller: Caller, address: u64, length: u64) -> Result<u64> {
        let (bytes, count) = self.console_bytes(caller, address, length, Rights::READ)?;
        // SAFETY: `count` bytes from `bytes` on are in one readable frame.
        (0..count).for_each(|index| self.machine.put(unsafe { bytes.add(index).read() }));
        Ok(count as u64)
    }

    /// Read what the console has. `Denied`: without the privilege. `NotMapped`: not writable. `BadAddress`: not in user space.
    pub(super) fn debug_get(&mut self, caller: Caller, address: u64, length: u64) -> Result<u64> {
        self.check_privilege(caller.id, Privileges::CONSOLE)?;
        let (bytes, count) = self.console_bytes(caller, address, length, Rights::WRITE)?;
        // SAFETY: `count` bytes from `bytes` on are in one writable frame.
        let read = |index| self.machine.get().map(|byte| unsafe { bytes.add(index).write(byte) });
        Ok((0..count).map_while(read).count() as u64)
    }

    fn console_bytes(&self, caller: Caller, address: u64, length: u64, need: Rights) -> Result<(*mut u8, usize)> {
        let left = PAGE_SIZE as u64 - address % PAGE_SIZE as u64;
        let count = length.min(left) as usize;
        Ok((self.user(caller.root, address, count, need)?, count))
    }

    /// Stop the machine. `Denied`: without the privilege. `BadArgument`: a code above 255.
    pub(super) fn machine_exit(&mut self, caller: Caller, code: u64) -> Result<u64> {
        self.check_privilege(caller.id, Privileges::MACHINE)?;
        let code = u8::try_from(code).map_err(|_| Error::BadArgument)?;
        self.machine.exit(code)
    }
}

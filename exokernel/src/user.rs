//! Reading and writing user memory: an address from user mode is an allegation, looked up page by page in its page tables and reached
//! through the direct map.

use abi::{Error, PAGE_SIZE, Rights, USER_TOP};
use arch::Machine;

use crate::{Kernel, Result};

impl<M: Machine> Kernel<M> {
    /// The place, in the direct map, of `bytes` bytes at `address`, all in one page, if `root`'s space allows `need` there.
    #[inline(always)]
    pub(crate) fn user(&self, root: u64, address: u64, bytes: usize, need: Rights) -> Result<*mut u8> {
        let offset = (address % PAGE_SIZE as u64) as usize;
        if address >= USER_TOP || offset + bytes > PAGE_SIZE {
            return Err(Error::BadAddress);
        }
        match self.leaf(root, address) {
            Some((leaf, _)) if leaf.rights.contains(need) && !leaf.rights.contains(Rights::DEVICE) => {
                Ok(self.machine.frame(leaf.frame).wrapping_add(offset))
            }
            _ => Err(Error::NotMapped),
        }
    }

    /// The place of a value, which must be aligned to its size's power of two, and so is inside one page.
    #[inline(always)]
    pub(crate) fn user_value<T: Copy>(&self, root: u64, address: u64, need: Rights) -> Result<*mut T> {
        if !address.is_multiple_of(align_of::<T>() as u64) {
            return Err(Error::BadAddress);
        }
        Ok(self.user(root, address, size_of::<T>(), need)?.cast())
    }

    /// A value where it is: looked at, or copied, before user mode runs again.
    pub(crate) fn read_user<'a, T: Copy>(&self, root: u64, address: u64) -> Result<&'a T> {
        let place = self.user_value::<T>(root, address, Rights::READ)?;
        // SAFETY: the bytes are in one mapped frame, aligned; callers name types of plain integers only, for which any bytes will do. Nothing
        // writes to the frame while the kernel looks.
        Ok(unsafe { &*place })
    }
}

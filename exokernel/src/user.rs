//! Reading and writing user memory: an address from user mode is an allegation, looked up page by page in its page tables and reached
//! through the direct map.

use abi::{Error, PAGE_SIZE, Registers, Rights, USER_TOP};
use arch::Machine;

use crate::{Kernel, Result};

impl<M: Machine> Kernel<M> {
    /// Where `bytes` bytes at `address` are, all in one page, if `root`'s space allows `need` there.
    pub(crate) fn user(&self, root: u64, address: u64, bytes: usize, need: Rights) -> Result<(u64, usize)> {
        let offset = (address % PAGE_SIZE as u64) as usize;
        if address >= USER_TOP || offset + bytes > PAGE_SIZE {
            return Err(Error::BadAddress);
        }
        match self.leaf(root, address) {
            Some((leaf, _)) if leaf.rights.contains(need) && !leaf.rights.contains(Rights::DEVICE) => Ok((leaf.frame, offset)),
            _ => Err(Error::NotMapped),
        }
    }

    /// A value, aligned to its size's power of two, hence inside one page.
    pub(crate) fn read_user<T: Copy>(&self, root: u64, address: u64) -> Result<T> {
        if !address.is_multiple_of(align_of::<T>() as u64) {
            return Err(Error::BadAddress);
        }
        let (frame, offset) = self.user(root, address, size_of::<T>(), Rights::READ)?;
        // SAFETY: the bytes are in one mapped frame, aligned; callers name types of plain integers only, for which any bytes will do.
        Ok(unsafe { self.machine.frame(frame).add(offset).cast::<T>().read() })
    }

    /// A register frame, where it is: looked at before user mode runs again.
    pub(crate) fn registers_at<'a>(&self, root: u64, address: u64) -> Result<&'a Registers> {
        if !address.is_multiple_of(align_of::<Registers>() as u64) {
            return Err(Error::BadAddress);
        }
        let (frame, offset) = self.user(root, address, size_of::<Registers>(), Rights::READ)?;
        // SAFETY: as above; nothing writes to the frame while the kernel looks.
        Ok(unsafe { &*self.machine.frame(frame).add(offset).cast() })
    }

    /// The other way round.
    pub(crate) fn write_user<T: Copy>(&self, root: u64, address: u64, value: T) -> Result<()> {
        if !address.is_multiple_of(align_of::<T>() as u64) {
            return Err(Error::BadAddress);
        }
        let (frame, offset) = self.user(root, address, size_of::<T>(), Rights::WRITE)?;
        // SAFETY: as above, and the mapping allows writing.
        unsafe { self.machine.frame(frame).add(offset).cast::<T>().write(value) };
        Ok(())
    }
}

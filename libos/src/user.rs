//! The program's memory, as an allegation.
//!
//! A pointer in a syscall is only what the program says. [`UserMemory`] copies in and out of it, once, and answers `EFAULT` where
//! Linux would; nothing is probed first, since a check and a use apart can disagree. Memory that is lazily mapped is resolved
//! by the page-fault upcall in the middle of the copy, so two rules hold for every caller:
//!
//! 1. Never touch user memory while holding the lock of `Process::memory`: the upcall takes it.
//! 2. Never touch user memory while holding the lock of a file's contents: the upcall may have to read a page of that file.

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use crate::errno::{Errno, Result};

/// One past the last address that belongs to programs. What is above is Chitin's own.
pub const PROGRAM_TOP: usize = 0x7bff_ffff_f000;

/// A struct that may be copied from and to a program byte by byte.
///
/// # Safety
/// Every bit pattern is a value, and no byte of it is padding.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty),*) => { $(
        // SAFETY: integers have neither padding nor invalid values.
        unsafe impl Plain for $type {}
    )* };
}
plain!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

// SAFETY: an array of such values has no padding between them.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// A stretch of user memory: an element of readv(2)'s vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Stretch {
    /// Where it starts.
    pub address: usize,
    /// Bytes.
    pub length: usize,
}
// SAFETY: two words, no padding.
unsafe impl Plain for Stretch {}

/// The most elements that a vector may have (`UIO_MAXIOV`).
pub const MOST_STRETCHES: usize = 1024;
/// The most bytes that one read or write moves (`MAX_RW_COUNT`).
pub const MOST_BYTES: usize = 0x7fff_f000;

/// A page of zeros, to be copied from.
pub static ZEROS: [u8; abi::PAGE_SIZE] = [0; abi::PAGE_SIZE];

/// Words of eight bytes that a short string has at most, its NUL included.
const SHORT_WORDS: usize = 12;

/// Access to the program's memory.
pub trait UserMemory {
    /// Copy from the program. `EFAULT` if any byte cannot be read; then some bytes of `into` may have been written.
    fn read(&self, address: usize, into: &mut [u8]) -> Result<()>;

    /// Copy to the program. `EFAULT` if any byte cannot be written; then some may have been.
    fn write(&self, address: usize, from: &[u8]) -> Result<()>;

    /// [`UserMemory::read`], into memory that holds nothing yet. On success all of it is initialised.
    fn read_fresh(&self, address: usize, into: &mut [MaybeUninit<u8>]) -> Result<()> {
        into.fill(MaybeUninit::new(0));
        // SAFETY: just initialised.
        self.read(address, unsafe { core::slice::from_raw_parts_mut(into.as_mut_ptr().cast::<u8>(), into.len()) })
    }

    /// Read a word of 32 bits.
    fn read_word(&self, address: usize) -> Result<u32>
    where
        Self: Sized,
    {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes).map(|()| u32::from_ne_bytes(bytes))
    }

    /// Read one of 64.
    fn read_long(&self, address: usize) -> Result<u64>
    where
        Self: Sized,
    {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes).map(|()| u64::from_ne_bytes(bytes))
    }

    /// Replace a word, if it is `old`, as one step; gives what it was.
    fn compare_exchange(&self, address: usize, old: u32, new: u32) -> Result<u32>
    where
        Self: Sized,
    {
        let value = self.read_value(address)?;
        if value == old {
            self.write_value(address, &new)?;
        }
        Ok(value)
    }

    /// Read a value.
    #[inline(always)]
    fn read_value<T: Plain>(&self, address: usize) -> Result<T>
    where
        Self: Sized,
    {
        if size_of::<T>() == size_of::<u64>() {
            let word = self.read_long(address)?;
            // SAFETY: both are of one size, and every bit pattern of a `Plain` type is a value.
            return Ok(unsafe { core::mem::transmute_copy(&word) });
        }
        let mut value = MaybeUninit::<T>::uninit();
        // SAFETY: bytes that may hold nothing are what the slice is of, and they belong to `value`, which nothing else refers to.
        let bytes = unsafe { core::slice::from_raw_parts_mut(value.as_mut_ptr().cast::<MaybeUninit<u8>>(), size_of::<T>()) };
        self.read_fresh(address, bytes)?;
        // SAFETY: the bytes were read, and every bit pattern of a `Plain` type is a value.
        Ok(unsafe { value.assume_init() })
    }

    /// Look at a value in place, if that can be; what `look` sees may change while it looks.
    fn read_with<T: Plain, R: Copy>(&self, address: usize, look: impl FnOnce(&T) -> R) -> Result<R>
    where
        Self: Sized,
    {
        Ok(look(&self.read_value(address)?))
    }

    /// Write a value by letting `fill` set what is to be there, in place if that can be: what it leaves may be what was there before. `address` is
    /// aligned for the type. `fill` touches nothing that needs to be dropped: a fault breaks it off.
    fn write_with<T: Plain>(&self, address: usize, fill: impl FnOnce(&mut T)) -> Result<()>
    where
        Self: Sized,
    {
        let mut value = MaybeUninit::<T>::zeroed();
        // SAFETY: zeros are a value of a `Plain` type.
        let value = unsafe { value.assume_init_mut() };
        fill(value);
        self.write_value(address, value)
    }

    /// Write a value.
    fn write_value<T: Plain>(&self, address: usize, value: &T) -> Result<()>
    where
        Self: Sized,
    {
        // SAFETY: a `Plain` type has no padding, so that all its bytes are initialised.
        let bytes = unsafe { core::slice::from_raw_parts(core::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) };
        self.write(address, bytes)
    }

    /// Write values that follow one another.
    fn write_values<T: Plain>(&self, address: usize, values: &[T]) -> Result<()>
    where
        Self: Sized,
    {
        // SAFETY: as in `write_value`, and there is no padding between the elements.
        let bytes = unsafe { core::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
        self.write(address, bytes)
    }

    /// Work on a NUL-terminated string where it was copied to, if it is short; else, and if it cannot be read, not at all.
    #[inline(always)]
    fn with_short<T>(&self, address: usize, work: impl FnOnce(&[u8]) -> T) -> Option<T>
    where
        Self: Sized,
    {
        const ONES: u64 = u64::from_le_bytes([1; 8]);
        const HIGH_BITS: u64 = ONES << 7;
        let near_the_end = abi::PAGE_SIZE - address % abi::PAGE_SIZE < SHORT_WORDS * 8;
        // What is behind it in another page may not be there.
        if near_the_end {
            return None;
        }
        let words: [[u8; 8]; SHORT_WORDS] = self.read_value(address).ok()?;
        for (index, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let nul = word.wrapping_sub(ONES) & !word & HIGH_BITS;
            if nul != 0 {
                return Some(work(&words.as_flattened()[..index * 8 + nul.trailing_zeros() as usize / 8]));
            }
        }
        None
    }

    /// The same for one that ends in the last bytes of a page, which are read from what is before it on: where a stack's top is, whatever
    /// a program was given ends so.
    fn with_last<T>(&self, address: usize, work: impl FnOnce(&[u8]) -> T) -> Option<T>
    where
        Self: Sized,
    {
        const BYTES: usize = SHORT_WORDS * 8;
        let start = (address | (abi::PAGE_SIZE - 1)) - (BYTES - 1);
        let bytes: [u8; BYTES] = self.read_value(start).ok()?;
        let bytes = bytes.get(address.checked_sub(start)?..)?;
        Some(work(&bytes[..bytes.iter().position(|&byte| byte == 0)?]))
    }

    /// Read a NUL-terminated string, without the NUL. `ENAMETOOLONG` if there is none in the first `most` bytes.
    fn read_string(&self, address: usize, most: usize) -> Result<Vec<u8>>
    where
        Self: Sized,
    {
        if let Some(string) = self.with_short(address, |bytes| (bytes.len() < most).then(|| bytes.to_vec())) {
            return string.ok_or(Errno::ENAMETOOLONG);
        }
        let mut string = Vec::new();
        let mut chunk = [0u8; 256];
        while string.len() < most {
            let at = address.checked_add(string.len()).ok_or(Errno::EFAULT)?;
            // Within one page, so that a string at the end of a mapping is read without touching the next.
            let length = (abi::PAGE_SIZE - at % abi::PAGE_SIZE).min(chunk.len()).min(most - string.len());
            self.read(at, &mut chunk[..length])?;
            if let Some(end) = chunk[..length].iter().position(|&byte| byte == 0) {
                string.extend_from_slice(&chunk[..end]);
                return Ok(string);
            }
            string.extend_from_slice(&chunk[..length]);
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// Read the vector of a readv(2) or writev(2): `EINVAL` for a count or a length that is negative or too large, lengths cut
    /// so that their sum is at most [`MOST_BYTES`].
    fn read_vectors(&self, address: usize, count: usize) -> Result<Vec<Stretch>>
    where
        Self: Sized,
    {
        if count > MOST_STRETCHES {
            return Err(Errno::EINVAL);
        }
        let mut stretches = Vec::with_capacity(count);
        let mut room = MOST_BYTES;
        for index in 0..count {
            let mut stretch: Stretch = self.read_value(address.wrapping_add(index * size_of::<Stretch>()))?;
            if isize::try_from(stretch.length).is_err() {
                return Err(Errno::EINVAL);
            }
            stretch.length = stretch.length.min(room);
            room -= stretch.length;
            stretches.push(stretch);
        }
        Ok(stretches)
    }
}

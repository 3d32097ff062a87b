//! The VMSAv8-64 stage 1 translation table format: 4 KiB granule, 48-bit addresses (Arm ARM DDI 0487, D8.3).
//!
//! Rights that the hardware does not know are kept in bits 55 to 58, which it ignores, and in bit 59, to which it may give a meaning only where
//! it is told to (`TCR_EL1.HWU059`, `TCR2_EL1.AIE`). An entry without current rights has its valid bit clear, so that the hardware ignores all
//! of it, and its access flag set, so that it is not the word 0.

use abi::Rights;

use crate::Paging;

const VALID: u64 = 1 << 0;
/// With `VALID`: a table above level 0, a page at level 0.
const TABLE_OR_PAGE: u64 = 1 << 1;
/// What `VALID` and `TABLE_OR_PAGE` make of an entry above level 0.
pub const TABLE: u64 = TABLE_OR_PAGE | VALID;
const USER: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 0b11 << 8;
const ACCESSED: u64 = 1 << 10;
const NOT_GLOBAL: u64 = 1 << 11;
const PRIVILEGED_EXECUTE_NEVER: u64 = 1 << 53;
const USER_EXECUTE_NEVER: u64 = 1 << 54;
/// A user leaf above level 0, without its rights.
const BLOCK: u64 = USER | INNER_SHAREABLE | ACCESSED | NOT_GLOBAL | PRIVILEGED_EXECUTE_NEVER;
/// The bits of an address in a word.
pub const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// Index of write-back memory in `MAIR_EL1`.
pub const ATTRIBUTE_NORMAL: u64 = 0;
/// Index of Device-nGnRE memory in `MAIR_EL1`.
pub const ATTRIBUTE_DEVICE: u64 = 1;
/// `MAIR_EL1`: write-back, read- and write-allocate memory at index 0, Device-nGnRE at index 1.
pub const MAIR: u64 = 0xff << (8 * ATTRIBUTE_NORMAL) | 0x04 << (8 * ATTRIBUTE_DEVICE);

/// The format, as [`Paging`].
#[derive(Clone, Copy, Debug)]
pub struct Format;

impl Paging for Format {
    const ADDRESS: u64 = ADDRESS;
    const TABLE: u64 = TABLE;
    const KIND: u64 = TABLE;
    const LEAF: [u64; 2] = [BLOCK | TABLE_OR_PAGE, BLOCK];
    const KEPT: usize = 55 - 4;
    const RIGHTS: [(Rights, u64); 4] =
        [(Rights::READ, VALID), (Rights::WRITE, READ_ONLY), (Rights::EXECUTE, USER_EXECUTE_NEVER), (Rights::DEVICE, ATTRIBUTE_DEVICE << 2)];
    const REFUSALS: u64 = READ_ONLY | USER_EXECUTE_NEVER;
}

/// A word for the kernel's own half: global, never for user mode. `block`: at level 1 or 2.
#[must_use]
pub const fn encode_kernel(address: u64, attribute: u64, writable: bool, executable: bool, block: bool) -> u64 {
    let page = if block { 0 } else { TABLE_OR_PAGE };
    let store = if writable { 0 } else { READ_ONLY };
    let fetch = if executable { 0 } else { PRIVILEGED_EXECUTE_NEVER };
    address | attribute << 2 | INNER_SHAREABLE | ACCESSED | USER_EXECUTE_NEVER | VALID | page | store | fetch
}

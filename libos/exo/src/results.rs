//! Files that are fetched out of the guest when the run has ended: the module `results`, by which the build tool asks and `unixd` answers.
//!
//! The machine's memory is a file of the host's then, which outlives the machine. Before `unixd` ends it writes down which frames hold the
//! files' contents, and the tool reads them there: no device is needed, and nothing is copied. What the tool reads is checked
//! ([`sum`]), since nobody owns the frames any more once `unixd` is gone.
//!
//! The module is little-endian words of 64 bits: a [`Header`], as many [`Entry`]s as it says, then the paths' bytes.

/// The module's name.
pub const MODULE: &str = "results";

/// What the module begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Header {
    /// By the tool: what it knows the module by in the machine's memory, where it lies at the beginning of a page.
    pub tag: [u64; 2],
    /// By the tool: how many files are asked for.
    pub count: u64,
    /// By `unixd`: the number of the frame that this is in.
    pub frame: u64,
    /// By `unixd`, when all else is written: [`DONE`].
    pub state: u64,
}

/// The state when `unixd` has answered.
pub const DONE: u64 = 0x656e_6f64;

/// A file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Entry {
    /// By the tool: where its path begins in the module, in bytes.
    pub path: u64,
    /// By the tool: bytes of the path.
    pub path_length: u64,
    /// By `unixd`: 0, or the number of the error why there is nothing to be fetched.
    pub error: u64,
    /// By `unixd`: bytes of its contents.
    pub size: u64,
    /// By `unixd`: [`sum`] of its contents.
    pub sum: u64,
    /// By `unixd`: the frame of the first list, if there are contents. A list is a page of words: the frame of the next list, and after that
    /// the frames of the contents, in their order.
    pub list: u64,
}

/// Frames of contents that a list holds.
pub const FRAMES_PER_LIST: usize = abi::PAGE_SIZE / 8 - 1;

/// The sum of no bytes: FNV-1a's offset basis.
pub const SUM_OF_NOTHING: u64 = 0xcbf2_9ce4_8422_2325;

/// The sum of some bytes and these behind them: FNV-1a of 64 bits.
#[must_use]
pub fn sum(before: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(before, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

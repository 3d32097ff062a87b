//! The first bytes of a file, by which its format is known.

use crate::errno::Result;
use crate::memory::backing::Backing;
use crate::vfs::node::PAGES_TO_RUN;

/// What is read of a file at first: more than Linux does (`BINPRM_BUF_SIZE`), so that the program headers of most programs are in it.
pub const HEAD_BYTES: usize = 512;

/// A file's first bytes; zeros where it has fewer. Aligned as the structs of an ELF file.
#[repr(C, align(8))]
pub struct Head(pub [u8; HEAD_BYTES]);

impl Default for Head {
    fn default() -> Head {
        Head([0; HEAD_BYTES])
    }
}

impl Head {
    /// Read them of a file that is about to be run.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(&mut self, file: &dyn Backing) -> Result<()> {
        file.will_need(PAGES_TO_RUN);
        let count = file.read_at(0, &mut self.0)?;
        self.0[count..].fill(0);
        Ok(())
    }
}

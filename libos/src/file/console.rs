//! The machine's console as a stream of bytes: the standard output of a batch run.
//!
//! It passes exactly the bytes that the program wrote, so that they can be compared with what it writes to a pipe on Linux, and it asks
//! nobody: each process writes to the kernel. As a terminal the console is in `unixd`.

use crate::errno::Result;
use crate::file::transfer::moved;
use crate::file::{Blocking, File, Input, Output, Place, Readiness};
use crate::vfs::world::World;

/// Bytes written at a time.
const CHUNK: usize = 1024;

/// The console as a stream of bytes, like a pipe's end: exactly what is written comes out.
pub struct Stream;

impl File for Stream {
    fn read(&self, _: &dyn World, _: &mut Output, _: u64, _: Blocking) -> Result<usize> {
        Ok(0)
    }

    fn write(&self, world: &dyn World, input: &mut Input, _: Place, _: Blocking) -> Result<(usize, u64)> {
        let mut chunk = [0; CHUNK];
        let before = input.done();
        let mut outcome = Ok(());
        while input.left() > 0 && outcome.is_ok() {
            let count = CHUNK.min(input.left());
            outcome = input.take(&mut chunk[..count]).map(|count| world.console_put(&chunk[..count]));
        }
        moved(input.done() - before, outcome).map(|count| (count, 0))
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn readiness(&self, _: &dyn World) -> Readiness {
        Readiness::WRITABLE
    }
}

//! The machine's console: a terminal, or a stream of bytes.
//!
//! In an interactive run the standard streams are a [`Terminal`] with a line discipline, which turns `\n` into `\r\n` on the way out as
//! every Linux terminal does. In a batch run they are not a terminal: output is a [`Stream`], which passes exactly the bytes that the
//! program wrote, so that they can be compared with what it writes to a pipe on Linux.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_raw_sys::{general, ioctl};
use spin::Mutex;

use crate::errno::{Errno, Result};
use crate::file::line::{Line, TERMIOS_BYTES, Termios};
use crate::file::transfer::moved;
use crate::file::{Blocking, Edges, File, Input, Output, Place, Readiness};
use crate::vfs::world::World;

/// Bytes written at a time.
const CHUNK: usize = 1024;
/// A tenth of a second, the unit of `VTIME`, in nanoseconds.
const TENTH_NS: u64 = 100_000_000;

/// Write all of an input in chunks.
fn write_chunks(input: &mut Input, mut put: impl FnMut(&[u8])) -> Result<(usize, u64)> {
    let mut chunk = [0; CHUNK];
    let before = input.done();
    let mut outcome = Ok(());
    while input.left() > 0 && outcome.is_ok() {
        let count = CHUNK.min(input.left());
        outcome = input.take(&mut chunk[..count]).map(|count| put(&chunk[..count]));
    }
    moved(input.done() - before, outcome).map(|count| (count, 0))
}

/// The console as a terminal.
pub struct Terminal {
    line: Mutex<Line>,
    /// `struct winsize`: rows, columns, and two sizes in pixels.
    window: Mutex<[u16; 4]>,
    /// The foreground process group.
    group: AtomicU32,
    edges: Mutex<Edges>,
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Terminal {
    /// A terminal of 24 by 80, with a Linux console's modes.
    #[must_use]
    pub fn new() -> Self {
        Terminal {
            line: Mutex::new(Line::default()),
            window: Mutex::new([24, 80, 0, 0]),
            group: AtomicU32::new(1),
            edges: Mutex::default(),
        }
    }

    /// Take in what the console has.
    fn fill(&self, world: &dyn World) {
        let mut bytes = [0; 64];
        loop {
            let count = world.console_get(&mut bytes);
            if count == 0 {
                return;
            }
            self.edges.lock().note_input();
            for &byte in &bytes[..count] {
                let mut echo = Vec::new();
                let signal = self.line.lock().receive(byte, &mut echo);
                self.put(world, &echo);
                if let Some(signal) = signal {
                    world.signal(signal);
                }
            }
        }
    }

    fn put(&self, world: &dyn World, bytes: &[u8]) {
        if !bytes.is_empty() {
            let mut out = Vec::with_capacity(bytes.len() + 16);
            self.line.lock().process_output(bytes, &mut out);
            world.console_put(&out);
        }
    }

    /// How many bytes a read must wait for, and how long for the first and for each further one, in nanoseconds.
    fn patience(&self) -> (usize, Option<u64>) {
        let line = self.line.lock();
        let character = |index: u32| line.termios.characters[index as usize];
        let time = u64::from(character(general::VTIME)) * TENTH_NS;
        (usize::from(character(general::VMIN)), (time > 0).then_some(time))
    }

    /// Wait until a read without line editing has what `VMIN` and `VTIME` ask for.
    fn wait_raw(&self, world: &dyn World, room: usize, blocking: Blocking) -> Result<()> {
        let (least, time) = self.patience();
        let mut before = usize::MAX;
        let mut deadline = None;
        loop {
            self.fill(world);
            let available = self.line.lock().available();
            if available >= least.min(room).max(1) || least == 0 && time.is_none() {
                return Ok(());
            }
            if blocking == Blocking::Refused {
                return if available > 0 { Ok(()) } else { Err(Errno::EAGAIN) };
            }
            // The timer runs from the start if VMIN is 0, else anew from each byte on.
            if available != before && (least == 0 || available > 0) {
                deadline = time.map(|time| world.monotonic_ns() + time);
            }
            before = available;
            match world.console_wait(deadline) {
                Err(Errno::ETIMEDOUT) => return Ok(()),
                Err(_) if available > 0 => return Ok(()),
                outcome => outcome?,
            }
        }
    }

    fn wait_line(&self, world: &dyn World, blocking: Blocking) -> Result<()> {
        loop {
            self.fill(world);
            if self.line.lock().is_ready() {
                return Ok(());
            }
            if blocking == Blocking::Refused {
                return Err(Errno::EAGAIN);
            }
            world.console_wait(None)?;
        }
    }

    fn set_modes(&self, world: &dyn World, argument: usize, flush: bool) -> Result<usize> {
        let mut bytes = [0; TERMIOS_BYTES];
        world.read(argument, &mut bytes)?;
        let mut line = self.line.lock();
        if flush {
            line.flush();
        }
        line.set_termios(Termios::from_bytes(&bytes));
        Ok(0)
    }
}

fn give(world: &dyn World, address: usize, value: u32) -> Result<usize> {
    world.write(address, &value.to_ne_bytes())?;
    Ok(0)
}

impl File for Terminal {
    fn read(&self, world: &dyn World, output: &mut Output, _: u64, blocking: Blocking) -> Result<usize> {
        if output.room() == 0 {
            return Ok(0);
        }
        if self.line.lock().is_canonical() {
            self.wait_line(world, blocking)?;
        } else {
            self.wait_raw(world, output.room(), blocking)?;
        }
        let taken = self.line.lock().take(output.room());
        output.put(&taken)
    }

    fn write(&self, world: &dyn World, input: &mut Input, _: Place, _: Blocking) -> Result<(usize, u64)> {
        write_chunks(input, |bytes| self.put(world, bytes))
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn edges(&self, world: &dyn World) -> Edges {
        self.fill(world);
        *self.edges.lock()
    }

    fn readiness(&self, world: &dyn World) -> Readiness {
        self.fill(world);
        let mut ready = Readiness::WRITABLE;
        ready.set(Readiness::READABLE, self.line.lock().is_ready());
        ready
    }

    fn waits_for_console(&self) -> bool {
        true
    }

    fn control(&self, world: &dyn World, request: u32, argument: usize) -> Result<usize> {
        match request {
            ioctl::TCGETS => {
                let bytes = self.line.lock().termios.to_bytes();
                world.write(argument, &bytes)?;
                Ok(0)
            }
            ioctl::TCSETS | ioctl::TCSETSW => self.set_modes(world, argument, false),
            ioctl::TCSETSF => self.set_modes(world, argument, true),
            ioctl::TCFLSH => {
                if argument == general::TCIFLUSH as usize || argument == general::TCIOFLUSH as usize {
                    self.line.lock().flush();
                }
                Ok(0)
            }
            ioctl::TCSBRK | ioctl::TCSBRKP | ioctl::TCXONC | ioctl::TIOCSCTTY => Ok(0),
            ioctl::TIOCGWINSZ => {
                let [rows, columns, width, height] = *self.window.lock();
                give(world, argument, u32::from(rows) | u32::from(columns) << 16)?;
                give(world, argument.wrapping_add(4), u32::from(width) | u32::from(height) << 16)
            }
            ioctl::TIOCSWINSZ => {
                let mut bytes = [0; 8];
                world.read(argument, &mut bytes)?;
                *self.window.lock() = core::array::from_fn(|index| u16::from_ne_bytes([bytes[index * 2], bytes[index * 2 + 1]]));
                Ok(0)
            }
            ioctl::TIOCGPGRP => give(world, argument, self.group.load(Ordering::Relaxed)),
            ioctl::TIOCGSID => give(world, argument, world.id()),
            ioctl::TIOCSPGRP => {
                let mut bytes = [0; 4];
                world.read(argument, &mut bytes)?;
                self.group.store(u32::from_ne_bytes(bytes), Ordering::Relaxed);
                Ok(0)
            }
            ioctl::FIONREAD => {
                self.fill(world);
                let available = self.line.lock().available() as u32;
                give(world, argument, available)
            }
            ioctl::TIOCOUTQ => give(world, argument, 0),
            _ => Err(Errno::ENOTTY),
        }
    }
}

/// The console as a stream of bytes, like a pipe's end: exactly what is written comes out.
pub struct Stream;

impl File for Stream {
    fn read(&self, _: &dyn World, _: &mut Output, _: u64, _: Blocking) -> Result<usize> {
        Ok(0)
    }

    fn write(&self, world: &dyn World, input: &mut Input, _: Place, _: Blocking) -> Result<(usize, u64)> {
        write_chunks(input, |bytes| world.console_put(bytes))
    }

    fn is_pollable(&self) -> bool {
        true
    }

    fn readiness(&self, _: &dyn World) -> Readiness {
        Readiness::WRITABLE
    }
}

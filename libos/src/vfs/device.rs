//! `/dev`: character devices, by their numbers.
//!
//! A device is found by its number, not by its name, so that mknod(2) makes one anywhere.

use alloc::sync::Arc;

use crate::errno::{Errno, Result};
use crate::file::transfer::moved;
use crate::file::{Access, Blocking, File, Input, Output, Place, Plain, Seeking};
use crate::pool::Pool;
use crate::vfs::attributes::{Kind, Time, device_number, major};
use crate::vfs::node::{Entry, New, Node};
use crate::vfs::permission::Actor;
use crate::vfs::tmpfs::{Inode, Tmpfs};
use crate::vfs::world::World;

/// `/dev/null`
pub const NULL: u64 = device_number(1, 3);
/// `/dev/zero`
pub const ZERO: u64 = device_number(1, 5);
/// `/dev/full`
pub const FULL: u64 = device_number(1, 7);
/// `/dev/random`
pub const RANDOM: u64 = device_number(1, 8);
/// `/dev/urandom`
pub const URANDOM: u64 = device_number(1, 9);
/// `/dev/tty`: the controlling terminal.
pub const TTY: u64 = device_number(5, 0);
/// `/dev/console`
pub const CONSOLE: u64 = device_number(5, 1);
/// `/dev/ptmx`: a new pair of terminals.
pub const PTMX: u64 = device_number(5, 2);
/// `/dev/ttyS0`: the serial port, which is the console.
pub const SERIAL: u64 = device_number(4, 64);
/// The major number of pairs' slaves.
const PTS_MAJOR: u32 = 136;

/// The device number of `/dev` itself.
const DEVTMPFS: u64 = device_number(0, 5);

/// What `/dev` holds: name, device, permissions.
const NODES: [(&[u8], u64, u32); 9] = [
    (b"null", NULL, 0o666),
    (b"zero", ZERO, 0o666),
    (b"full", FULL, 0o666),
    (b"random", RANDOM, 0o666),
    (b"urandom", URANDOM, 0o666),
    (b"tty", TTY, 0o666),
    (b"console", CONSOLE, 0o600),
    (b"ptmx", PTMX, 0o666),
    (b"ttyS0", SERIAL, 0o620),
];

/// The symbolic links of `/dev`.
const LINKS: [(&[u8], &[u8]); 4] =
    [(b"fd", b"/proc/self/fd"), (b"stdin", b"/proc/self/fd/0"), (b"stdout", b"/proc/self/fd/1"), (b"stderr", b"/proc/self/fd/2")];

/// Make the file system of `/dev`.
///
/// # Errors
/// Those of a tmpfs: none, on an empty one.
pub fn mount(parent: &Arc<Entry>, pool: &Arc<Pool>, now: Time) -> Result<Arc<Entry>> {
    let root: Arc<Inode> = Tmpfs::create(DEVTMPFS, pool, 0o755, now);
    let entry = Entry::mounted(root.clone(), parent, b"dev");
    let actor = &Actor::root(now);
    for (name, special, permissions) in NODES {
        root.create(&entry, name, &New { kind: Kind::Character, permissions, special, target: &[] }, actor)?;
    }
    for (name, target) in LINKS {
        root.create(&entry, name, &New { kind: Kind::Link, permissions: 0o777, special: 0, target }, actor)?;
    }
    root.create(&entry, b"shm", &New { kind: Kind::Directory, permissions: 0o1777, special: 0, target: &[] }, actor)?;
    Ok(entry)
}

/// What stands behind a device's number.
///
/// # Errors
/// `ENXIO`: nothing does.
pub fn open(special: u64, access: Access, world: &dyn World) -> Result<Arc<dyn File>> {
    Ok(match special {
        NULL => Arc::new(Null),
        ZERO => Arc::new(Zero),
        FULL => Arc::new(Full),
        RANDOM | URANDOM => Arc::new(Random),
        TTY | CONSOLE | PTMX | SERIAL => world.open_terminal(special, access)?,
        _ if major(special) == PTS_MAJOR => world.open_terminal(special, access)?,
        _ => return Err(Errno::ENXIO),
    })
}

struct Null;

impl File for Null {
    fn is_stateless(&self) -> bool {
        true
    }

    fn plain(&self) -> Plain {
        Plain::Null
    }

    fn read(&self, _: &dyn World, _: &mut Output, _: u64, _: Blocking) -> Result<usize> {
        Ok(0)
    }

    fn write(&self, _: &dyn World, input: &mut Input, _: Place, _: Blocking) -> Result<(usize, u64)> {
        Ok((input.skip(), 0))
    }

    fn seeking(&self) -> Seeking {
        Seeking::Ignored
    }
}

struct Zero;

impl File for Zero {
    fn is_stateless(&self) -> bool {
        true
    }

    fn plain(&self) -> Plain {
        Plain::Zero
    }

    fn read(&self, _: &dyn World, output: &mut Output, _: u64, _: Blocking) -> Result<usize> {
        let outcome = output.put_zeros(output.room()).map(drop);
        moved(output.done(), outcome)
    }

    fn write(&self, _: &dyn World, input: &mut Input, _: Place, _: Blocking) -> Result<(usize, u64)> {
        Ok((input.skip(), 0))
    }

    fn seeking(&self) -> Seeking {
        Seeking::Ignored
    }

    fn maps_zeros(&self) -> bool {
        true
    }
}

struct Full;

impl File for Full {
    fn is_stateless(&self) -> bool {
        true
    }

    fn read(&self, world: &dyn World, output: &mut Output, offset: u64, blocking: Blocking) -> Result<usize> {
        Zero.read(world, output, offset, blocking)
    }

    fn write(&self, _: &dyn World, _: &mut Input, _: Place, _: Blocking) -> Result<(usize, u64)> {
        Err(Errno::ENOSPC)
    }

    fn seeking(&self) -> Seeking {
        Seeking::Ignored
    }
}

struct Random;

impl File for Random {
    fn is_stateless(&self) -> bool {
        true
    }

    fn read(&self, world: &dyn World, output: &mut Output, _: u64, _: Blocking) -> Result<usize> {
        let mut chunk = [0; 256];
        let mut outcome = Ok(());
        while output.room() > 0 && outcome.is_ok() {
            let count = chunk.len().min(output.room());
            world.random(&mut chunk[..count]);
            outcome = output.put(&chunk[..count]).map(drop);
        }
        moved(output.done(), outcome)
    }

    fn write(&self, _: &dyn World, input: &mut Input, _: Place, _: Blocking) -> Result<(usize, u64)> {
        Ok((input.skip(), 0))
    }

    fn seeking(&self) -> Seeking {
        Seeking::Ignored
    }
}

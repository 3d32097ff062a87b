//! execve(2) and execveat(2).

use alloc::vec::Vec;

use abi::Registers;
use linux_raw_sys::general::AT_FDCWD;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::load::stack::STRING_MOST;
use crate::load::strings::Strings;
use crate::load::{Executable, Request};
use crate::process::{Process, executable};
use crate::signal::attention;
use crate::syscall::Arguments;
use crate::syscall::path::path;
use crate::user::UserMemory;
use crate::vfs::node::Role;
use crate::vfs::walk::Last;

const AT_SYMLINK_NOFOLLOW: u32 = 0x100;
const AT_EMPTY_PATH: u32 = 0x1000;

/// What names the file.
struct Named {
    directory: i32,
    path: Vec<u8>,
    flags: u32,
}

/// execve(2)
pub fn execve<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let registers = replace(process, AT_FDCWD, arguments.word(0), arguments.word(1), arguments.word(2), 0)?;
    start(process, registers)
}

/// execveat(2)
pub fn execveat<K: Kernel>(process: &Process<K>, arguments: &Arguments) -> Result<usize> {
    let registers = replace(process, arguments.int(0), arguments.word(1), arguments.word(2), arguments.word(3), arguments.unsigned(4))?;
    start(process, registers)
}

/// Continue with the new program, unless a signal that was pending ends it.
fn start<K: Kernel>(process: &Process<K>, mut registers: Registers) -> ! {
    if process.trace.is_on {
        crate::strace::executed(process);
    }
    if process.signals.take_attention(attention::TURN) {
        process.hear();
    }
    process.deliver(&mut registers);
    process.kernel.clear_vectors();
    process.kernel.resume_elsewhere(&registers)
}

/// Replace the program; gives the new one's first registers. Nothing is held any more when it returns.
fn replace<K: Kernel>(
    process: &Process<K>,
    directory: i32,
    name: usize,
    arguments: usize,
    environment: usize,
    flags: u32,
) -> Result<Registers> {
    let outcome = replace_with(process, &Named { directory, path: path(process, name)?, flags }, arguments, environment);
    process.files.settle_programs();
    outcome
}

fn replace_with<K: Kernel>(process: &Process<K>, named: &Named, arguments: usize, environment: usize) -> Result<Registers> {
    let flags = named.flags;
    if named.path.is_empty() && flags & AT_EMPTY_PATH == 0 {
        return Err(Errno::ENOENT);
    }
    if flags & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let file = named.open(process)?;
    let called = named.called();
    let (arguments, environment) = (pointers(process, arguments)?, pointers(process, environment)?);
    let mut strings = Strings::new(arguments.len(), environment.len(), process.memory.lock().stack_limit)?;
    strings.put(&called)?;
    put_all(process, &environment, &mut strings)?;
    put_all(process, &arguments, &mut strings)?;
    if arguments.is_empty() {
        strings.put(b"")?;
    }
    let prepared = process.prepare(Request { file, strings, unreachable: named.is_closed_on_exec(process) })?;
    process.depart(prepared.name())?;
    Ok(process.begin_or_end(prepared))
}

impl Named {
    fn is_by_path(&self) -> bool {
        self.directory == AT_FDCWD || self.path.first() == Some(&b'/')
    }

    /// What the program is told that it is called.
    fn called(&self) -> Vec<u8> {
        if self.is_by_path() {
            return self.path.clone();
        }
        let mut called = alloc::format!("/dev/fd/{}", self.directory).into_bytes();
        if !self.path.is_empty() {
            called.push(b'/');
            called.extend_from_slice(&self.path);
        }
        called
    }

    fn open<K: Kernel>(&self, process: &Process<K>) -> Result<Executable> {
        match (self.path.is_empty(), self.directory) {
            (true, AT_FDCWD) => executable(&process.files.current_directory(), Role::Program),
            (true, fd) => executable(&process.files.get(fd)?.entry, Role::Program),
            _ => {
                let last = if self.flags & AT_SYMLINK_NOFOLLOW == 0 { Last::Follow } else { Last::Keep };
                process.open_to_run(self.directory, &self.path, last, Role::Program)
            }
        }
    }

    /// Whether the name leads through a descriptor that the new program will not have.
    fn is_closed_on_exec<K: Kernel>(&self, process: &Process<K>) -> bool {
        !self.is_by_path() && process.files.with_table(|table| table.get(self.directory).is_ok_and(|slot| slot.close_on_exec))
    }
}

/// An array of pointers up to its null; none if it has no address itself.
fn pointers<K: Kernel>(process: &Process<K>, address: usize) -> Result<Vec<usize>> {
    let mut pointers = Vec::with_capacity(8);
    if address == 0 {
        return Ok(pointers);
    }
    loop {
        match process.read_value(address.wrapping_add(pointers.len() * size_of::<usize>()))? {
            0 => return Ok(pointers),
            pointer => pointers.push(pointer),
        }
    }
}

/// Put strings of the program, the last first.
fn put_all<K: Kernel>(process: &Process<K>, pointers: &[usize], strings: &mut Strings) -> Result<()> {
    let too_long = |errno| if errno == Errno::ENAMETOOLONG { Errno::E2BIG } else { errno };
    for &pointer in pointers.iter().rev() {
        match process.with_short(pointer, |string| strings.put(string)) {
            Some(outcome) => outcome?,
            None => strings.put(&process.read_string(pointer, STRING_MOST).map_err(too_long)?)?,
        }
    }
    Ok(())
}

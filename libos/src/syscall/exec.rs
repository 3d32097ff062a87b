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
    let prepared = process.prepare(named.request(process, arguments, environment)?)?;
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

    /// What is to be run, and what it is given.
    // As for `depart`: what this needs of the stack is free again.
    #[inline(never)]
    fn request<K: Kernel>(&self, process: &Process<K>, arguments: usize, environment: usize) -> Result<Request> {
        let file = self.open(process)?;
        let called = self.called();
        let (arguments, environment) = (Pointers::read(process, arguments)?, Pointers::read(process, environment)?);
        let mut strings = Strings::new(arguments.count, environment.count, process.memory.lock().stack_limit)?;
        strings.put(&called)?;
        environment.put_all(process, &mut strings)?;
        arguments.put_all(process, &mut strings)?;
        if arguments.count == 0 {
            strings.put(b"")?;
        }
        Ok(Request { file, strings, unreachable: self.is_closed_on_exec(process) })
    }

    /// Whether the name leads through a descriptor that the new program will not have.
    fn is_closed_on_exec<K: Kernel>(&self, process: &Process<K>) -> bool {
        !self.is_by_path() && process.files.with_table(|table| table.get(self.directory).is_ok_and(|slot| slot.close_on_exec))
    }
}

/// An array of pointers to strings, which ends with a null. As on Linux they are counted first, and read again one by one.
struct Pointers {
    address: usize,
    count: usize,
}

impl Pointers {
    /// None, if it has no address itself.
    fn read<K: Kernel>(process: &Process<K>, address: usize) -> Result<Pointers> {
        let mut pointers = Pointers { address, count: 0 };
        while address != 0 && pointers.get(process, pointers.count)? != 0 {
            pointers.count += 1;
        }
        Ok(pointers)
    }

    fn get<K: Kernel>(&self, process: &Process<K>, index: usize) -> Result<usize> {
        process.read_value(self.address.wrapping_add(index * size_of::<usize>()))
    }

    /// Put the strings, the last first.
    fn put_all<K: Kernel>(&self, process: &Process<K>, strings: &mut Strings) -> Result<()> {
        let too_long = |errno| if errno == Errno::ENAMETOOLONG { Errno::E2BIG } else { errno };
        for index in (0..self.count).rev() {
            let pointer = self.get(process, index)?;
            let put = process.with_short(pointer, |string| strings.put(string));
            match put.or_else(|| process.with_last(pointer, |string| strings.put(string))) {
                Some(outcome) => outcome?,
                None => strings.put(&process.read_string(pointer, STRING_MOST).map_err(too_long)?)?,
            }
        }
        Ok(())
    }
}

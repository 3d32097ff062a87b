//! From a path to a program's first registers: what execve(2) does.
//!
//! A file is read, checked and mapped as Linux's `fs/binfmt_elf.c` does it, down to which defect gives which error. What Linux
//! finds wrong only after the old program is gone ends the process by `SIGSEGV`; so it does here.
#![forbid(unsafe_code)]

pub mod auxiliary;
mod departure;
pub mod elf;
pub mod head;
pub mod image;
pub mod owners;
pub mod script;
pub mod stack;
pub mod strings;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Registers;
use exo::command::CommandFlags;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::memory::backing::Backing;
use crate::memory::fault::Access;
use crate::memory::{Label, Memory, Protection, Region, STACK_FIRST, STACK_TOP, pages_up};
use crate::process::{Process, short_name};
use crate::signal::{Ending, SIGSEGV};
use crate::user::ZEROS;
use crate::vfs::node::Role;
use elf::Program;
use head::Head;
use image::Image;
use owners::Owners;
use strings::Strings;

/// What to run, as the environment's creator left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The arguments; the first is the program's path.
    pub arguments: Vec<Vec<u8>>,
    /// The environment strings.
    pub environment: Vec<Vec<u8>>,
    /// Which policies it has.
    pub settings: Vec<String>,
    /// How to run it.
    pub flags: CommandFlags,
}

impl Command {
    /// Parse a command block. `None` if it is cut short or has no arguments.
    #[must_use]
    pub fn parse(block: &[u8]) -> Option<Command> {
        let block = exo::command::Command::parse(block)?;
        let strings = |strings: &mut dyn Iterator<Item = &[u8]>| strings.map(<[u8]>::to_vec).collect::<Vec<_>>();
        let arguments = strings(&mut block.arguments());
        let environment = strings(&mut block.environment());
        let settings = block.settings().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        (!arguments.is_empty()).then_some(Command { arguments, environment, settings, flags: block.flags })
    }
}

/// An executable file.
#[derive(Clone)]
pub struct Executable {
    /// Its contents.
    pub backing: Arc<dyn Backing>,
    /// Its absolute path.
    pub path: Arc<[u8]>,
    /// Whose rights it gives.
    pub owners: Owners,
}

/// What execve(2) is asked, its strings copied and its file found.
pub struct Request {
    /// The file.
    pub file: Executable,
    /// What it is called, which is `AT_EXECFN` and the path that a script's interpreter is given; the environment strings; the arguments.
    pub strings: Strings,
    /// Whether that name leads to nothing once descriptors are closed: a script's interpreter could not open it.
    pub unreachable: bool,
}

/// A program that can be started: everything that could be refused was asked.
pub struct Prepared {
    strings: Strings,
    file: Executable,
    program: Program,
    /// Apart, as few programs have one.
    interpreter: Option<Box<(Program, Executable)>>,
}

/// Why a program did not start that was past the point of no return: `SIGSEGV`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fatal;

/// How deep `#!` lines may lead to files with `#!` lines.
const SCRIPTS_MOST: usize = 5;

impl Prepared {
    /// What the program is called by who runs it.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.strings.name()
    }
}

impl<K: Kernel> Process<K> {
    /// Load the first program into the empty address space; gives the registers that it starts with.
    ///
    /// # Errors
    /// execve(2)'s. What Linux answers with `SIGSEGV` ends the process.
    pub fn execute(&self, command: &Command) -> Result<Registers> {
        let name = command.arguments.first().ok_or(Errno::EFAULT)?;
        let strings = Strings::of(name, &command.arguments, &command.environment, self.memory.lock().stack_limit)?;
        let prepared = self.prepare(Request { file: self.open_executable(name)?, strings, unreachable: false })?;
        self.memory.lock().rewrites = command.flags.contains(CommandFlags::REWRITE);
        let registers = self.begin_or_end(prepared);
        let _ = self.name_thread(self.id(), short_name(name));
        Ok(registers)
    }

    /// Check all that can be refused, while the old program is still whole.
    ///
    /// # Errors
    /// `ENOEXEC`: no program, nor a script. `ELOOP`: scripts that lead to scripts. `E2BIG`: what a script adds does not fit. `ENOENT`: a
    /// script that its interpreter could not open. Those of opening and reading an interpreter.
    pub fn prepare(&self, request: Request) -> Result<Prepared> {
        let Request { mut file, mut strings, unreachable } = request;
        let mut depth = 0;
        let mut script: Option<Vec<u8>> = None;
        let mut head = Head::default();
        head.read(&*file.backing)?;
        while let Some(line) = script::line(&head)? {
            if unreachable {
                return Err(Errno::ENOENT);
            }
            let path = script.take().unwrap_or_else(|| strings.name().to_vec());
            line.put_before(&path, &mut strings)?;
            file = self.open_executable(&line.interpreter)?;
            head.read(&*file.backing)?;
            script = Some(line.interpreter);
            depth += 1;
            if depth > SCRIPTS_MOST {
                return Err(Errno::ELOOP);
            }
        }
        let program = Program::read(&*file.backing, &head)?;
        let interpreter = match &program.interpreter {
            None => None,
            Some(path) => {
                let file = self.open_interpreter(path)?;
                Some(Box::new((Program::read_interpreter(&*file.backing)?, file)))
            }
        };
        Ok(Prepared { strings, file, program, interpreter })
    }

    /// Start a program in the empty address space; gives its first registers. What fails now ends the process.
    pub fn begin_or_end(&self, prepared: Prepared) -> Registers {
        self.begin(prepared).unwrap_or_else(|Fatal| self.end(Ending::Signal(SIGSEGV)))
    }

    /// Map a program and its stack.
    ///
    /// # Errors
    /// [`Fatal`]: its segments make no sense, or there is no memory.
    fn begin(&self, mut prepared: Prepared) -> core::result::Result<Registers, Fatal> {
        self.choose_for(&prepared.file.path).map_err(|what| {
            self.report(&what);
            Fatal
        })?;
        let image = self.map_image(&prepared.program, &prepared.file, Role::Program)?;
        self.memory.lock().heap = image.end..image.end;
        let interpreter = match prepared.interpreter.as_deref() {
            None => None,
            Some((program, file)) => Some(self.map_image(program, file, Role::Interpreter)?),
        };
        self.take_ids(prepared.file.owners);
        let entry = interpreter.as_ref().map_or(image.entry, |interpreter| interpreter.entry);
        let base = interpreter.as_ref().map_or(0, |interpreter| interpreter.bias);
        let vector = auxiliary::vector(&self.kernel, &prepared.program, &image, base);
        let sp = self.write_stack(&mut prepared, &vector)?;
        // Every C library looks at the headers before `main`.
        self.bring(entry, Access::Execute);
        self.bring(image.headers, Access::Read);
        self.note_program(prepared.file, prepared.strings, vector);
        Ok(first_registers(entry, sp))
    }

    /// Map a program or an interpreter, with zeros where its segments' contents end.
    fn map_image(&self, program: &Program, file: &Executable, role: Role) -> core::result::Result<Image, Fatal> {
        let image = image::map(&mut self.memory.lock(), &self.kernel, program, file, role).map_err(|_| Fatal)?;
        self.clear_tails(&image);
        Ok(image)
    }

    /// Zero what lies between a segment's contents and its last page's end. A segment that cannot be written keeps it, as on Linux.
    fn clear_tails(&self, image: &Image) {
        for tail in &image.tails {
            self.bring(tail.start, Access::Write);
            let _ = self.kernel.write(tail.start, &ZEROS[..tail.len()]);
        }
    }

    /// Bring in a page that is about to be used: cheaper than the fault. What cannot be had is refused where it is used.
    fn bring(&self, address: usize, access: Access) {
        let _ = self.memory.lock().resolve(&self.kernel, address, access);
    }

    /// Map the stack and write what a program finds on it; gives its stack pointer.
    fn write_stack(&self, prepared: &mut Prepared, vector: &[auxiliary::Entry]) -> core::result::Result<usize, Fatal> {
        let mut random = [0; 16];
        self.random.fill(&mut random);
        let strings = &mut prepared.strings;
        let stack = stack::Layout { strings, platform: auxiliary::PLATFORM, random, vector }.build(STACK_TOP);
        self.map_stack(prepared.program.executable_stack, STACK_TOP - stack.sp);
        self.bring(stack.sp, Access::Write);
        self.kernel
            .write_values(stack.sp, &stack.words)
            .and_then(|()| self.kernel.write(stack.random, prepared.strings.bytes()))
            .map_err(|_| Fatal)?;
        Ok(stack.sp)
    }

    fn map_stack(&self, executable: bool, used: usize) {
        let mut protection = Protection::READ | Protection::WRITE;
        protection.set(Protection::EXECUTE, executable);
        let bytes = STACK_FIRST + pages_up(used).unwrap_or(0);
        let mut memory: spin::MutexGuard<Memory> = self.memory.lock();
        memory.regions.insert(STACK_TOP - bytes, Region::anonymous(STACK_TOP, protection, Label::Stack));
    }
}

/// The registers at a program's first instruction: zeros, as both ISAs' Linux has them.
fn first_registers(entry: usize, sp: usize) -> Registers {
    let mut registers = Registers { pc: entry as u64, sp: sp as u64, ..Registers::default() };
    if cfg!(target_arch = "x86_64") {
        // Interrupts on; the bit that is always set.
        registers.flags = 0x202;
    }
    registers
}

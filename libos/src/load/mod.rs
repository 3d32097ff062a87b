//! From a path to a program's first registers: what execve(2) does.
//!
//! A file is read, checked and mapped as Linux's `fs/binfmt_elf.c` does it, down to which defect gives which error. What Linux
//! finds wrong only after the old program is gone ends the process by `SIGSEGV`; here the same errors are told apart by
//! [`Failure`].
#![forbid(unsafe_code)]

pub mod auxiliary;
pub mod elf;
pub mod image;
pub mod script;
pub mod stack;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::Registers;
use exo::command::CommandFlags;

use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::memory::backing::Backing;
use crate::memory::{Label, Memory, Protection, Region, STACK_FIRST, STACK_TOP, pages_up};
use crate::process::Process;
use crate::signal::{Ending, SIGSEGV};
use elf::Program;
use image::Image;

/// What to run, as the environment's creator left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The arguments; the first is the program's path.
    pub arguments: Vec<Vec<u8>>,
    /// The environment strings.
    pub environment: Vec<Vec<u8>>,
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
        (!arguments.is_empty()).then_some(Command { arguments, environment, flags: block.flags })
    }
}

/// An executable file.
#[derive(Clone)]
pub struct Executable {
    /// Its contents.
    pub backing: Arc<dyn Backing>,
    /// Its absolute path.
    pub path: Arc<[u8]>,
}

/// Why a program did not start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// execve(2) fails with this, and the old program goes on.
    Refused(Errno),
    /// It failed past the point of no return: `SIGSEGV`.
    Fatal,
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Refused(errno)
    }
}

/// How deep `#!` lines may lead to files with `#!` lines.
const SCRIPTS_MOST: usize = 4;

impl<K: Kernel> Process<K> {
    /// Load a program into the (empty) address space; gives the registers that it starts with.
    ///
    /// # Errors
    /// execve(2)'s. What Linux answers with `SIGSEGV` ends the process.
    pub fn execute(&self, command: &Command) -> Result<Registers> {
        match self.load(command) {
            Ok(registers) => Ok(registers),
            Err(Failure::Refused(errno)) => Err(errno),
            Err(Failure::Fatal) => self.end(Ending::Signal(SIGSEGV)),
        }
    }

    /// [`Process::execute`], but with the two kinds of failure told apart.
    pub fn load(&self, command: &Command) -> core::result::Result<Registers, Failure> {
        let name = command.arguments.first().ok_or(Errno::EFAULT)?.clone();
        let mut file = self.open_executable(&name)?;
        let mut arguments = command.arguments.clone();
        let mut depth = 0;
        while let Some(line) = script::line(&file)? {
            depth += 1;
            if depth > SCRIPTS_MOST {
                return Err(Errno::ELOOP.into());
            }
            let path = if depth == 1 { name.clone() } else { arguments[0].clone() };
            arguments = line.arguments(&path, &arguments);
            file = self.open_executable(&line.interpreter)?;
        }
        let program = Program::read(&*file.backing)?;
        let interpreter = match &program.interpreter {
            None => None,
            Some(path) => {
                let file = self.open_executable(path)?;
                Some((Program::read_interpreter(&*file.backing)?, file))
            }
        };
        stack::check_size(&arguments, &command.environment, self.memory.lock().stack_limit)?;
        // From here on the old program is gone.
        self.memory.lock().rewrites = command.flags.contains(CommandFlags::REWRITE);
        let image = self.map_program(&program, &file)?;
        let interpreter = match &interpreter {
            None => None,
            Some((program, file)) => Some(self.map_interpreter(program, file)?),
        };
        let entry = interpreter.as_ref().map_or(image.entry, |interpreter| interpreter.entry);
        let mut random = [0; 16];
        self.random.fill(&mut random);
        let vector = auxiliary::vector(&self.kernel, &program, &image, interpreter.as_ref().map_or(0, |interpreter| interpreter.bias));
        let layout = stack::Layout {
            arguments: &arguments,
            environment: &command.environment,
            executable: &name,
            platform: auxiliary::PLATFORM,
            random,
            vector: &vector,
        };
        let (sp, bytes) = layout.build(STACK_TOP);
        self.map_stack(program.executable_stack, bytes.len());
        self.kernel.write(sp, &bytes).map_err(|_| Failure::Fatal)?;
        self.note_program(&file.path, &arguments, &command.environment, &vector);
        Ok(first_registers(entry, sp))
    }

    fn map_program(&self, program: &Program, file: &Executable) -> core::result::Result<Image, Failure> {
        let mut memory = self.memory.lock();
        let image = image::map(&mut memory, &self.kernel, program, file, None).map_err(|_| Failure::Fatal)?;
        memory.heap = image.end..image.end;
        drop(memory);
        self.clear_tails(&image);
        Ok(image)
    }

    fn map_interpreter(&self, program: &Program, file: &Executable) -> core::result::Result<Image, Failure> {
        let mut memory = self.memory.lock();
        let image = image::map(&mut memory, &self.kernel, program, file, Some(())).map_err(|_| Failure::Fatal)?;
        drop(memory);
        self.clear_tails(&image);
        Ok(image)
    }

    /// Zero what lies between a segment's contents and its last page's end. A segment that cannot be written keeps it, as on Linux.
    fn clear_tails(&self, image: &Image) {
        let zeros = [0; abi::PAGE_SIZE];
        for tail in &image.tails {
            let _ = self.kernel.write(tail.start, &zeros[..tail.len()]);
        }
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

//! The headers of an ELF file, checked in the order in which Linux checks them.

use alloc::vec;
use alloc::vec::Vec;

use goblin::elf64;
use goblin::elf64::header::{ELFMAG, EM_AARCH64, EM_X86_64, ET_DYN, ET_EXEC, Header};
use goblin::elf64::program_header::{PF_X, PT_GNU_STACK, PT_INTERP, ProgramHeader};

use crate::errno::{Errno, Result};
use crate::load::head::Head;
use crate::memory::backing::Backing;

/// The machine that this is built for.
const MACHINE: u16 = if cfg!(target_arch = "x86_64") { EM_X86_64 } else { EM_AARCH64 };
const HEADER_BYTES: usize = elf64::header::SIZEOF_EHDR;
const PROGRAM_HEADER_BYTES: usize = elf64::program_header::SIZEOF_PHDR;
/// The most bytes of program headers (`ELF_MIN_ALIGN`).
const PROGRAM_HEADERS_MOST: usize = 4096;
/// The longest path of an interpreter, its NUL included (`PATH_MAX`).
const INTERPRETER_MOST: u64 = 4096;

/// What is read of an ELF file.
pub struct Program {
    /// The file's header.
    pub header: Header,
    /// The program headers.
    pub headers: Vec<ProgramHeader>,
    /// The dynamic linker that it names.
    pub interpreter: Option<Vec<u8>>,
    /// Whether it asks for a stack that can be executed.
    pub executable_stack: bool,
}

impl Program {
    /// Read a program.
    ///
    /// # Errors
    /// `ENOEXEC`: it is no ELF file for this machine, or its headers are wrong. `EIO`: the interpreter's path is past the file's end.
    pub fn read(file: &dyn Backing, head: &Head) -> Result<Program> {
        let mut program = Self::read_headers(file, head, Errno::ENOEXEC)?;
        if let Some(header) = program.headers.iter().find(|header| header.p_type == PT_INTERP) {
            program.interpreter = Some(interpreter(file, header)?);
        }
        Ok(program)
    }

    /// Read an interpreter.
    ///
    /// # Errors
    /// `ELIBBAD`: it is no ELF file for this machine. `EIO`: it is too short for a header. `EINVAL`: its program headers are wrong.
    pub fn read_interpreter(file: &dyn Backing) -> Result<Program> {
        if file.size() < HEADER_BYTES as u64 {
            return Err(Errno::EIO);
        }
        let mut head = Head::default();
        head.read(file)?;
        Self::read_headers(file, &head, Errno::ELIBBAD)
    }

    /// Linux takes class and byte order from the machine alone, which are this one's: its structs stand in the file.
    fn read_headers(file: &dyn Backing, head: &Head, wrong: Errno) -> Result<Program> {
        let header = *Header::from_bytes(head.0.first_chunk::<HEADER_BYTES>().expect("it has more"));
        if &header.e_ident[..4] != ELFMAG {
            return Err(wrong);
        }
        if !matches!(header.e_type, ET_EXEC | ET_DYN) || header.e_machine != MACHINE {
            return Err(wrong);
        }
        let wrong = if wrong == Errno::ENOEXEC { Errno::ENOEXEC } else { Errno::EINVAL };
        let size = usize::from(header.e_phnum) * PROGRAM_HEADER_BYTES;
        if usize::from(header.e_phentsize) != PROGRAM_HEADER_BYTES || size == 0 || size > PROGRAM_HEADERS_MOST {
            return Err(wrong);
        }
        let end = header.e_phoff.checked_add(size as u64).filter(|&end| end <= file.size()).ok_or(wrong)?;
        let count = usize::from(header.e_phnum);
        let headers = match head.0.get(header.e_phoff as usize..end as usize) {
            Some(table) => ProgramHeader::from_bytes(table, count),
            None => {
                let mut table = vec![0; size];
                if file.read_at(header.e_phoff, &mut table)? != size {
                    return Err(wrong);
                }
                ProgramHeader::from_bytes(&table, count)
            }
        };
        let executable_stack = headers.iter().any(|header| header.p_type == PT_GNU_STACK && header.p_flags & PF_X != 0);
        Ok(Program { header, headers, interpreter: None, executable_stack })
    }

    /// Whether it may be loaded anywhere.
    #[must_use]
    pub fn is_relocatable(&self) -> bool {
        self.header.e_type == ET_DYN
    }
}

fn interpreter(file: &dyn Backing, header: &ProgramHeader) -> Result<Vec<u8>> {
    if header.p_filesz > INTERPRETER_MOST || header.p_filesz < 2 {
        return Err(Errno::ENOEXEC);
    }
    let mut path = vec![0; header.p_filesz as usize];
    if file.read_at(header.p_offset, &mut path)? != path.len() {
        return Err(Errno::EIO);
    }
    if path.pop() != Some(0) {
        return Err(Errno::ENOEXEC);
    }
    let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
    path.truncate(end);
    Ok(path)
}

//! Good programs get the stack that they expect, bad ones the error that Linux gives.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use abi::PAGE_SIZE;

use super::elf::Program;
use super::head::Head;
use super::image;
use super::script;
use super::stack::{FirstStack, Layout, Room};
use super::strings::Strings;
use super::{Command, Executable};
use crate::errno::{Errno, Result};
use crate::fake::FakeKernel;
use crate::memory::Memory;
use crate::memory::backing::Backing;
use crate::vfs::node::Role;

struct Bytes(Vec<u8>);

impl Backing for Bytes {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn identity(&self) -> (u64, u64) {
        (1, 1)
    }
}

const MACHINE: u16 = if cfg!(target_arch = "x86_64") { 62 } else { 183 };

/// A program with one segment of text, to be spoilt.
fn program() -> Vec<u8> {
    let mut file = vec![0; 0x2000];
    file[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    put(&mut file, 16, &2u16.to_le_bytes());
    put(&mut file, 18, &MACHINE.to_le_bytes());
    put(&mut file, 20, &1u32.to_le_bytes());
    put(&mut file, 24, &0x40_1000u64.to_le_bytes());
    put(&mut file, 32, &64u64.to_le_bytes());
    put(&mut file, 52, &64u16.to_le_bytes());
    put(&mut file, 54, &56u16.to_le_bytes());
    put(&mut file, 56, &1u16.to_le_bytes());
    header(&mut file, 0, 1, 5, [0, 0x40_0000, 0x2000, 0x2000, 0x1000]);
    file
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Write program header `index`: type, flags, and offset, address, file size, memory size, alignment.
fn header(file: &mut [u8], index: usize, kind: u32, flags: u32, words: [u64; 5]) {
    let at = 64 + index * 56;
    let [offset, address, file_size, memory_size, alignment] = words;
    put(file, at, &kind.to_le_bytes());
    put(file, at + 4, &flags.to_le_bytes());
    for (index, word) in [offset, address, address, file_size, memory_size, alignment].iter().enumerate() {
        put(file, at + 8 + index * 8, &word.to_le_bytes());
    }
}

fn head(file: &Bytes) -> Result<Head> {
    let mut head = Head::default();
    head.read(file)?;
    Ok(head)
}

fn read(file: &Bytes) -> Result<Program> {
    Program::read(file, &head(file)?)
}

/// The error before the point of no return.
fn refused(file: Vec<u8>) -> Errno {
    read(&Bytes(file)).err().expect("refused")
}

/// Whether mapping fails, past the point of no return.
fn fatal(file: Vec<u8>) -> bool {
    let bytes = Bytes(file);
    let program = read(&bytes).expect("readable");
    let executable = Executable { backing: Arc::new(bytes), path: Arc::from(&b"/p"[..]), owners: Default::default() };
    image::map(&mut Memory::new(), &FakeKernel::new(64), &program, &executable, Role::Program).is_err()
}

fn spoilt(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = program();
    put(&mut file, at, bytes);
    file
}

#[test]
fn a_good_program_is_mapped_where_it_says() {
    let bytes = Bytes(program());
    let program = read(&bytes).unwrap();
    let executable = Executable { backing: Arc::new(bytes), path: Arc::from(&b"/p"[..]), owners: Default::default() };
    let mut memory = Memory::new();
    let image = image::map(&mut memory, &FakeKernel::new(64), &program, &executable, Role::Program).unwrap();
    assert_eq!((image.entry, image.bias, image.headers, image.end), (0x40_1000, 0, 0x40_0040, 0x40_2000));
    assert!(memory.regions.covers(0x40_0000..0x40_2000));
}

#[test]
fn files_that_are_no_programs_are_no_programs() {
    assert_eq!(refused(Vec::new()), Errno::ENOEXEC);
    assert_eq!(refused(vec![0; 10]), Errno::ENOEXEC);
    assert_eq!(refused(b"hello, world\n".to_vec()), Errno::ENOEXEC);
    assert_eq!(refused(program()[..40].to_vec()), Errno::ENOEXEC);
}

#[test]
fn programs_for_something_else_are_refused() {
    assert_eq!(refused(spoilt(16, &[1, 0])), Errno::ENOEXEC, "an object file");
    assert_eq!(refused(spoilt(16, &[4, 0])), Errno::ENOEXEC, "a core file");
    assert_eq!(refused(spoilt(18, &243u16.to_le_bytes())), Errno::ENOEXEC, "another machine");
}

#[test]
fn the_machine_alone_says_what_class_a_program_is_of() {
    assert!(read(&Bytes(spoilt(4, &[1]))).is_ok());
    assert!(read(&Bytes(spoilt(5, &[2]))).is_ok());
}

#[test]
fn wrong_program_headers_are_refused() {
    assert_eq!(refused(spoilt(54, &[55, 0])), Errno::ENOEXEC, "size of an entry");
    assert_eq!(refused(spoilt(56, &[0, 0])), Errno::ENOEXEC, "none");
    assert_eq!(refused(spoilt(56, &[0xff, 0xff])), Errno::ENOEXEC, "too many");
    assert_eq!(refused(spoilt(32, &0xffff_ffff_ffffu64.to_le_bytes())), Errno::ENOEXEC, "past the end");
    assert_eq!(refused(spoilt(32, &0x1ff0u64.to_le_bytes())), Errno::ENOEXEC, "cut off");
}

#[test]
fn segments_that_make_no_sense_are_fatal() {
    let segment = |words| {
        let mut file = program();
        header(&mut file, 0, 1, 5, words);
        fatal(file)
    };
    assert!(segment([0, 0x40_0000, 0x2000, 0x1000, 0x1000]), "more in the file than in memory");
    assert!(segment([0, 0x40_0000, 0x2000, u64::MAX / 2, 0x1000]), "huge");
    assert!(segment([0, 0x40_0000, 0x2000, u64::MAX, 0x1000]), "huge, and wraps around");
    assert!(segment([0, 0xffff_8000_0000_0000, 0x2000, 0x2000, 0x1000]), "in the kernel's half");
    assert!(segment([0, 0x7e00_0000_0000, 0x2000, 0x2000, 0x1000]), "in Chitin's part");
    assert!(segment([0, 0x40_0000, 1 << 46, 1 << 46, 0x1000]), "more than a file can have");
    assert!(segment([0x7fff_ffff_ffff_f000, 0x40_0000, 0x1000, 0x1000, 0x1000]), "further on than a file can reach");
    assert!(segment([0x10, 0x40_0000, 0x1000, 0x1000, 0x1000]), "offset and address differ within a page");
    assert!(segment([0, 0, 0x1000, 0x1000, 0x1000]), "page 0");
    assert!(fatal(spoilt(24, &0xffff_8000_0000_1000u64.to_le_bytes())), "entry in the kernel's half");
}

fn with_interpreter(offset: u64, size: u64) -> Vec<u8> {
    let mut file = program();
    put(&mut file, 56, &[2, 0]);
    put(&mut file, 0x800, b"/lib/ld.so\0");
    header(&mut file, 1, 3, 4, [offset, 0x40_0800, size, size, 1]);
    file
}

#[test]
fn an_interpreters_path_is_checked() {
    let good = read(&Bytes(with_interpreter(0x800, 11))).unwrap();
    assert_eq!(good.interpreter.as_deref(), Some(&b"/lib/ld.so"[..]));
    assert_eq!(refused(with_interpreter(0x800, 1)), Errno::ENOEXEC, "too short");
    assert_eq!(refused(with_interpreter(0x800, 4097)), Errno::ENOEXEC, "too long");
    assert_eq!(refused(with_interpreter(0x800, 10)), Errno::ENOEXEC, "no NUL at its end");
    assert_eq!(refused(with_interpreter(0x1ffc, 11)), Errno::EIO, "past the file's end");
    assert_eq!(Program::read_interpreter(&Bytes(b"no library".to_vec())).err(), Some(Errno::EIO));
    assert_eq!(Program::read_interpreter(&Bytes(vec![0; 100])).err(), Some(Errno::ELIBBAD));
}

#[test]
fn a_relocatable_program_is_aligned_as_it_asks_and_zeros_follow_its_data() {
    let mut file = spoilt(16, &[3, 0]);
    put(&mut file, 56, &[2, 0]);
    header(&mut file, 0, 1, 5, [0, 0, 0x1000, 0x1000, 0x20_0000]);
    header(&mut file, 1, 1, 6, [0x1000, 0x20_1000, 0x10, 0x3000, 0x20_0000]);
    put(&mut file, 24, &0x100u64.to_le_bytes());
    let bytes = Bytes(file);
    let program = read(&bytes).unwrap();
    let executable = Executable { backing: Arc::new(bytes), path: Arc::from(&b"/p"[..]), owners: Default::default() };
    let image = image::map(&mut Memory::new(), &FakeKernel::new(64), &program, &executable, Role::Program).unwrap();
    assert_eq!(image.bias % 0x20_0000, 0);
    assert_eq!(image.entry, image.bias + 0x100);
    assert_eq!((image.tails.len(), image.tails[0].start, image.tails[0].end), (1, image.bias + 0x20_1010, image.bias + 0x20_2000));
    assert_eq!(image.end, image.bias + 0x20_4000);
}

/// The stack as a program's start code reads it.
struct Reader<'a> {
    sp: usize,
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn word(&self, address: usize) -> usize {
        usize::from_le_bytes(self.bytes[address - self.sp..][..8].try_into().unwrap())
    }

    fn string(&self, address: usize) -> String {
        let rest = &self.bytes[address - self.sp..];
        String::from_utf8(rest[..rest.iter().position(|&byte| byte == 0).unwrap()].to_vec()).unwrap()
    }

    /// The strings of a NULL-terminated array, and where it ends.
    fn strings(&self, mut at: usize) -> (Vec<String>, usize) {
        let mut strings = Vec::new();
        while self.word(at) != 0 {
            strings.push(self.string(self.word(at)));
            at += 8;
        }
        (strings, at + 8)
    }
}

#[test]
fn the_first_stack_is_what_start_code_expects() {
    let arguments = [b"prog".to_vec(), b"".to_vec(), b"two words".to_vec()];
    let environment = [b"A=1".to_vec(), b"B=2".to_vec()];
    for count in 0..=arguments.len() {
        let mut strings = Strings::of(b"/bin/prog", &arguments[..count], &environment, 0).unwrap();
        let layout = Layout { strings: &mut strings, platform: b"machine", random: [9; 16], vector: &[(6, 4096), (3, 0x40_0040)] };
        let FirstStack { sp, words, random } = layout.build(0x7000_0000);
        assert_eq!(sp + 8 * words.len(), random);
        let bytes = [words.iter().flat_map(|word| word.to_le_bytes()).collect(), strings.bytes().to_vec()].concat();
        assert_eq!((sp % 16, sp + bytes.len()), (0, 0x7000_0000));
        let reader = Reader { sp, bytes: &bytes };
        assert_eq!(reader.word(sp), count);
        let (found, at) = reader.strings(sp + 8);
        assert!(found.iter().map(String::as_bytes).eq(arguments[..count].iter().map(Vec::as_slice)));
        let (found, mut at) = reader.strings(at);
        assert_eq!(found, ["A=1", "B=2"]);
        let mut vector = BTreeMap::new();
        while reader.word(at) != 0 {
            vector.insert(reader.word(at), reader.word(at + 8));
            at += 16;
        }
        assert_eq!((vector[&6], vector[&3]), (4096, 0x40_0040));
        assert_eq!(reader.string(vector[&31]), "/bin/prog");
        assert_eq!(reader.string(vector[&15]), "machine");
        assert_eq!(&bytes[vector[&25] - sp..][..16], &[9; 16]);
    }
}

#[test]
fn too_long_a_command_is_refused() {
    let room = |limit| Room::new(1, 0, limit).unwrap();
    assert_eq!(room(8 << 20).take(&[b'x'; 131_072]), Err(Errno::E2BIG));
    assert_eq!(room(8 << 20).take(&[b'x'; 131_071]), Ok(()));
    assert_eq!(Room::new(100_000, 200_000, 8 << 20), Err(Errno::E2BIG));
    // A quarter of the stack, but never less than 128 KiB and never more than 6 MiB.
    for (limit, room) in [(0, 128 << 10), (4 << 20, 1 << 20), (1 << 30, 6 << 20)] {
        let mut left = Room::new(2, 1, limit).unwrap();
        let string = [b'x'; 1023];
        assert_eq!((0..).find(|_| left.take(&string).is_err()), Some((room - 24) / 1024));
        left.give(string.len());
        assert_eq!((left.take(&string), left.take(&string)), (Ok(()), Err(Errno::E2BIG)));
    }
}

#[test]
fn a_script_names_its_interpreter() {
    let line = |text: &str| {
        let line = script::line(&head(&Bytes(text.as_bytes().to_vec()))?)?;
        let mut strings = Strings::of(b"/s", &[b"s".to_vec(), b"a".to_vec()], &[], 0).unwrap();
        let put = line.map(|line| line.put_before(b"/s", &mut strings));
        put.transpose().map(|put| put.map(|()| strings.argument_bytes().to_vec()))
    };
    let strings = |texts: &[&str]| Ok(Some(texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect::<Vec<_>>()));
    assert_eq!(line("#!/bin/sh\necho"), strings(&["/bin/sh", "/s", "a"]));
    assert_eq!(line("#! /bin/awk  -f x \n"), strings(&["/bin/awk", "-f x", "/s", "a"]));
    assert_eq!(line("#!/bin/sh"), strings(&["/bin/sh", "/s", "a"]));
    assert_eq!(line("#!/bin/sh -e"), strings(&["/bin/sh", "-e", "/s", "a"]));
    assert_eq!(line("#!/bin/sh "), strings(&["/bin/sh", "", "/s", "a"]), "as Linux has it");
    assert_eq!(line("#!/bin/sh\r\n"), strings(&["/bin/sh\r", "/s", "a"]));
    assert_eq!(line(&format!("#!/bin/sh {}", "x".repeat(400))), strings(&["/bin/sh", &"x".repeat(245), "/s", "a"]));
    assert_eq!(line("#!\n"), Err(Errno::ENOEXEC));
    assert_eq!(line("#!"), Err(Errno::EACCES));
    assert_eq!(line(&format!("#!{}\n", "x".repeat(400))), Err(Errno::ENOEXEC));
    assert_eq!(line("no script"), Ok(None));
}

#[test]
fn a_command_block_is_read_back() {
    let mut block = Vec::new();
    for word in [49u32, 2, 1, 1, 1, 0, 0, 1] {
        block.extend(word.to_le_bytes());
    }
    block.extend_from_slice(b"/bin/a\0b\0e=f\0C=d\0");
    let command = Command::parse(&block).unwrap();
    assert_eq!(command.arguments, [b"/bin/a".to_vec(), b"b".to_vec()]);
    assert_eq!(command.settings, ["e=f"]);
    assert_eq!(command.environment, [b"C=d".to_vec()]);
    assert!(command.flags.contains(exo::command::CommandFlags::STRACE));
    assert_eq!(Command::parse(&block[..block.len() - 1]), None);
    assert_eq!(Command::parse(b"123"), None);
    let both = [block.clone(), block.clone(), vec![1, 2]].concat();
    assert_eq!(exo::command::blocks(&both).collect::<Vec<_>>(), [&block[..], &block[..]]);
    assert_eq!(PAGE_SIZE, 4096);
}

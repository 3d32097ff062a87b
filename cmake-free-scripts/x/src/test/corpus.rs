//! Bad ELF files: what Linux answers to each, Chitin answers too.
//!
//! All are made from one good file of two segments by changing bytes of its headers, or by cutting it. The two ISAs' files are the same but
//! for the machine number and the few instructions, so that the host's own `execve` gives the truth for both (user-mode QEMU has a loader of
//! its own). A refusal is compared by its error: the library OS prints it and ends with 126, or 127 for a missing file, as a shell does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use exo::command::CommandFlags;

use super::Test;
use super::compare::{status_byte, tail};
use crate::build;
use crate::initramfs::{Files, Node};
use crate::isa::Isa;
use crate::qemu::{End, Machine, Scratch, boot_captured};
use crate::run::Guest;

/// Where the good file's text is in memory.
const TEXT: u64 = 0x40_0000;
/// Where its data is.
const DATA: u64 = 0x60_0000;
/// The good file's length: headers, a page of text and a page of data.
const LENGTH: usize = 0x3000;
/// What the good program ends with.
#[cfg(test)]
const GOOD_STATUS: u8 = 42;

/// Offsets in the ELF header.
mod header {
    pub const CLASS: usize = 4;
    pub const BYTE_ORDER: usize = 5;
    pub const IDENT_VERSION: usize = 6;
    pub const SYSTEM: usize = 7;
    pub const KIND: usize = 16;
    pub const MACHINE: usize = 18;
    pub const VERSION: usize = 20;
    pub const ENTRY: usize = 24;
    pub const HEADERS_AT: usize = 32;
    pub const HEADER_SIZE: usize = 54;
    pub const HEADERS: usize = 56;
}

/// Offsets of the three program headers: text, data, and one that is unused in the good file.
const TEXT_HEADER: usize = 64;
const DATA_HEADER: usize = 64 + 56;
const SPARE_HEADER: usize = 64 + 2 * 56;

/// Offsets in a program header.
mod segment {
    pub const KIND: usize = 0;
    pub const FLAGS: usize = 4;
    pub const OFFSET: usize = 8;
    pub const ADDRESS: usize = 16;
    pub const IN_FILE: usize = 32;
    pub const IN_MEMORY: usize = 40;
    pub const ALIGNMENT: usize = 48;
}

/// A file to execute.
#[derive(Clone)]
struct Bad {
    name: &'static str,
    bytes: Vec<u8>,
    mode: u32,
}

/// The good file: text at 0x1000, data at 0x2000.
fn good(isa: Isa) -> Vec<u8> {
    // exit_group(42), after a load from the data segment that must work.
    let code: &[u8] = match isa {
        // mov eax, [0x600000]; mov edi, 42; mov eax, 231; syscall
        Isa::X86_64 => &[0x8b, 0x04, 0x25, 0, 0, 0x60, 0, 0xbf, 42, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05],
        // mov x1, #0x600000; ldr x1, [x1]; mov x0, #42; mov x8, #94; svc #0
        Isa::Aarch64 => &[0x01, 0x0c, 0xa0, 0xd2, 0x21, 0, 0x40, 0xf9, 0x40, 0x05, 0x80, 0xd2, 0xc8, 0x0b, 0x80, 0xd2, 0x01, 0, 0, 0xd4],
    };
    let mut file = vec![0; LENGTH];
    file[..8].copy_from_slice(b"\x7fELF\x02\x01\x01\x00");
    let mut put = |at: usize, value: u64, size: usize| file[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
    let fields =
        [(header::KIND, 2), (header::MACHINE, u64::from(isa.elf_machine())), (52, 64), (header::HEADER_SIZE, 56), (header::HEADERS, 3)];
    for (at, value) in fields {
        put(at, value, 2);
    }
    put(header::VERSION, 1, 4);
    put(header::ENTRY, TEXT, 8);
    put(header::HEADERS_AT, 64, 8);
    for (at, flags, offset, address) in [(TEXT_HEADER, 5, 0x1000, TEXT), (DATA_HEADER, 6, 0x2000, DATA)] {
        put(at + segment::KIND, 1, 4);
        put(at + segment::FLAGS, flags, 4);
        for (word, value) in [offset, address, address, 0x1000, 0x1000, 0x1000].into_iter().enumerate() {
            put(at + segment::OFFSET + word * 8, value, 8);
        }
    }
    file[0x1000..0x1000 + code.len()].copy_from_slice(code);
    file
}

/// The good file with fields changed.
fn changed(isa: Isa, changes: &[Change]) -> Vec<u8> {
    let mut file = good(isa);
    for &(at, value, size) in changes {
        file[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
    }
    file
}

/// The good file with an interpreter's path.
fn interpreted(isa: Isa, path: &[u8], length: u64) -> Vec<u8> {
    const AT: usize = 0x2800;
    let spare = |field: usize, value: u64, size: usize| (SPARE_HEADER + field, value, size);
    let changes = [
        spare(segment::KIND, 3, 4),
        spare(segment::OFFSET, AT as u64, 8),
        spare(segment::IN_FILE, length, 8),
        spare(segment::IN_MEMORY, length, 8),
    ];
    let mut file = changed(isa, &changes);
    file[AT..AT + path.len()].copy_from_slice(path);
    file
}

/// A field's new value: its offset, the value, its bytes.
type Change = (usize, u64, usize);

/// The header fields that are changed, one file for each row.
fn field_changes() -> Vec<(&'static str, Vec<Change>)> {
    use header as h;
    use segment as s;
    let text = |field: usize, value: u64| (TEXT_HEADER + field, value, 8);
    let data = |field: usize, value: u64| (DATA_HEADER + field, value, 8);
    vec![
        ("good", vec![]),
        ("magic", vec![(1, u64::from(b'F'), 1)]),
        ("class-none", vec![(h::CLASS, 0, 1)]),
        ("class-32", vec![(h::CLASS, 1, 1)]),
        ("big-endian", vec![(h::BYTE_ORDER, 2, 1)]),
        ("ident-version", vec![(h::IDENT_VERSION, 0, 1)]),
        ("system", vec![(h::SYSTEM, 255, 1)]),
        ("kind-none", vec![(h::KIND, 0, 2)]),
        ("kind-relocatable", vec![(h::KIND, 1, 2)]),
        ("kind-core", vec![(h::KIND, 4, 2)]),
        ("machine", vec![(h::MACHINE, 0x1234, 2)]),
        ("version", vec![(h::VERSION, 9, 4)]),
        ("entry-zero", vec![(h::ENTRY, 0, 8)]),
        ("entry-unmapped", vec![(h::ENTRY, 0x50_0000, 8)]),
        ("entry-in-data", vec![(h::ENTRY, DATA, 8)]),
        ("entry-in-the-kernel", vec![(h::ENTRY, 0xffff_8000_0000_0000, 8)]),
        ("headers-beyond-the-end", vec![(h::HEADERS_AT, 0x10_0000, 8)]),
        ("headers-at-the-end-of-everything", vec![(h::HEADERS_AT, u64::MAX - 8, 8)]),
        ("header-size-zero", vec![(h::HEADER_SIZE, 0, 2)]),
        ("header-size-of-32-bits", vec![(h::HEADER_SIZE, 32, 2)]),
        ("no-headers", vec![(h::HEADERS, 0, 2)]),
        ("too-many-headers", vec![(h::HEADERS, 0xffff, 2)]),
        ("nothing-to-load", vec![(TEXT_HEADER, 0, 4), (DATA_HEADER, 0, 4)]),
        ("text-misaligned", vec![text(s::ADDRESS, TEXT + 0x10)]),
        ("text-in-the-kernel", vec![text(s::ADDRESS, 0xffff_8000_0000_0000)]),
        ("text-at-the-top", vec![text(s::ADDRESS, 0x7fff_ffff_f000)]),
        ("text-not-executable", vec![(TEXT_HEADER + s::FLAGS, 4, 4)]),
        ("text-writable-and-executable", vec![(TEXT_HEADER + s::FLAGS, 7, 4)]),
        ("text-from-beyond-the-end", vec![text(s::OFFSET, 0x10_0000)]),
        ("text-from-a-huge-offset", vec![text(s::OFFSET, 0x7fff_ffff_ffff_f000)]),
        ("memory-smaller-than-file", vec![data(s::IN_MEMORY, 0x800)]),
        ("memory-huge", vec![data(s::IN_MEMORY, 1 << 46)]),
        ("memory-endless", vec![data(s::IN_MEMORY, u64::MAX)]),
        ("memory-beyond-the-top", vec![data(s::IN_MEMORY, 1 << 47)]),
        ("file-part-huge", vec![data(s::IN_FILE, 1 << 46), data(s::IN_MEMORY, 1 << 46)]),
        ("file-part-endless", vec![data(s::IN_FILE, u64::MAX), data(s::IN_MEMORY, u64::MAX)]),
        ("file-part-beyond-the-end", vec![data(s::IN_FILE, 0x9000), data(s::IN_MEMORY, 0x9000)]),
        ("data-with-nothing-in-it", vec![data(s::IN_FILE, 0), data(s::IN_MEMORY, 0)]),
        ("data-all-zeroed", vec![data(s::IN_FILE, 0)]),
        ("data-without-rights", vec![(DATA_HEADER + s::FLAGS, 0, 4)]),
        ("data-over-text", vec![data(s::ADDRESS, TEXT)]),
        ("data-and-text-overlapping", vec![text(s::IN_MEMORY, DATA - TEXT + 0x800)]),
        ("data-below-text", vec![data(s::ADDRESS, 0x20_0000)]),
        ("alignment-odd", vec![text(s::ALIGNMENT, 3)]),
        ("alignment-huge", vec![text(s::ALIGNMENT, 1 << 63)]),
        ("position-independent", vec![(h::KIND, 3, 2)]),
        ("position-independent-without-text", vec![(h::KIND, 3, 2), (TEXT_HEADER, 0, 4), (DATA_HEADER, 0, 4)]),
    ]
}

/// All the files for an ISA.
fn corpus(isa: Isa) -> Vec<Bad> {
    let file = |name, bytes| Bad { name, bytes, mode: 0o755 };
    let mut files: Vec<Bad> = field_changes().into_iter().map(|(name, changes)| file(name, changed(isa, &changes))).collect();
    let cuts = [
        ("empty", 0),
        ("cut-in-the-magic", 3),
        ("cut-after-the-magic", 4),
        ("cut-in-the-header", 40),
        ("cut-after-the-header", 64),
        ("cut-in-the-program-headers", 64 + 70),
        ("cut-before-the-text", 0x1000),
        ("cut-in-the-text", 0x1800),
        ("cut-before-the-data", 0x2000),
        ("cut-in-the-data", 0x2800),
    ];
    files.extend(cuts.into_iter().map(|(name, length)| file(name, good(isa)[..length].to_vec())));
    files.extend([
        file("interpreter-missing", interpreted(isa, b"/no/such/loader\0", 16)),
        file("interpreter-without-an-end", interpreted(isa, b"/no/such/loader", 15)),
        file("interpreter-without-a-name", interpreted(isa, b"\0", 1)),
        file("interpreter-of-no-length", interpreted(isa, b"", 0)),
        file("interpreter-with-a-long-name", interpreted(isa, b"", 5000)),
        file("interpreter-is-a-directory", interpreted(isa, b"/\0", 2)),
        file("text", b"just a few words\n".to_vec()),
        file("script-of-nothing", b"#!\n".to_vec()),
        file("script-of-a-missing-interpreter", b"#!/no/such/shell -x\n".to_vec()),
        file("script-of-a-directory", b"#!/\n".to_vec()),
        Bad { name: "not-executable", bytes: good(isa), mode: 0o644 },
    ]);
    files
}

/// What became of an attempt to execute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// `execve` gave this error number.
    Refused(i32),
    /// It ran, or died after the point of no return.
    Ended(u8),
}

/// Errors that `execve` gives to bad files, by Linux's numbers, which are the same on both ISAs.
const ERRORS: &[(i32, &str)] = &[
    (1, "EPERM"),
    (2, "ENOENT"),
    (5, "EIO"),
    (7, "E2BIG"),
    (8, "ENOEXEC"),
    (12, "ENOMEM"),
    (13, "EACCES"),
    (14, "EFAULT"),
    (20, "ENOTDIR"),
    (21, "EISDIR"),
    (22, "EINVAL"),
    (36, "ENAMETOOLONG"),
    (40, "ELOOP"),
    (80, "ELIBBAD"),
];
const ENOENT: i32 = 2;
const ETXTBSY: i32 = 26;

/// What the host's Linux does with a file.
fn truth(bad: &Bad) -> Result<Fate> {
    let scratch = Scratch::new()?;
    let path = scratch.path("bad");
    fs::write(&path, &bad.bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(bad.mode))?;
    loop {
        let child = Command::new(&path).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        match child {
            Ok(mut child) => return Ok(Fate::Ended(status_byte(child.wait()?))),
            // Another test's child was forked while the file was open for writing; it lets go when it executes its own.
            Err(error) if error.raw_os_error() == Some(ETXTBSY) => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return error.raw_os_error().map(Fate::Refused).context("an error without a number"),
        }
    }
}

/// One test for each file.
pub fn tests(isa: Isa) -> Vec<Test> {
    let of_host = corpus(Isa::host());
    corpus(isa)
        .into_iter()
        .zip(of_host)
        .map(|(bad, of_host)| Test {
            name: format!("elf/{}", bad.name),
            level: 3,
            isa: Some(isa),
            work: Box::new(move || compare(isa, &bad, &of_host).map_err(|error| format!("{error:#}"))),
        })
        .collect()
}

fn compare(isa: Isa, bad: &Bad, of_host: &Bad) -> Result<()> {
    let fate = truth(of_host)?;
    let mut files = Files::new();
    files.add("/bin/bad", Node::File(bad.mode, bad.bytes.clone()));
    let guest = Guest {
        files,
        arguments: vec!["/bin/bad".into()],
        environment: Vec::new(),
        flags: CommandFlags::BATCH,
        input: Vec::new(),
        ..Guest::default()
    };
    let machine = Machine { memory: "128M".into(), ..Machine::default_for(isa) };
    let outcome = boot_captured(&machine, &build::kernel(isa), &guest.image(isa)?, Duration::from_secs(60))?;
    let output = tail(&outcome.output);
    let (status, error) = match fate {
        Fate::Ended(status) => (status, None),
        Fate::Refused(number) => {
            let name = ERRORS.iter().find(|(error, _)| *error == number).map(|(_, name)| *name);
            let name = name.with_context(|| format!("Linux gives error {number}, which this test does not know"))?;
            (if number == ENOENT { 127 } else { 126 }, Some(name))
        }
    };
    let End::Exit(code) = outcome.end else { bail!("{}; on Linux {fate:?}; it printed:\n{output}", outcome.end) };
    ensure!(code == status, "status {code}, not {status}; on Linux {fate:?} {}; it printed:\n{output}", error.unwrap_or(""));
    if let Some(error) = error {
        ensure!(output.contains(&format!("chitin: /bin/bad: {error}")), "no {error} in what it printed:\n{output}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_more_than_thirty_files_and_their_names_differ() {
        let files = corpus(Isa::X86_64);
        let mut names: Vec<&str> = files.iter().map(|bad| bad.name).collect();
        names.sort_unstable();
        names.dedup();
        assert!(names.len() == files.len() && files.len() > 30);
    }

    #[test]
    fn both_isas_files_differ_in_machine_and_code_only() {
        let code = 0x1000..0x1020;
        for (at, (one, other)) in good(Isa::X86_64).iter().zip(good(Isa::Aarch64)).enumerate().filter(|(at, _)| !code.contains(at)) {
            assert!(*one == other || (header::MACHINE..header::MACHINE + 2).contains(&at), "byte {at:#x}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn linux_runs_the_good_file_and_refuses_text() {
        let files = corpus(Isa::host());
        let fate = |name: &str| truth(files.iter().find(|bad| bad.name == name).unwrap()).unwrap();
        assert_eq!(fate("good"), Fate::Ended(GOOD_STATUS));
        assert_eq!(fate("text"), Fate::Refused(8));
        assert_eq!(fate("interpreter-missing"), Fate::Refused(ENOENT));
        for bad in &files {
            println!("{}: {:?}", bad.name, truth(bad));
        }
    }
}

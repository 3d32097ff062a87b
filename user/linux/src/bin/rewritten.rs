//! System call instructions entered in every way that a program may: all give what Linux gives, rewritten or not.
//!
//! Where `CHITIN_REWRITTEN` is set the text must also be another than the file's, so that this proves something.

use std::arch::global_asm;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

#[cfg(target_arch = "x86_64")]
global_asm!(
    // The instruction before the site has five bytes, three, and two with three before them.
    ".globl site_long, site_long_call, site_short, site_short_call, site_several, site_several_middle, site_several_call",
    ".type site_long, @function",
    "site_long: mov eax, 39",
    "site_long_call: syscall",
    "ret",
    ".size site_long, . - site_long",
    ".type site_short, @function",
    "site_short: mov rax, rdi",
    "site_short_call: syscall",
    "ret",
    ".size site_short, . - site_short",
    ".type site_several, @function",
    "site_several: mov rax, rdi",
    "site_several_middle: xor edi, edi",
    "site_several_call: syscall",
    "ret",
    ".size site_several, . - site_several",
    ".globl call_at",
    ".type call_at, @function",
    "call_at: mov rax, rdi",
    "jmp rsi",
    ".size call_at, . - call_at",
    // The number, where to go, the stack pointer to have there.
    ".globl call_on",
    ".type call_on, @function",
    "call_on: mov r8, rsp",
    "mov rsp, rdx",
    "mov eax, edi",
    "nop",
    "nop",
    "nop",
    "syscall",
    "mov rsp, r8",
    "ret",
    ".size call_on, . - call_on",
);

#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl site_long, site_long_call, site_short, site_short_call, site_several, site_several_middle, site_several_call",
    "site_long: mov x8, #172",
    "site_long_call: svc #0",
    "ret",
    "site_short: mov x8, x0",
    "site_short_call: svc #0",
    "ret",
    "site_several: mov x8, x0",
    "site_several_middle: mov x0, xzr",
    "site_several_call: svc #0",
    "ret",
    ".globl call_at",
    "call_at: mov x8, x0",
    "br x1",
    ".globl call_on",
    "call_on: mov x9, sp",
    "mov sp, x2",
    "mov x8, x0",
    "svc #0",
    "mov sp, x9",
    "ret",
);

unsafe extern "C" {
    fn site_long() -> i64;
    fn site_long_call();
    fn site_short(number: i64) -> i64;
    fn site_short_call();
    fn site_several(number: i64) -> i64;
    fn site_several_middle();
    fn site_several_call();
    fn call_at(number: i64, site: usize) -> i64;
    fn call_on(number: i64, unused: usize, sp: usize) -> i64;
}

fn main() {
    let process = i64::from(std::process::id());
    let say = |what: &str, right: bool| println!("{what}: {}", if right { "right" } else { "wrong" });
    // SAFETY: the functions make calls that change nothing, and come back.
    unsafe {
        say("called", site_long() == process && site_short(libc::SYS_getpid) == process && site_several(libc::SYS_getpid) == process);
        for (name, address) in [
            ("the long one's call", site_long_call as *const () as usize),
            ("the short one's call", site_short_call as *const () as usize),
            ("the several ones' middle", site_several_middle as *const () as usize),
            ("the several ones' call", site_several_call as *const () as usize),
        ] {
            // On aarch64 the number is in a register that none of the moved instructions sets.
            say(name, call_at(libc::SYS_getpid, address) == process && call_at(100_000, address) == -i64::from(libc::ENOSYS));
        }
        let local = 0u128;
        let near = (&raw const local as usize - 4096) & !15;
        for (name, sp) in [("a stack", near), ("a crooked stack", near - 8), ("a stack that is nowhere", 0x8000), ("no stack", 0)] {
            say(name, call_on(libc::SYS_getpid, 0, sp) == process);
        }
    }
    let file = File::open("/proc/self/exe").expect("one's own program");
    expect("one's own text", &file, site_long as *const () as usize);
    let bytes = std::fs::read("/proc/self/exe").expect("one's own program");
    std::fs::write("/tmp/rewritten-copy", bytes).expect("a copy");
    let copy = File::open("/tmp/rewritten-copy").expect("the copy");
    for round in 0..3 {
        let (start, length, function) = map(&copy);
        expect("the copy's text", &copy, function);
        // SAFETY: the copy's function needs nothing but its own instructions.
        let result = unsafe { std::mem::transmute::<usize, unsafe extern "C" fn() -> i64>(function)() };
        say(&format!("from a file made just now, {round}"), result == process);
        // SAFETY: the mapping is this one's alone.
        say("gone", unsafe { libc::munmap(start as *mut libc::c_void, length) } == 0);
    }
    std::fs::remove_file("/tmp/rewritten-copy").expect("the copy goes");
}

/// The program header of the segment that holds an address, and where the image is.
fn segment(address: usize) -> (libc::Elf64_Phdr, usize) {
    // SAFETY: the auxiliary vector says where the headers are and how many.
    let headers = unsafe {
        std::slice::from_raw_parts(libc::getauxval(libc::AT_PHDR) as *const libc::Elf64_Phdr, libc::getauxval(libc::AT_PHNUM) as usize)
    };
    let moved = headers
        .iter()
        .find(|header| header.p_type == libc::PT_PHDR)
        .map_or(0, |header| headers.as_ptr() as usize - header.p_vaddr as usize);
    let holds = |header: &&libc::Elf64_Phdr| {
        header.p_type == libc::PT_LOAD && (header.p_vaddr as usize..(header.p_vaddr + header.p_memsz) as usize).contains(&(address - moved))
    };
    (*headers.iter().find(holds).expect("a segment"), moved)
}

/// Map the executable segment of a copy of this program; gives where it is, and where the first function is in it.
fn map(copy: &File) -> (usize, usize, usize) {
    let function = site_long as *const () as usize;
    let (header, moved) = segment(function);
    let page = header.p_offset as usize & !4095;
    let length = header.p_filesz as usize + header.p_offset as usize - page;
    let rights = libc::PROT_READ | libc::PROT_EXEC;
    // SAFETY: a new mapping.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), length, rights, libc::MAP_PRIVATE, copy.as_raw_fd(), page as i64) };
    assert!(start != libc::MAP_FAILED, "the copy can be mapped");
    (start as usize, length, start as usize + function - moved - header.p_vaddr as usize + header.p_offset as usize - page)
}

/// Expect that text is another than the file's, if it is to be.
fn expect(name: &str, file: &File, address: usize) {
    let own = site_long as *const () as usize;
    let (header, moved) = segment(own);
    let mut there = [0; 8];
    file.read_exact_at(&mut there, (own - moved) as u64 - header.p_vaddr + header.p_offset).expect("the file's bytes");
    // SAFETY: a function's instructions.
    let here = unsafe { (address as *const [u8; 8]).read_unaligned() };
    if std::env::var_os("CHITIN_REWRITTEN").is_some() && here == there {
        println!("{name} is not rewritten");
    }
}

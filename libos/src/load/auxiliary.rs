//! The auxiliary vector: what the kernel tells a program beside its arguments (getauxval(3)).

use alloc::vec::Vec;

use abi::PAGE_SIZE;

use crate::identity::Word;
use crate::kernel::Kernel;
use crate::load::elf::Program;
use crate::load::image::Image;

/// A key and its value.
pub type Entry = (u64, u64);

/// `AT_PLATFORM`'s string.
pub const PLATFORM: &[u8] = if cfg!(target_arch = "x86_64") { b"x86_64" } else { b"aarch64" };

/// Clock ticks per second in times(2) and `/proc/self/stat` (`AT_CLKTCK`).
pub const TICKS_PER_SECOND: u64 = 100;

const AT_PHDR: u64 = 3;
const AT_PHENT: u64 = 4;
const AT_PHNUM: u64 = 5;
const AT_PAGESZ: u64 = 6;
const AT_BASE: u64 = 7;
const AT_FLAGS: u64 = 8;
const AT_ENTRY: u64 = 9;
const AT_UID: u64 = 11;
const AT_EUID: u64 = 12;
const AT_GID: u64 = 13;
const AT_EGID: u64 = 14;
const AT_HWCAP: u64 = 16;
const AT_CLKTCK: u64 = 17;
const AT_SECURE: u64 = 23;
const AT_HWCAP2: u64 = 26;
const AT_SYSINFO_EHDR: u64 = 33;
const AT_MINSIGSTKSZ: u64 = 51;

/// The vector, without what points at the stack. `base` is where the interpreter was loaded, 0 without one.
#[must_use]
pub fn vector<K: Kernel>(kernel: &K, program: &Program, image: &Image, base: usize) -> Vec<Entry> {
    let (capabilities, more_capabilities) = kernel.capabilities();
    let words = [Word::User, Word::EffectiveUser, Word::UserGroup, Word::EffectiveUserGroup];
    let [user, effective_user, group, effective_group] = words.map(|word| u64::from(kernel.identity().get(word)));
    let vdso = kernel.vdso() as u64;
    let entries = [
        (AT_MINSIGSTKSZ, kernel.signal_frame_bytes() as u64),
        (AT_HWCAP, capabilities),
        (AT_PAGESZ, PAGE_SIZE as u64),
        (AT_CLKTCK, TICKS_PER_SECOND),
        (AT_PHDR, image.headers as u64),
        (AT_PHENT, u64::from(program.header.e_phentsize)),
        (AT_PHNUM, u64::from(program.header.e_phnum)),
        (AT_BASE, base as u64),
        (AT_FLAGS, 0),
        (AT_ENTRY, image.entry as u64),
        (AT_UID, user),
        (AT_EUID, effective_user),
        (AT_GID, group),
        (AT_EGID, effective_group),
        (AT_SECURE, u64::from(user != effective_user || group != effective_group)),
        (AT_HWCAP2, more_capabilities),
    ];
    (vdso != 0).then_some((AT_SYSINFO_EHDR, vdso)).into_iter().chain(entries).collect()
}

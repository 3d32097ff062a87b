//! The library OS's image as programs look at it: their vDSO.
//!
//! The linker makes an ordinary position-independent executable. A vDSO on Linux is plainer, and its readers rely on that: glibc takes
//! the first segment with a *non-zero* address for the load bias, so there must be one segment only, and musl and Go each read a part
//! of the dynamic section and ignore the rest. [`present`] rewrites the headers that lie in memory; [`check`] then looks every function
//! up as each of the three does.

use anyhow::{Context, Result, ensure};

use crate::isa::Isa;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const READ_EXECUTE: u32 = 5;
/// Bytes of the ELF header, of a program header, of a dynamic entry, of a symbol (elf(5)).
const HEADER_BYTES: usize = 64;
const SEGMENT_BYTES: usize = 56;
const ENTRY_BYTES: usize = 16;
const SYMBOL_BYTES: usize = 24;

const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_STRSZ: u64 = 10;
const DT_SYMENT: u64 = 11;
const DT_SONAME: u64 = 14;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DT_VERSYM: u64 = 0x6fff_fff0;
const DT_VERDEF: u64 = 0x6fff_fffc;
const DT_VERDEFNUM: u64 = 0x6fff_fffd;
/// What a vDSO's dynamic section holds. Relocations are done; nobody is to do them again.
const KEPT: [u64; 10] = [DT_SONAME, DT_HASH, DT_GNU_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_VERSYM, DT_VERDEF, DT_VERDEFNUM];

/// The version that an ISA's vDSO symbols have (vdso(7)).
fn version(isa: Isa) -> &'static str {
    match isa {
        Isa::X86_64 => "LINUX_2.6",
        Isa::Aarch64 => "LINUX_2.6.39",
    }
}

/// What an ISA's vDSO exports.
fn functions(isa: Isa) -> &'static [&'static str] {
    match isa {
        Isa::X86_64 => &[
            "__vdso_clock_gettime",
            "__vdso_clock_getres",
            "__vdso_gettimeofday",
            "__vdso_time",
            "__vdso_getcpu",
            "clock_gettime",
            "clock_getres",
            "gettimeofday",
            "time",
            "getcpu",
            "__chitin_syscall",
            "__chitin_barrier",
        ],
        Isa::Aarch64 => &[
            "__kernel_clock_gettime",
            "__kernel_clock_getres",
            "__kernel_gettimeofday",
            "__kernel_rt_sigreturn",
            "__chitin_syscall",
            "__chitin_barrier",
        ],
    }
}

/// Little-endian numbers at offsets of an image, all of them checked.
#[derive(Clone, Copy)]
struct View<'a>(&'a [u8]);

impl<'a> View<'a> {
    fn bytes<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn half(self, at: usize) -> Option<usize> {
        self.bytes(at).map(|bytes| u16::from_le_bytes(bytes).into())
    }

    fn word(self, at: usize) -> Option<u32> {
        self.bytes(at).map(u32::from_le_bytes)
    }

    fn long(self, at: usize) -> Option<u64> {
        self.bytes(at).map(u64::from_le_bytes)
    }

    fn string(self, at: usize) -> Option<&'a str> {
        let rest = self.0.get(at..)?;
        std::str::from_utf8(&rest[..rest.iter().position(|&byte| byte == 0)?]).ok()
    }

    /// The program headers: kind, offset and address of each.
    fn segments(self) -> Option<Vec<(u32, u64, u64)>> {
        let (first, size, count) = (self.long(32)? as usize, self.half(54)?, self.half(56)?);
        let segment = |index| {
            let at = first + index * size;
            Some((self.word(at)?, self.long(at + 8)?, self.long(at + 16)?))
        };
        (0..count).map(segment).collect()
    }

    /// The dynamic section at an offset: tags and values up to the end's mark.
    fn dynamic(self, at: usize) -> Option<Vec<(u64, u64)>> {
        let mut entries = Vec::new();
        loop {
            let entry = at + entries.len() * ENTRY_BYTES;
            match (self.long(entry)?, self.long(entry + 8)?) {
                (0, _) => return Some(entries),
                entry => entries.push(entry),
            }
        }
    }
}

/// Rewrite the headers of a laid-out image: one segment, and the dynamic section of a vDSO.
pub fn present(image: &mut [u8]) -> Result<()> {
    let view = View(image);
    let segments = view.segments().context("program headers")?;
    let (_, _, dynamic) = *segments.iter().find(|(kind, ..)| *kind == PT_DYNAMIC).context("no dynamic section")?;
    let all = view.dynamic(dynamic as usize).context("a dynamic section without an end")?;
    let kept: Vec<_> = all.iter().filter(|(tag, _)| KEPT.contains(tag)).copied().collect();
    ensure!(kept.len() == KEPT.len(), "the dynamic section lacks an entry of a vDSO's: {all:x?}");

    let mut entries: Vec<u8> = kept.iter().flat_map(|&(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()]).flatten().collect();
    let dynamic_bytes = entries.len() as u64 + ENTRY_BYTES as u64;
    entries.resize((all.len() + 1) * ENTRY_BYTES, 0);
    image[dynamic as usize..][..entries.len()].copy_from_slice(&entries);

    let length = image.len() as u64;
    let segment = |kind: u32, address: u64, bytes: u64, alignment: u64| {
        let flags = u64::from(kind) | u64::from(READ_EXECUTE) << 32;
        [flags, address, address, address, bytes, bytes, alignment].map(u64::to_le_bytes).concat()
    };
    let headers = [segment(PT_LOAD, 0, length, abi::PAGE_SIZE as u64), segment(PT_DYNAMIC, dynamic, dynamic_bytes, 8)];
    ensure!(segments.len() >= headers.len(), "no room for the program headers");
    image[HEADER_BYTES..][..segments.len() * SEGMENT_BYTES].fill(0);
    image[HEADER_BYTES..][..headers.len() * SEGMENT_BYTES].copy_from_slice(&headers.concat());
    // e_phoff; e_shoff: no section headers are in memory; e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx.
    image[32..40].copy_from_slice(&(HEADER_BYTES as u64).to_le_bytes());
    image[40..48].fill(0);
    image[54..56].copy_from_slice(&(SEGMENT_BYTES as u16).to_le_bytes());
    image[56..58].copy_from_slice(&(headers.len() as u16).to_le_bytes());
    image[58..64].fill(0);
    Ok(())
}

/// Look up every function as musl, glibc and Go do: all must find it at one address, and none under another version.
pub fn check(image: &[u8], isa: Isa) -> Result<()> {
    let view = View(image);
    let readers: [(&str, Reader); 3] = [("musl", musl), ("glibc", glibc), ("Go", go)];
    for &name in functions(isa) {
        let mut places = Vec::new();
        for (reader, find) in readers {
            let place = find(view, name, version(isa)).with_context(|| format!("{reader} does not find {name}"))?;
            ensure!(find(view, name, "LINUX_9.9").is_none(), "{reader} finds {name} under any version");
            places.push(place);
        }
        ensure!(places.iter().all(|&place| place == places[0] && place != 0), "{name} is at {places:x?}");
    }
    ensure!(
        readers.iter().all(|(_, find)| find(view, "no_such_function", version(isa)).is_none()),
        "a function that is not there is found"
    );
    Ok(())
}

/// A reader: the offset of a function of a name and a version in the image.
type Reader = fn(View, &str, &str) -> Option<u64>;

/// The System V ABI's hash.
fn sysv_hash(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(byte.into());
        let high = hash & 0xf000_0000;
        (hash ^ high >> 24) & !high
    })
}

/// GNU's hash.
fn gnu_hash(name: &str) -> u32 {
    name.bytes().fold(5381, |hash: u32, byte| hash.wrapping_mul(33).wrapping_add(byte.into()))
}

/// The tables that a dynamic section names, each value moved by the load bias.
struct Tables<'a> {
    view: View<'a>,
    entries: Vec<(u64, u64)>,
    bias: u64,
}

impl<'a> Tables<'a> {
    fn table(&self, tag: u64) -> Option<usize> {
        self.entries.iter().rev().find(|(other, _)| *other == tag).map(|(_, value)| value.wrapping_add(self.bias) as usize)
    }

    fn symbol(&self, index: usize) -> Option<usize> {
        Some(self.table(DT_SYMTAB)? + index * SYMBOL_BYTES)
    }

    fn name(&self, index: usize) -> Option<&'a str> {
        self.view.string(self.table(DT_STRTAB)? + self.view.word(self.symbol(index)?)? as usize)
    }

    /// Whether a symbol is a defined global or weak function; then its value, moved.
    fn function(&self, index: usize) -> Option<u64> {
        const FUNCTION: u8 = 2;
        let at = self.symbol(index)?;
        let [information, _] = self.view.bytes::<2>(at + 4)?;
        let is_visible = [1, 2].contains(&(information >> 4)) && information & 0xf == FUNCTION && self.view.half(at + 6)? != 0;
        is_visible.then_some(self.view.long(at + 8)?.wrapping_add(self.bias))
    }

    fn symbol_version(&self, index: usize) -> Option<usize> {
        self.view.half(self.table(DT_VERSYM)? + 2 * index).map(|version| version & 0x7fff)
    }

    /// The version definitions: index, flags, hash and name of each.
    fn definitions(&self) -> Option<Vec<(usize, usize, u32, &'a str)>> {
        let mut at = self.table(DT_VERDEF)?;
        let mut definitions = Vec::new();
        loop {
            let first_name = at + self.view.word(at + 12)? as usize;
            let name = self.view.string(self.table(DT_STRTAB)? + self.view.word(first_name)? as usize)?;
            definitions.push((self.view.half(at + 4)? & 0x7fff, self.view.half(at + 2)?, self.view.word(at + 8)?, name));
            match self.view.word(at + 16)? {
                0 => return Some(definitions),
                next => at += next as usize,
            }
        }
    }

    fn gnu_chain(&self, name: &str) -> Option<usize> {
        let table = self.table(DT_GNU_HASH)?;
        let word = |index: usize| self.view.word(table + 4 * index).map(|word| word as usize);
        let (buckets, first, bloom) = (word(0)?, word(1)?, word(2)?);
        let (filter_shift, hash) = (word(3)?, gnu_hash(name) as usize);
        let filter = self.view.long(table + 16 + 8 * (hash / 64 % bloom))?;
        if filter >> (hash % 64) & 1 == 0 || filter >> ((hash >> filter_shift) % 64) & 1 == 0 {
            return None;
        }
        let bucket = 4 + 2 * bloom;
        let mut index = word(bucket + hash % buckets)?;
        while index >= first {
            let link = word(bucket + buckets + index - first)?;
            if link | 1 == hash | 1 && self.name(index)? == name {
                return Some(index);
            }
            if link & 1 != 0 {
                return None;
            }
            index += 1;
        }
        None
    }
}

/// musl's `__vdsosym`: the last segment gives the bias, the plain hash table's count the number of symbols, versions are compared by
/// name.
fn musl(view: View, name: &str, version: &str) -> Option<u64> {
    let segments = view.segments()?;
    let bias = segments.iter().rfind(|(kind, ..)| *kind == PT_LOAD).map(|(_, offset, address)| offset.wrapping_sub(*address))?;
    let dynamic = segments.iter().rfind(|(kind, ..)| *kind == PT_DYNAMIC)?.1;
    let tables = Tables { view, entries: view.dynamic(dynamic as usize)?, bias };
    let count = view.word(tables.table(DT_HASH)? + 4)? as usize;
    (0..count).find_map(|index| {
        let place = tables.function(index).filter(|_| tables.name(index) == Some(name))?;
        let wanted = tables.symbol_version(index)?;
        let definitions = tables.definitions()?;
        definitions.iter().any(|&(index, flags, _, text)| flags & 1 == 0 && index == wanted && text == version).then_some(place)
    })
}

/// glibc's `setup_vdso` and `dl_vdso_vsym`: the first segment with an address gives the bias, GNU's hash table is asked, versions are
/// compared by hash and name.
fn glibc(view: View, name: &str, version: &str) -> Option<u64> {
    let segments = view.segments()?;
    let first = segments.iter().find(|(kind, _, address)| *kind == PT_LOAD && *address != 0).map_or(0, |segment| segment.2);
    let bias = 0u64.wrapping_sub(first);
    let dynamic = segments.iter().rfind(|(kind, ..)| *kind == PT_DYNAMIC)?.2.wrapping_add(bias);
    let tables = Tables { view, entries: view.dynamic(dynamic as usize)?, bias };
    let index = tables.gnu_chain(name)?;
    let wanted = tables.symbol_version(index)?;
    let hash = sysv_hash(version);
    let definitions = tables.definitions()?;
    definitions.iter().find(|&&(index, _, other, text)| index == wanted && other == hash && text == version)?;
    tables.function(index)
}

/// Go's `vdsoParseSymbols`: the first segment gives the bias, the dynamic section lies at its file offset, the version's index is looked up
/// first, then each symbol of either hash table.
fn go(view: View, name: &str, version: &str) -> Option<u64> {
    let segments = view.segments()?;
    let bias = segments.iter().find(|(kind, ..)| *kind == PT_LOAD).map(|(_, offset, address)| offset.wrapping_sub(*address))?;
    let dynamic = segments.iter().rfind(|(kind, ..)| *kind == PT_DYNAMIC)?.1;
    let tables = Tables { view, entries: view.dynamic(dynamic as usize)?, bias };
    let hash = sysv_hash(version);
    let definitions = tables.definitions()?;
    let wanted = definitions.iter().find(|&&(_, flags, other, text)| flags & 1 == 0 && other == hash && text == version)?.0;
    let by_gnu = tables.gnu_chain(name)?;
    let table = tables.table(DT_HASH)?;
    let buckets = view.word(table)? as usize;
    let mut index = view.word(table + 8 + 4 * (sysv_hash(name) as usize % buckets))? as usize;
    while index != 0 {
        if tables.name(index)? == name && index == by_gnu && tables.symbol_version(index)? == wanted {
            return tables.function(index);
        }
        index = view.word(table + 8 + 4 * (buckets + index))? as usize;
    }
    None
}

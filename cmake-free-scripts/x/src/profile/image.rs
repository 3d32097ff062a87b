//! Images: which one a block is from, and which symbol.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use goblin::elf::Elf;
use goblin::elf::program_header::{PF_X, PT_LOAD};
use goblin::elf::sym::{STT_FUNC, STT_NOTYPE};

/// The least alignment of what is mapped.
const PAGE: u64 = 4096;

/// How many bytes of a block tell where it is from, where its image's base is not known.
const LEAST_BYTES: usize = 8;
/// The stack of what is in no file.
pub const ELSEWHERE: &str = "elsewhere;(in no file: firmware, trampolines, code made at run time)";

/// A linked file.
pub struct Image {
    name: String,
    /// What is added to its addresses, if it is known.
    base: u64,
    /// Executable segments by address.
    text: Vec<(u64, Vec<u8>)>,
    /// Symbols by address.
    symbols: BTreeMap<u64, String>,
}

impl Image {
    /// Read an ELF file.
    pub fn new(name: &str, bytes: &[u8], base: u64) -> Result<Image> {
        let elf = Elf::parse(bytes)?;
        let mut text = Vec::new();
        for load in elf.program_headers.iter().filter(|load| load.p_type == PT_LOAD && load.p_flags & PF_X != 0) {
            let range = load.p_offset as usize..(load.p_offset + load.p_filesz) as usize;
            text.push((load.p_vaddr, bytes.get(range).context("a segment is cut off")?.to_vec()));
        }
        let mut symbols = BTreeMap::new();
        for (table, names) in [(&elf.dynsyms, &elf.dynstrtab), (&elf.syms, &elf.strtab)] {
            for symbol in table.iter().filter(|symbol| [STT_FUNC, STT_NOTYPE].contains(&symbol.st_type()) && symbol.st_shndx != 0) {
                // Mapping symbols of aarch64 ($x, $d) and assemblers' locals say nothing.
                let known = names.get_at(symbol.st_name).filter(|name| !name.is_empty() && !name.starts_with(['$', '.']));
                if let Some(name) = known {
                    symbols.insert(symbol.st_value, name.to_owned());
                }
            }
        }
        Ok(Image { name: name.to_owned(), base, text, symbols })
    }

    /// Whether two files have the same instructions.
    pub fn same_text(&self, other: &Image) -> bool {
        self.text == other.text
    }

    /// Whether these bytes stand at an address of its own.
    fn has(&self, address: u64, bytes: &[u8]) -> bool {
        self.text.iter().any(|(start, text)| {
            let Some(offset) = address.checked_sub(*start) else { return false };
            usize::try_from(offset).is_ok_and(|offset| text.get(offset..).is_some_and(|rest| rest.starts_with(bytes)))
        })
    }

    /// The addresses of its own at which these bytes stand, so far into a page.
    fn places(&self, in_page: u64, bytes: &[u8]) -> impl Iterator<Item = u64> {
        self.text
            .iter()
            .flat_map(move |(start, text)| {
                let first = (in_page + PAGE - start % PAGE) % PAGE;
                (first..text.len() as u64).step_by(PAGE as usize).map(move |offset| start + offset)
            })
            .filter(move |&address| self.has(address, bytes))
    }

    /// The symbol that an address is in, as a path of names.
    fn symbol(&self, address: u64) -> String {
        let Some((_, name)) = self.symbols.range(..=address).next_back() else { return "(no symbol)".into() };
        path(&format!("{:#}", rustc_demangle::demangle(name)))
    }
}

/// What may have run.
pub struct Images {
    images: Vec<Image>,
    /// What was found to be added to an image's addresses, the latest last.
    found: Vec<(usize, u64)>,
}

impl Images {
    /// Those whose base is known are looked into first.
    pub fn new(images: Vec<Image>) -> Images {
        let found = images.iter().enumerate().map(|(index, image)| (index, image.base)).collect();
        Images { images, found }
    }

    /// A block's stack in the graph: the image, the names of its symbol's path.
    pub fn stack(&mut self, address: u64, bytes: &[u8]) -> String {
        let of = |images: &[Image], index: usize, base: u64| {
            let image: &Image = &images[index];
            format!("{};{}", image.name, image.symbol(address.wrapping_sub(base)))
        };
        let known = self.found.iter().find(|&&(index, base)| self.images[index].has(address.wrapping_sub(base), bytes));
        if let Some(&(index, base)) = known {
            return of(&self.images, index, base);
        }
        // A few bytes are anywhere.
        if bytes.len() < LEAST_BYTES {
            return ELSEWHERE.into();
        }
        let places = || {
            self.images.iter().enumerate().flat_map(|(index, image)| image.places(address % PAGE, bytes).map(move |place| (index, place)))
        };
        let mut some = places().take(2);
        match (some.next(), some.next()) {
            (Some((index, place)), None) => {
                let base = address.wrapping_sub(place);
                self.found.push((index, base));
                of(&self.images, index, base)
            }
            (Some((index, _)), Some(_)) => format!("{};(one of several places)", self.images[index].name),
            (None, _) => ELSEWHERE.into(),
        }
    }
}

/// A Rust path's names, a semicolon between them: what is in angle brackets is left out, but for the type whose method it is.
fn path(name: &str) -> String {
    let inner = name.strip_prefix('<').map_or_else(
        || name.to_owned(),
        |rest| {
            let end = matching(rest).unwrap_or(rest.len());
            let own = rest[..end].split(" as ").next().unwrap_or_default().trim_start_matches(['&', '*']).trim_start_matches("mut ");
            format!("{own}{}", rest.get(end + 1..).unwrap_or_default())
        },
    );
    let (mut depth, mut plain) = (0, String::new());
    for character in inner.chars() {
        match character {
            '<' => depth += 1,
            '>' => depth -= 1,
            ';' => {}
            _ if depth == 0 => plain.push(character),
            _ => {}
        }
    }
    plain.split("::").filter(|name| !name.is_empty()).collect::<Vec<_>>().join(";")
}

/// Where the bracket is closed that stands before `text`.
fn matching(text: &str) -> Option<usize> {
    let mut depth = 1;
    text.char_indices().find_map(|(index, character)| {
        depth += match character {
            '<' => 1,
            '>' => -1,
            _ => 0,
        };
        (depth == 0).then_some(index)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_under_its_type() {
        assert_eq!(path("exokernel::calls::page::map"), "exokernel;calls;page;map");
        assert_eq!(path("<libos::file::Pipe as libos::file::File>::read"), "libos;file;Pipe;read");
        assert_eq!(path("libos::Process<K>::block::{{closure}}"), "libos;Process;block;{{closure}}");
        assert_eq!(path("memcpy"), "memcpy");
    }

    #[test]
    fn a_block_is_in_the_image_that_has_its_bytes() {
        let image = |name: &str, bytes: &[u8]| {
            let text = vec![(0x1000, bytes.to_vec())];
            Image { name: name.into(), base: 0x10_0000, text, symbols: BTreeMap::from([(0x1000, name.to_owned() + "::main")]) }
        };
        let mut images = Images::new(vec![image("one", b"abcdefgh"), image("two", b"xbcy")]);
        assert_eq!(images.stack(0x10_1001, b"bcy"), "two;two;main");
        assert_eq!(images.stack(0x10_1000, b"abc"), "one;one;main");
        assert_eq!(images.stack(0x77_7000, b"abcdefgh"), "one;one;main", "at another base");
    }
}

//! `cargo x run --profile FILE`: which symbols the guest's instructions are of, as a flame graph.
//!
//! A plugin in the emulator, `cmake-free-scripts/profile/blocks.c`, counts the instructions of each translated block: every one is
//! counted, nothing is sampled. A block is found in the image that has its bytes, since the library OS and `unixd` stand at one address.
//! Above an image's bar in the graph are the modules of its symbols' paths: there are no call stacks.

mod image;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use exo::libos_image::LIBOS_BASE;

use crate::isa::Isa;
use crate::qemu::Scratch;
use crate::run::Guest;
use crate::{build, tree};
use image::{ELSEWHERE, Image, Images};

/// The kernel's name in stacks, and the library OS's, the server's, and what programs have where their symbols are not asked for.
pub const KERNEL: &str = "kernel";
pub const LIBRARY: &str = "libos";
pub const SERVER: &str = "unixd";
const PROGRAM: &str = "program";

/// Where the kernel's half of the address space begins, on both ISAs.
const KERNEL_HALF: u64 = 1 << 63;

/// A profile in the making.
pub struct Profile {
    scratch: Scratch,
    plugin: PathBuf,
}

/// A translated block: where it ran, how many instructions of it ran, its first bytes.
struct Block {
    address: u64,
    instructions: u64,
    bytes: Vec<u8>,
}

impl Profile {
    /// Make the plugin.
    pub fn new() -> Result<Profile> {
        let source = tree::root().join("cmake-free-scripts/profile/blocks.c");
        let scratch = Scratch::new()?;
        let plugin = scratch.path("blocks.so");
        let flags = ["-std=gnu11", "-O2", "-fPIC", "-fvisibility=hidden", "-shared", "-o"];
        let status = Command::new("gcc").args(flags).arg(&plugin).arg(&source).status().context("cannot start gcc")?;
        ensure!(status.success(), "{} does not compile", source.display());
        Ok(Profile { scratch, plugin })
    }

    /// The emulator's option.
    pub fn option(&self) -> String {
        format!("file={},out={}", self.plugin.display(), self.scratch.path("blocks").display())
    }

    /// What ran in each section that the guest marked, of each operation that it did, by symbol: stacks as in the graph. `is_ours`: Chitin ran, and
    /// not a system that there are no symbols of.
    pub fn operations(&self, isa: Isa, is_ours: bool) -> Result<Vec<Vec<BTreeMap<String, u64>>>> {
        let counted = std::fs::read_to_string(self.scratch.path("blocks.sections")).context("no section was marked: QEMU 9.2 is needed")?;
        let mut images = Images::new(if is_ours { system(isa)? } else { Vec::new() });
        let (mut operations, mut known) = (Vec::<Vec<BTreeMap<String, u64>>>::new(), BTreeMap::new());
        for line in counted.lines() {
            if line == "operation" {
                operations.push(Vec::new());
                continue;
            }
            let sections = operations.last_mut().context("a section before the first operation")?;
            if line == "section" {
                sections.push(BTreeMap::new());
                continue;
            }
            let block = block(line).with_context(|| format!("{line}: no block"))?;
            let section = sections.last_mut().context("a block before the first section")?;
            let place = (block.address, block.bytes);
            let stack = known.entry(place).or_insert_with_key(|(address, bytes)| match images.stack(*address, bytes) {
                stack if !stack.starts_with(ELSEWHERE) => stack,
                _ if *address >= KERNEL_HALF => KERNEL.into(),
                _ => PROGRAM.into(),
            });
            *section.entry(stack.clone()).or_default() += block.instructions;
        }
        Ok(operations)
    }

    /// Draw what was counted. `guest`: whose files ran, where it was not a program of the bare kernel's.
    pub fn draw(&self, isa: Isa, guest: Option<&Guest>, native: Option<&str>, output: &Path) -> Result<()> {
        let counted = std::fs::read_to_string(self.scratch.path("blocks")).context("the emulator counted nothing: QEMU 9.2 is needed")?;
        let mut images = Images::new(images(isa, guest, native)?);
        let mut stacks: BTreeMap<String, u64> = BTreeMap::new();
        for line in counted.lines() {
            let block = block(line).with_context(|| format!("{line}: no block"))?;
            *stacks.entry(images.stack(block.address, &block.bytes)).or_default() += block.instructions;
        }
        let total: u64 = stacks.values().sum();
        let lines: Vec<String> = stacks.iter().map(|(stack, count)| format!("{stack} {count}")).collect();
        draw_lines(&format!("{total} instructions of an {isa} guest"), &lines, output)?;
        print_shares(&stacks, total);
        Ok(())
    }
}

/// Draw stacks, a line for each with what it counts behind it.
pub fn draw_lines(title: &str, lines: &[String], output: &Path) -> Result<()> {
    let mut options = inferno::flamegraph::Options::default();
    options.title = title.to_owned();
    options.count_name = "instructions".into();
    options.name_type = "Symbol:".into();
    options.hash = true;
    let file = File::create(output).with_context(|| format!("cannot write {}", output.display()))?;
    inferno::flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), BufWriter::new(file))?;
    Ok(())
}

/// What each image had of it, and the symbols that had most.
fn print_shares(stacks: &BTreeMap<String, u64>, total: u64) {
    let mut shares: BTreeMap<&str, u64> = BTreeMap::new();
    for (stack, count) in stacks {
        *shares.entry(stack.split(';').next().unwrap_or(stack)).or_default() += count;
    }
    let percent = |count: u64| 100.0 * count as f64 / total.max(1) as f64;
    let mut shares: Vec<(&str, u64)> = shares.into_iter().collect();
    shares.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    eprintln!("{total} instructions");
    shares.iter().for_each(|&(image, count)| eprintln!("{:>6.1} %  {image}", percent(count)));
    let mut symbols: Vec<(&String, &u64)> = stacks.iter().collect();
    symbols.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    eprintln!("the most by symbol");
    symbols.iter().take(12).for_each(|&(stack, &count)| eprintln!("{:>6.1} %  {}", percent(count), stack.replace(';', " ")));
}

fn block(line: &str) -> Option<Block> {
    let mut words = line.split(' ');
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let instructions = words.next()?.parse().ok()?;
    let digits = words.next()?;
    let bytes = (0..digits.len() / 2).map(|index| u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).ok()).collect::<Option<_>>()?;
    Some(Block { address, instructions, bytes })
}

/// What every guest has below its programs.
fn system(isa: Isa) -> Result<Vec<Image>> {
    let parts = [
        (KERNEL, build::kernel_symbols(isa), 0),
        ("init", build::native(isa, "init"), 0),
        (LIBRARY, build::libos_symbols(isa), LIBOS_BASE),
        (SERVER, build::unixd_symbols(isa), LIBOS_BASE),
    ];
    let image = |(name, path, base): (&str, PathBuf, u64)| {
        Image::new(name, &std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?, base)
    };
    parts.into_iter().map(image).collect()
}

/// All that may have run, with its symbols as far as there are any.
fn images(isa: Isa, guest: Option<&Guest>, native: Option<&str>) -> Result<Vec<Image>> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let Some(guest) = guest else {
        let mut images = vec![Image::new(KERNEL, &read(&build::kernel_symbols(isa))?, 0)?];
        if let Some(name) = native {
            images.push(Image::new(name, &read(&build::native(isa, name))?, 0)?);
        }
        return Ok(images);
    };
    let mut images = system(isa)?;
    let mut programs: Vec<(&str, &[u8])> = guest.files.regular().filter(|(_, contents)| contents.starts_with(b"\x7fELF")).collect();
    // Where several have the same bytes, they are the first one's: that is the program that was asked for.
    programs.sort_by_key(|(path, _)| guest.arguments.first().is_none_or(|first| first != path));
    for (path, contents) in programs {
        let name = path.rsplit('/').next().unwrap_or(path);
        // Ours are stripped in the guest; the linker's own output has the same text.
        let flavours = crate::entry::Flavour::ALL.map(|flavour| tree::linux_release(isa, flavour).join(name));
        let symbols = flavours.iter().filter_map(|path| std::fs::read(path).ok()).find_map(|bytes| {
            let image = Image::new(name, &bytes, 0).ok()?;
            Image::new(name, contents, 0).is_ok_and(|stripped| stripped.same_text(&image)).then_some(image)
        });
        // What is no program of this machine's cannot have run.
        images.extend(symbols.or_else(|| Image::new(name, contents, 0).ok()));
    }
    Ok(images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_a_block() {
        let block = block("ffffffff80200800 15 0f0590").unwrap();
        assert_eq!((block.address, block.instructions, block.bytes), (0xffff_ffff_8020_0800, 15, vec![0x0f, 0x05, 0x90]));
        assert!(super::block("x 1 00").is_none());
    }
}

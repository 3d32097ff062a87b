//! `--get`: files of the guest's, brought out when the run has ended.
//!
//! The machine's memory is a file then ([`Machine::memory_file`]), and in it `unixd` has left word of where the contents are: see
//! [`exo::results`]. The module is found by its tag, which is at the beginning of a page.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use abi::PAGE_SIZE;
use anyhow::{Context, Result, bail, ensure};
use exo::results::{DONE, Entry, FRAMES_PER_LIST, Header, SUM_OF_NOTHING, sum};

use crate::qemu::Machine;

/// What is to be brought out.
pub struct Fetch {
    /// Paths in the guest, and where the files go.
    pairs: Vec<(String, PathBuf)>,
    tag: [u64; 2],
}

/// The names of errors that a guest's path leads to, by Linux's numbers.
const ERRORS: [(u64, &str); 8] = [
    (2, "no such file"),
    (6, "that is no regular file"),
    (12, "the guest had no memory left"),
    (20, "not a directory"),
    (21, "that is a directory"),
    (28, "the guest had no memory left"),
    (36, "the name is too long"),
    (40, "too many symbolic links"),
];

impl Fetch {
    /// What options of the form `GUEST:HOST` ask for; nothing if there are none.
    pub fn new(options: &[String]) -> Result<Option<Fetch>> {
        let mut pairs = Vec::new();
        for option in options {
            let (guest, host) = option.split_once(':').with_context(|| format!("--get {option}: GUEST:HOST is wanted"))?;
            ensure!(!guest.is_empty() && !host.is_empty(), "--get {option}: GUEST:HOST is wanted");
            let mut host = PathBuf::from(host);
            if host.is_dir() {
                host.push(guest.rsplit('/').find(|name| !name.is_empty()).with_context(|| format!("--get {option}: a file is wanted"))?);
            }
            let folder = host.parent().filter(|folder| !folder.as_os_str().is_empty());
            ensure!(folder.is_none_or(|folder| folder.is_dir()), "--get {option}: there is no folder for {}", host.display());
            pairs.push((guest.to_owned(), host));
        }
        let tag = std::array::from_fn(|_| RandomState::new().hash_one(std::process::id()) | 1);
        Ok((!pairs.is_empty()).then_some(Fetch { pairs, tag }))
    }

    /// The module that asks for them.
    pub fn module(&self) -> Vec<u8> {
        let mut words = vec![self.tag[0], self.tag[1], self.pairs.len() as u64, 0, 0];
        let mut place = size_of::<Header>() + self.pairs.len() * size_of::<Entry>();
        for (guest, _) in &self.pairs {
            words.extend([place as u64, guest.len() as u64, 0, 0, 0, 0]);
            place += guest.len();
        }
        let mut module: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.pairs.iter().for_each(|(guest, _)| module.extend_from_slice(guest.as_bytes()));
        module
    }

    /// Bring them out of the memory of a machine that has ended, and say of each that there is none to be had why. Whether all were.
    pub fn collect(&self, machine: &Machine) -> bool {
        let memory = match Memory::open(machine, self.tag) {
            Ok(memory) => memory,
            Err(error) => {
                eprintln!("cargo x run: nothing is fetched: {error:#}");
                return false;
            }
        };
        let mut all = true;
        for (index, (guest, host)) in self.pairs.iter().enumerate() {
            let contents = memory.contents(index);
            let written =
                contents.and_then(|contents| fs::write(host, contents).with_context(|| format!("cannot write {}", host.display())));
            if let Err(error) = written {
                eprintln!("cargo x run: {guest} is not fetched: {error:#}");
                all = false;
            }
        }
        all
    }
}

/// The memory of a machine that has ended.
struct Memory {
    file: File,
    /// Where the module begins in the file.
    module: u64,
    /// What a frame's number is less than its page in the file, where they go on as the module does.
    first_frame: u64,
}

impl Memory {
    fn open(machine: &Machine, tag: [u64; 2]) -> Result<Memory> {
        let path = machine.memory_file.as_ref().context("the machine's memory is no file")?;
        let mut file = File::open(path).context("the machine left no memory")?;
        let mut block = vec![0; 256 * PAGE_SIZE];
        let mut at = 0;
        loop {
            let count = file.read(&mut block)?;
            ensure!(count > 0, "the run did not end by itself");
            for (index, page) in block[..count].chunks(PAGE_SIZE).enumerate() {
                let header = header(page);
                if header.tag == tag && header.state == DONE {
                    let module = at + (index * PAGE_SIZE) as u64;
                    let first_frame = header.frame.wrapping_sub(module / PAGE_SIZE as u64);
                    return Ok(Memory { file, module, first_frame });
                }
            }
            at += count as u64;
        }
    }

    /// The words at an offset of the file.
    fn words<const COUNT: usize>(&self, offset: u64) -> Result<[u64; COUNT]> {
        let mut bytes = vec![0; COUNT * 8];
        self.file.read_exact_at(&mut bytes, offset).context("the guest names memory that it does not have")?;
        Ok(std::array::from_fn(|index| word(&bytes, index)))
    }

    fn offset_of(&self, frame: u64) -> u64 {
        frame.wrapping_sub(self.first_frame).wrapping_mul(PAGE_SIZE as u64)
    }

    /// The contents of a file that was asked for.
    fn contents(&self, index: usize) -> Result<Vec<u8>> {
        let entry = self.module + (size_of::<Header>() + index * size_of::<Entry>()) as u64;
        let [_, _, error, size, expected, mut list] = self.words(entry)?;
        if error != 0 {
            let name = ERRORS.iter().find(|(number, _)| *number == error);
            bail!("{}", name.map_or_else(|| format!("error {error}"), |(_, name)| (*name).to_owned()));
        }
        ensure!(size <= self.file.metadata()?.len(), "the guest says that it is larger than all memory");
        let mut contents = vec![0; usize::try_from(size)?];
        let mut frames = Vec::new();
        for (index, page) in contents.chunks_mut(PAGE_SIZE).enumerate() {
            let place = index % FRAMES_PER_LIST;
            if place == 0 {
                frames = self.words::<{ FRAMES_PER_LIST + 1 }>(self.offset_of(list))?.to_vec();
                list = frames[0];
            }
            self.file.read_exact_at(page, self.offset_of(frames[1 + place])).context("the guest names memory that it does not have")?;
        }
        ensure!(sum(SUM_OF_NOTHING, &contents) == expected, "its contents were lost when the machine ended");
        Ok(contents)
    }
}

fn word(bytes: &[u8], index: usize) -> u64 {
    bytes.get(index * 8..index * 8 + 8).map_or(0, |word| u64::from_le_bytes(word.try_into().expect("eight bytes")))
}

fn header(page: &[u8]) -> Header {
    Header { tag: [word(page, 0), word(page, 1)], count: word(page, 2), frame: word(page, 3), state: word(page, 4) }
}

//! Where instructions begin, proven by decoding a whole stretch of code.

use alloc::vec;
use alloc::vec::Vec;

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, OpKind};

use crate::Reason;
use crate::elf::{Function, Image, Segment};

/// The most instructions that move to a trampoline.
const BEFORE_MOST: usize = 4;

/// The prefix of an atomic instruction.
const LOCK: u8 = 0xf0;

/// What comes before a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// Bytes of the instructions right before it that may move, the nearest last.
    pub lengths: Vec<u8>,
    /// Why there are no more of them.
    pub reason: Reason,
}

impl Before {
    /// Move nothing that lies before a place where a branch goes: whoever came that way would find an undefined instruction, which is
    /// right but as slow as a fault. `targets` are sorted, and like `site` count from the stretch's start.
    fn keep_from_targets(&mut self, targets: &[u32], site: u32) {
        let mut place = site;
        let mut kept = 0;
        while kept < self.lengths.len() && targets.binary_search(&place).is_err() {
            place -= u32::from(self.lengths[self.lengths.len() - 1 - kept]);
            kept += 1;
        }
        if kept < self.lengths.len() {
            self.lengths.drain(..self.lengths.len() - kept);
            self.reason = Reason::BranchTarget;
        }
    }
}

/// What is known of a site.
pub type Found = Result<Before, Reason>;

/// Code between two addresses at which instructions are known to begin.
pub struct Stretch {
    start: u64,
    end: u64,
    /// Whether anything says that an instruction begins at `start`.
    known: bool,
}

impl Stretch {
    /// The stretch of a part of an image that holds an address.
    pub fn around(image: &Image, part: &Segment, address: u64) -> Stretch {
        let cuts = Cuts { functions: &image.functions, entry: image.entry };
        let part_end = part.address + part.size;
        // A segment without sections may begin with headers.
        let begins = image.has_sections;
        let start = cuts.last_until(part.address, address);
        let end = cuts.first_after(address).map_or(part_end, |end| end.min(part_end));
        Stretch { start: start.unwrap_or(part.address), end, known: start.is_some() || begins }
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// Decode it: `bytes` are those of the part, which begins at `base`. Gives its syscall instructions, by address, each with what is
    /// proven; if nothing is, each place with the bytes.
    pub fn sweep(&self, bytes: &[u8], base: u64) -> Vec<(u64, Found)> {
        let (from, to) = ((self.start - base) as usize, (self.end - base) as usize);
        let code = &bytes[from..to];
        let reason = if self.known {
            match Sweep::run(code, self.start) {
                Ok(found) => return found,
                Err(reason) => reason,
            }
        } else {
            Reason::UnknownStart
        };
        memchr::memmem::find_iter(code, &super::SYSCALL).map(|at| (self.start + at as u64, Err(reason))).collect()
    }
}

/// Addresses at which instructions begin or end, as far as the file says.
struct Cuts<'a> {
    functions: &'a [Function],
    entry: u64,
}

impl Cuts<'_> {
    /// The last cut from `low` to `address`.
    fn last_until(&self, low: u64, address: u64) -> Option<u64> {
        let after = self.functions.partition_point(|function| function.start <= address);
        let start = self.functions[..after].last().map(|function| function.start);
        // Ends are not sorted, but functions rarely nest: the nearest ones before are enough, as fewer cuts only make a stretch longer.
        let ends = self.functions[..after].iter().rev().take(8).map(|function| function.end).filter(|&end| end <= address);
        let entry = (self.entry <= address).then_some(self.entry);
        ends.chain(start).chain(entry).filter(|&cut| cut >= low).max()
    }

    /// The first cut after `address`.
    fn first_after(&self, address: u64) -> Option<u64> {
        let after = self.functions.partition_point(|function| function.start <= address);
        let start = self.functions.get(after).map(|function| function.start);
        let ends = self.functions[..after].iter().rev().take(8).map(|function| function.end).filter(|&end| end > address);
        let entry = (self.entry > address).then_some(self.entry);
        ends.chain(start).chain(entry).min()
    }
}

/// A sweep under way.
struct Sweep {
    /// A bit for each byte: an instruction begins here.
    begins: Vec<u64>,
    /// Where branches go, inside the stretch.
    targets: Vec<u32>,
    /// Lengths of the movable instructions right before.
    before: [u8; BEFORE_MOST],
    count: usize,
    /// Why the instruction before those does not move.
    reason: Reason,
    found: Vec<(u64, Found)>,
}

impl Sweep {
    fn run(code: &[u8], start: u64) -> Result<Vec<(u64, Found)>, Reason> {
        let mut sweep = Sweep {
            begins: vec![0; code.len() / 64 + 1],
            targets: Vec::new(),
            before: [0; BEFORE_MOST],
            count: 0,
            reason: Reason::NoRoomBefore,
            found: Vec::new(),
        };
        let padding = code.len() - code.iter().rev().take_while(|&&byte| byte == 0).count();
        let mut decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        while decoder.can_decode() {
            let at = decoder.position();
            if at >= padding {
                // Zeros up to the end: padding, and no instruction.
                break;
            }
            decoder.decode_out(&mut instruction);
            if instruction.is_invalid() {
                let end = start + code.len() as u64;
                let cut = decoder.last_error() == iced_x86::DecoderError::NoMoreBytes;
                return Err(if cut { Reason::Overrun(end) } else { Reason::Invalid(start + at as u64) });
            }
            sweep.begin(at);
            if instruction.has_lock_prefix() && code[at] == LOCK {
                // Its one-processor half: a branch past the prefix executes the same instruction without it.
                sweep.begin(at + 1);
            }
            sweep.note(&instruction, start, code.len() as u64);
        }
        for &target in &sweep.targets {
            if sweep.begins[target as usize / 64] & 1 << (target % 64) == 0 {
                return Err(Reason::Crooked(start + u64::from(target)));
            }
        }
        sweep.targets.sort_unstable();
        for (site, found) in &mut sweep.found {
            if let Ok(before) = found {
                before.keep_from_targets(&sweep.targets, (*site - start) as u32);
            }
        }
        Ok(sweep.found)
    }

    fn begin(&mut self, at: usize) {
        self.begins[at / 64] |= 1 << (at % 64);
    }

    fn note(&mut self, instruction: &Instruction, start: u64, length: u64) {
        if instruction.code() == Code::Syscall {
            let lengths = self.before[BEFORE_MOST - self.count..].to_vec();
            self.found.push((instruction.ip(), Ok(Before { lengths, reason: self.reason })));
        }
        let distance = instruction.near_branch_target().wrapping_sub(start);
        if is_near_branch(instruction) && distance < length {
            self.targets.push(distance as u32);
        }
        match movable(instruction) {
            Ok(()) => {
                self.before.rotate_left(1);
                self.before[BEFORE_MOST - 1] = instruction.len() as u8;
                self.count = (self.count + 1).min(BEFORE_MOST);
            }
            Err(reason) => (self.count, self.reason) = (0, reason),
        }
    }
}

fn is_near_branch(instruction: &Instruction) -> bool {
    instruction.op_count() > 0 && matches!(instruction.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64)
}

/// Whether an instruction does the same anywhere.
fn movable(instruction: &Instruction) -> Result<(), Reason> {
    if instruction.flow_control() != FlowControl::Next {
        return Err(Reason::NoRoomBefore);
    }
    // A jump past a lock prefix is a known way to skip it, and `endbr64` is where an indirect branch must land.
    let immovable = instruction.is_ip_rel_memory_operand()
        || instruction.has_lock_prefix()
        || matches!(instruction.code(), Code::Endbr64 | Code::Endbr32);
    if immovable { Err(Reason::Immovable) } else { Ok(()) }
}

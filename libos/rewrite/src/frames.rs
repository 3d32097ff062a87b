//! Where functions are, by the frame descriptions that unwinders use.
//!
//! Linux Standard Base, "Exception Frames": `.eh_frame_hdr` is a table of pairs, a function's start and its description's address,
//! sorted; the description in `.eh_frame` has the length. What is encoded otherwise than compilers do it is passed over.

use alloc::vec::Vec;

use crate::elf::Function;

/// Values of four signed bytes, relative to where they stand.
const RELATIVE_TO_PLACE: u8 = 0x1b;
/// Values of four signed bytes, relative to the table.
const RELATIVE_TO_TABLE: u8 = 0x3b;
/// A count of four bytes.
const COUNT: u8 = 0x03;

/// The functions that the table at `table` lists. `at` gives the bytes from an address on.
pub(crate) fn functions<'a>(table: u64, at: &dyn Fn(u64) -> Option<&'a [u8]>) -> Vec<Function> {
    let mut functions = Vec::new();
    let Some(header) = at(table).filter(|header| header.len() >= 12) else { return functions };
    if header[0] != 1 || header[2] != COUNT || header[3] != RELATIVE_TO_TABLE {
        return functions;
    }
    let count = word(header, 8).unwrap_or(0) as usize;
    for pair in header[12..].chunks_exact(8).take(count) {
        let resolve = |index| word(pair, index).map(|value| table.wrapping_add_signed(i64::from(value as i32)));
        let (Some(start), Some(description)) = (resolve(0), resolve(4)) else { break };
        if let Some(size) = size(description, start, at) {
            functions.push(Function { start, end: start.saturating_add(u64::from(size)) });
        }
    }
    functions
}

/// The size of the function that a description is of, if it begins at `start`.
fn size<'a>(description: u64, start: u64, at: &dyn Fn(u64) -> Option<&'a [u8]>) -> Option<u32> {
    let bytes = at(description)?;
    let back = word(bytes, 4)?;
    let common = at((description + 4).checked_sub(u64::from(back))?)?;
    if encoding(common)? != RELATIVE_TO_PLACE {
        return None;
    }
    let begins = (description + 8).wrapping_add_signed(i64::from(word(bytes, 8)? as i32));
    if begins != start {
        return None;
    }
    word(bytes, 12)
}

/// How descriptions that share a common part encode addresses.
fn encoding(common: &[u8]) -> Option<u8> {
    if word(common, 4)? != 0 || *common.get(8)? != 1 {
        return None;
    }
    let text = common.get(9..)?;
    let end = text.iter().position(|&byte| byte == 0)?;
    let letters = &text[..end];
    let mut rest = text.get(end + 1..)?;
    // Code alignment, data alignment, return address register, and after 'z' the length of what the letters add.
    for _ in 0..4 {
        rest = after_number(rest)?;
    }
    let letters = letters.strip_prefix(b"z")?;
    for letter in letters {
        match letter {
            b'R' => return rest.first().copied(),
            b'L' => rest = rest.get(1..)?,
            b'P' => rest = rest.get(1 + pointer_bytes(*rest.first()?)?..)?,
            b'S' | b'B' | b'G' => {}
            _ => return None,
        }
    }
    None
}

fn pointer_bytes(encoding: u8) -> Option<usize> {
    match encoding & 0x0f {
        0x00 | 0x04 | 0x0c => Some(8),
        0x03 | 0x0b => Some(4),
        0x02 | 0x0a => Some(2),
        _ => None,
    }
}

/// What follows a number in LEB128.
fn after_number(bytes: &[u8]) -> Option<&[u8]> {
    let last = bytes.iter().position(|&byte| byte & 0x80 == 0)?;
    bytes.get(last + 1..)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

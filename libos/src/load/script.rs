//! Files that begin with `#!`: as execve(2) describes them and `fs/binfmt_script.c` reads them.

use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::load::head::Head;
use crate::load::strings::Strings;

/// What Linux looks at of a file before it knows its format (`BINPRM_BUF_SIZE`).
const LINE_MOST: usize = 256;

/// A `#!` line.
pub struct Line {
    /// The interpreter's path.
    pub interpreter: Vec<u8>,
    /// What stands behind it, as one argument.
    pub argument: Option<Vec<u8>>,
}

/// The `#!` line of a file, if it has one.
///
/// # Errors
/// `ENOEXEC`: there is no path in it, or it is longer than can be. `EACCES`: the path is empty.
pub fn line(head: &Head) -> Result<Option<Line>> {
    let bytes = &head.0[..LINE_MOST];
    let Some(rest) = bytes.strip_prefix(b"#!") else { return Ok(None) };
    let text = match rest.iter().position(|&byte| byte == b'\n') {
        Some(end) => &rest[..end],
        None => {
            // A line that was cut off may have lost a part of the path.
            let text = &rest[..rest.len() - 1];
            let start = text.iter().position(|&byte| !is_blank(byte)).ok_or(Errno::ENOEXEC)?;
            text[start..].iter().position(|&byte| is_blank(byte) || byte == 0).ok_or(Errno::ENOEXEC)?;
            text
        }
    };
    let text = trimmed(text);
    let end = text.iter().position(|&byte| is_blank(byte) || byte == 0).unwrap_or(text.len());
    if text.is_empty() {
        return Err(Errno::ENOEXEC);
    }
    if end == 0 {
        // An empty path leads to the current directory.
        return Err(Errno::EACCES);
    }
    let (path, rest) = text.split_at(end);
    // What stands behind a NUL is no argument.
    let argument = rest.first().filter(|&&byte| byte != 0).map(|_| string(trimmed(rest)).to_vec());
    Ok(Some(Line { interpreter: path.to_vec(), argument }))
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trimmed(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|&byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// What stands before the first NUL.
fn string(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

impl Line {
    /// Let the interpreter and what it is given stand before the arguments of the script at `path`, whose zeroth goes.
    ///
    /// # Errors
    /// `E2BIG`: there is no room.
    pub fn put_before(&self, path: &[u8], strings: &mut Strings) -> Result<()> {
        strings.take_first();
        strings.put(path)?;
        self.argument.iter().try_for_each(|argument| strings.put(argument))?;
        strings.put(&self.interpreter)
    }
}

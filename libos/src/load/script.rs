//! Files that begin with `#!`: as execve(2) describes them and `fs/binfmt_script.c` reads them.

use alloc::vec::Vec;

use crate::errno::{Errno, Result};
use crate::load::Executable;

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
/// `ENOEXEC`: there is no path in it, or it is longer than can be.
pub fn line(file: &Executable) -> Result<Option<Line>> {
    let mut bytes = [0; LINE_MOST];
    let length = file.backing.read_at(0, &mut bytes)?;
    let Some(rest) = bytes[..length].strip_prefix(b"#!") else { return Ok(None) };
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let end = rest.iter().position(|&byte| byte == b'\n');
    let text = &rest[..end.unwrap_or(rest.len())];
    let text = text.trim_ascii_start();
    let path_end = text.iter().position(blank);
    // A line that was cut off may have lost a part of the path.
    if text.is_empty() || end.is_none() && path_end.is_none() && length == LINE_MOST {
        return Err(Errno::ENOEXEC);
    }
    let (path, rest) = text.split_at(path_end.unwrap_or(text.len()));
    let argument = rest.trim_ascii();
    Ok(Some(Line { interpreter: path.to_vec(), argument: (!argument.is_empty()).then(|| argument.to_vec()) }))
}

impl Line {
    /// The interpreter's arguments, for a script at `path` that was given `old`.
    #[must_use]
    pub fn arguments(&self, path: &[u8], old: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut arguments = Vec::from([self.interpreter.clone()]);
        arguments.extend(self.argument.clone());
        arguments.push(path.to_vec());
        arguments.extend_from_slice(old.get(1..).unwrap_or_default());
        arguments
    }
}

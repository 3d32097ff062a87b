//! What a tmpfs is held to: mount options of tmpfs(5), and `ro`.

use alloc::format;
use alloc::string::String;

use abi::PAGE_SIZE;

/// Options of a tmpfs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The most pages that its files may have (`size=`, `nr_blocks=`).
    pub pages: Option<usize>,
    /// The most inodes (`nr_inodes=`).
    pub inodes: Option<u64>,
    /// Nothing may be changed (`ro`).
    pub read_only: bool,
    /// The root directory's permissions, owner and group, when it is made (`mode=`, `uid=`, `gid=`).
    pub permissions: Option<u32>,
    /// See there.
    pub user: Option<u32>,
    /// See there.
    pub group: Option<u32>,
}

impl Options {
    /// Options as mount(8) has them, with commas between them. `None`: one of them is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Options> {
        Options::default().changed(text)
    }

    /// These, changed by options as mount(8) has them. `None`: one of them is none.
    #[must_use]
    pub fn changed(self, text: &str) -> Option<Options> {
        let mut options = self;
        for option in text.split(',').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                None if option == "ro" => options.read_only = true,
                None if option == "rw" => options.read_only = false,
                // 0: as much as there is.
                Some(("size", value)) => options.pages = limit(value)?.map(|bytes| bytes.div_ceil(PAGE_SIZE as u64) as usize),
                Some(("nr_blocks", value)) => options.pages = limit(value)?.map(|pages| pages as usize),
                Some(("nr_inodes", value)) => options.inodes = limit(value)?,
                Some(("mode", value)) => options.permissions = Some(u32::from_str_radix(value, 8).ok().filter(|&mode| mode <= 0o7777)?),
                Some(("uid", value)) => options.user = Some(value.parse().ok()?),
                Some(("gid", value)) => options.group = Some(value.parse().ok()?),
                Some(("huge", "never" | "advise" | "within_size" | "always")) => {}
                None if matches!(option, "inode32" | "inode64" | "noswap") => {}
                _ => return None,
            }
        }
        Some(options)
    }

    /// Those of the file system, as `/proc/mounts` has them, with a comma before each.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        text += &self.pages.map_or_else(String::new, |pages| format!(",size={}k", pages * PAGE_SIZE / 1024));
        text += &self.inodes.map_or_else(String::new, |inodes| format!(",nr_inodes={inodes}"));
        text
    }
}

/// A number with a suffix `k`, `m` or `g`; `Some(None)` for 0.
fn limit(text: &str) -> Option<Option<u64>> {
    let shift = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => 10,
        b'm' => 20,
        b'g' => 30,
        _ => 0,
    };
    let digits = if shift == 0 { text } else { &text[..text.len() - 1] };
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(1 << shift).map(|number| (number != 0).then_some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_mount() {
        let options = Options { pages: Some(2), inodes: Some(2048), read_only: true, ..Options::default() };
        assert_eq!(Options::parse("size=4097,nr_inodes=2k,ro"), Some(options));
        assert_eq!(Options::parse("nr_blocks=2,,nr_inodes=2048,ro"), Some(options));
        assert_eq!(Options::parse("size=1m,size=0,ro,rw"), Some(Options::default()));
        assert_eq!(Options::parse(""), Some(Options::default()));
        for wrong in ["size", "size=", "size=k", "size=-1", "nr_inodes=x", "size=99999999999g", "noexec"] {
            assert_eq!(Options::parse(wrong), None, "{wrong}");
        }
    }
}

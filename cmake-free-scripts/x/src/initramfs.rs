//! The first files of the guest: a cpio archive in the "newc" format, as Linux takes it for its initramfs.
//!
//! The format is that of the kernel's Documentation/driver-api/early-userspace/buffer-format.rst: an ASCII header of thirteen hexadecimal
//! fields, the name, the contents, each padded to four bytes. Times are zero and inode numbers count up, so that the same files make the
//! same archive.
//!
//! The contents of a file of a page or more begin at a page boundary of the archive, so that the guest can map them as they lie there:
//! NULs after the name fill what is before them. Every reader of the format takes them for the name's end.

use std::collections::BTreeMap;

use abi::PAGE_SIZE;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A folder.
    Directory,
    /// A regular file with its permission bits.
    File(u32, Vec<u8>),
    /// A symbolic link with its target.
    Link(String),
}

/// Files by absolute path in the guest.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<String, Node>);

impl Files {
    /// What the library OS or any program takes for granted: places to mount at, and one for temporary files.
    pub fn bare() -> Self {
        let mut files = Files::default();
        for directory in ["/dev", "/proc", "/sys", "/tmp"] {
            files.add(directory, Node::Directory);
        }
        files
    }

    /// The folders that every guest has.
    pub fn new() -> Self {
        let mut files = Files::bare();
        for directory in ["/bin", "/etc", "/root", "/usr/bin"] {
            files.add(directory, Node::Directory);
        }
        files.add("/etc/passwd", Node::File(0o644, b"root:x:0:0:root:/root:/bin/sh\n".to_vec()));
        files.add("/etc/group", Node::File(0o644, b"root:x:0:\n".to_vec()));
        files
    }

    /// Put a node at a path, and folders above it.
    pub fn add(&mut self, path: &str, node: Node) {
        let path = format!("/{}", path.trim_matches('/'));
        for (index, _) in path.match_indices('/').skip(1) {
            self.0.entry(path[..index].to_owned()).or_insert(Node::Directory);
        }
        self.0.insert(path, node);
    }

    /// An executable file.
    pub fn add_program(&mut self, path: &str, contents: Vec<u8>) {
        self.add(path, Node::File(0o755, contents));
    }

    /// Whether something is there.
    pub fn contains(&self, path: &str) -> bool {
        self.0.contains_key(&format!("/{}", path.trim_matches('/')))
    }

    /// The regular files, by path.
    pub fn regular(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().filter_map(|(path, node)| match node {
            Node::File(_, contents) => Some((path.as_str(), contents.as_slice())),
            _ => None,
        })
    }

    /// The archive.
    pub fn archive(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        for (index, (path, node)) in self.0.iter().enumerate() {
            let name = path.trim_start_matches('/');
            match node {
                Node::Directory => entry(&mut archive, index + 1, name, directory_mode(path), 2, &[]),
                Node::File(mode, contents) => file(&mut archive, index + 1, name, *mode, contents),
                Node::Link(target) => entry(&mut archive, index + 1, name, 0o120_777, 1, target.as_bytes()),
            }
        }
        entry(&mut archive, 0, "TRAILER!!!", 0, 1, &[]);
        archive
    }
}

/// The mode of a folder: anybody leaves files in `/tmp`.
fn directory_mode(path: &str) -> u32 {
    if path == "/tmp" { 0o041_777 } else { 0o040_755 }
}

/// Bytes of a header.
const HEADER: usize = 6 + 13 * 8;
/// The most bytes of a name that Linux's reader takes, its NULs included (`PATH_MAX`).
const NAME_MOST: usize = 4096;

/// A regular file; a large one with its contents at a page boundary.
fn file(archive: &mut Vec<u8>, inode: usize, name: &str, mode: u32, contents: &[u8]) {
    if contents.len() < PAGE_SIZE {
        return entry(archive, inode, name, 0o100_000 | mode, 1, contents);
    }
    let missing = |archive: &[u8]| (PAGE_SIZE - (archive.len() + HEADER + name.len() + 1) % PAGE_SIZE) % PAGE_SIZE;
    if name.len() + 1 + missing(archive) > NAME_MOST {
        // More than fits behind one name: the root directory once more, as it is anyway, takes some of it.
        padded_entry(archive, 0, ".", 0o040_755, 2, &[], name.len());
    }
    let padding = missing(archive);
    padded_entry(archive, inode, name, 0o100_000 | mode, 1, contents, padding);
}

fn entry(archive: &mut Vec<u8>, inode: usize, name: &str, mode: u32, links: u32, contents: &[u8]) {
    padded_entry(archive, inode, name, mode, links, contents, 0);
}

fn padded_entry(archive: &mut Vec<u8>, inode: usize, name: &str, mode: u32, links: u32, contents: &[u8], padding: usize) {
    archive.extend_from_slice(b"070701");
    // inode, mode, uid, gid, links, mtime, size, device (4 words), name's size with its NUL, checksum
    let fields = [inode, mode as usize, 0, 0, links as usize, 0, contents.len(), 0, 0, 0, 0, name.len() + 1 + padding, 0];
    for field in fields {
        archive.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    archive.extend_from_slice(name.as_bytes());
    archive.resize(archive.len() + 1 + padding, 0);
    pad(archive);
    archive.extend_from_slice(contents);
    pad(archive);
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn each_header_and_each_content_begins_at_a_multiple_of_four() {
        let mut files = Files::default();
        files.add("/a/bc", Node::File(0o644, b"12345".to_vec()));
        let archive = files.archive();
        assert_eq!(archive.len() % 4, 0);
        let headers: Vec<usize> = archive.windows(6).enumerate().filter(|(_, window)| window == b"070701").map(|(at, _)| at).collect();
        assert_eq!(headers.len(), 3, "the folder, the file and the trailer");
        assert!(headers.iter().all(|at| at % 4 == 0));
        let text = String::from_utf8_lossy(&archive);
        assert!(text.contains("0000000500000000"), "the file's size");
    }

    #[test]
    fn contents_of_a_page_or_more_begin_at_a_page_boundary_behind_any_name() {
        for length in 1..250 {
            let mut files = Files::default();
            files.add("/small", Node::File(0o644, vec![1; length * 16]));
            files.add(&format!("/x{}", "y".repeat(length)), Node::File(0o644, vec![0xee; PAGE_SIZE + length]));
            files.add("/z", Node::File(0o644, vec![0xdd; 2 * PAGE_SIZE]));
            let archive = files.archive();
            for (byte, bytes) in [(0xee, PAGE_SIZE + length), (0xdd, 2 * PAGE_SIZE)] {
                let at = archive.iter().position(|&found| found == byte).unwrap();
                assert!(at % PAGE_SIZE == 0 && archive[at..at + bytes].iter().all(|&found| found == byte), "{byte:x} at {at:#x}");
            }
        }
    }

    #[test]
    fn folders_above_a_file_come_before_it() {
        let mut files = Files::default();
        files.add("deep/er/file", Node::Link("x".into()));
        let paths: Vec<&String> = files.0.keys().collect();
        assert_eq!(paths, ["/deep", "/deep/er", "/deep/er/file"]);
    }

    #[test]
    fn the_cpio_program_lists_what_was_put_in() {
        let mut files = Files::new();
        files.add_program("/bin/hello", vec![7; 4099]);
        for length in 0..200 {
            files.add_program(&format!("/usr/bin/{}", "n".repeat(length + 1)), vec![length as u8; 4096 + 17 * length]);
        }
        let child = Command::new("cpio").arg("-t").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut child) = child else { return };
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &files.archive()).unwrap();
        let listing = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert!(listing.lines().any(|line| line == "bin/hello"));
        assert_eq!(listing.lines().filter(|line| line.starts_with("usr/bin/n")).count(), 200);
    }
}

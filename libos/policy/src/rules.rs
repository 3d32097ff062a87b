//! The rules of a sandbox: a text that people write, and what it allows.
//!
//! ```text
//! # what stands behind a # is a comment; what no rule allows is refused
//! allow read /lib/**            a directory and all below it; without /** exactly that name
//! allow read write /tmp/work/**
//! allow processes               fork(2), and signals to those that came of it
//! allow sockets                 sockets by a name: socket(2), bind(2), connect(2)
//! allow ipc                     message queues and System V's objects
//! allow signals                 signals, limits and priorities of processes that are not in the sandbox, and turns that they let it have
//! allow terminals               other terminals than those that it was given
//! limit frames 2000             memory of each process, in pages
//! limit processes 4             processes at a time
//! limit write 4096              bytes of one call: of read, write, mmap and their like
//! deny getrandom                a call that is refused: EPERM
//! end unknown                   a call that ends the process: SIGSYS; here any that the library has no name for, such as ptrace(2)
//! ```
//!
//! Places, families of operations, frames and processes are the server's to check, which is over the process: they hold whatever the
//! process does to its own library. Rules about single calls are the library's: they are as exact as they are, for a program that makes calls.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What a process asks of others, in families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// To make processes.
    Processes,
    /// To be found by a name as a socket, or to find one.
    Sockets,
    /// Message queues, System V's objects.
    Ipc,
    /// Signals to processes that are not in the sandbox, and what else is done to those.
    Signals,
    /// Terminals that it was not given.
    Terminals,
}

impl Family {
    const ALL: [(&'static str, Family); 5] = [
        ("processes", Family::Processes),
        ("sockets", Family::Sockets),
        ("ipc", Family::Ipc),
        ("signals", Family::Signals),
        ("terminals", Family::Terminals),
    ];
}

/// What may be done with a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// To read it, list it, execute it.
    pub read: bool,
    /// To change it: its contents, its attributes, its name.
    pub write: bool,
}

impl Uses {
    /// Whether these are all that the others are.
    #[must_use]
    pub const fn contain(self, others: Uses) -> bool {
        (self.read || !others.read) && (self.write || !others.write)
    }
}

/// What becomes of calls of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They are refused.
    Deny,
    /// They end the process.
    End,
    /// They may be about so many bytes.
    Limit(u64),
}

/// A place, and what may be done there.
#[derive(Clone, Debug)]
struct Place {
    /// Absolute, without a slash at its end: `/` is empty.
    path: Vec<u8>,
    /// Whether all is meant that is below it.
    below: bool,
    uses: Uses,
}

/// Rules, taken apart. By default they allow nothing.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    places: Vec<Place>,
    families: Vec<Family>,
    calls: Vec<(String, Decision)>,
    frames: Option<u64>,
    processes: Option<u64>,
}

/// Calls whose bytes can be limited, which argument says how many, and how they are refused (errno(3)).
pub const SIZES: &[(&str, usize, u32)] = &[
    ("read", 2, EINVAL),
    ("write", 2, EFBIG),
    ("pread64", 2, EINVAL),
    ("pwrite64", 2, EFBIG),
    ("ftruncate", 1, EFBIG),
    ("truncate", 1, EFBIG),
    ("sendto", 2, EMSGSIZE),
    ("recvfrom", 2, EINVAL),
    ("getrandom", 1, EINVAL),
    ("mmap", 1, ENOMEM),
    ("mremap", 2, ENOMEM),
];
const ENOMEM: u32 = 12;
const EINVAL: u32 = 22;
const EFBIG: u32 = 27;
const EMSGSIZE: u32 = 90;

impl Rules {
    /// Take a text apart.
    ///
    /// # Errors
    /// A line is no rule; the text says which, and why.
    pub fn parse(text: &str) -> Result<Rules, String> {
        let mut rules = Rules::default();
        for (number, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split('#').next().unwrap_or("").split_ascii_whitespace().collect();
            rules.add(&words).map_err(|what| format!("line {}: {what}", number + 1))?;
        }
        Ok(rules)
    }

    fn add(&mut self, words: &[&str]) -> Result<(), String> {
        match *words {
            [] => {}
            ["allow", ref what @ .., path] if path.starts_with('/') => self.places.push(place(what, path)?),
            ["allow", name] => self.families.push(family(name)?),
            ["deny", name] => self.calls.push((name.to_owned(), Decision::Deny)),
            ["end", name] => self.calls.push((name.to_owned(), Decision::End)),
            ["limit", name, most] => self.limit(name, most)?,
            _ => return Err(format!("no rule begins so: {}; there are allow, deny, end, limit", words.join(" "))),
        }
        Ok(())
    }

    fn limit(&mut self, name: &str, most: &str) -> Result<(), String> {
        let most: u64 = most.parse().map_err(|_| format!("a number is wanted, not {most}"))?;
        match name {
            "frames" => self.frames = Some(self.frames.map_or(most, |before| before.min(most))),
            "processes" => self.processes = Some(self.processes.map_or(most, |before| before.min(most))),
            _ if SIZES.iter().any(|(known, ..)| *known == name) => self.calls.push((name.to_owned(), Decision::Limit(most))),
            _ => {
                let known: Vec<&str> = SIZES.iter().map(|(known, ..)| *known).collect();
                return Err(format!("nothing is known of how much {name} asks for; of: frames, processes, {}", known.join(", ")));
            }
        }
        Ok(())
    }

    /// What may be done with a place: an absolute path, its links followed.
    #[must_use]
    pub fn uses(&self, path: &[u8]) -> Uses {
        self.places
            .iter()
            .filter(|place| place.covers(path))
            .fold(Uses::default(), |uses, place| Uses { read: uses.read || place.uses.read, write: uses.write || place.uses.write })
    }

    /// Whether it may be known that there is such a place: because something may be done there, or somewhere below. The root is known to all.
    #[must_use]
    pub fn shows(&self, path: &[u8]) -> bool {
        path == b"/" || self.places.iter().any(|place| place.covers(path) || is_below(&place.path, path))
    }

    /// Whether what is moved to a path may do there what it could not do where it was: `before` is what could be done with it.
    #[must_use]
    pub fn gives_more(&self, path: &[u8], before: Uses) -> bool {
        // A place with rules of its own below: what is moved may be a directory with something of that name in it.
        !before.contain(self.uses(path)) || self.places.iter().any(|place| is_below(&place.path, path))
    }

    /// Whether operations of a family are allowed.
    #[must_use]
    pub fn allows(&self, family: Family) -> bool {
        self.families.contains(&family)
    }

    /// The most frames that a process may have.
    #[must_use]
    pub fn frames(&self) -> Option<u64> {
        self.frames
    }

    /// The most processes at a time.
    #[must_use]
    pub fn processes(&self) -> Option<u64> {
        self.processes
    }

    /// What is said of single calls.
    #[must_use]
    pub fn calls(&self) -> &[(String, Decision)] {
        &self.calls
    }
}

impl Place {
    fn covers(&self, path: &[u8]) -> bool {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        self.path == path || self.below && is_below(path, &self.path)
    }
}

/// Whether a path is one below another, both without a slash at the end, or the root.
fn is_below(path: &[u8], other: &[u8]) -> bool {
    let other = other.strip_suffix(b"/").unwrap_or(other);
    path.strip_prefix(other).is_some_and(|rest| rest.len() > 1 && rest[0] == b'/')
}

fn place(what: &[&str], path: &str) -> Result<Place, String> {
    let mut uses = Uses::default();
    for word in what {
        match *word {
            "read" => uses.read = true,
            "write" => uses.write = true,
            _ => return Err(format!("a place is to read or to write, not to {word}")),
        }
    }
    if uses == Uses::default() {
        return Err(format!("read or write is wanted before {path}"));
    }
    let (path, below) = path.strip_suffix("/**").map_or((path, false), |above| (above, true));
    let is_odd = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains('*');
    if path.len() > 1 && path[1..].split('/').any(is_odd) {
        return Err(format!("{path} is no plain absolute path; /** may stand at its end, for all that is below"));
    }
    let path = path.strip_suffix('/').unwrap_or(path);
    Ok(Place { path: path.as_bytes().to_vec(), below, uses })
}

fn family(name: &str) -> Result<Family, String> {
    let known = Family::ALL.iter().find(|(known, _)| *known == name);
    known.map(|(_, family)| *family).ok_or_else(|| {
        let names: Vec<&str> = Family::ALL.iter().map(|(name, _)| *name).collect();
        format!("neither read or write and a path, nor one of {}: {name}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Uses = Uses { read: true, write: false };
    const WRITE: Uses = Uses { read: false, write: true };

    #[test]
    fn a_place_is_what_its_rule_names_and_nothing_beside() {
        let rules = Rules::parse("allow read /data/**\nallow write /tmp/log # a file\n\n").expect("rules");
        assert_eq!(rules.uses(b"/data"), READ);
        assert_eq!(rules.uses(b"/data/a/b"), READ);
        assert_eq!(rules.uses(b"/database"), Uses::default());
        assert_eq!(rules.uses(b"/tmp/log"), WRITE);
        assert_eq!(rules.uses(b"/tmp/log/a"), Uses::default());
        assert_eq!(rules.uses(b"/"), Uses::default());
        assert!(rules.shows(b"/") && rules.shows(b"/tmp") && rules.shows(b"/data/x") && !rules.shows(b"/etc") && !rules.shows(b"/tmp/lo"));
        assert_eq!(Rules::parse("allow read /**").expect("rules").uses(b"/"), READ);
        assert_eq!(Rules::parse("allow read /**").expect("rules").uses(b"/a/b"), READ);
        assert_eq!(Rules::parse("allow read /").expect("rules").uses(b"/a"), Uses::default());
    }

    #[test]
    fn nothing_is_moved_to_where_more_may_be_done() {
        let rules = Rules::parse("allow read /data/**\nallow read write /tmp/**\nallow write /out/**\nallow read /out/a/b").expect("rules");
        assert!(rules.gives_more(b"/tmp/x", rules.uses(b"/data/x")));
        assert!(rules.gives_more(b"/tmp/x", rules.uses(b"/out/x")));
        assert!(rules.gives_more(b"/tmp/x", rules.uses(b"/etc/x")));
        assert!(!rules.gives_more(b"/out/x", rules.uses(b"/tmp/x")));
        assert!(rules.gives_more(b"/out/a", rules.uses(b"/out/c")), "c/b could be read there");
    }

    #[test]
    fn what_no_rule_allows_is_refused() {
        let rules =
            Rules::parse("allow sockets\nlimit frames 100\nlimit frames 200\nlimit write 10\nend unknown\ndeny dup").expect("rules");
        assert!(rules.allows(Family::Sockets) && !rules.allows(Family::Processes));
        assert_eq!((rules.frames(), rules.processes()), (Some(100), None));
        assert_eq!(rules.calls().len(), 3);
        assert!(!Rules::default().shows(b"/tmp"));
    }

    #[test]
    fn a_mistake_says_its_line() {
        let mistake = |text| Rules::parse(text).expect_err("a mistake");
        assert!(mistake("allow read /a\nalow read /b").starts_with("line 2: no rule begins so"));
        assert!(mistake("allow reed /a").contains("reed"));
        assert!(mistake("allow /a").contains("read or write is wanted"));
        assert!(mistake("allow read /a/../b").contains("plain"));
        assert!(mistake("allow read /a/*.txt").contains("plain"));
        assert!(mistake("allow read /a//b").contains("plain"));
        assert!(mistake("allow network").contains("sockets"));
        assert!(mistake("limit write many").contains("number"));
        assert!(mistake("limit getpid 3").contains("mmap"));
    }
}

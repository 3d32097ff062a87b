//! Who puts the prisoner into its sandbox, one attack after the other, and looks at what there is outside after each.

use std::ffi::CString;
use std::fs;

use linux_programs::family::{child, end_of, sleep_ms};

use crate::prisoner;

/// What the warden is called.
pub const PATH: &str = "/bin/warden";
/// What the prisoner is not to know, and where it is.
pub const SECRET: &str = "/secret/key";
/// Milliseconds that an attack has.
const TIME_MS: u64 = 1500;

/// What is outside: all names but those of the cell, and what is in the files that are small.
fn outside() -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![String::from("/")];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry")) {
            let path = format!("{}/{}", folder.trim_end_matches('/'), entry.file_name().to_string_lossy());
            let attributes = entry.metadata().expect("attributes");
            if ["/proc", "/sys", "/dev", prisoner::CELL].contains(&path.as_str()) {
                continue;
            }
            if attributes.is_dir() {
                left.push(path.clone());
            }
            let is_small = attributes.is_file() && attributes.len() < 1 << 16;
            found.push((path.clone(), if is_small { fs::read(&path).expect("a file") } else { Vec::new() }));
        }
    }
    found.sort();
    found
}

/// Let the prisoner try an attack; what became of it.
fn attempt(attack: &str) -> String {
    let prisoner = child(|| {
        let arguments = [prisoner::PATH, attack].map(|text| CString::new(text).expect("no NUL"));
        let pointers = [arguments[0].as_ptr(), arguments[1].as_ptr(), std::ptr::null()];
        unsafe { libc::execv(pointers[0], pointers.as_ptr()) };
        126
    });
    let guard = child(|| {
        sleep_ms(TIME_MS);
        unsafe { libc::kill(prisoner, libc::SIGKILL) };
        0
    });
    let end = end_of(prisoner);
    unsafe { libc::kill(guard, libc::SIGKILL) };
    let _ = end_of(guard);
    end
}

/// See the module.
pub fn main() {
    fs::create_dir_all(prisoner::CELL).expect("a folder");
    let before = outside();
    for attack in prisoner::ATTACKS {
        let end = attempt(attack);
        // It may end by what it does to itself; it is not to find what it looks for.
        let is_breach = end == format!("exit {}", prisoner::FOUND) || end.starts_with("exit 126");
        let is_same = outside() == before;
        let outcome = if is_breach || !is_same { "broke out" } else { "held" };
        println!("{attack}: {outcome}");
        if attack == "calls" || is_breach {
            println!("{attack}: {end}");
        }
        if !is_same {
            let after = outside();
            after.iter().filter(|found| !before.contains(found)).for_each(|(path, _)| println!("changed: {path}"));
            before.iter().filter(|found| !after.contains(found)).for_each(|(path, _)| println!("was: {path}"));
        }
        fs::remove_dir_all(prisoner::CELL).expect("the cell");
        fs::create_dir(prisoner::CELL).expect("a folder");
    }
}

//! The devices that every program counts on, random bytes and `/proc/self`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use linux_programs::{call, report};

fn main() -> std::io::Result<()> {
    let mut buffer = [0xaa; 64];
    for name in ["null", "zero", "full", "random", "urandom"] {
        let path = format!("/dev/{name}");
        let metadata = fs::metadata(&path)?;
        println!(
            "{name}: character device {}, number {}:{}",
            metadata.file_type().is_char_device(),
            metadata.rdev() >> 8,
            metadata.rdev() & 0xff
        );
        let mut device = OpenOptions::new().read(true).write(true).open(&path)?;
        report("  read", device.read(&mut buffer));
        if !name.ends_with("random") {
            println!("  zeros: {}", buffer.iter().all(|&byte| byte == 0));
        } else {
            println!("  not all the same: {}", buffer.iter().any(|&byte| byte != buffer[0]));
            continue;
        }
        report("  write", device.write(b"something"));
        println!("  terminal: {}", std::io::IsTerminal::is_terminal(&device));
    }
    let (mut one, mut other) = ([0u8; 32], [0u8; 32]);
    for block in [&mut one, &mut other] {
        // SAFETY: the buffer is this function's own.
        report("getrandom", unsafe { call(libc::SYS_getrandom, &[block.as_mut_ptr() as usize, 32, 0]) }.map_err(std::io::Error::other));
    }
    println!("two draws differ: {}", one != other);

    let own = std::env::current_exe()?;
    println!("/proc/self/exe ends in {:?}", own.file_name());
    report("stat of it", fs::metadata("/proc/self/exe").map(|metadata| metadata.is_file()));
    let maps = fs::read_to_string("/proc/self/maps")?;
    println!("maps name the stack: {}", maps.lines().any(|line| line.ends_with("[stack]")));
    let code = main as *const () as usize;
    let line = maps.lines().find(|line| range(line).is_some_and(|(start, end)| (start..end).contains(&code)));
    println!("maps show this code: {:?}", line.and_then(|line| line.split(' ').nth(1)));
    let stat = fs::read_to_string("/proc/self/stat")?;
    println!("stat begins with the process's number: {}", stat.starts_with(&format!("{} (", std::process::id())));
    println!("stat has {} fields", stat.rsplit(')').next().map_or(0, |rest| rest.split_whitespace().count()) + 2);
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    println!("meminfo: {:?}", meminfo.lines().next().and_then(|line| line.split(':').next()));
    let descriptor = File::open("/proc/self/stat")?;
    report("descriptors by name", fs::read_link(format!("/proc/self/fd/{}", descriptor.as_raw_fd())).map(|path| path.ends_with("stat")));
    report("the working directory by name", Ok(fs::read_link("/proc/self/cwd")? == std::env::current_dir()?));
    Ok(())
}

fn range(line: &str) -> Option<(usize, usize)> {
    let (start, rest) = line.split_once('-')?;
    let (end, _) = rest.split_once(' ')?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

//! Prints how many arguments and variables came and a checksum of all of them: for lists too long to print.

use std::os::unix::ffi::OsStrExt;

fn checksum(bytes: impl Iterator<Item = u8>) -> u32 {
    bytes.fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn main() {
    let arguments: Vec<_> = std::env::args_os().collect();
    let bytes: usize = arguments.iter().map(|argument| argument.len()).sum();
    println!(
        "{} arguments, {bytes} bytes, {:08x}",
        arguments.len(),
        checksum(arguments.iter().flat_map(|argument| argument.as_bytes().to_vec()))
    );
    // Sorted: the order in which a launcher hands variables over is its own.
    let mut environment: Vec<_> = std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"TEST_")).collect();
    environment.sort();
    let joined = environment.iter().flat_map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat());
    println!("{} variables, {:08x}", environment.len(), checksum(joined));
}

//! Capabilities: capget(2) and capset(2) of root and of a user, and what is wrong with a header.

use linux_programs::call;
use linux_programs::family::{child, end_of};

const NEWEST: u32 = 0x2008_0522;
/// `CAP_CHOWN` and `CAP_KILL`, which every root has.
const SOME: u32 = 1 | 1 << 5;

fn get(header: &mut [u32; 2], data: Option<&mut [u32; 6]>) -> Result<i64, String> {
    let data = data.map_or(0, |data| data.as_mut_ptr() as usize);
    // SAFETY: the call writes the version and the sets, which are this function's caller's.
    unsafe { call(libc::SYS_capget, &[header.as_mut_ptr() as usize, data]) }
}

fn set(header: &mut [u32; 2], data: &[u32; 6]) -> Result<i64, String> {
    // SAFETY: the call reads the sets, and may write the version.
    unsafe { call(libc::SYS_capset, &[header.as_mut_ptr() as usize, data.as_ptr() as usize]) }
}

fn look() -> [u32; 6] {
    let mut data = [0; 6];
    println!("get: {:?} {:?}", get(&mut [NEWEST, 0], Some(&mut data)), data.map(|word| word & SOME));
    data
}

fn main() {
    let mut header = [1, 0];
    println!("no version: {:?} {:#x}", get(&mut header, None), header[0]);
    println!("no version, with data: {:?}", get(&mut [1, 0], Some(&mut [0; 6])));
    println!("nowhere: {:?}", get(&mut [NEWEST, 0], None));
    println!("nobody: {:?} {:?}", get(&mut [NEWEST, u32::MAX], Some(&mut [0; 6])), get(&mut [NEWEST, 3_999_999], Some(&mut [0; 6])));
    let data = look();
    println!("by id: {:?}", get(&mut [NEWEST, std::process::id()], Some(&mut [0; 6])));
    println!("the same again: {:?}", set(&mut [NEWEST, 0], &data));
    println!("another's: {:?}", set(&mut [NEWEST, 1], &data));
    println!("effective, not permitted: {:?}", set(&mut [NEWEST, 0], &[SOME, 0, 0, 0, 0, 0]));
    let user = child(|| {
        // SAFETY: no memory is touched.
        unsafe { libc::setuid(12_345) };
        look();
        println!("root's: {:?}", set(&mut [NEWEST, 0], &[SOME, SOME, 0, 0, 0, 0]));
        println!("none: {:?}", set(&mut [NEWEST, 0], &[0; 6]));
        0
    });
    println!("a user: {}", end_of(user));
}

//! execve(2) and whose rights a program has: set-user-id and set-group-id files, what is saved, what the auxiliary vector says.
//!
//! Each case needs root, to give files away and to be others: on a machine where it is not, all of them print nothing.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on strings of the program's own")]

use std::ffi::CString;
use std::os::unix::fs::{PermissionsExt, chown};

use linux_programs::called;
use linux_programs::family::{child, end_of, run};

const USER: u32 = 1234;
const GROUP: u32 = 2345;

fn text(path: &str) -> CString {
    CString::new(path).expect("no NUL")
}

/// What the process is.
fn show() {
    let (mut users, mut groups) = ([0u32; 3], [0u32; 3]);
    unsafe {
        let [real, effective, saved] = &mut users;
        libc::getresuid(real, effective, saved);
        let [real, effective, saved] = &mut groups;
        libc::getresgid(real, effective, saved);
    }
    let told = [libc::AT_UID, libc::AT_EUID, libc::AT_GID, libc::AT_EGID, libc::AT_SECURE].map(|key| unsafe { libc::getauxval(key) });
    println!("users {users:?}, groups {groups:?}, told {told:?}");
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let lines: Vec<&str> =
        status.lines().filter(|line| ["Uid:", "Gid:", "NoNewPrivs:"].iter().any(|name| line.starts_with(name))).collect();
    println!("{}", lines.join(", ").replace('\t', " "));
}

/// A copy of this program, of another's, with a mode.
fn copy(mode: u32) -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = format!("/tmp/set-ids-{}-{number}", std::process::id());
    std::fs::copy("/proc/self/exe", &name).expect("a copy");
    chown(&name, Some(USER), Some(GROUP)).expect("root gives it away");
    std::fs::set_permissions(&name, std::fs::Permissions::from_mode(mode)).expect("root may");
    name
}

/// Run a file in a child that does something before.
fn execute(path: &str, before: impl FnOnce()) {
    let inner = child(|| {
        before();
        let (path, show) = (text(path), text("show"));
        let arguments = [path.as_ptr(), show.as_ptr(), std::ptr::null()];
        println!("{}", called(unsafe { libc::execv(path.as_ptr(), arguments.as_ptr()) }));
        1
    });
    println!("{}", end_of(inner));
}

/// Run a copy with a mode, and remove it.
fn run_copy(mode: u32, before: impl FnOnce()) {
    let name = copy(mode);
    execute(&name, before);
    std::fs::remove_file(name).expect("it is there");
}

fn bits() {
    for mode in [0o755, 0o4755, 0o2755, 0o6755, 0o2745, 0o4700] {
        println!("{mode:o}");
        run_copy(mode, || ());
    }
}

fn other_ids_before() {
    run_copy(0o6755, || unsafe {
        assert_eq!(libc::setresgid(7, 8, 9), 0);
        assert_eq!(libc::setresuid(10, 0, 11), 0);
    });
    run_copy(0o755, || unsafe {
        assert_eq!(libc::setresgid(7, 8, 9), 0);
        assert_eq!(libc::setresuid(10, 11, 12), 0);
    });
    // With whose rights files are used alone makes nothing secure, and is over.
    run_copy(0o755, || unsafe {
        libc::setfsuid(9);
    });
}

fn no_new_privileges() {
    let get = || called(unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) });
    let set = |value: libc::c_ulong, more: libc::c_ulong| called(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, value, more, 0, 0) });
    println!("{} {} {} {}", get(), set(0, 0), set(2, 0), set(1, 1));
    run_copy(0o6755, || {
        println!("{} {} {}", set(1, 0), get(), set(0, 0));
        println!("{}", end_of(child(|| get().parse().unwrap_or(9))));
    });
    println!("{}", get());
}

fn scripts() {
    let script = format!("/tmp/set-ids-{}-script", std::process::id());
    let program = copy(0o755);
    std::fs::write(&script, format!("#!{program} show\n")).expect("a script");
    chown(&script, Some(USER), Some(GROUP)).expect("root gives it away");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o6755)).expect("root may");
    execute(&script, || ());
    // Whose rights a script has, its interpreter says.
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o6755)).expect("root may");
    execute(&script, || ());
    for name in [script, program] {
        std::fs::remove_file(name).expect("it is there");
    }
}

fn there_and_back() {
    run_copy(0o4755, || unsafe {
        // What the program that ran before had saved is not what the next one has.
        assert_eq!(libc::setresuid(5, 0, 6), 0);
    });
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("show") {
        return show();
    }
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    run(&[
        ("bits", bits),
        ("other ids before", other_ids_before),
        ("no new privileges", no_new_privileges),
        ("scripts", scripts),
        ("there and back", there_and_back),
    ]);
}

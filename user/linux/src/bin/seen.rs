//! What `/proc` shows of other processes: those that sleep, compute, are stopped or dead, and those that are nobody's business.
#![expect(clippy::undocumented_unsafe_blocks, reason = "each block is a plain call, on numbers and on the program's own variables")]

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::Ordering;

use linux_programs::family::{await_number, child, end_of, run, shared, sleep_ms, sleep_on};
use linux_programs::{error_name, report};

fn error(error: &std::io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.kind().to_string(), error_name)
}

fn text(id: i32, name: &str) -> String {
    match fs::read(format!("/proc/{id}/{name}")) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(failure) => error(&failure),
    }
}

/// A field of `stat`, by its number in proc_pid_stat(5), from 3 on.
fn field(id: i32, number: usize) -> i64 {
    let stat = text(id, "stat");
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split_whitespace().nth(number - 3).and_then(|field| field.parse().ok()).unwrap_or(i64::MIN)
}

fn state(id: i32) -> String {
    text(id, "stat").rsplit_once(") ").map_or_else(String::new, |(_, fields)| fields.chars().take(1).collect())
}

/// Wait until a process's state is one of these.
fn await_state(id: i32, states: &str) {
    while !states.contains(&state(id)) || state(id).is_empty() {
        sleep_ms(2);
    }
}

/// A line of `status`.
fn line(id: i32, name: &str) -> String {
    let status = text(id, "status");
    let found = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim().replace('\t', " ")));
    found.unwrap_or_else(|| "no such line".into())
}

fn kill(id: i32, signal: i32) {
    unsafe { libc::kill(id, signal) };
}

fn end(id: i32) {
    kill(id, libc::SIGKILL);
    println!("{}", end_of(id));
}

fn name(name: &str) {
    let name = CString::new(name).expect("no NUL");
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

fn a_sleeper() {
    let steps = shared();
    let id = child(|| {
        name("a (sleeping) one");
        steps[0].store(1, Ordering::Relaxed);
        sleep_on()
    });
    await_number(&steps[0], 1);
    await_state(id, "S");
    let own = std::process::id() as i32;
    println!("{} {} {}", text(id, "comm").trim_end(), state(id), line(id, "Name"));
    println!("parent {} group {} session {}", field(id, 4) == own.into(), field(id, 5) == unsafe { libc::getpgid(id) }.into(), {
        field(id, 6) == unsafe { libc::getsid(id) }.into()
    });
    println!(
        "threads {} signal {} fields {}",
        field(id, 20),
        field(id, 38),
        text(id, "stat").rsplit(") ").next().map_or(0, |rest| 2 + rest.split_whitespace().count())
    );
    println!("{} {} {}", line(id, "State"), line(id, "Threads"), line(id, "PPid") == own.to_string());
    println!("memory {} {}", field(id, 23) > 0, field(id, 24) > 0);
    println!("the same program {} {}", text(id, "cmdline") == text(own, "cmdline"), text(id, "environ") == text(own, "environ"));
    for link in ["exe", "cwd", "root"] {
        let read = |id: i32| fs::read_link(format!("/proc/{id}/{link}"));
        println!("{link} {}", read(id).is_ok() && read(id).ok() == read(own).ok());
    }
    println!("stack {} heap {}", text(id, "maps").contains("[stack]"), text(id, "maps").lines().count() > 3);
    println!("{}", text(id, "smaps").lines().filter(|line| line.starts_with("Private_Dirty:")).count() == text(id, "maps").lines().count());
    println!("{}", text(id, "limits") == text(own, "limits"));
    println!("{}", text(id, "statm").split_whitespace().count());
    println!("{}", text(id, "auxv").len() == text(own, "auxv").len());
    println!("mounts {}", text(id, "mounts") == text(own, "mounts"));
    println!("younger {}", field(id, 22) >= field(own, 22));
    end(id);
}

fn one_that_computes() {
    let id = child(|| {
        let mut number = 1u64;
        loop {
            number = std::hint::black_box(number.wrapping_mul(3));
        }
    });
    sleep_ms(50);
    println!("{} {}", state(id), text(id, "comm") == text(std::process::id() as i32, "comm"));
    let before = field(id, 14);
    while field(id, 14) < before + 3 {
        sleep_ms(10);
    }
    end(id);
}

fn the_stopped() {
    let steps = shared();
    let id = child(|| {
        steps[0].store(1, Ordering::Relaxed);
        sleep_on()
    });
    await_number(&steps[0], 1);
    kill(id, libc::SIGSTOP);
    await_state(id, "T");
    println!("{} {}", line(id, "State"), text(id, "cmdline") == text(std::process::id() as i32, "cmdline"));
    kill(id, libc::SIGCONT);
    await_state(id, "S");
    end(id);
}

fn the_dead() {
    let id = child(|| {
        name("was here");
        7
    });
    await_state(id, "Z");
    println!("{} {} {:?} {:?}", text(id, "comm").trim_end(), line(id, "State"), text(id, "cmdline"), text(id, "maps"));
    println!("memory {} {}", field(id, 23), line(id, "VmSize"));
    println!("exe {}", fs::read_link(format!("/proc/{id}/exe")).map_or_else(|failure| error(&failure), |_| "there".into()));
    println!("{}", end_of(id));
    println!("gone: {} {}", text(id, "stat"), Path::new(&format!("/proc/{id}")).exists());
}

fn its_descriptors() {
    let steps = shared();
    fs::write("seen-file", b"contents").expect("a file");
    let mut ends = [0; 2];
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    let own = std::process::id() as i32;
    let id = child(|| {
        let file = fs::File::open("seen-file").expect("it is there");
        steps[1].store(std::os::fd::AsRawFd::as_raw_fd(&file), Ordering::Relaxed);
        steps[0].store(1, Ordering::Relaxed);
        sleep_on()
    });
    await_number(&steps[0], 1);
    let fd = steps[1].load(Ordering::Relaxed);
    let read = |id: i32, fd: i32| fs::read_link(format!("/proc/{id}/fd/{fd}"));
    println!("a pipe {}", read(id, ends[0]).is_ok_and(|path| path.to_string_lossy().starts_with("pipe:[")));
    println!("the same {}", read(id, ends[1]).ok() == read(own, ends[1]).ok());
    println!("a file {}", read(id, fd).is_ok_and(|path| path.ends_with("seen-file")));
    report("contents", fs::read_to_string(format!("/proc/{id}/fd/{fd}")));
    let numbers = |id: i32| -> BTreeSet<String> {
        let listed = fs::read_dir(format!("/proc/{id}/fd")).expect("it may be seen");
        listed.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
    };
    println!("listed {}", [0, 1, 2, ends[0], ends[1], fd].iter().all(|fd| numbers(id).contains(&fd.to_string())));
    println!("text {}", text(id, &format!("fdinfo/{fd}")).starts_with("pos:\t0\nflags:\t"));
    println!("none {}", read(id, 99).map_or_else(|failure| error(&failure), |_| "there".into()));
    end(id);
    fs::remove_file("seen-file").expect("it is there");
}

fn threads() {
    let steps = shared();
    let id = child(|| {
        for number in 0..3 {
            std::thread::Builder::new()
                .name(format!("thread {number}"))
                .spawn(move || {
                    steps[0].fetch_add(1, Ordering::Relaxed);
                    sleep_on()
                })
                .expect("a thread");
        }
        sleep_on()
    });
    await_number(&steps[0], 3);
    let list = || -> Vec<i32> {
        let listed = fs::read_dir(format!("/proc/{id}/task")).expect("it is there");
        listed.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
    };
    let threads = list();
    let mut names: Vec<String> = threads.iter().map(|thread| text(id, &format!("task/{thread}/comm")).trim_end().into()).collect();
    names.sort();
    println!("{} {} {names:?}", threads.len(), threads.contains(&id));
    println!("{} {}", field(id, 20), line(id, "Threads"));
    let other = *threads.iter().find(|&&thread| thread != id).expect("one of three");
    println!("{} {}", line(other, "Tgid") == id.to_string(), line(other, "Pid") == other.to_string());
    println!("{}", text(id, "task/1/stat"));
    end(id);
}

fn names_of_ones_own() {
    let own = std::process::id() as i32;
    report("written", fs::write("/proc/self/comm", "another name\n"));
    println!("{:?} {:?} {}", text(own, "comm"), line(own, "Name"), state(own));
    let thread = std::thread::spawn(|| {
        name("a thread's");
        (fs::read_to_string("/proc/thread-self/comm").ok(), fs::read_to_string("/proc/self/comm").ok())
    });
    println!("{:?}", thread.join().expect("it ends"));
    let listed = || fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or(0);
    println!("{}", listed());
    for name in ["smaps_rollup", "schedstat", "oom_score_adj", "wchan"] {
        println!("{name} {}", fs::read(Path::new("/proc/self").join(name)).is_ok_and(|text| !text.is_empty()));
    }
}

fn what_is_listed() {
    let id = child(|| sleep_on());
    let listed: BTreeSet<String> =
        fs::read_dir("/proc").expect("/proc").filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    let own = std::process::id();
    println!("{}", [id.to_string(), own.to_string(), "self".into(), "meminfo".into()].iter().all(|name| listed.contains(name)));
    println!("{}", ["01", "+1", "-1", "4000000", "99999999999"].iter().all(|name| !Path::new("/proc").join(name).exists()));
    println!("{}", Path::new(&format!("/proc/0{own}")).exists());
    end(id);
}

fn whose_business() {
    let steps = shared();
    let parent = std::process::id() as i32;
    let id = child(|| {
        unsafe {
            libc::setresgid(65534, 65534, 65534);
            libc::setresuid(65534, 65534, 65534);
        }
        for name in ["environ", "maps", "auxv", "io", "smaps"] {
            println!("{name}: {}", text(parent, name));
        }
        for name in ["exe", "cwd", "fd/0"] {
            println!(
                "{name}: {}",
                fs::read_link(format!("/proc/{parent}/{name}")).map_or_else(|failure| error(&failure), |_| "seen".into())
            );
        }
        report("fd", fs::read_dir(format!("/proc/{parent}/fd")).map(|_| ()));
        for name in ["stat", "status", "cmdline", "statm", "comm", "limits"] {
            println!("{name}: {}", text(parent, name).len() > 5);
        }
        let _ = std::io::Write::flush(&mut std::io::stdout());
        steps[0].store(1, Ordering::Relaxed);
        sleep_on()
    });
    await_number(&steps[0], 1);
    println!("{} {}", line(id, "Uid"), line(id, "Gid"));
    end(id);
    println!("{:?}", fs::metadata("/proc/self").map(|found| (found.uid(), found.mode() & 0o7777)).ok());
}

fn the_machine() {
    let lines = |name: &str| fs::read_to_string(Path::new("/proc").join(name)).unwrap_or_default();
    println!("{}", lines("loadavg").split_whitespace().count());
    println!("{}", lines("uptime").split_whitespace().count());
    println!("{}", lines("stat").starts_with("cpu  "));
    let kib = |name: &str| -> u64 {
        let text = lines("meminfo");
        let line = text.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap_or("");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    println!("{} {}", kib("MemTotal") > kib("MemFree"), kib("MemAvailable") > 0);
    println!("{}", lines("version").starts_with("Linux version "));
    println!("{}", lines("cpuinfo").starts_with("processor\t: 0"));
    println!("{}", lines("sys/kernel/pid_max").trim_end().parse::<u32>().is_ok_and(|most| most >= 32768));
    println!("{}", lines("sys/vm/overcommit_memory").trim_end().len());
    println!("{}", fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default().starts_with('0'));
    let mut file = fs::File::open("/proc/uptime").expect("it is there");
    let mut once = || {
        use std::io::{Read, Seek};
        let mut text = String::new();
        file.rewind().and_then(|()| file.read_to_string(&mut text)).expect("a text");
        text
    };
    let first = once();
    sleep_ms(30);
    println!("read again {}", first != once());
}

fn main() {
    run(&[
        ("a sleeper", a_sleeper),
        ("one that computes", one_that_computes),
        ("the stopped", the_stopped),
        ("the dead", the_dead),
        ("its descriptors", its_descriptors),
        ("threads", threads),
        ("names of one's own", names_of_ones_own),
        ("what is listed", what_is_listed),
        ("whose business", whose_business),
        ("the machine", the_machine),
    ]);
}

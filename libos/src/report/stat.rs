//! `stat` and `status` of a process, as proc_pid_stat(5) and proc_pid_status(5) lay them out: by the process itself, and by `unixd` of those that
//! cannot say it any more.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use abi::PAGE_SIZE;

use crate::limits::UNLIMITED;
use crate::load::auxiliary::TICKS_PER_SECOND;
use crate::signal::Set;
use crate::time::SECOND;

/// Sizes of an address space, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// All regions.
    pub total: usize,
    /// What is there.
    pub resident: usize,
    /// Of that, what are frames of files.
    pub shown: usize,
    /// The most that was there at a time.
    pub most_resident: usize,
    /// Executable mappings of the program.
    pub text: usize,
    /// Those of other files.
    pub libraries: usize,
    /// What is writable.
    pub data: usize,
    /// The main stack.
    pub stack: usize,
}

impl fmt::Display for Sizes {
    /// proc_pid_statm(5)
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sizes { total, resident, shown, text, data, stack, .. } = *self;
        writeln!(to, "{total} {resident} {shown} {text} 0 {} 0", data + stack)
    }
}

/// What is known of a process or thread.
#[derive(Clone, Debug, Default)]
pub struct Stat {
    /// The thread's id.
    pub id: u32,
    /// The process's id.
    pub process: u32,
    /// Its name.
    pub name: Vec<u8>,
    /// What it does: `R`, `S`, `D`, `T`, `Z`.
    pub state: char,
    /// The parent's id.
    pub parent: u32,
    /// The process group.
    pub group: u32,
    /// The session.
    pub session: u32,
    /// The controlling terminal's device; 0: none.
    pub terminal: u32,
    /// That one's foreground group; 0: none.
    pub foreground: u32,
    /// Page faults.
    pub faults: u64,
    /// Those of children that were waited for.
    pub children_faults: u64,
    /// Time of the CPU, in nanoseconds.
    pub cpu_ns: u64,
    /// That of children that were waited for.
    pub children_cpu_ns: u64,
    /// Its nice value.
    pub nice: i32,
    /// `SCHED_*`
    pub policy: u32,
    /// Its real-time priority; 0: none.
    pub priority: u32,
    /// How many threads.
    pub threads: usize,
    /// When it began, in nanoseconds of the monotonic clock.
    pub began_ns: u64,
    /// Its memory; none of the dead.
    pub memory: Option<Sizes>,
    /// The thread's pending signals, and the process's.
    pub pending: (Set, Set),
    /// What it blocks.
    pub blocked: Set,
    /// What it ignores.
    pub ignored: Set,
    /// What it catches.
    pub caught: Set,
    /// What its end sends.
    pub exit_signal: u32,
    /// Its wait status, of the dead.
    pub status: u32,
    /// Real, effective, saved and file system user.
    pub users: [u32; 4],
    /// The same of groups.
    pub groups: [u32; 4],
    /// Its supplementary groups.
    pub supplementary: Vec<u32>,
    /// Whether programs give it no rights (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privileges: bool,
    /// Its umask, where that is known.
    pub umask: Option<u32>,
    /// Room for so many descriptors.
    pub descriptors: usize,
}

impl Stat {
    fn name(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    /// The 52 fields of `stat`. What nothing here counts is 0.
    #[must_use]
    pub fn line(&self) -> String {
        let ticks = |ns: u64| ns * TICKS_PER_SECOND / SECOND;
        let low = |set: Set| set & 0x7fff_ffff;
        let memory = self.memory.unwrap_or_default();
        let foreground = if self.foreground == 0 { -1 } else { i64::from(self.foreground) };
        let priority = if self.priority > 0 { -1 - i64::from(self.priority) } else { 20 + i64::from(self.nice) };
        let resident_limit = if self.memory.is_some() { UNLIMITED } else { 0 };
        let Stat { id, state, parent, group, session, terminal, faults, children_faults, nice, threads, .. } = self;
        format!(
            "{id} ({}) {state} {parent} {group} {session} {terminal} {foreground} 0 {faults} {children_faults} 0 0 {} 0 {} 0 {priority} {nice} \
             {threads} 0 {} {} {} {resident_limit} 0 0 0 0 0 {} {} {} {} 0 0 0 {} 0 {} {} 0 0 0 0 0 0 0 0 0 0 {}\n",
            self.name(),
            ticks(self.cpu_ns),
            ticks(self.children_cpu_ns),
            ticks(self.began_ns),
            memory.total * PAGE_SIZE,
            memory.resident,
            low(self.pending.0),
            low(self.blocked),
            low(self.ignored),
            low(self.caught),
            self.exit_signal,
            self.priority,
            self.policy,
            self.status,
        )
    }

    /// The lines of `status`.
    #[must_use]
    pub fn lines(&self) -> String {
        let row = |ids: [u32; 4]| format!("{}\t{}\t{}\t{}", ids[0], ids[1], ids[2], ids[3]);
        let supplementary: Vec<String> = self.supplementary.iter().map(|group| format!("{group} ")).collect();
        let capabilities: u64 = if self.users[1] == 0 { (1 << 41) - 1 } else { 0 };
        let what = match self.state {
            'R' => "running",
            'D' => "disk sleep",
            'T' => "stopped",
            'Z' => "zombie",
            _ => "sleeping",
        };
        let name = self.name().replace('\\', "\\\\").replace('\n', "\\n");
        let mut text = format!("Name:\t{name}\n");
        if let Some(umask) = self.umask {
            text += &format!("Umask:\t{umask:04o}\n");
        }
        let Stat { id, process, parent, group, session, state, .. } = self;
        text += &format!(
            "State:\t{state} ({what})\nTgid:\t{process}\nNgid:\t0\nPid:\t{id}\nPPid:\t{parent}\nTracerPid:\t0\nUid:\t{}\nGid:\t{}\nFDSize:\t{}\n\
             Groups:\t{}\nNStgid:\t{process}\nNSpid:\t{id}\nNSpgid:\t{group}\nNSsid:\t{session}\n",
            row(self.users),
            row(self.groups),
            self.descriptors,
            supplementary.concat(),
        );
        text += &self.memory.map(|sizes| sizes.lines()).unwrap_or_default();
        text += &format!(
            "CoreDumping:\t0\nTHP_enabled:\t0\nThreads:\t{}\nSigQ:\t0/1024\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\n\
             SigIgn:\t{:016x}\nSigCgt:\t{:016x}\nCapInh:\t{:016x}\nCapPrm:\t{capabilities:016x}\nCapEff:\t{capabilities:016x}\n\
             CapBnd:\t{:016x}\nCapAmb:\t{:016x}\nNoNewPrivs:\t{}\nSeccomp:\t0\nSeccomp_filters:\t0\nCpus_allowed:\t1\nCpus_allowed_list:\t0\n\
             Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n",
            self.threads,
            self.pending.0,
            self.pending.1,
            self.blocked,
            self.ignored,
            self.caught,
            0,
            (1u64 << 41) - 1,
            0,
            u32::from(self.no_new_privileges),
        );
        text
    }
}

impl Sizes {
    /// What `status` has of them.
    fn lines(&self) -> String {
        let Sizes { total, resident, shown, most_resident, text, libraries, data, stack } = *self;
        let rows = [
            ("VmPeak", total),
            ("VmSize", total),
            ("VmLck", 0),
            ("VmPin", 0),
            ("VmHWM", most_resident.max(resident)),
            ("VmRSS", resident),
            ("RssAnon", resident - shown.min(resident)),
            ("RssFile", shown),
            ("RssShmem", 0),
            ("VmData", data),
            ("VmStk", stack),
            ("VmExe", text),
            ("VmLib", libraries),
            ("VmPTE", 0),
            ("VmSwap", 0),
            ("HugetlbPages", 0),
        ];
        rows.map(|(name, pages)| format!("{name}:\t{:8} kB\n", pages * PAGE_SIZE / 1024)).concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_52_fields_and_those_that_programs_read_where_they_look() {
        let stat = Stat {
            id: 7,
            process: 7,
            name: b"a (b) c".to_vec(),
            state: 'S',
            parent: 2,
            group: 5,
            session: 3,
            terminal: 1088,
            nice: -5,
            threads: 4,
            cpu_ns: 3 * SECOND,
            began_ns: 2 * SECOND,
            memory: Some(Sizes { total: 100, resident: 20, ..Sizes::default() }),
            exit_signal: 17,
            ..Stat::default()
        };
        let line = stat.line();
        // The name is what is between the first and the last parenthesis: field 2.
        assert!(line.starts_with("7 (a (b) c) S 2 5 3 1088 -1 "));
        let fields: Vec<&str> = line.rsplit_once(") ").unwrap().1.split_whitespace().collect();
        let field = |number: usize| fields[number - 3];
        assert_eq!(fields.len() + 2, 52);
        assert_eq!([field(14), field(18), field(19), field(20), field(22)], ["300", "15", "-5", "4", "200"]);
        assert_eq!([field(23), field(24), field(38)], ["409600", "20", "17"]);
    }

    #[test]
    fn the_dead_have_no_memory_in_their_status() {
        let dead = Stat { state: 'Z', threads: 1, ..Stat::default() }.lines();
        assert!(dead.contains("State:\tZ (zombie)\n") && !dead.contains("Vm"));
        let alive = Stat { state: 'S', memory: Some(Sizes { resident: 3, ..Sizes::default() }), ..Stat::default() }.lines();
        assert!(alive.contains("VmRSS:\t      12 kB\n"));
    }
}

//! The columns: what an operation is measured on, and what boots for it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use exo::command::CommandFlags;

use super::own::Own;
use crate::c_programs::{BENCH, Form, c_program};
use crate::entry::{Entry, Flavour};
use crate::initramfs::{Files, Node};
use crate::isa::Isa;
use crate::qemu::Machine;
use crate::rootfs::add_pair;
use crate::run::Guest;
use crate::test::text::prose;
use crate::{build, rootfs, setup, tree};

/// How a stock Linux is set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tuning {
    /// As it is shipped.
    Default,
    /// Every mitigation and hardening off: the hardest to beat.
    Tuned,
}

/// A column.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Column {
    /// Chitin, by an entry.
    Chitin(Entry),
    /// The distribution's Linux.
    Linux(Tuning),
}

/// What all boots of Linux are told: to say nothing while it is measured, and to end when it fails.
const QUIET: &str = "quiet loglevel=0 panic=-1 rdinit=/init";
/// What turns off what costs and can be turned off by a word: mitigations, zeroed allocations, checks of what is copied from and to
/// programs, the kernel stack's random offset, page table isolation, security modules, auditing, preemption in the kernel, accounting of memory to groups.
const TUNED: &str = "mitigations=off init_on_alloc=0 init_on_free=0 hardened_usercopy=off randomize_kstack_offset=off kpti=0 security=none lsm= audit=0 preempt=none cgroup_disable=memory";

/// Memory of the machine that has room for a thousand processes, each of which is charged for what it shares too.
pub const ROOMY: &str = "6G";

/// Of the text that programs work on.
const TEXT_BYTES: usize = 128 << 10;

/// What the first program's environment has.
const ENVIRONMENT: [&str; 2] = ["PATH=/bin:/usr/bin", "HOME=/root"];

impl Column {
    /// All of them, in the order of every table.
    pub const ALL: [Column; 5] = [
        Column::Chitin(Entry::Linked),
        Column::Chitin(Entry::Rewritten),
        Column::Chitin(Entry::Reflected),
        Column::Linux(Tuning::Tuned),
        Column::Linux(Tuning::Default),
    ];

    /// What the figures are compared with.
    pub const TRUTH: Column = Column::Linux(Tuning::Tuned);

    /// Its name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Column::Chitin(entry) => entry.name(),
            Column::Linux(Tuning::Default) => "linux",
            Column::Linux(Tuning::Tuned) => "linux-tuned",
        }
    }

    /// The column of that name.
    pub fn by_name(name: &str) -> Option<Column> {
        Column::ALL.into_iter().find(|column| column.name() == name)
    }

    /// The build of the C library that its programs have.
    pub fn flavour(self) -> Flavour {
        match self {
            Column::Chitin(entry) => entry.flavour(),
            Column::Linux(_) => Flavour::Stock,
        }
    }

    /// The kernel.
    pub fn kernel(self, isa: Isa) -> PathBuf {
        match self {
            Column::Chitin(_) => build::kernel(isa),
            Column::Linux(_) => setup::linux(isa).join("kernel"),
        }
    }

    /// The kernel's name and version; Chitin's is the commit's, which the whole run has.
    pub fn version(self, isa: Isa) -> Result<String> {
        match self {
            Column::Chitin(_) => Ok("chitin".into()),
            Column::Linux(_) => Ok(fs::read_to_string(setup::linux(isa).join("version"))?.trim().to_owned()),
        }
    }

    /// The kernel's command line.
    pub fn command_line(self, isa: Isa) -> String {
        let Column::Linux(tuning) = self else { return String::new() };
        let console = match isa {
            Isa::Aarch64 => "console=ttyAMA0",
            Isa::X86_64 => "console=ttyS0",
        };
        match tuning {
            Tuning::Default => format!("{console} {QUIET}"),
            Tuning::Tuned => format!("{console} {QUIET} {TUNED}"),
        }
    }

    /// The machine, where a tick is an instruction.
    pub fn machine(self, isa: Isa) -> Machine {
        Machine { icount: true, append: self.command_line(isa), ..Machine::default_for(isa) }
    }

    /// The same with room for a thousand processes.
    pub fn roomy_machine(self, isa: Isa) -> Machine {
        Machine { memory: ROOMY.into(), ..self.machine(isa) }
    }

    /// What boots behind the kernel: the program with these words and, on Chitin, policies, and what it runs.
    pub fn image(self, isa: Isa, words: &[String], own: Option<&Own>, settings: &[String]) -> Result<Vec<u8>> {
        self.image_telling(isa, words, own, settings, CommandFlags::empty())
    }

    /// The same; Chitin tells of itself as the flags ask.
    pub fn image_telling(self, isa: Isa, words: &[String], own: Option<&Own>, settings: &[String], told: CommandFlags) -> Result<Vec<u8>> {
        let read = |path: PathBuf| fs::read(&path).with_context(|| format!("cannot read {}", path.display()));
        let program = |name| read(c_program(isa, self.flavour(), name, Form::Static));
        let mut files = Files::new();
        if let Some(own) = own {
            files.add_program(&own.guest_path(), own.contents(isa, self.flavour())?);
            own.add.iter().try_for_each(|pair| add_pair(&mut files, pair))?;
        }
        files.add_program("/bin/nothing", program("nothing")?);
        for name in ["busybox", "lua", "sqlite3"] {
            files.add_program(&format!("/bin/{name}"), read(tree::distribution_program(isa, self.flavour(), name))?);
        }
        // The compiler, what it compiles, and the headers of that.
        for path in ["/usr/bin/tcc", "/usr/lib/tcc", "/usr/include", "/usr/src/tcc"] {
            rootfs::add_tree(&mut files, &tree::system(isa, self.flavour()).join(&path[1..]), path)?;
        }
        for path in setup::busybox_applets(isa)?.into_iter().filter(|path| path.starts_with("/bin/") || path.starts_with("/usr/bin/")) {
            if !files.contains(&path) {
                files.add(&path, Node::Link("/bin/busybox".into()));
            }
        }
        for name in ["pipelines.sh", "queries.sql", "benchmark.lua"] {
            files.add(&format!("/data/{name}"), Node::File(0o644, read(tree::root().join("user/c/bench/data").join(name))?));
        }
        files.add("/data/text", Node::File(0o644, prose(TEXT_BYTES)));
        match self {
            Column::Linux(_) => {
                files.add_program("/init", program(BENCH)?);
                files.add("/etc/bench", Node::File(0o644, words.join("\n").into_bytes()));
                Ok(files.archive())
            }
            Column::Chitin(entry) => {
                files.add_program("/bin/bench", program(BENCH)?);
                let arguments = [&["/bin/bench".to_owned()], words].concat();
                let flags = CommandFlags::BATCH | entry.flags() | told;
                let settings = settings.to_vec();
                let environment = ENVIRONMENT.map(str::to_owned).into();
                Guest { files, arguments, environment, settings, flags, ..Guest::default() }.image(isa)
            }
        }
    }
}

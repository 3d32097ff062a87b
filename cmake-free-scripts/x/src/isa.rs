//! The two instruction sets, and what each is called by whom.

use clap::ValueEnum;

/// An instruction set that Chitin runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, PartialOrd, Ord)]
pub enum Isa {
    /// 64-bit Arm.
    #[value(name = "aarch64", alias = "arm64")]
    Aarch64,
    /// 64-bit x86.
    #[value(name = "x86_64", alias = "amd64")]
    X86_64,
}

impl Isa {
    /// Both, in the order of every table.
    pub const ALL: [Isa; 2] = [Isa::Aarch64, Isa::X86_64];

    /// The host's own; x86_64 where the host is neither.
    pub fn host() -> Isa {
        if cfg!(target_arch = "aarch64") { Isa::Aarch64 } else { Isa::X86_64 }
    }

    /// Its name, as `uname -m` has it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Aarch64 => "aarch64",
            Isa::X86_64 => "x86_64",
        }
    }

    /// Rust's target for the kernel, the library OS and native programs.
    pub fn bare_target(self) -> &'static str {
        match self {
            Isa::Aarch64 => "aarch64-unknown-none-softfloat",
            Isa::X86_64 => "x86_64-unknown-none",
        }
    }

    /// Rust's target for Linux programs.
    pub fn linux_target(self) -> &'static str {
        match self {
            Isa::Aarch64 => "aarch64-unknown-linux-musl",
            Isa::X86_64 => "x86_64-unknown-linux-musl",
        }
    }

    /// The machine number in ELF headers.
    pub fn elf_machine(self) -> u16 {
        match self {
            Isa::Aarch64 => goblin::elf::header::EM_AARCH64,
            Isa::X86_64 => goblin::elf::header::EM_X86_64,
        }
    }

    /// The relocation kind "base plus addend".
    pub fn relative_relocation(self) -> u32 {
        match self {
            Isa::Aarch64 => goblin::elf::reloc::R_AARCH64_RELATIVE,
            Isa::X86_64 => goblin::elf::reloc::R_X86_64_RELATIVE,
        }
    }
}

impl std::fmt::Display for Isa {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}

//! Every machine and CPU model that Chitin is for, with little memory and with much: each boots and runs the Rust program.

use super::Test;
use super::compare::{Case, Program};
use crate::isa::Isa;
use crate::qemu::{Kind, Machine};

const MEMORY: [&str; 2] = ["64M", "8G"];
const X86_64_MODELS: [&str; 3] = ["qemu64", "Skylake-Client", "max"];
const AARCH64_MODELS: [&str; 4] = ["cortex-a53", "cortex-a72", "neoverse-n1", "max"];

/// One test for each machine, CPU model and amount of memory.
pub fn tests(isa: Isa) -> Vec<Test> {
    let mut machines = Vec::new();
    match isa {
        Isa::X86_64 => {
            for (kind, kind_name) in [(Kind::Q35, "q35"), (Kind::Microvm, "microvm")] {
                for model in X86_64_MODELS {
                    machines.push((format!("{kind_name}/{model}"), Machine { kind, cpu: model.into(), ..Machine::default_for(isa) }));
                }
            }
        }
        Isa::Aarch64 => {
            for gic in [2, 3] {
                for model in AARCH64_MODELS {
                    machines.push((format!("virt-gic{gic}/{model}"), Machine { gic, cpu: model.into(), ..Machine::default_for(isa) }));
                }
            }
        }
    }
    let with_memory = machines.into_iter().flat_map(|(name, machine)| {
        MEMORY.map(|memory| (format!("machine/{name}/{memory}"), Machine { memory: memory.into(), ..machine.clone() }))
    });
    with_memory
        .map(|(name, machine)| {
            let case = Case::new(Program::Ours("hello"), &["one", "two words"]);
            Test { name, level: 3, isa: Some(isa), work: Box::new(move || case.run(&machine).map_err(|error| format!("{error:#}"))) }
        })
        .collect()
}

//! Level 3: a library operating system that is not Linux, beside Linux processes on the same kernel.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use exo::command::CommandFlags;

use super::Test;
use crate::entry::Flavour;
use crate::initramfs::Files;
use crate::isa::Isa;
use crate::qemu::{End, Machine, boot_captured};
use crate::run::Guest;
use crate::{build, tree};

/// What the shell does meanwhile: processes, pipes and files.
const SCRIPT: &str = "for i in 1 2 3 4 5 6 7 8; do seq 1 1000 | sort -rn | head -n 1; echo $i > /tmp/n; done; cat /tmp/n; exit 7";

/// The test.
pub fn tests(isa: Isa) -> Vec<Test> {
    let work = move || beside(isa).map_err(|error| format!("{error:#}"));
    vec![Test { name: "beside/orchard".into(), level: 3, isa: Some(isa), work: Box::new(work) }]
}

fn beside(isa: Isa) -> Result<()> {
    let mut files = Files::new();
    files.add_program("/bin/busybox", std::fs::read(tree::distribution_program(isa, Flavour::Stock, "busybox"))?);
    for name in ["sh", "seq", "sort", "head", "cat"] {
        files.add(&format!("/bin/{name}"), crate::initramfs::Node::Link("/bin/busybox".into()));
    }
    let arguments = ["/bin/sh", "-c", SCRIPT].map(str::to_owned).into();
    let environment = vec!["PATH=/bin".to_owned()];
    let guest = Guest { files, arguments, environment, flags: CommandFlags::BATCH, ..Guest::default() };
    let image = guest.image_beside(isa, 1, None, Some("orchard"), None)?;
    let outcome = boot_captured(&Machine::default_for(isa), &build::kernel(isa), &image, Duration::from_secs(60))?;
    let output = String::from_utf8(outcome.output).context("they print text")?;
    ensure!(outcome.end == End::Exit(7), "{}, not the shell's status; it printed:\n{output}", outcome.end);
    // Both print as they go: whose line comes when is not to be known, and a line may come in two pieces.
    ensure!(output.matches("1000").count() == 8, "what the pipelines print:\n{output}");
    ensure!(output.contains("295947 primes"), "what the other library prints:\n{output}");
    ensure!(output.contains("the program beside ended by 1, status 33"), "how the other library ends:\n{output}");
    let last = output.rfind("1000").context("a pipeline")?;
    let first = output.find("orchard: ").context("the other library")?;
    ensure!(first < last, "they run at the same time:\n{output}");
    Ok(())
}

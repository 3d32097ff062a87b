//! What the exokernel's own primitives cost, hot and cold: rows that only Chitin has.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};

use super::operation::Operation;
use super::session::Figures;
use super::transcript::Measured;
use crate::build;
use crate::image::lay_out;
use crate::isa::Isa;
use crate::qemu::{End, Machine, boot_captured};

/// The programs of `user/exo` that measure them: each by itself, and how they grow with the number of environments.
const PROGRAMS: [&str; 2] = ["primitives", "crowds"];
/// The table that they are in.
pub const GROUP: &str = "exokernel";
/// The table that points of curves are in.
const GROWTH: &str = "growth";
/// What the program exits with when all went as it was to go.
const PASSED: u8 = 33;
const TIMEOUT: Duration = Duration::from_secs(120);
/// What stands before a name, so that no operation of the other tables has it.
const PREFIX: &str = "exo.";
/// What stands behind a name whose figure is that of a single round.
const COLD: &str = ".cold";

/// The operations, and an ISA's figures.
pub fn measure(isa: Isa) -> Result<(Vec<Operation>, Figures)> {
    build::build_native(isa)?;
    let mut all = String::new();
    for program in PROGRAMS {
        let image = lay_out(&std::fs::read(build::native(isa, program))?, &[])?;
        let machine = Machine { icount: true, ..Machine::default_for(isa) };
        let outcome = boot_captured(&machine, &build::kernel(isa), &image, TIMEOUT)?;
        let output = String::from_utf8_lossy(&outcome.output);
        if outcome.end != End::Exit(PASSED) {
            bail!("{program} on {isa}: {}; it printed:\n{output}", outcome.end);
        }
        all += &output;
    }
    Ok(read(&all))
}

/// What the program printed: `primitive NAME HOT COLD TITLE`.
fn read(output: &str) -> (Vec<Operation>, Figures) {
    let (mut operations, mut figures) = (Vec::new(), BTreeMap::new());
    for line in output.lines().filter_map(|line| line.trim_end().strip_prefix("primitive ")) {
        let mut words = line.splitn(4, ' ');
        let (Some(name), Some(hot), Some(cold), Some(title)) = (words.next(), words.next(), words.next(), words.next()) else { continue };
        let is_point = name.contains('@');
        let group = if is_point { GROWTH } else { GROUP };
        for (suffix, figure, how) in [("", hot, ""), (COLD, cold, ", cold")] {
            let Ok(figure) = figure.parse::<f64>() else { continue };
            if is_point && suffix == COLD {
                continue;
            }
            let name = format!("{PREFIX}{name}{suffix}");
            figures.insert(name.clone(), Measured::Figure { median: figure, least: figure, most: figure });
            operations.push(Operation { group: group.into(), name, title: format!("{title}{how}"), kin: String::new(), rounds: 0 });
        }
    }
    (operations, figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gives_two_figures() {
        let (operations, figures) = read("noise\nprimitive page_map 120 150 a page is mapped\r\nprimitive broken\n");
        assert_eq!(operations.iter().map(|operation| operation.name.as_str()).collect::<Vec<_>>(), ["exo.page_map", "exo.page_map.cold"]);
        assert_eq!(operations[1].title, "a page is mapped, cold");
        assert_eq!(figures["exo.page_map.cold"].median(), Some(150.0));
    }

    #[test]
    fn a_point_of_a_curve_has_one_figure() {
        let (operations, _) = read("primitive env_life@100 7 7 by how many there are\n");
        assert_eq!(operations.len(), 1);
        assert_eq!((operations[0].point(), operations[0].group.as_str()), (Some(("exo.env_life", 100.0)), GROWTH));
    }
}

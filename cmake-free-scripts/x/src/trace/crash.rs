//! Post-mortem: what a process was doing when a signal ended it. The guest tells registers, stack and maps; symbols and unwind tables are in the
//! files that it was given.

use std::fmt::Write;

use exo::trace::FIELD;

use super::unwind::{Frame, Module, State, backtrace};

/// A file of the guest's, by its path there.
pub type Lookup = Box<dyn FnMut(&str) -> Option<Vec<u8>> + Send>;

/// What a process told before it ended.
#[derive(Default)]
pub struct Crash {
    signal: String,
    program: String,
    registers: Vec<(String, u64)>,
    maps: Vec<Map>,
    /// Address and bytes, in order.
    stack: Vec<(u64, Vec<u8>)>,
}

/// A line of its maps.
struct Map {
    start: u64,
    end: u64,
    offset: u64,
    is_executable: bool,
    path: String,
    line: String,
}

impl Map {
    fn parse(line: &str) -> Option<Map> {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
        let is_executable = fields.next()?.contains('x');
        let offset = hexadecimal(fields.next()?)?;
        let path = fields.nth(2).unwrap_or_default().to_owned();
        Some(Map { start: hexadecimal(start)?, end: hexadecimal(end)?, offset, is_executable, path, line: line.to_owned() })
    }
}

impl Crash {
    /// Take in what is told; whether that was all.
    pub fn add(&mut self, text: &str) -> bool {
        let fields: Vec<&str> = text.split(FIELD).collect();
        let hexadecimal = |text: &str| u64::from_str_radix(text, 16).unwrap_or(0);
        match fields[..] {
            ["signal", signal, program] => *self = Crash { signal: signal.into(), program: program.into(), ..Crash::default() },
            ["registers", words] => {
                let pairs = words.split_whitespace().filter_map(|word| word.split_once('='));
                self.registers = pairs.map(|(name, value)| (name.to_owned(), hexadecimal(value))).collect();
            }
            ["map", line] => self.maps.extend(Map::parse(line)),
            ["stack", address, text] => {
                let digits: Vec<char> = text.chars().collect();
                let bytes = digits.chunks_exact(2).map(|pair| hexadecimal(&pair.iter().collect::<String>()) as u8).collect();
                self.stack.push((hexadecimal(address), bytes));
            }
            ["end"] => return true,
            _ => {}
        }
        false
    }

    fn register(&self, names: [&str; 2]) -> u64 {
        self.registers.iter().find(|(name, _)| names.contains(&name.as_str())).map_or(0, |(_, value)| *value)
    }

    fn word(&self, address: u64) -> Option<u64> {
        self.stack.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            Some(u64::from_le_bytes(bytes.get(offset..offset + 8)?.try_into().ok()?))
        })
    }

    /// The files that are mapped, each once, with what is added to its addresses.
    fn modules(&self, lookup: &mut Lookup) -> Vec<Module> {
        let mut modules: Vec<Module> = Vec::new();
        for map in self.maps.iter().filter(|map| map.is_executable && map.path.starts_with('/')) {
            if modules.iter().any(|module| module.path() == map.path) {
                continue;
            }
            let end = self.maps.iter().filter(|other| other.path == map.path).map(|other| other.end).max().unwrap_or(map.end);
            let module = lookup(&map.path).and_then(|bytes| Module::new(&map.path, bytes, map.start, map.offset, end));
            modules.extend(module);
        }
        modules
    }

    fn frames(&self, lookup: &mut Lookup) -> Vec<Frame> {
        let state = State {
            is_x86_64: self.registers.iter().any(|(name, _)| name == "rip"),
            pc: self.register(["rip", "pc"]),
            sp: self.register(["rsp", "sp"]),
            frame: self.register(["rbp", "x29"]),
            link: self.register(["x30", "x30"]),
        };
        backtrace(&state, &self.modules(lookup), |address| self.word(address))
    }

    /// As a person reads it.
    pub fn report(&self, process: u32, lookup: &mut Lookup) -> String {
        let mut text = format!("\n--- post-mortem: process {process}, {}\n    {}\n\nregisters\n", self.program, self.signal);
        for row in self.registers.chunks(4) {
            let cells: Vec<String> = row.iter().map(|(name, value)| format!("{name:>7} {value:016x}")).collect();
            let _ = writeln!(text, "{}", cells.join(" "));
        }
        text += "\nbacktrace\n";
        for (index, frame) in self.frames(lookup).iter().enumerate() {
            let _ = writeln!(text, "{index:>4}  {:#018x}  {frame}", frame.address);
        }
        text += "\nmaps\n";
        for map in &self.maps {
            let _ = writeln!(text, "    {}", map.line);
        }
        text + "---\n"
    }

    /// For programs to read.
    pub fn json(&self, process: u32, lookup: &mut Lookup) -> serde_json::Value {
        let registers: serde_json::Map<String, serde_json::Value> =
            self.registers.iter().map(|(name, value)| (name.clone(), format!("{value:#x}").into())).collect();
        let frames: Vec<serde_json::Value> = self
            .frames(lookup)
            .iter()
            .map(|frame| serde_json::json!({ "address": format!("{:#x}", frame.address), "at": frame.to_string() }))
            .collect();
        let maps: Vec<&str> = self.maps.iter().map(|map| map.line.as_str()).collect();
        serde_json::json!({
            "process": process, "program": self.program, "signal": self.signal, "registers": registers, "backtrace": frames, "maps": maps,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Crash {
        let mut crash = Crash::default();
        let records = [
            "signal\u{1f}SIGSEGV {…}\u{1f}/bin/broken",
            "registers\u{1f}rax=1 rbp=7008 rsp=7000 rip=401010 ",
            "map\u{1f}00400000-00402000 r-xp 00000000 00:01 7                          /bin/broken",
            "stack\u{1f}7000\u{1f}00000000000000001870000000000000",
        ];
        assert!(!records.into_iter().any(|record| crash.add(record)) && crash.add("end"));
        crash
    }

    #[test]
    fn without_symbols_the_addresses_are_told_by_their_files() {
        let mut nothing: Lookup = Box::new(|_: &str| None);
        let report = told().report(5, &mut nothing);
        assert!(report.contains("process 5, /bin/broken") && report.contains("rip 0000000000401010"), "{report}");
        assert!(report.contains("0x0000000000401010") && report.contains("r-xp 00000000"), "{report}");
    }

    #[test]
    fn the_stack_is_read_by_words() {
        let crash = told();
        assert_eq!((crash.word(0x7008), crash.word(0x7009), crash.word(0x6fff)), (Some(0x7018), None, None));
    }
}

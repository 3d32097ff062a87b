//! Level 3: our Linux programs, and real ones on real input.

use std::time::Duration;

use super::Test;
use super::compare::{Case, Program};
use super::text::{Numbers, prose};
use crate::entry::Flavour;
use crate::isa::Isa;
use crate::qemu::Machine;

/// Bytes of text that the text tools work on.
const TEXT_BYTES: usize = 3 << 20;
/// How often each thread of the stress does the cheap things: ten million operations in all with the shim, and where each is a trap, fewer.
const STRESS_ROUNDS: [&str; 2] = ["20000", "112000"];
/// The tests that work on all of it take their time under emulation.
const LONG: Duration = Duration::from_secs(240);

/// One test for each case.
pub fn tests(isa: Isa) -> Vec<Test> {
    let cases = [ours(), endings(), text_tools(), shells(), interpreters(), shim(), stress(), collectors(), policies()].concat();
    // Both libcs' programs, and what reads, writes and maps in each way; the other tools make the same calls.
    let again = ["busybox/awk", "busybox/sed", "busybox/gzip", "busybox/gunzip-file", "busybox-glibc/grep", "busybox-glibc/sha256sum"];
    let tools = text_tools().into_iter().filter(|case| again.contains(&case.name.as_str())).collect();
    let rewritten: Vec<Case> = [ours(), endings(), tools, interpreters()].concat().into_iter().map(Case::rewritten).collect();
    let cases = [cases, ways_in(), rewritten, under_policies()].concat();
    cases
        .into_iter()
        .map(|case| {
            let usual = Machine::default_for(isa);
            let memory = case.memory.map_or(usual.memory.clone(), str::to_owned);
            let machine = Machine { memory, ..usual };
            Test {
                name: case.name.clone(),
                level: 3,
                isa: Some(isa),
                work: Box::new(move || case.run(&machine).map_err(|error| format!("{error:#}"))),
            }
        })
        .collect()
}

/// Programs that print the same whatever an app decides about them.
fn under_policies() -> Vec<Case> {
    let case = |name| Case::new(Program::Ours(name), &[]);
    let on_time = ["threads", "futexes", "timers", "scheduling"].map(|name| case(name).with_policy("scheduling=deadline,turns=8"));
    let held = ["numbers"].map(|name| case(name).with_policy("admission=sandbox,rules=pure"));
    let large = ["memory", "fork"].map(|name| case(name).with_policy("placement=large").with_policy("paging=prefault,pages=512"));
    let ahead = [Case::new(Program::C("commands", Flavour::Stock), &["20", "101"]).with_policy("paging=zero-ahead,frames=64")];
    on_time.into_iter().chain(held).chain(large).chain(ahead).collect()
}

fn ours() -> Vec<Case> {
    let simple = [
        "hello",
        "files",
        "paths",
        "permissions",
        "coherence",
        "errors",
        "memory",
        "devices",
        "clock",
        "numbers",
        "identity",
        "capabilities",
        "threads",
        "futexes",
        "epoll",
        "timers",
        "notices",
        "polls",
        "pipes",
        "splices",
        "scheduling",
        "wait",
        "kill",
        "groups",
        "owned_locks",
        "signals",
        "sockets",
        "locks",
        "descriptions",
        "exec",
        "queues",
        "system_v",
        "inotify",
        "fork",
        "terminals",
        "seen",
        "openat2",
        "set_ids",
        "seals",
        "text_busy",
        "async_signals",
    ];
    let mut cases: Vec<Case> = simple.iter().map(|&name| Case::new(Program::Ours(name), &[])).collect();
    let long = "x".repeat(100_000);
    let many: Vec<String> = (0..2000).map(|index| format!("argument {index}")).collect();
    let mut arguments = Case::new(Program::Ours("arguments"), &["", "a b", "\u{fc}\u{6f22}", &long]);
    arguments.arguments.extend(many);
    arguments.environment = (0..500).map(|index| format!("TEST_{index}=value {index}")).collect();
    cases.push(arguments);
    let mut mappings = Case::new(Program::Ours("shared_mappings"), &[]);
    // Neither whole pages nor zeros behind its end.
    mappings.files = vec![("given".into(), prose(5 * 4096 + 1234)[..5 * 4096 + 1234].to_vec()), ("given-next".into(), vec![0xff; 5000])];
    cases.push(mappings);
    // What takes all memory is done sooner where there is little.
    let in_little_memory = |name| Case { memory: Some("160M"), timeout: LONG, ..Case::new(Program::Ours(name), &[]) };
    cases.extend(["bombs", "pressure", "full_memory"].map(in_little_memory));
    let mounted = |name, options| Case { mounted: Some(options), ..Case::new(Program::Ours(name), &[]) };
    let networked = |case: Case| Case { networked: true, timeout: LONG, ..case };
    cases.extend(
        [Case::new(Program::Ours("internet"), &[]), Case { name: "go/internet".into(), ..Case::new(Program::Go("internet"), &[]) }]
            .map(networked),
    );
    cases.push(mounted("full_disk", "size=1m,nr_inodes=64"));
    // What a tmpfs does, on a tmpfs on Linux too.
    cases.extend(["openings", "contents", "file_times", "entries", "half_mapped", "mounts"].map(|name| mounted(name, "size=64m")));
    let files = ["file", "script", "folder/inner"].map(|name| (format!("ground/{name}"), format!("{name} has this.\n").into_bytes()));
    cases.push(Case { files: files.into(), ..mounted("read_only", "ro") });
    cases.extend(["children", "hostile", "killings"].map(|name| Case { timeout: LONG, ..Case::new(Program::Ours(name), &[]) }));
    cases
}

/// 64 threads of musl's and of Rust's standard library, by what they synchronise by, with signals and forks among them; and Go's goroutines.
fn stress() -> Vec<Case> {
    let of_musl = |flavour: Flavour| {
        let program = Program::C("thread_stress", flavour);
        Case { name: format!("stress/threads-{}", flavour.name()), timeout: LONG, ..Case::new(program, &[STRESS_ROUNDS[flavour as usize]]) }
    };
    let of_rust = Case { name: "stress/threads-rust".into(), timeout: LONG, ..Case::new(Program::Ours("stress"), &[]) };
    let of_go = Case { name: "stress/goroutines".into(), timeout: LONG, ..Case::new(Program::Go("goroutines"), &[]) };
    [&Flavour::ALL.map(of_musl)[..], &[of_rust, of_go.clone(), of_go.rewritten()]].concat()
}

/// Programs that do the same whatever policies they have.
fn policies() -> Vec<Case> {
    const SHELF: &str = "names=hash-table,directory=/tmp";
    let kept = || Case::new(Program::Ours("kept_files"), &[]);
    let small = |flavour: Flavour| {
        let case = Case::new(Program::C("small_files", flavour), &["/tmp/small", "400", "4"]);
        Case { name: format!("small_files-{}", flavour.name()), ..case }.with_policy(SHELF)
    };
    let scan = || Case::new(Program::C("scan", Flavour::Stock), &["50", "4"]);
    let narrow = ["caching=lru,pages=2,ahead=1", "caching=mru,pages=3"];
    let readers = ["files", "shared_mappings", "kept_files"];
    let read = |setting| {
        readers.map(|name| ours().into_iter().find(|case| case.program == Program::Ours(name)).unwrap_or_else(kept).with_policy(setting))
    };
    let mut cases = vec![
        kept(),
        kept().with_policy(SHELF),
        kept().with_policy(SHELF).rewritten(),
        Case::new(Program::Ours("coherence"), &[]).with_policy(SHELF),
        Case { name: "linux/kept_files-few".into(), ..kept() }.with_policy("names=hash-table,directory=/tmp,files=3"),
        small(Flavour::Stock),
        small(Flavour::Shim),
        scan().with_policy("caching=lru,pages=40"),
        scan().with_policy("caching=mru,pages=40"),
    ];
    cases.extend(narrow.into_iter().flat_map(read));
    cases
}

/// A collector's write barrier, by the library OS's own function and by signals, alone and across a fork.
fn collectors() -> Vec<Case> {
    let ways = [("direct", &["direct"][..]), ("signal", &["signal"]), ("forked", &["direct", "fork"])];
    let case =
        |(name, arguments)| Case { name: format!("barrier/{name}"), ..Case::new(Program::C("collector", Flavour::Stock), arguments) };
    ways.into_iter().map(case).collect()
}

/// What is about the rewriter alone.
fn ways_in() -> Vec<Case> {
    let ways = Case::new(Program::Ours("rewritten"), &[]);
    vec![ways.clone(), ways.rewritten()]
}

fn endings() -> Vec<Case> {
    let codes = ["0", "1", "33", "127", "128", "255", "256"].map(|way| (way, false));
    let crashes = ["abort", "null", "readonly", "noexec", "illegal", "recursion", "panic"].map(|way| (way, true));
    let named = |(way, crashes)| Case { name: format!("linux/exits/{way}"), crashes, ..Case::new(Program::Ours("exits"), &[way]) };
    codes.into_iter().chain(crashes).map(named).collect()
}

fn text_tools() -> Vec<Case> {
    let text = prose(TEXT_BYTES);
    let awk = "{ for (i = 1; i <= NF; i++) { if ($i ~ /^[0-9]+$/) sum += $i; else count[$i]++ } chars += length($0) } \
               END { for (w in count) if (count[w] > 2000) print w, count[w]; print sum, chars, NR }";
    let tools: [(&str, &[&str]); 12] = [
        ("awk", &["awk", awk, "text"]),
        ("sort", &["sort", "-u", "-k2", "text"]),
        ("sort-numbers", &["sort", "-n", "-r", "-k1,1", "text"]),
        ("grep", &["grep", "-n", "-E", "(chi|tin)+ [0-9]+$", "text"]),
        ("grep-count", &["grep", "-c", "-v", "-i", "THE", "text"]),
        ("sed", &["sed", "-n", "-e", "s/\\([0-9][0-9]*\\) *\\([a-z]*\\)/<\\2 \\1>/g", "-e", "/<the/p", "text"]),
        ("sha256sum", &["sha256sum", "text"]),
        ("md5sum", &["md5sum", "-"]),
        ("wc", &["wc", "text"]),
        ("gzip", &["gzip", "-c", "text"]),
        ("tr", &["tr", "-s", "a-y\\t", "b-z "]),
        ("cut", &["cut", "-d", " ", "-f", "2-3", "text"]),
    ];
    let mut cases = Vec::new();
    for (name, arguments) in tools {
        let mut case = Case::new(Program::Distribution("busybox"), arguments);
        case.name = format!("busybox/{name}");
        case.timeout = LONG;
        match arguments.last() {
            Some(&"text") => case.files = vec![("text".into(), text.clone())],
            _ => case.input.clone_from(&text),
        }
        cases.push(case);
    }
    for name in ["awk", "sort", "grep", "sed", "sha256sum"] {
        let known = cases.iter().find(|case| case.name == format!("busybox/{name}")).cloned();
        cases.extend(known.map(|case| Case {
            name: format!("busybox-glibc/{name}"),
            program: Program::Distribution("busybox-glibc"),
            ..case
        }));
    }
    for (name, arguments) in [("gunzip", ["gunzip", "-c", "text.gz"]), ("gunzip-file", ["gunzip", "-v", "text.gz"])] {
        let mut case = Case::new(Program::Distribution("busybox"), &arguments);
        case.name = format!("busybox/{name}");
        case.timeout = LONG;
        case.files = vec![("text.gz".into(), stored_gzip(&text))];
        cases.push(case);
    }
    cases
}

/// A gzip file made without a compressor: stored blocks and an empty last one (RFC 1951, RFC 1952).
fn stored_gzip(text: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    for block in text.chunks(0xffff) {
        let length = block.len() as u16;
        file.push(0);
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(&(!length).to_le_bytes());
        file.extend_from_slice(block);
    }
    // An empty final block of the fixed code: final bit 1, kind 01, end-of-block 0000000.
    file.extend_from_slice(&[0b011, 0]);
    let mut crc = !0u32;
    for &byte in text {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1));
        }
    }
    file.extend_from_slice(&(!crc).to_le_bytes());
    file.extend_from_slice(&(text.len() as u32).to_le_bytes());
    file
}

fn shells() -> Vec<Case> {
    let script = "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); [ $((i % 50)) -eq 0 ] && echo $i; done; x=abcdef; echo ${x#abc} ${#x} ${x%f}; \
                  set -- a 'b c' d; for w; do echo \"<$w>\"; done; printf '%s %05d\\n' text 42; echo in a file > here; read line < here; echo $line; \
                  case $line in *file) echo matched;; esac; f() { return 3; }; f; echo $?; cd /; pwd; exit 9";
    ["busybox", "busybox-glibc"]
        .map(|program| Case { name: format!("{program}/sh"), ..Case::new(Program::Distribution(program), &["sh", "-c", script]) })
        .to_vec()
}

fn interpreters() -> Vec<Case> {
    let mut lua = Case::new(Program::Distribution("lua"), &["benchmark.lua"]);
    lua.name = "lua/benchmark".into();
    lua.files = vec![("benchmark.lua".into(), include_bytes!("scripts/benchmark.lua").to_vec())];
    lua.input = b"first line\nsecond line\n".to_vec();
    lua.timeout = LONG;
    let mut classics = Case { name: "lua/classics".into(), input: Vec::new(), ..lua.clone() };
    classics.arguments = vec!["classics.lua".into()];
    classics.files = vec![("classics.lua".into(), include_bytes!("scripts/classics.lua").to_vec())];

    let mut memory = Case::new(Program::Distribution("sqlite3"), &["-batch", ":memory:"]);
    memory.name = "sqlite3/memory".into();
    memory.input = database_script().into_bytes();
    memory.timeout = LONG;
    let mut file = memory.clone();
    file.name = "sqlite3/file".into();
    file.arguments = vec!["-batch".into(), "file.db".into()];
    vec![lua, classics, memory, file]
}

/// The same tests with programs that are linked against the shim.
fn shim() -> Vec<Case> {
    let linked = |case: Case| match case.program {
        Program::Distribution(name) => Case { name: format!("shim/{}", case.name), program: Program::Shim(name), ..case },
        _ => case,
    };
    let wanted = ["busybox/awk", "busybox/sort", "busybox/sh", "lua/benchmark", "sqlite3/file"];
    let cases = [text_tools(), shells(), interpreters()].concat();
    cases.into_iter().filter(|case| wanted.contains(&case.name.as_str())).map(linked).collect()
}

/// A thousand inserts, an index, joins, an integrity check.
fn database_script() -> String {
    let mut numbers = Numbers::new(7);
    let mut script = String::from(
        "CREATE TABLE parts(id INTEGER PRIMARY KEY, name TEXT, weight REAL, maker INTEGER);\n\
         CREATE TABLE makers(id INTEGER PRIMARY KEY, name TEXT UNIQUE);\nBEGIN;\n",
    );
    for maker in 0..20 {
        script += &format!("INSERT INTO makers VALUES({maker}, 'maker {maker}');\n");
    }
    for part in 0..1000 {
        let (weight, maker) = (numbers.below(10_000), numbers.below(20));
        script += &format!("INSERT INTO parts VALUES({part}, 'part {}', {weight}.25, {maker});\n", numbers.below(400));
    }
    script
        + "COMMIT;\nCREATE INDEX by_name ON parts(name, weight);\n\
           SELECT makers.name, count(*), sum(weight), max(parts.name) FROM parts JOIN makers ON maker = makers.id GROUP BY makers.id ORDER BY 3;\n\
           SELECT a.name, count(*) FROM parts a JOIN parts b ON a.name = b.name AND a.id < b.id GROUP BY a.name ORDER BY 2 DESC, 1 LIMIT 10;\n\
           EXPLAIN QUERY PLAN SELECT * FROM parts WHERE name = 'part 7';\n\
           WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT sum(i), avg(i * i) FROM n;\n\
           UPDATE parts SET weight = weight * 2 WHERE maker % 3 = 0;\nDELETE FROM parts WHERE weight > 15000;\n\
           SELECT count(*), round(avg(weight), 3), group_concat(DISTINCT maker) FROM parts;\n\
           INSERT INTO makers VALUES(99, 'maker 3');\n\
           SELECT upper(hex(name)), substr(name, 3), printf('%08.3f', weight) FROM parts WHERE id IN (3, 14, 159);\n\
           VACUUM;\nPRAGMA integrity_check;\nSELECT nothing FROM nowhere;\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_terminals_have_at_least_180_cases() {
        const PROGRAMS: [&str; 15] = [
            include_str!("../../../../user/linux/src/bin/coherence.rs"),
            include_str!("../../../../user/linux/src/bin/contents.rs"),
            include_str!("../../../../user/linux/src/bin/entries.rs"),
            include_str!("../../../../user/linux/src/bin/file_times.rs"),
            include_str!("../../../../user/linux/src/bin/full_memory.rs"),
            include_str!("../../../../user/linux/src/bin/inotify.rs"),
            include_str!("../../../../user/linux/src/bin/internet.rs"),
            include_str!("../../../../user/linux/src/bin/kept_files.rs"),
            include_str!("../../../../user/linux/src/bin/locks.rs"),
            include_str!("../../../../user/linux/src/bin/openings.rs"),
            include_str!("../../../../user/linux/src/bin/permissions.rs"),
            include_str!("../../../../user/linux/src/bin/seen.rs"),
            include_str!("../../../../user/linux/src/bin/set_ids.rs"),
            include_str!("../../../../user/linux/src/bin/splices.rs"),
            include_str!("../../../../user/linux/src/bin/terminals.rs"),
        ];
        // A case is a row of what a program runs: a name, and a function.
        let cases_of = |program: &str| {
            let rows = program.rsplit("run(").next().unwrap_or_default();
            rows.lines().filter(|line| line.trim_start().starts_with("(\"") || line.contains("run(&[(\"")).count()
        };
        let cases: usize = PROGRAMS.into_iter().map(cases_of).sum();
        assert!(cases >= 180, "{cases} cases");
    }

    #[test]
    fn the_text_is_the_same_each_time_and_large_enough() {
        let text = prose(10_000);
        assert!(text.len() >= 10_000 && text == prose(10_000));
        assert!(text.ends_with(b"\n"));
    }

    #[test]
    fn the_stored_archive_has_the_check_sum_of_its_text() {
        // The check value of CRC-32 for these nine digits is known.
        let file = stored_gzip(b"123456789");
        assert_eq!(file[file.len() - 8..], [0x26, 0x39, 0xf4, 0xcb, 9, 0, 0, 0]);
    }
}

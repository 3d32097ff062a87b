//! Level 3: programs side by side, each with policies of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use ::policy::Kind;
use anyhow::{Context, Result, bail, ensure};
use exo::command::CommandFlags;
use indicatif::ProgressBar;

use super::Test;
use super::compare::tail;
use crate::bench::policy;
use crate::c_programs::{self, Form};
use crate::entry::{Entry, Flavour};
use crate::initramfs::{Files, Node};
use crate::isa::Isa;
use crate::qemu::{End, Machine, Scratch, boot_captured};
use crate::run::{APPS, Guest};
use crate::{build, manifest, tree};

/// What the program does: memory that it walks through.
const SCRIPT: &str = "local t = {}; for i = 1, 400000 do t[i] = i end; print(#t)";
/// What it prints.
const PRINTED: &str = "400000";

/// The tests.
pub fn tests(isa: Isa) -> Vec<Test> {
    let mut tests: Vec<Test> =
        Entry::ALL.map(|entry| test(isa, format!("side-by-side-{}", entry.name()), move || side_by_side(isa, entry))).into();
    tests.extend(Entry::ALL.map(|entry| test(isa, format!("checkpoint-{}", entry.name()), move || checkpoint(isa, entry))));
    tests.extend(Entry::ALL.map(|entry| test(isa, format!("profiles-{}", entry.name()), move || profiles_differ(isa, entry))));
    tests.push(test(isa, "defaults-cost-nothing".into(), move || defaults_cost_nothing(isa)));
    tests.push(test(isa, "placement".into(), move || placement(isa)));
    tests.push(test(isa, "scans".into(), move || scans(isa)));
    tests.push(test(isa, "guide".into(), move || guide(isa)));
    tests.push(test(isa, "table".into(), move || table(isa)));
    tests.push(test(isa, "mistake".into(), move || mistake(isa)));
    tests.push(test(isa, "quota".into(), move || quota(isa)));
    tests.push(test(isa, "slices".into(), move || slices(isa)));
    tests.push(test(isa, "turns".into(), move || turns(isa)));
    tests.push(test(isa, "on-time".into(), move || on_time(isa)));
    tests.push(test(isa, "trade".into(), move || trade(isa)));
    for (name, manifest) in manifest::all().unwrap_or_default() {
        if let Some(measure) = manifest.measure.clone() {
            tests.push(test(isa, format!("wins-{name}"), move || {
                policy::prepare(isa, core::iter::once(&manifest), false)?;
                let times = policy::compare(&name, &manifest, isa, false, &ProgressBar::hidden())?.times(policy::DEFAULT, &measure.row)?;
                ensure!(times >= measure.times, "{} is {times:.2} times less than by default, not {}", measure.row, measure.times);
                Ok(())
            }));
        }
    }
    tests
}

fn test(isa: Isa, name: String, work: impl Fn() -> Result<()> + Send + Sync + 'static) -> Test {
    let work = Box::new(move || work().map_err(|error| format!("{error:#}")));
    Test { name: format!("policies/{name}"), level: 3, isa: Some(isa), work }
}

/// The example of the guide, compiled into an image of its own, beside the guide's program on the stock image.
fn guide(isa: Isa) -> Result<()> {
    build::build_own_library(isa, &["doubling".to_owned()])?;
    let mut files = Files::new();
    files.add_program("/bin/scatter", std::fs::read(build::linux(isa, Flavour::Shim, "scatter"))?);
    let [first, second] = [vec!["tracing=counts"], vec!["tracing=counts", "paging=doubling,most=2048"]].map(|settings| Guest {
        arguments: words(vec!["/bin/scatter", "8192", "1"]),
        settings: words(settings),
        flags: CommandFlags::BATCH | Entry::Linked.flags(),
        ..Guest::default()
    });
    let output = output(isa, &Guest { files, beside: vec![second], ..first })?;
    let profiles = profiles(&output);
    let faults = |id| profiles.get(&id).map(|profile| profile["faults"]).with_context(|| format!("no profile of process {id}:\n{output}"));
    let (usual, other) = (faults(2)?, faults(3)?);
    ensure!(other * 4 <= usual, "{usual} faults by default, {other} with the guide's policy");
    Ok(())
}

/// A shell runs one program under two names, of which one is in the table of apps; its own policies go on where the table says nothing.
fn table(isa: Isa) -> Result<()> {
    let mut files = lua(isa, Entry::Linked)?;
    files.add_program("/bin/sh", std::fs::read(tree::distribution_program(isa, Flavour::Shim, "busybox"))?);
    files.add_program("/bin/other", std::fs::read(tree::distribution_program(isa, Flavour::Shim, "lua"))?);
    let lines = "# what is where\n/bin/other tracing=counts paging=prefault,pages=512\n/bin/none paging=nothing\n";
    files.add(APPS, Node::File(0o644, lines.into()));
    let script = "lua /walk.lua; other /walk.lua; exit 0";
    let arguments = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let environment = vec!["PATH=/bin".to_owned()];
    let guest =
        Guest { files, arguments, environment, settings: words(vec!["tracing=counts"]), flags: CommandFlags::BATCH, ..Guest::default() };
    let output = output(isa, &guest)?;
    ensure!(output.contains("/etc/chitin/apps:3: paging=nothing: "), "no word of the line that makes no sense:\n{output}");
    let faults = |name: &str| {
        let line = output.lines().find(|line| line.starts_with("chitin: profile ") && line.contains(&format!(" program={name} ")));
        line.map(|line| profile(line)["faults"]).with_context(|| format!("no profile of {name}:\n{output}"))
    };
    let (usual, other) = (faults("lua")?, faults("other")?);
    ensure!(faults("sh").is_ok() && other * 3 <= usual, "{usual} faults, and {other} with other paging");
    Ok(())
}

/// A setting that an image does not know ends the program before it begins.
fn mistake(isa: Isa) -> Result<()> {
    let guest = Guest {
        files: lua(isa, Entry::Linked)?,
        arguments: words(vec!["/bin/lua", "/walk.lua"]),
        settings: words(vec!["paging=prefault,pages=0"]),
        flags: CommandFlags::BATCH,
        ..Guest::default()
    };
    let outcome = boot_captured(&Machine::default_for(isa), &build::kernel(isa), &guest.image(isa)?, Duration::from_secs(60))?;
    let output = String::from_utf8_lossy(&outcome.output).into_owned();
    ensure!(outcome.end == End::Exit(126) && output.contains("pages from 1 to"), "{}:\n{output}", outcome.end);
    Ok(())
}

/// What needs 32 MiB ends where it may have 16, and the same program beside it does not.
fn quota(isa: Isa) -> Result<()> {
    let run = |quota: u32| -> Result<(End, String)> {
        let guest = |quota| Guest { arguments: words(vec!["/bin/scatter", "8192"]), flags: CommandFlags::BATCH, quota, ..Guest::default() };
        let mut files = Files::new();
        files.add_program("/bin/scatter", std::fs::read(build::linux(isa, Flavour::Shim, "scatter"))?);
        let guest = Guest { files, beside: vec![guest(0)], ..guest(quota) };
        let outcome = boot_captured(&Machine::default_for(isa), &build::kernel(isa), &guest.image(isa)?, Duration::from_secs(60))?;
        Ok((outcome.end, String::from_utf8_lossy(&outcome.output).into_owned()))
    };
    let touched = |output: &str| output.lines().filter(|line| line.starts_with("touch ")).count();
    let (end, output) = run(16384)?;
    ensure!(end == End::Exit(0) && touched(&output) == 2, "with 64 MiB: {end}\n{output}");
    let (_, output) = run(4096)?;
    ensure!(touched(&output) == 1, "with 16 MiB for one of two:\n{output}");
    Ok(())
}

/// Of two programs that compute for the same time, the one with four slices in a round comes further.
fn slices(isa: Isa) -> Result<()> {
    const SPIN: &str = "local s = os.time(); while os.time() == s do end; local n, e = 0, os.time() + 2; \
                        while os.time() < e do for i = 1, 1000 do n = n + 1 end end; print(arg[1], n)";
    let guest = |name: &str, slices| Guest {
        arguments: words(vec!["/bin/lua", "/spin.lua", name]),
        flags: CommandFlags::BATCH,
        slices,
        ..Guest::default()
    };
    let mut files = lua(isa, Entry::Linked)?;
    files.add("/spin.lua", Node::File(0o644, SPIN.into()));
    let output = output(isa, &Guest { files, beside: vec![guest("one", 1)], ..guest("four", 4) })?;
    let count = |name: &str| -> Result<u64> {
        let line = output.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no count of {name}:\n{output}"))?;
        line.trim().parse().with_context(|| line.to_owned())
    };
    let (one, four) = (count("one\t")?, count("four\t")?);
    ensure!(four >= 2 * one, "{one} rounds with a slice, {four} with four");
    Ok(())
}

/// A program that wakes once a millisecond is on time beside one that computes and lets others have their turn, and late beside one that does not.
fn turns(isa: Isa) -> Result<()> {
    let median = |settings: Vec<&str>| -> Result<u64> {
        let hog = Guest {
            arguments: words(vec!["/bin/lua", "-e", "while os.clock() < 0.25 do end"]),
            settings: words(settings),
            flags: CommandFlags::BATCH,
            ..Guest::default()
        };
        let mut files = lua(isa, Entry::Linked)?;
        files.add_program("/bin/latency", std::fs::read(build::linux(isa, Flavour::Shim, "latency"))?);
        let arguments = words(vec!["/bin/latency", "20", "0"]);
        let guest = Guest { files, arguments, flags: CommandFlags::BATCH, beside: vec![hog], ..Guest::default() };
        let output = output_of(&Machine { icount: true, ..Machine::default_for(isa) }, &guest)?;
        let line = output.lines().find_map(|line| line.strip_prefix("median ")).with_context(|| format!("no median:\n{output}"))?;
        line.trim().parse().with_context(|| line.to_owned())
    };
    let (usual, sharing) = (median(vec![])?, median(vec!["scheduling=deadline,slice=100"])?);
    ensure!(usual > 5_000_000, "{usual} ns late beside one that computes: less than its slice, which was to be shown");
    ensure!(sharing < 200_000, "{sharing} ns late beside one that shares, {usual} beside another");
    Ok(())
}

/// A program that wants to be on time is, beside one that computes and knows nothing of it, and beside one that does not let its library hear of it:
/// from that one time is taken, and it sees that in its ledger.
fn on_time(isa: Isa) -> Result<()> {
    let beside = |hog: &str| -> Result<(u64, u64, String)> {
        let mut files = Files::new();
        for name in ["latency", "hog"] {
            files.add_program(&format!("/bin/{name}"), std::fs::read(build::linux(isa, Flavour::Shim, name))?);
        }
        let guest = |text: &str, settings| Guest {
            arguments: text.split(' ').map(str::to_owned).collect(),
            settings: words(settings),
            flags: CommandFlags::BATCH,
            ..Guest::default()
        };
        // Its wakes last longer than the other computes.
        let latency = guest("/bin/latency 600 0", vec!["scheduling=deadline,others=100"]);
        let guest = Guest { files, beside: vec![guest(&format!("/bin/hog 500{hog}"), vec![])], ..latency };
        let output = output_of(&Machine { icount: true, ..Machine::default_for(isa) }, &guest)?;
        let number = |start: &str| -> Result<u64> {
            let line = output.lines().find_map(|line| line.strip_prefix(start)).with_context(|| format!("no {start}:\n{output}"))?;
            line.split(' ').next().unwrap_or("").trim().parse().with_context(|| line.to_owned())
        };
        Ok((number("median ")?, number("hog: ")?, output.clone()))
    };
    let (late, had, output) = beside("")?;
    ensure!(late < 200_000 && had > 80, "{late} ns late beside one that computes for {had} percent of the time:\n{output}");
    ensure!(!output.contains("had no time"), "it listened:\n{output}");
    let (late, had, output) = beside(" deaf")?;
    ensure!(late < 200_000, "{late} ns late beside one that does not listen:\n{output}");
    ensure!((1..60).contains(&had) && output.contains("had no time"), "it did not listen and had {had} percent of the time:\n{output}");
    Ok(())
}

/// Of two apps in too little memory one gives back what it does not use, the other gets it, and both see that in their ledgers; if the first one's policy
/// is to keep it, the other is refused earlier.
fn trade(isa: Isa) -> Result<()> {
    let machine = Machine { memory: "160M".into(), ..Machine::default_for(isa) };
    let traded = |settings: Vec<&str>| -> Result<(u64, [u64; 3], String)> {
        let mut files = Files::new();
        files.add_program("/bin/trade", std::fs::read(build::linux(isa, Flavour::Shim, "trade"))?);
        let guest = |side| Guest { arguments: words(vec!["/bin/trade", side, "/tmp"]), flags: CommandFlags::BATCH, ..Guest::default() };
        let keeper = Guest { settings: words(settings), files, beside: vec![guest("grow")], ..guest("keep") };
        let output = output_of(&machine, &keeper)?;
        ensure!(output.contains("keeper: what it used is as it was"), "it printed:\n{output}");
        ensure!(output.contains("grower: its ledger: asked 0 times for 0 frames, gave 0"), "who asks is not asked:\n{output}");
        let numbers = |start: &str| -> Result<Vec<u64>> {
            let line = output.lines().find_map(|line| line.strip_prefix(start)).with_context(|| format!("no {start}:\n{output}"))?;
            Ok(line.split([' ', ',']).filter_map(|word| word.trim().parse().ok()).collect())
        };
        let (grown, ledger) = (numbers("grower: ")?, numbers("keeper: its ledger: ")?);
        ensure!(!output.contains(" taken at "), "nothing is taken from who answers:\n{output}");
        Ok((grown[0], [ledger[0], ledger[1], ledger[2]], output.clone()))
    };
    let (given, [asked, frames, gave], output) = traded(vec![])?;
    ensure!(asked > 0 && frames > 0 && gave > 0, "it printed:\n{output}");
    let (kept, [asked, _, none], output) = traded(vec!["paging=keep"])?;
    ensure!(asked > 0 && none == 0, "by a policy that keeps all it printed:\n{output}");
    // A MiB more or less is where the last grant ends.
    ensure!((given - kept).abs_diff(gave) <= 256, "{given} pages where {gave} frames were given, {kept} where none were");
    Ok(())
}

fn words(words: Vec<&str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// A computation that three faults end, and somebody who begins it again: on Linux, by default, and going on from points.
fn checkpoint(isa: Isa, entry: Entry) -> Result<()> {
    const NAME: &str = "steps";
    let scratch = Scratch::new()?;
    let folder = scratch.path(".");
    let arguments = |folder: &str| [folder, "100", "2000", "again"].map(str::to_owned);
    let host = c_programs::c_program(Isa::host(), Flavour::Stock, NAME, Form::Static);
    let linux = std::process::Command::new(host).args(arguments(&folder.to_string_lossy())).output()?;
    let linux = String::from_utf8(linux.stdout)?;
    ensure!(linux.contains("100 lines in order\n") && linux.ends_with("begun 4\n"), "Linux printed:\n{linux}");
    let guest = |settings: &[&str]| -> Result<String> {
        let mut files = Files::new();
        let program = c_programs::c_program(isa, entry.flavour(), NAME, Form::Static);
        files.add_program(&format!("/bin/{NAME}"), std::fs::read(program)?);
        let arguments = [vec![format!("/bin/{NAME}")], arguments("/tmp").to_vec()].concat();
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let output = output(isa, &Guest { arguments, settings, files, flags: CommandFlags::BATCH | entry.flags(), ..Guest::default() })?;
        Ok(output.lines().filter(|line| !line.starts_with("chitin: ")).map(|line| format!("{}\n", line.trim_end())).collect())
    };
    let usual = guest(&[])?;
    ensure!(usual == linux, "Linux printed:\n{linux}and without the policy here:\n{usual}");
    for calls in ["recovery=checkpoint,calls=1", "recovery=checkpoint,calls=7"] {
        let output = guest(&[calls])?;
        ensure!(output == linux.replace("begun 4", "begun 1"), "with {calls} it printed:\n{output}");
    }
    // From too far back it meets more than it may from one point: it goes on twice, and ends.
    let output = guest(&["recovery=checkpoint,calls=85,times=2"])?;
    ensure!(output == linux.replace("begun 4", "begun 2"), "from far back it printed:\n{output}");
    Ok(())
}

/// What a profile's line says: words and their numbers.
type Profile = BTreeMap<String, u64>;

/// Two processes of one program, of which one brings in many pages at each fault: they make the same calls, and have other faults.
fn side_by_side(isa: Isa, entry: Entry) -> Result<()> {
    let settings = [vec!["tracing=counts"], vec!["tracing=counts", "paging=prefault,pages=512"]];
    let output = run(isa, entry, &settings.map(words))?;
    ensure!(output.lines().filter(|line| line.trim_end() == PRINTED).count() == 2, "it printed:\n{output}");
    let profiles = profiles(&output);
    let [first, second] = [2, 3].map(|id| profiles.get(&id).with_context(|| format!("no profile of process {id}:\n{output}")));
    let (usual, other) = (first?, second?);
    let counts = |profile: &Profile| {
        profile.iter().filter(|(name, _)| !MEMORY.contains(&name.as_str())).map(|(name, count)| (name.clone(), *count)).collect::<Profile>()
    };
    ensure!(counts(usual) == counts(other), "one program, other calls: {usual:?} {other:?}");
    ensure!(usual["calls"] > 10 && usual.contains_key("execve") == other.contains_key("execve"), "{usual:?}");
    ensure!(other["faults"] * 3 <= usual["faults"], "{} faults, and {} with other paging", usual["faults"], other["faults"]);
    ensure!(other["pages"] >= usual["pages"], "{} pages, and {} with other paging", usual["pages"], other["pages"]);
    Ok(())
}

/// Two processes of one unmodified program side by side, of which one is held to rules and brings in many pages at each fault: it is refused a file and
/// goes another way, so that both its calls and its faults are others.
fn profiles_differ(isa: Isa, entry: Entry) -> Result<()> {
    const READER: &str = "local file, bytes = io.open('/secret'), 0; if file then bytes = #file:read('a'); file:close() end; \
                          local t = {}; for i = 1, 400000 do t[i] = i end; print(#t, bytes)";
    const SECRET: usize = 5000;
    let mut files = lua(isa, entry)?;
    files.add("/reader.lua", Node::File(0o644, READER.into()));
    files.add("/secret", Node::File(0o644, vec![b's'; SECRET]));
    files.add("/rules", Node::File(0o644, b"allow read /bin/**\nallow read /reader.lua\n".to_vec()));
    let guest = |settings| Guest {
        arguments: words(vec!["/bin/lua", "/reader.lua"]),
        settings: words(settings),
        flags: CommandFlags::BATCH | entry.flags(),
        ..Guest::default()
    };
    let second = guest(vec!["tracing=counts", "paging=prefault,pages=512", "admission=sandbox,rules=/rules"]);
    let output = output(isa, &Guest { files, beside: vec![second], ..guest(vec!["tracing=counts"]) })?;
    let has = |bytes: usize| output.lines().any(|line| line.trim_end() == format!("{PRINTED}\t{bytes}"));
    ensure!(has(SECRET) && has(0), "it printed:\n{output}");
    let profiles = profiles(&output);
    let [first, second] = [2, 3].map(|id| profiles.get(&id).with_context(|| format!("no profile of process {id}:\n{output}")));
    let (free, held) = (first?, second?);
    let calls = |profile: &Profile| ["openat", "open", "read", "readv", "close"].map(|name| profile.get(name).copied().unwrap_or(0));
    let ([openat, open, read, readv, close], others) = (calls(free), calls(held));
    ensure!(openat + open == others[0] + others[1], "both ask for the file: {free:?} {held:?}");
    ensure!(read + readv > others[2] + others[3] && close > others[4], "one reads it: {free:?} {held:?}");
    ensure!(held["errors"] > free["errors"] && free["calls"] > held["calls"], "one is refused it: {free:?} {held:?}");
    ensure!(held["faults"] * 3 <= free["faults"], "{} faults, and {} with other paging", free["faults"], held["faults"]);
    Ok(())
}

/// What paging changes.
const MEMORY: [&str; 6] = ["pid", "faults", "pages", "resident", "misses", "switches"];

/// A process for which all defaults are named pays what one pays that knows of no policies: a loop's own instructions do not come out even, and
/// there is less than one for each round. One that has others pays more.
fn defaults_cost_nothing(isa: Isa) -> Result<()> {
    const NAMES: [&str; 5] = ["null_call", "null_call_instruction", "page_fault", "mmap_touch_munmap", "pread_1"];
    build::build_kernel(isa)?;
    build::build_personality(isa)?;
    c_programs::build(isa)?;
    let costs = |settings: &[String]| policy::costs(isa, &NAMES, settings);
    let defaults: Vec<String> = Kind::ALL.iter().map(|kind| format!("{}={}", kind.name(), kind.default().name)).collect();
    let (without, named) = (costs(&[])?, costs(&defaults)?);
    let is_same = |(one, other): (&f64, &f64)| (one - other).abs() < 1.0;
    ensure!(without.iter().zip(&named).all(is_same), "of {NAMES:?} without policies {without:?}, with {defaults:?} {named:?}");
    let others = costs(&words(vec!["paging=prefault,pages=1", "tracing=counts"]))?;
    ensure!(others[0] > without[0] && others[2] > without[2], "{others:?} with others, which are asked, {without:?} without");
    Ok(())
}

/// Pages of a program whose frames are looked at.
const PLACED: u64 = 2048;

/// Frames are those that a policy names, and memory is what it was whatever happens to parts of large pages.
fn placement(isa: Isa) -> Result<()> {
    const NAME: &str = "frames";
    let pages = PLACED.to_string();
    let host = c_programs::c_program(Isa::host(), Flavour::Stock, NAME, Form::Static);
    let linux = std::process::Command::new(host).arg(&pages).output()?;
    let expected: Vec<String> = String::from_utf8(linux.stdout)?.lines().skip(1).map(str::to_owned).collect();
    ensure!(linux.status.success() && expected.len() == 2, "Linux printed {expected:?}");
    let described = |settings: &[&str]| -> Result<Profile> {
        let mut files = Files::new();
        files.add_program("/bin/frames", std::fs::read(c_programs::c_program(isa, Flavour::Shim, NAME, Form::Static))?);
        let (arguments, settings) = (words(vec!["/bin/frames", &pages]), words(settings.to_vec()));
        let output = output(isa, &Guest { arguments, settings, files, flags: CommandFlags::BATCH, ..Guest::default() })?;
        let mut lines = output.lines().map(str::trim_end);
        let first = lines.next().unwrap_or_default().split_whitespace().collect::<Vec<_>>();
        ensure!(lines.eq(expected.iter().map(String::as_str)), "it printed:\n{output}and Linux {expected:?}");
        Ok(first.chunks_exact(2).filter_map(|pair| Some((pair[0].to_owned(), pair[1].parse().ok()?))).collect())
    };
    let usual = described(&[])?;
    ensure!(usual["rows"] > PLACED / 4 && usual["large"] == 0, "by default: {usual:?}");
    let rows = described(&["placement=contiguous,pages=2048"])?;
    ensure!(rows["rows"] <= 4, "in rows: {rows:?}");
    let all = described(&["placement=coloured,colours=16"])?;
    ensure!(all["same-colour"] == PLACED && all["colours"] == 16, "of one colour: {all:?}");
    let few = described(&["placement=coloured,colours=16,kept=4"])?;
    ensure!(few["colours"] == 4, "of four colours: {few:?}");
    let large = described(&["placement=large", "paging=prefault,pages=512"])?;
    ensure!(large["large"] == PLACED && large["rows"] <= PLACED / 512, "large: {large:?}");
    Ok(())
}

/// Pages of the file that is scanned, passes, and pages that are kept of it.
const SCAN: [u64; 3] = [160, 6, 128];

/// Two processes that scan a file of more pages than they may keep: one keeps those that it used last, and never has the next; the other keeps
/// most from pass to pass.
fn scans(isa: Isa) -> Result<()> {
    let [pages, passes, kept] = SCAN;
    let entry = Entry::Linked;
    let mut files = Files::new();
    files.add_program("/bin/scan", std::fs::read(c_programs::c_program(isa, entry.flavour(), "scan", Form::Static))?);
    let [first, second] = ["lru", "mru"].map(|name| Guest {
        arguments: words(vec!["/bin/scan", &pages.to_string(), &passes.to_string()]),
        settings: words(vec!["tracing=counts", &format!("caching={name},pages={kept},ahead=1")]),
        flags: CommandFlags::BATCH | entry.flags(),
        ..Guest::default()
    });
    let output = output(isa, &Guest { files, beside: vec![second], ..first })?;
    let sums: Vec<&str> = output.lines().filter(|line| line.starts_with("sum")).map(str::trim_end).collect();
    ensure!(sums.len() == 2 && sums[0] == sums[1], "it printed:\n{output}");
    let profiles = profiles(&output);
    let [oldest, newest] = [2, 3].map(|id| profiles.get(&id).with_context(|| format!("no profile of process {id}:\n{output}")));
    let [oldest, newest] = [oldest?["misses"], newest?["misses"]];
    ensure!(oldest >= pages * passes, "{oldest} misses where all reads miss");
    // The first pass, a share of each other one, and what the program's own text takes.
    let share = pages - kept + 2;
    ensure!((pages + share..=pages + share * passes + 16).contains(&newest), "{newest} misses, and {oldest} in the other order");
    Ok(())
}

/// Run the program once for each list of settings, at the same time.
fn run(isa: Isa, entry: Entry, settings: &[Vec<String>]) -> Result<String> {
    let arguments = ["/bin/lua", "/walk.lua"].map(str::to_owned);
    let flags = CommandFlags::BATCH | entry.flags();
    let mut guests =
        settings.iter().map(|settings| Guest { arguments: arguments.to_vec(), settings: settings.clone(), flags, ..Guest::default() });
    let first = guests.next().context("a program to run")?;
    output(isa, &Guest { files: lua(isa, entry)?, beside: guests.collect(), ..first })
}

/// The program's files.
fn lua(isa: Isa, entry: Entry) -> Result<Files> {
    let mut files = Files::new();
    files.add_program("/bin/lua", std::fs::read(tree::distribution_program(isa, entry.flavour(), "lua"))?);
    files.add("/walk.lua", Node::File(0o644, SCRIPT.into()));
    Ok(files)
}

/// What a guest prints that ends well.
fn output(isa: Isa, guest: &Guest) -> Result<String> {
    output_of(&Machine::default_for(isa), guest)
}

/// The same, on another machine.
fn output_of(machine: &Machine, guest: &Guest) -> Result<String> {
    let isa = machine.isa;
    let outcome = boot_captured(machine, &build::kernel(isa), &guest.image(isa)?, Duration::from_secs(60))?;
    if outcome.end != End::Exit(0) {
        bail!("{}; it printed:\n{}", outcome.end, tail(&outcome.output));
    }
    String::from_utf8(outcome.output).context("the programs print text")
}

/// The profiles in an output, by process.
fn profiles(output: &str) -> BTreeMap<u64, Profile> {
    let lines = output.lines().filter(|line| line.starts_with("chitin: profile "));
    lines.map(profile).filter_map(|profile| Some((*profile.get("pid")?, profile))).collect()
}

fn profile(line: &str) -> Profile {
    let words = line.split_whitespace().filter_map(|word| word.split_once('='));
    words.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use crate::tree;

    #[test]
    fn the_guides_example_is_the_one_that_is_tested() {
        let read = |path: &str| std::fs::read_to_string(tree::root().join(path)).expect(path);
        let guide = read("libos/README.md");
        for (mark, path) in [("rust", "user/policies/doubling.rs"), ("toml", "user/apps/doubling.toml")] {
            assert!(guide.contains(&format!("```{mark}\n{}```", read(path))), "libos/README.md does not show {path} as it is");
            assert!(read(path).lines().count() < 50);
        }
    }
}

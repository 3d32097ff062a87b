//! Lines of code, counted the way the kernel's budget means it: no blank lines, no comments, no tests. Assembly inside Rust counts.

use std::path::Path;

use anyhow::{Context, Result};

/// The lines of code of a file of Rust or assembly. The text is as rustfmt leaves it: an item ends at a brace that stands as far in as the
/// item began.
pub fn of_source(text: &str) -> usize {
    let mut count = 0;
    let mut lines = text.lines();
    let mut in_comment = false;
    while let Some(line) = lines.next() {
        let code = line.trim();
        if in_comment || code.starts_with("/*") {
            in_comment = !code.contains("*/");
        } else if code == "#[cfg(test)]" || code == "#[test]" {
            skip_item(&mut lines, &line[..line.len() - line.trim_start().len()]);
        } else if !code.is_empty() && !code.starts_with("//") {
            count += 1;
        }
    }
    count
}

/// Pass over the item that follows an attribute at this indentation.
fn skip_item<'a>(lines: &mut impl Iterator<Item = &'a str>, indentation: &str) {
    for line in lines.by_ref() {
        let Some(rest) = line.strip_prefix(indentation) else { continue };
        let begins_here = !rest.starts_with(' ') && !rest.starts_with("#[") && !rest.starts_with("//");
        if begins_here && (rest.ends_with(';') || rest.ends_with('}')) {
            return;
        }
    }
}

/// The lines of code under a path, but for files and folders whose names are excepted.
pub fn under(path: &Path, except: &[&str]) -> Result<usize> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if except.contains(&&*name) {
        return Ok(0);
    }
    if path.is_dir() {
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        return entries.flatten().map(|entry| under(&entry.path(), except)).sum();
    }
    let source = path.extension().is_some_and(|extension| extension == "rs" || extension == "S" || extension == "s");
    if !source {
        return Ok(0);
    }
    Ok(of_source(&std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_blank_lines_and_tests_are_not_code() {
        let text = "//! What it is.\n\nuse x;\n/// Doc.\nfn f() {\n    // why\n    g(); // still code\n}\n\n#[cfg(test)]\nmod tests {\n    fn t() {\n    }\n}\nfn last() {}\n";
        assert_eq!(of_source(text), 5);
    }

    #[test]
    fn a_test_module_in_another_file_takes_one_line_with_it() {
        assert_eq!(of_source("fn f() {}\n#[cfg(test)]\nmod tests;\nfn g() {}\n"), 2);
    }

    #[test]
    fn a_comment_over_lines_is_not_code() {
        assert_eq!(of_source("/* one\n two */\nfn f() {}\n"), 1);
    }

    #[test]
    fn assembly_in_a_string_is_code() {
        assert_eq!(of_source("global_asm!(\n    \"mov x0, x1\",\n    \"ret\",\n);\n"), 4);
    }
}

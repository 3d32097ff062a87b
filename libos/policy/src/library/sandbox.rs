//! What a program may use, by rules in a file.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::admission::{Admission, Verdict};
use crate::rules::{Decision, Rules, SIZES};
use crate::tracing::Call;
use crate::{Domain, Make, Parameter, Policy};

/// The policy.
pub static POLICY: Policy = Policy {
    name: "sandbox",
    summary: "what its rules allow, and no way out: the server, which is over the process, holds it to them",
    parameters: &[Parameter {
        name: "rules",
        summary: "a file of the guest with the rules, or pure (computing and what it was given) or reader (files to read)",
        domain: Domain::Text { default: "pure" },
    }],
    make: Make::Admission(|values| Box::new(Sandbox::new(values.text("rules")))),
};

/// Rules that need no file.
const KNOWN: [(&str, &str); 2] = [("pure", "# nothing has a name\n"), ("reader", "allow read /**\n")];

/// What rules call a call that has no name.
const UNKNOWN: &str = "unknown";

/// See the module. Until its rules are there it allows no more than no rules do.
#[derive(Default)]
struct Sandbox {
    /// The file that the rules are to be read from.
    file: Option<String>,
    text: String,
    rules: Rules,
}

impl Sandbox {
    fn new(name: &str) -> Sandbox {
        match KNOWN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Sandbox { file: None, text: (*text).to_owned(), rules: Rules::parse(text).unwrap_or_default() },
            None => Sandbox { file: Some(name.to_owned()), ..Sandbox::default() },
        }
    }
}

impl Admission for Sandbox {
    fn admit(&mut self, call: &Call) -> Verdict {
        const EPERM: u32 = 1;
        let called = if call.name.is_empty() { UNKNOWN } else { call.name };
        for (_, decision) in self.rules.calls().iter().filter(|(name, _)| *name == called) {
            match *decision {
                Decision::Deny => return Verdict::Refuse(EPERM),
                Decision::End => return Verdict::End,
                Decision::Limit(most) => {
                    let size = SIZES.iter().find(|(name, ..)| *name == call.name);
                    if let Some((_, _, errno)) = size.filter(|&&(_, argument, _)| call.arguments[argument] > most) {
                        return Verdict::Refuse(*errno);
                    }
                }
            }
        }
        Verdict::Allow
    }

    fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        self.rules = Rules::parse(text)?;
        text.clone_into(&mut self.text);
        Ok(())
    }

    fn names(&self) -> Vec<&str> {
        self.rules.calls().iter().map(|(name, _)| name.as_str()).filter(|&name| name != UNKNOWN).collect()
    }

    fn pledge(&self) -> Option<&str> {
        Some(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_as_their_rules_say() {
        let mut sandbox = Sandbox::new("/rules");
        assert_eq!(sandbox.file(), Some("/rules"));
        sandbox.read("limit write 10\ndeny dup\nend unknown\ndeny write").expect("rules");
        let mut admit = |name, size| sandbox.admit(&Call { name, number: 0, arguments: [0, 0, size, 0, 0, 0] });
        assert_eq!(admit("write", 11), Verdict::Refuse(27));
        assert_eq!(admit("write", 10), Verdict::Refuse(1), "the next rule");
        assert_eq!(admit("dup", 0), Verdict::Refuse(1));
        assert_eq!(admit("", 0), Verdict::End);
        assert_eq!(admit("read", 1 << 40), Verdict::Allow);
        assert_eq!(sandbox.pledge().map(str::len), Some(46));
        assert!(sandbox.read("allow all").is_err());
    }

    #[test]
    fn what_needs_no_file_is_read_at_once() {
        for (name, text) in KNOWN {
            let sandbox = Sandbox::new(name);
            assert!(sandbox.file().is_none() && sandbox.pledge() == Some(text) && Rules::parse(text).is_ok());
        }
    }
}

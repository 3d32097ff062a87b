//! Settings: `KIND=NAME,PARAMETER=VALUE,…` taken apart, and checked against the table.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::{Domain, Kind, Policy};

/// What was set of a policy's parameters.
#[derive(Debug)]
pub struct Values<'a> {
    policy: &'static Policy,
    given: Vec<(&'a str, &'a str)>,
}

/// A setting that makes sense.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The policy.
    pub policy: &'static Policy,
    /// What was set of it.
    pub values: Values<'a>,
}

/// Why a setting makes none.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which bytes of the setting are wrong.
    pub place: Range<usize>,
    /// What is wrong with them.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl<'a> Setting<'a> {
    /// Take a setting apart.
    ///
    /// # Errors
    /// There is no such policy or parameter, or a value is not in its domain.
    pub fn parse(setting: &'a str) -> Result<Setting<'a>, Mistake> {
        let mut parts = setting.split(',').map(|part| (offset(setting, part), part));
        let (_, first) = parts.next().expect("a split has a first part");
        let (kind, name) =
            first.split_once('=').ok_or_else(|| Mistake { place: 0..first.len(), what: format!("KIND=NAME is wanted, {}", kinds()) })?;
        let policy = find(kind, name).map_err(|what| Mistake { place: 0..first.len(), what })?;
        let mut values = Values { policy, given: Vec::new() };
        for (start, part) in parts {
            values.give(part).map_err(|what| Mistake { place: start..start + part.len(), what })?;
        }
        Ok(Setting { policy, values })
    }
}

/// Where a part of a text begins in it.
fn offset(text: &str, part: &str) -> usize {
    part.as_ptr().addr() - text.as_ptr().addr()
}

/// The policy of a kind with a name.
///
/// # Errors
/// There is no such kind or policy; the text says which there are.
pub fn find(kind: &str, name: &str) -> Result<&'static Policy, String> {
    let known = Kind::ALL
        .into_iter()
        .find(|known| known.name() == kind)
        .ok_or_else(|| format!("no kind of policy is called {kind}; {}", kinds()))?;
    known.policies().find(|policy| policy.name == name).ok_or_else(|| {
        let names: Vec<&str> = known.policies().map(|policy| policy.name).collect();
        format!("no {kind} policy is called {name}; there are: {}", names.join(", "))
    })
}

fn kinds() -> String {
    format!("kinds are: {}", Kind::ALL.map(Kind::name).join(", "))
}

impl Domain {
    /// Whether a value is in it.
    ///
    /// # Errors
    /// It is not; the text says what would be.
    pub fn check(self, value: &str) -> Result<(), String> {
        match self {
            Domain::Text { .. } if value.contains([' ', ',', '\n', '\0']) => {
                Err(format!("a text without blanks and commas is wanted, not {value:?}"))
            }
            Domain::Text { .. } => Ok(()),
            Domain::Number { unit, least, most, .. } => match value.parse() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("{unit} from {least} to {most} are wanted, not {value}")),
            },
        }
    }
}

impl<'a> Values<'a> {
    /// Nothing was set.
    #[must_use]
    pub fn defaults(policy: &'static Policy) -> Values<'a> {
        Values { policy, given: Vec::new() }
    }

    /// Whose they are.
    #[must_use]
    pub fn policy(&self) -> &'static Policy {
        self.policy
    }

    /// Take `PARAMETER=VALUE`.
    fn give(&mut self, part: &'a str) -> Result<(), String> {
        let (name, value) = part.split_once('=').ok_or("PARAMETER=VALUE is wanted")?;
        check(self.policy, name, value)?;
        self.given.push((name, value));
        Ok(())
    }

    /// A parameter's number.
    ///
    /// # Panics
    /// If the policy does not declare a number of that name.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        let Domain::Number { default, .. } = self.domain(name) else { panic!("{name} is no number") };
        self.find(name).map_or(default, |value| value.parse().expect("it was checked"))
    }

    /// The same, of what is counted in memory.
    ///
    /// # Panics
    /// As [`Values::number`].
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).expect("addresses have 64 bits")
    }

    /// A parameter's text.
    ///
    /// # Panics
    /// If the policy does not declare a text of that name.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        let Domain::Text { default } = self.domain(name) else { panic!("{name} is no text") };
        self.find(name).unwrap_or(default)
    }

    fn domain(&self, name: &str) -> Domain {
        let declared = self.policy.parameters.iter().find(|parameter| parameter.name == name);
        declared.unwrap_or_else(|| panic!("{} does not declare {name}", self.policy.name)).domain
    }

    /// What was set last.
    fn find(&self, name: &str) -> Option<&'a str> {
        self.given.iter().rev().find(|(given, _)| *given == name).map(|&(_, value)| value)
    }
}

/// Whether a parameter of a policy may have a value.
///
/// # Errors
/// It may not, or there is no such parameter.
pub fn check(policy: &Policy, name: &str, value: &str) -> Result<(), String> {
    let Some(parameter) = policy.parameters.iter().find(|parameter| parameter.name == name) else {
        let names: Vec<&str> = policy.parameters.iter().map(|parameter| parameter.name).collect();
        let has = if names.is_empty() { "it has none".into() } else { format!("it has: {}", names.join(", ")) };
        return Err(format!("{} has no parameter {name}; {has}", policy.name));
    };
    parameter.domain.check(value)
}

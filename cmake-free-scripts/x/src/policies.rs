//! `cargo x policies`: what an app may decide for itself.

use clap::Args;
use policy::{Domain, Kind, Parameter, Policy};
use serde_json::json;

/// How to show them.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Only those whose name or kind contains this
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Write them to standard output as JSON
    #[arg(long)]
    pub json: bool,
}

/// List the policies.
pub fn policies(options: &Options) {
    let wanted =
        |policy: &&Policy| options.filter.as_deref().is_none_or(|text| policy.name.contains(text) || policy.kind().name().contains(text));
    if options.json {
        let all: Vec<_> = Kind::ALL.iter().flat_map(|kind| kind.policies()).filter(wanted).map(described).collect();
        println!("{:#}", json!(all));
        return;
    }
    for kind in Kind::ALL {
        let policies: Vec<&Policy> = kind.policies().filter(wanted).collect();
        if policies.is_empty() {
            continue;
        }
        println!("{}: {}", kind.name(), kind.question());
        for policy in policies {
            let mark = if is_default(policy) { " (default)" } else { "" };
            println!("  {:<16} {}{mark}", policy.name, policy.summary);
            policy.parameters.iter().for_each(|parameter| println!("    {:<14} {}", parameter.name, range(parameter)));
        }
        println!();
    }
    println!("cargo x run --policy KIND=NAME,PARAMETER=VALUE -- PROGRAM, or [policies] in an app's manifest");
}

fn is_default(policy: &Policy) -> bool {
    core::ptr::eq(policy, policy.kind().default())
}

/// What a parameter is and may be.
fn range(parameter: &Parameter) -> String {
    match parameter.domain {
        Domain::Number { unit, least, most, default } => format!("{}: {least} to {most} {unit}, {default}", parameter.summary),
        Domain::Text { default } => format!("{}: a text, \"{default}\"", parameter.summary),
    }
}

fn described(policy: &Policy) -> serde_json::Value {
    let parameters: Vec<_> = policy
        .parameters
        .iter()
        .map(|parameter| match parameter.domain {
            Domain::Number { unit, least, most, default } => json!({
                "name": parameter.name, "summary": parameter.summary, "unit": unit, "least": least, "most": most, "default": default,
            }),
            Domain::Text { default } => json!({ "name": parameter.name, "summary": parameter.summary, "default": default }),
        })
        .collect();
    json!({
        "kind": policy.kind().name(), "name": policy.name, "summary": policy.summary, "default": is_default(policy), "parameters": parameters,
    })
}

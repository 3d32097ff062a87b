//! A program as anyone would write it: arguments, environment, collections, a file, the clock.

use std::collections::{BTreeMap, HashMap};
use std::time::{Instant, SystemTime};

fn main() -> std::io::Result<()> {
    let start = Instant::now();
    println!("hello from {}", std::env::args().next().unwrap_or_default());
    for (index, argument) in std::env::args().enumerate().skip(1) {
        println!("argument {index}: {argument:?}");
    }
    println!("HOME is {:?}", std::env::var("HOME").ok());

    let mut words = HashMap::new();
    for word in "the quick brown fox jumps over the lazy dog and the cat".split(' ') {
        *words.entry(word).or_insert(0) += 1;
    }
    let sorted: BTreeMap<_, _> = words.into_iter().collect();
    println!("{sorted:?}");

    let mut numbers: Vec<u64> = (0..20).map(|index: u64| index * 7919 % 97).collect();
    numbers.sort_unstable();
    println!("{numbers:?}");

    let path = std::env::temp_dir().join(format!("hello-{}", std::process::id()));
    std::fs::write(&path, "written and read back\n")?;
    print!("{}", std::fs::read_to_string(&path)?);
    std::fs::remove_file(&path)?;

    let year_2024 = std::time::Duration::from_secs(1_704_067_200);
    println!("after 2024: {}", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|now| now > year_2024));
    println!("time does not go back: {}", Instant::now() >= start);
    Ok(())
}

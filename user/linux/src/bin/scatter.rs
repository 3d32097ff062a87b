//! Touches the pages of a large array, each once, and prints what a page takes, in nanoseconds: `scatter [PAGES [STRIDE]]`, a power of two and an
//! odd number. By default it goes here and there, as a hash table does; by a stride of 1, in order.

use std::time::Instant;

const PAGE: usize = 4096;
/// Leads far from where one is.
const STRIDE: usize = 40_503;

fn main() {
    let argument = |index, default| std::env::args().nth(index).map_or(default, |word| word.parse::<usize>().expect("a number"));
    let (pages, stride) = (argument(1, 8192), argument(2, STRIDE));
    assert!(pages.is_power_of_two() && stride % 2 == 1, "a power of two and an odd number are wanted");
    let mut array = vec![0u8; pages * PAGE];
    let start = Instant::now();
    for index in 0..pages {
        array[index * stride % pages * PAGE] = 1;
    }
    let taken = start.elapsed().as_nanos();
    assert_eq!(array.iter().step_by(PAGE).map(|&byte| usize::from(byte)).sum::<usize>(), pages);
    println!("touch {}", taken as usize / pages);
}

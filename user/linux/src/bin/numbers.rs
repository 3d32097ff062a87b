//! Floating point as text and back, and that vector registers survive calls and page faults; thread-local storage with its alignment.

use std::cell::{Cell, RefCell};
use std::hint::black_box;

#[repr(align(64))]
struct Aligned([u64; 8]);

thread_local! {
    static PLAIN: Cell<u64> = const { Cell::new(41) };
    static ALIGNED: RefCell<Aligned> = const { RefCell::new(Aligned([3; 8])) };
    static LAZY: RefCell<Vec<u32>> = RefCell::new((0..5).collect());
}

fn main() {
    text();
    survival();
    PLAIN.set(PLAIN.get() + 1);
    ALIGNED.with_borrow_mut(|aligned| aligned.0[7] = 9);
    LAZY.with_borrow_mut(|list| list.push(99));
    println!("thread-local: {} {:?} {:?}", PLAIN.get(), ALIGNED.with_borrow(|aligned| aligned.0), LAZY.with_borrow(Clone::clone));
    println!("aligned: {}", ALIGNED.with_borrow(|aligned| std::ptr::from_ref(aligned).addr() % 64));
}

fn text() {
    for number in [0.1, 1.0 / 3.0, 1e300, 5e-324, -0.0, f64::MAX, f64::NAN, f64::NEG_INFINITY, 123_456_789.125] {
        println!("{number} {number:e} {number:.3} {:016x}", number.to_bits() & !(u64::from(number.is_nan()) << 63));
    }
    for digits in ["3.141592653589793", "1e-310", "0x", "inf", "179769313486231570814527423731704356798070"] {
        println!("{digits:?}: {:?}", digits.parse::<f64>());
    }
    let root: f64 = (1..=20).map(|index| f64::from(index).sqrt()).sum();
    println!("{root:.12} {:.12} {:.12}", black_box(2.0f64).powf(0.5), black_box(1.0f64).exp());
    println!("{:?} {:?}", u128::MAX / black_box(7), (i128::MIN + 1).checked_mul(black_box(2)));
}

/// Sums that live in registers while pages are touched for the first time and calls are made.
fn survival() {
    let mut sums = [1.0f64; 8];
    let mut area = vec![0u8; 4 << 20];
    for (step, page) in area.chunks_mut(4096).enumerate() {
        page[step % 4096] = step as u8;
        for (index, sum) in sums.iter_mut().enumerate() {
            *sum = *sum * 1.000_1 + f64::from(page[step % 4096]) / (index + 1) as f64;
        }
        if step % 64 == 0 {
            black_box(std::process::id());
        }
    }
    println!("{sums:?}");
}

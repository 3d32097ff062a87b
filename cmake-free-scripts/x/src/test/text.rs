//! Input that is made, not kept: the same bytes on every machine.

/// A generator of pseudo-random numbers (xorshift64*, Vigna 2016), so that no test depends on chance.
pub struct Numbers(u64);

impl Numbers {
    /// Starts anywhere but at zero.
    pub fn new(seed: u64) -> Self {
        Numbers(seed | 1)
    }

    /// The next number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

const SYLLABLES: [&str; 24] = [
    "ka", "lo", "mi", "ter", "an", "is", "ro", "ve", "chi", "tin", "ex", "o", "bra", "sul", "en", "da", "pho", "ra", "gi", "um", "the",
    "of", "and", "to",
];

/// Lines of made-up words with numbers in between, at least `bytes` long.
pub fn prose(bytes: usize) -> Vec<u8> {
    let mut numbers = Numbers::new(0xC417);
    let mut text = String::with_capacity(bytes + 100);
    while text.len() < bytes {
        for word in 0..4 + numbers.below(9) {
            if word > 0 {
                text.push(if numbers.below(12) == 0 { '\t' } else { ' ' });
            }
            if numbers.below(9) == 0 {
                text.push_str(&numbers.below(100_000).to_string());
            } else {
                // Short words come up often, as in real text.
                for _ in 0..1 + numbers.below(3) {
                    let range = if numbers.below(2) == 0 { 6 } else { SYLLABLES.len() };
                    text.push_str(SYLLABLES[numbers.below(range)]);
                }
            }
        }
        text.push('\n');
    }
    text.into_bytes()
}

/// C++ that a formatter has something to do with: `functions` of them, indented and spaced anyhow.
pub fn messy_source(functions: usize) -> String {
    let mut numbers = Numbers::new(0x50CE);
    let mut text = String::from("#include <vector>\n#include <map>\nnamespace   mess{\n");
    for index in 0..functions {
        let space = " ".repeat(numbers.below(5));
        let (limit, step) = (numbers.below(1000), 1 + numbers.below(9));
        text += &format!(
            "template<typename T>{space}static inline T function_{index} (T  a,const std::vector<T>&values ,int *out=nullptr)\n{{\n\
             {space}  for(int i=0;i<{limit} ;i+={step}){{ if(a>values[i%3]&&i!={limit}||!out) {{a=a*{step}+values [i]; }}\n\
             else{{ switch(i){{case 0:return a;case {step}: {{a--;break ;}} default:a+=sizeof(T) ; }} }} }}\n\
             \tauto f=[&](T x){space}->T{{return x*x;}};//{index}{space}\n/*  a comment\n  of two lines*/ return f(a)+{limit};{space}}}\n\n",
        );
    }
    text + "}\n"
}

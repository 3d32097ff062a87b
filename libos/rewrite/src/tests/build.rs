//! ELF files with one executable segment.

use goblin::elf::header::{EM_AARCH64, EM_X86_64};

/// Where code begins, in the file and in the image.
pub const TEXT: u64 = 0x1000;

/// A file to be made.
pub struct Program {
    pub machine: u16,
    pub code: Vec<u8>,
    /// Names, values, sizes, kinds.
    pub symbols: Vec<(&'static str, u64, u64, u8)>,
    pub sections: bool,
    pub dynamic: Vec<[u64; 2]>,
}

/// A program of one function.
pub fn x86_64(code: &[u8]) -> Program {
    Program {
        machine: EM_X86_64,
        code: code.to_vec(),
        symbols: vec![("code", TEXT, code.len() as u64, 2)],
        sections: true,
        dynamic: vec![],
    }
}

/// A program of these words.
pub fn aarch64(words: &[u32]) -> Program {
    let code = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    Program { machine: EM_AARCH64, code, symbols: vec![], sections: true, dynamic: vec![] }
}

impl Program {
    /// The file.
    pub fn file(&self) -> Vec<u8> {
        let mut file = vec![0; TEXT as usize];
        file.extend(&self.code);
        let dynamic = file.len() as u64;
        file.extend(self.dynamic.iter().flatten().flat_map(|word| word.to_le_bytes()));
        let strings = file.len() as u64;
        let mut names = vec![0u8];
        let mut table = vec![0u8; 24];
        for (name, value, size, kind) in &self.symbols {
            table.extend((names.len() as u32).to_le_bytes());
            table.extend([*kind, 0, 1, 0]);
            table.extend(value.to_le_bytes());
            table.extend(size.to_le_bytes());
            names.extend(name.bytes().chain([0]));
        }
        file.extend(&names);
        let symbols = file.len() as u64;
        file.extend(&table);
        let section_table = file.len() as u64;
        if self.sections {
            let code = self.code.len() as u64;
            for section in
                [[0; 6], [1, 6, TEXT, TEXT, code, 0], [2, 0, 0, symbols, table.len() as u64, 3], [3, 0, 0, strings, names.len() as u64, 0]]
            {
                let [kind, flags, address, offset, size, link] = section;
                file.extend((kind << 32).to_le_bytes());
                for word in [flags, address, offset, size, link, 1, if kind == 2 { 24 } else { 0 }] {
                    file.extend(word.to_le_bytes());
                }
            }
        }
        file[..16].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(16, &3u16.to_le_bytes());
        put(18, &self.machine.to_le_bytes());
        put(32, &64u64.to_le_bytes());
        put(40, &(if self.sections { section_table } else { 0 }).to_le_bytes());
        for (at, half) in [(52, 64u16), (54, 56), (56, 2), (58, 64), (60, if self.sections { 4 } else { 0 })] {
            put(at, &half.to_le_bytes());
        }
        let code = self.code.len() as u64;
        let dynamic_bytes = self.dynamic.len() as u64 * 16;
        for (at, kind, offset, size) in
            [(64, 5 << 32 | 1u64, TEXT, code), (120, if dynamic_bytes > 0 { 2 } else { 0 }, dynamic, dynamic_bytes)]
        {
            for (index, word) in [kind, offset, offset, offset, size, size, 4096].into_iter().enumerate() {
                put(at + index * 8, &word.to_le_bytes());
            }
        }
        file
    }
}

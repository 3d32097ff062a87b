use super::*;

/// A program with one segment per (flags, address, contents, bytes in memory).
fn program(segments: &[(u32, u64, &[u8], u64)]) -> Vec<u8> {
    let mut bytes = vec![0; 0x1000];
    bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    let mut put = |at: usize, data: &[u8]| bytes[at..at + data.len()].copy_from_slice(data);
    put(16, &2u16.to_le_bytes());
    put(18, &62u16.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    put(24, &segments[0].1.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    put(52, &[64, 0, 56, 0, segments.len() as u8, 0, 64]);
    let mut offset = 0x800;
    for (index, (flags, address, contents, in_memory)) in segments.iter().enumerate() {
        let at = 64 + index * 56;
        put(at, &1u32.to_le_bytes());
        put(at + 4, &flags.to_le_bytes());
        for (word, value) in [offset as u64, *address, *address, contents.len() as u64, *in_memory, 0x1000].iter().enumerate() {
            put(at + 8 + word * 8, &value.to_le_bytes());
        }
        put(offset, contents);
        offset += contents.len();
    }
    bytes
}

fn word(image: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(image[at..at + 8].try_into().unwrap())
}

const BASE: u64 = IMAGE_BASE + 0x1000;

#[test]
fn segments_stand_at_their_addresses_and_bss_is_zero() {
    let program = program(&[(5, BASE, b"text", 4), (6, BASE + 0x1000, b"data", 0x1800)]);
    let image = lay_out(&program, &[]).unwrap();
    assert_eq!(&image[0x1000..0x1004], b"text");
    assert_eq!(&image[0x2000..0x2005], b"data\0");
    assert_eq!(word(&image, 0), IMAGE_MAGIC);
    assert_eq!(word(&image, 8) as usize * PAGE_SIZE, image.len());
    assert_eq!(word(&image, 16), BASE);
    let segment = |index: usize| [0, 8, 16].map(|offset| word(&image, 32 + index * 24 + offset));
    assert_eq!(segment(0), [1, 1, Rights::READ_EXECUTE.bits()]);
    assert_eq!(segment(1), [2, 2, Rights::READ_WRITE.bits()]);
    assert_eq!(segment(2), [4, 1, 0], "the page below the stack");
    assert_eq!(word(&image, 24), IMAGE_BASE + 0x5000 + (STACK_PAGES * PAGE_SIZE) as u64);
}

#[test]
fn a_module_begins_at_a_page_and_keeps_its_length() {
    let modules = [Content { name: "one", bytes: vec![1; 5] }, Content { name: "two", bytes: vec![2; 4096] }];
    let image = lay_out(&program(&[(5, BASE, b"text", 4)]), &modules).unwrap();
    let table = 32 + IMAGE_SEGMENTS * 24;
    for (index, content) in modules.iter().enumerate() {
        let at = table + index * 32;
        assert!(image[at..].starts_with(content.name.as_bytes()));
        let (offset, length) = (word(&image, at + 16) as usize, word(&image, at + 24) as usize);
        assert!(offset.is_multiple_of(PAGE_SIZE));
        assert_eq!(image[offset..offset + length], content.bytes);
    }
}

#[test]
fn what_cannot_be_laid_out_is_refused() {
    assert!(lay_out(&program(&[(7, BASE, b"text", 4)]), &[]).is_err(), "writable and executable");
    assert!(lay_out(&program(&[(5, 0x1000, b"text", 4)]), &[]).is_err(), "below the image");
    assert!(lay_out(&program(&[(5, BASE + 8, b"text", 4)]), &[]).is_err(), "not page-aligned");
    assert!(lay_out(&program(&[(5, BASE, b"text", 1 << 40)]), &[]).is_err(), "far too large");
}

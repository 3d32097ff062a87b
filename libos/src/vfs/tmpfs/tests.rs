//! A file's contents against a plain vector of bytes.

use abi::PAGE_SIZE;
use proptest::prelude::*;

use crate::errno::Errno;
use crate::fake;
use crate::file::{Input, Output, Place, Seek};
use crate::kernel::Kernel;
use crate::vfs::tmpfs::Contents;

/// What the model starts with: two pages and a half.
static IMAGE: [u8; 2 * PAGE_SIZE + PAGE_SIZE / 2] = [7; 2 * PAGE_SIZE + PAGE_SIZE / 2];
/// Files in these tests stay below this.
const MOST: u64 = 8 * PAGE_SIZE as u64;

fn contents(image: &'static [u8]) -> Contents {
    Contents::new(&fake::FakeKernel::new(4096).pool(), image)
}

#[derive(Clone, Debug)]
enum Step {
    Write(u64, usize, u8),
    Append(usize, u8),
    Truncate(u64),
    Punch(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..MOST, 0..3 * PAGE_SIZE, any::<u8>()).prop_map(|(offset, length, byte)| Step::Write(offset, length, byte)),
        (0..2 * PAGE_SIZE, any::<u8>()).prop_map(|(length, byte)| Step::Append(length, byte)),
        (0..MOST).prop_map(Step::Truncate),
        (0..MOST, 1..MOST).prop_map(|(offset, length)| Step::Punch(offset, length)),
    ]
}

fn write(model: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if !bytes.is_empty() {
        model.resize(model.len().max(offset + bytes.len()), 0);
        model[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
}

fn apply(contents: &Contents, model: &mut Vec<u8>, step: &Step) {
    let world = fake::process(4096, b"");
    match *step {
        Step::Write(offset, length, byte) => {
            let bytes = vec![byte; length];
            let written = contents.write(world, &mut Input::own(&bytes), Place::At(offset)).unwrap();
            assert_eq!(written, (length, offset + length as u64));
            write(model, offset as usize, &bytes);
        }
        Step::Append(length, byte) => {
            let bytes = vec![byte; length];
            contents.write(world, &mut Input::own(&bytes), Place::End).unwrap();
            write(model, model.len(), &bytes);
        }
        Step::Truncate(size) => {
            contents.truncate(size).unwrap();
            model.resize(size as usize, 0);
        }
        Step::Punch(offset, length) => {
            contents.punch(offset, length).unwrap();
            let end = (offset + length).min(model.len() as u64) as usize;
            if (offset as usize) < end {
                model[offset as usize..end].fill(0);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn contents_are_what_a_vector_of_bytes_would_be(steps in prop::collection::vec(step(), 1..12)) {
        let contents = contents(&IMAGE);
        let mut model = IMAGE.to_vec();
        for step in &steps {
            apply(&contents, &mut model, step);
            prop_assert_eq!(contents.size(), model.len() as u64);
            prop_assert!(contents.to_vec() == model, "after {:?}", step);
        }
    }

    #[test]
    fn every_byte_that_is_not_zero_is_in_data(steps in prop::collection::vec(step(), 1..8)) {
        let contents = contents(&IMAGE);
        let mut model = IMAGE.to_vec();
        steps.iter().for_each(|step| apply(&contents, &mut model, step));
        let mut at = 0;
        while let Ok(data) = contents.seek(at, Seek::Data) {
            prop_assert!(model[at as usize..data as usize].iter().all(|&byte| byte == 0));
            let hole = contents.seek(data, Seek::Hole).unwrap();
            prop_assert!(hole > data && hole <= model.len() as u64);
            at = hole;
        }
        prop_assert!(model[(at as usize).min(model.len())..].iter().all(|&byte| byte == 0));
    }
}

#[test]
fn a_file_with_a_far_end_takes_no_room_for_its_hole() {
    let world = fake::process(4096, b"");
    let contents = contents(&[]);
    let far = 1 << 40;
    assert_eq!(contents.write(world, &mut Input::own(b"end"), Place::At(far)), Ok((3, far + 3)));
    assert_eq!((contents.pages(), contents.size()), (1, far + 3));
    assert_eq!(contents.seek(0, Seek::Data), Ok(far));
    assert_eq!(contents.seek(0, Seek::Hole), Ok(0));
    assert_eq!(contents.seek(far, Seek::Hole), Ok(far + 3));
    assert_eq!(contents.seek(far + 3, Seek::Hole), Err(Errno::ENXIO));
    contents.punch(0, u64::MAX).unwrap();
    let mut bytes = [1; 3];
    assert_eq!(contents.read(&mut Output::own(&mut bytes), far), Ok(3));
    assert_eq!(bytes, [0; 3]);
}

#[test]
fn what_is_too_far_is_too_big() {
    let world = fake::process(4096, b"");
    let contents = contents(&[]);
    assert_eq!(contents.write(world, &mut Input::own(b"x"), Place::At(i64::MAX as u64)), Err(Errno::EFBIG));
    assert_eq!(contents.truncate(1 << 63), Err(Errno::EFBIG));
}

#[test]
fn a_full_memory_is_a_full_disk() {
    let world = fake::process(32, b"");
    let contents = contents(&[]);
    assert_eq!(contents.write(world, &mut Input::own(b"x"), Place::End), Err(Errno::ENOSPC));
    assert_eq!(contents.size(), 0);
}

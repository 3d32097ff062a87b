//! What files do: offsets, appending, exclusive creation, holes, renaming, unlinking what is open, listing.

use std::fs::{self, File, OpenOptions};
use std::io::{IoSlice, IoSliceMut, Read, Result, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};

use linux_programs::report;

fn main() -> Result<()> {
    fs::create_dir("files")?;
    std::env::set_current_dir("files")?;
    offsets()?;
    creation()?;
    vectors()?;
    sizes()?;
    names()?;
    listing()?;
    descriptors()?;
    std::env::set_current_dir("..")?;
    fs::remove_dir_all("files")?;
    report("after removal", fs::metadata("files").map(drop));
    Ok(())
}

fn offsets() -> Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open("offsets")?;
    file.write_all(b"0123456789")?;
    report("position after writing", file.stream_position());
    report("seek from the end", file.seek(SeekFrom::End(-4)));
    let mut rest = String::new();
    report("read to the end", file.read_to_string(&mut rest));
    println!("{rest}");
    let mut four = [0; 4];
    report("positioned read", file.read_at(&mut four, 2));
    println!("{:?} at {}", String::from_utf8_lossy(&four), file.stream_position()?);
    report("positioned write", file.write_at(b"ABCD", 8));
    report("size", file.metadata().map(|metadata| metadata.len()));
    report("seek beyond the end", file.seek(SeekFrom::Start(20)));
    report("read beyond the end", file.read(&mut four));
    file.write_all(b"!")?;
    println!("{:?}", String::from_utf8_lossy(&fs::read("offsets")?));

    let mut appending = OpenOptions::new().append(true).read(true).open("offsets")?;
    report("seek before appending", appending.seek(SeekFrom::Start(0)));
    appending.write_all(b"end")?;
    report("position after appending", appending.stream_position());
    report("positioned write while appending", appending.write_at(b"?", 0));
    println!("{} bytes, first {:?}", appending.metadata()?.len(), fs::read("offsets")?[0] as char);
    Ok(())
}

fn creation() -> Result<()> {
    report("exclusive, new", OpenOptions::new().write(true).create_new(true).mode(0o640).open("exclusive").map(drop));
    report("exclusive, again", OpenOptions::new().write(true).create_new(true).open("exclusive").map(drop));
    report("mode", fs::metadata("exclusive").map(|metadata| format!("{:o}", metadata.permissions().mode())));
    fs::set_permissions("exclusive", fs::Permissions::from_mode(0o400))?;
    report("mode after change", fs::metadata("exclusive").map(|metadata| format!("{:o}", metadata.permissions().mode())));
    report("links", fs::metadata("exclusive").map(|metadata| metadata.nlink()));
    report("hard link", fs::hard_link("exclusive", "second"));
    report("links", fs::metadata("exclusive").map(|metadata| metadata.nlink()));
    let same = fs::metadata("exclusive")?.ino() == fs::metadata("second")?.ino();
    println!("one inode: {same}");
    fs::remove_file("exclusive")?;
    report("links", fs::metadata("second").map(|metadata| metadata.nlink()));
    Ok(())
}

fn vectors() -> Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open("vectors")?;
    report(
        "gathered write",
        file.write_vectored(&[IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two "), IoSlice::new(b"three")]),
    );
    file.rewind()?;
    let (mut first, mut second) = ([0; 6], [0; 20]);
    let count = file.read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)])?;
    println!("scattered read: {count} {:?} {:?}", String::from_utf8_lossy(&first), String::from_utf8_lossy(&second[..count - 6]));
    Ok(())
}

fn sizes() -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open("sizes")?;
    file.write_all_at(&[b'x'; 5000], 0)?;
    file.set_len(3)?;
    file.set_len(6)?;
    println!("cut and grown: {:?}", fs::read("sizes")?);
    file.write_at(b"far", 1 << 20)?;
    let metadata = file.metadata()?;
    println!("with a hole: {} bytes, zero inside: {}", metadata.len(), fs::read("sizes")?[6..1 << 20].iter().all(|&byte| byte == 0));
    File::create("sizes")?;
    report("truncated by opening", file.metadata().map(|metadata| metadata.len()));
    let mut big = File::create("big")?;
    let block: Vec<u8> = (0..65536u32).map(|index| ((index * 31) >> 3) as u8).collect();
    for _ in 0..48 {
        big.write_all(&block)?;
    }
    let sum = fs::read("big")?.iter().fold(0u64, |sum, &byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    println!("three MiB: {sum:016x}");
    fs::remove_file("big")
}

fn names() -> Result<()> {
    fs::write("old", "old")?;
    fs::write("new", "new")?;
    let mut open = File::open("new")?;
    report("rename over a file", fs::rename("old", "new"));
    report("the old name", fs::metadata("old").map(drop));
    println!("the new name: {:?}", fs::read_to_string("new")?);
    let mut text = String::new();
    open.read_to_string(&mut text)?;
    println!("what was open before: {text:?}");

    let mut doomed = OpenOptions::new().read(true).write(true).create(true).truncate(true).open("doomed")?;
    doomed.write_all(b"still here")?;
    fs::remove_file("doomed")?;
    doomed.rewind()?;
    text.clear();
    doomed.read_to_string(&mut text)?;
    println!("unlinked while open: {text:?}, links {}", doomed.metadata()?.nlink());
    report("its name", File::open("doomed").map(drop));

    fs::create_dir("directory")?;
    fs::write("directory/inside", "")?;
    report("removing a directory in use", fs::remove_dir("directory"));
    report("renaming a file over a directory", fs::rename("new", "directory"));
    report("renaming a directory over a file", fs::rename("directory", "new"));
    report("renaming a directory into itself", fs::rename("directory", "directory/below"));
    report("renaming a directory", fs::rename("directory", "renamed"));
    report("what was inside", fs::metadata("renamed/inside").map(|metadata| metadata.is_file()));

    report("symbolic link", std::os::unix::fs::symlink("renamed/inside", "link"));
    report("its target", fs::read_link("link"));
    report("through it", fs::metadata("link").map(|metadata| metadata.is_file()));
    report("itself", fs::symlink_metadata("link").map(|metadata| (metadata.is_symlink(), metadata.len())));
    fs::remove_file("link")?;
    report("the target stays", fs::metadata("renamed/inside").map(drop));
    report("dots", fs::read_to_string("renamed/../renamed/./../new"));
    report("a slash after a file", fs::read_to_string("new/"));
    Ok(())
}

fn listing() -> Result<()> {
    fs::create_dir("many")?;
    for index in 0..300 {
        fs::write(format!("many/file-with-a-longer-name-{index:03}"), "")?;
    }
    let mut names: Vec<String> =
        fs::read_dir("many")?.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned())).collect::<Result<_>>()?;
    names.sort();
    println!("{} names from {} to {}", names.len(), names[0], names[299]);
    println!("kinds: {}", fs::read_dir("many")?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).count());
    report("here", std::env::current_dir().map(|path| path.file_name().map(|name| name.to_owned())));
    Ok(())
}

fn descriptors() -> Result<()> {
    let file = File::open("new")?;
    let twin = file.try_clone()?;
    let mut byte = [0];
    (&file).read_exact(&mut byte)?;
    (&twin).read_exact(&mut byte)?;
    println!("twins share their place: {:?}", byte[0] as char);
    let number = file.as_raw_fd();
    drop(file);
    let lowest = File::open("new")?;
    println!("the lowest free number is taken: {}", lowest.as_raw_fd() == number);
    Ok(())
}

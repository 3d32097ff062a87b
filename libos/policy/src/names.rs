//! Which names are looked up in the process itself.

/// A table of names of files: what is in it is opened without asking anybody. The library keeps the files, open, by number, and sees to it that
/// what is answered is true now: a name that leads elsewhere, or that the process may not use any more, is asked for anew.
pub trait Names: Send {
    /// The directory whose files are looked up here, those in directories below included: an absolute path without a slash behind it.
    fn directory(&self) -> &str;

    /// The most files that are kept open.
    fn files(&self) -> usize;

    /// A name, which stands behind the directory's and a slash, leads to the file of a number. Numbers are given from 0 on; none has two names.
    fn add(&mut self, name: &[u8], file: usize);

    /// The number of a name's file.
    fn find(&self, name: &[u8]) -> Option<usize>;

    /// No name leads to any file.
    fn clear(&mut self);
}

/// None: the server that keeps the tree is asked for each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked;

impl Names for Asked {
    fn directory(&self) -> &str {
        ""
    }

    fn files(&self) -> usize {
        0
    }

    fn add(&mut self, _: &[u8], _: usize) {}

    fn find(&self, _: &[u8]) -> Option<usize> {
        None
    }

    fn clear(&mut self) {}
}

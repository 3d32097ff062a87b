//! What is compiled into this image of the library OS in the place of the defaults, and called statically.

/// Which pages come in.
pub type Paging = crate::paging::InOrder;

//! Pictures that staff upload: what an upload becomes, and where its files lie.
//!
//! | file | holds |
//! |---|---|
//! | [`process`] | what an upload becomes: checked, made smaller, encoded anew |
//! | [`memory`] | how much memory that takes, known before |
//! | `prefix_codes` | how much of it the prefix codes of a lossless WebP |
//! | `whole` | whether a file ends where it should |
//! | [`ground`] | whether it can be seen on the ground of a mail |
//! | [`store`] | where the files lie |
//! | [`record`] | files and their rows together |
//! | `s3` | how a bucket is reached |

pub mod ground;
pub mod memory;
mod prefix_codes;
pub mod process;
pub mod record;
mod s3;
pub mod store;
mod whole;

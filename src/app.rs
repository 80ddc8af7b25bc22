//! What a person or a program can do: one function a deed, which every door calls (page, command, job).
//!
//! | file | holds |
//! |---|---|
//! | [`images`] | pictures that staff upload: processing and store |
//! | [`preflight`] | what is wrong with an update before it is sent |
//! | [`off_runtime`] | work that keeps a processor busy |

pub mod images;
pub mod off_runtime;
pub mod preflight;

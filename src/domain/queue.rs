//! The queue: every mail that is to leave, in which batch it waits, who has claimed it, and what became of it.
//!
//! A [`delivery`] is one message to one address. It belongs to a [`batch`], which a [`worker`] claims; marks and
//! outcomes are written by [`transmission`]. [`refusals`] notices what a relay says to everybody, [`send_budget`] holds
//! the rate that all workers share.

pub mod batch;
pub mod delivery;
pub mod refusals;
pub mod reply_meaning;
pub mod send_budget;
pub mod transmission;
pub mod worker;

//! The queue: every mail that is to leave, in which batch it waits, who has claimed it, and what became of it.
//!
//! ```text
//! pending ──claim──▶ claimed ──mark──▶ transmitting ──▶ accepted | rejected | unknown | pending, later
//!    ▲                  │
//!    └── lease ran out ─┘        pending / claimed ──▶ skipped
//! ```
//!
//! A [`delivery`] is one message to one address. It belongs to a [`batch`], which a [`worker`] claims; marks and
//! outcomes are written by [`transmission`], and [`withdrawal`] takes back what must not start any more. A delivery that
//! has not ended is `pending` in its row; that it is claimed or transmitting stands in the row of its batch. The room
//! `delivery` makes these transitions.
//!
//! [`refusals`] notices what a relay says to everybody; [`send_budget`] holds the rate that all workers share.

pub mod batch;
pub mod delivery;
pub mod refusals;
pub mod reply_meaning;
pub mod send_budget;
pub mod transmission;
pub mod withdrawal;
pub mod worker;

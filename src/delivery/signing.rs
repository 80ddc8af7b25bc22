//! Signing mails beside the threads that answer everybody else: an RSA signature keeps a processor busy for a millisecond.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, available_parallelism},
};

use tokio::sync::oneshot;

use crate::{
    domain::address::EmailAddress,
    mail::dkim::{NotSigned, Signer},
};

/// Signs for all senders of a worker, on threads of its own: as many as there are processors, more would only take them from
/// each other. They take the next mail by themselves: between two of a thread nobody else has to be woken first.
pub struct Signing(mpsc::Sender<Job>);

struct Job {
    domain: String,
    message: Vec<u8>,
    signed: oneshot::Sender<Result<Vec<u8>, NotSigned>>,
}

/// Why a mail has no signature. It waits.
#[derive(Debug, thiserror::Error)]
pub enum NoSignature {
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    /// There are no threads that sign: none could be started, or they have panicked.
    #[error("there is no thread to sign mails; restart the worker")]
    Ended,
}

impl Signing {
    /// Begins to sign. Its threads end with it.
    pub fn new(signer: &Signer) -> Self {
        let (jobs, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..available_parallelism().map_or(1, std::num::NonZero::get) {
            let (signer, waiting) = (signer.clone(), Arc::clone(&waiting));
            let thread = thread::Builder::new().name("signing".into());
            if let Err(error) = thread.spawn(move || sign_all(&signer, &waiting)) {
                tracing::warn!(%error, "a thread that signs mails cannot be started; there are fewer");
            }
        }
        Self(jobs)
    }

    /// The message with our signatures, in the name of the domain of `from`, which its From names.
    pub async fn sign(&self, from: &EmailAddress, message: Vec<u8>) -> Result<Vec<u8>, NoSignature> {
        let (signed, done) = oneshot::channel();
        let job = Job { domain: from.parts().1.to_owned(), message, signed };
        self.0.send(job).map_err(|_| NoSignature::Ended)?;
        Ok(done.await.map_err(|_| NoSignature::Ended)??)
    }
}

/// Signs what waits, until nobody can bring more.
fn sign_all(signer: &Signer, waiting: &Mutex<mpsc::Receiver<Job>>) {
    // One waits for the next mail, the others for their turn to do so.
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(Job { domain, message, signed }) = next() {
        if !signed.is_closed() {
            let _ = signed.send(signer.sign(&domain, &message));
        }
    }
}

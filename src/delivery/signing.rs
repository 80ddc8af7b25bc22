//! Signing mails beside the threads that answer everybody else: an RSA signature keeps a processor busy for a millisecond.

use std::{sync::Arc, thread::available_parallelism};

use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
};

use crate::{
    domain::address::EmailAddress,
    mail::dkim::{NotSigned, Signer},
};

/// Signs for all senders of a worker.
pub struct Signing {
    signer: Signer,
    /// As many as there are processors; more would only take them from each other, and from the pages.
    places: Arc<Semaphore>,
}

/// Why a mail has no signature. It waits.
#[derive(Debug, thiserror::Error)]
pub enum NoSignature {
    #[error(transparent)]
    NotSigned(#[from] NotSigned),
    /// The work has panicked, or the process ends.
    #[error("a mail could not be signed: {0}")]
    Ended(#[from] JoinError),
}

impl Signing {
    pub fn new(signer: Signer) -> Self {
        let processors = available_parallelism().map_or(1, std::num::NonZero::get);
        Self { signer, places: Arc::new(Semaphore::new(processors)) }
    }

    /// The message with our signatures, in the name of the domain of `from`, which its From names.
    pub async fn sign(&self, from: &EmailAddress, message: Vec<u8>) -> Result<Vec<u8>, NoSignature> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let signer = self.signer.clone();
        let domain = from.parts().1.to_owned();
        let signed = spawn_blocking(move || {
            // Nobody closes the semaphore.
            let _place = place;
            signer.sign(&domain, &message)
        });
        Ok(signed.await??)
    }
}

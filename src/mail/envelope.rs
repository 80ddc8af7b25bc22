//! The envelope's opinion of an address: the door through which typed addresses come in.

use std::str::FromStr;

use lettre::Address;

use crate::domain::address::{AddressError, EmailAddress};

/// Parses what a person typed, so that our rules, the browsers' and the mail library's all agree on it. The first two
/// are [`EmailAddress::parse`]'s; the third is asked here, because the domain knows nothing of SMTP.
///
/// # Errors
/// [`AddressError`] names the first thing to mend.
pub fn parse(typed: &str) -> Result<EmailAddress, AddressError> {
    let address = EmailAddress::parse(typed)?;
    Address::from_str(address.as_str()).map_err(|_| AddressError::Invalid)?;
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::domain::address::AddressError;

    #[test]
    fn what_comes_in_is_an_address_to_everybody() {
        assert_eq!(parse("Maria@Straße.de").unwrap().as_str(), "Maria@xn--strae-oqa.de");
        assert_eq!(parse("\"maria\"@example.org"), Err(AddressError::Local));
    }
}

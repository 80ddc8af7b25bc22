//! Which column of a list is which, by its name: in German and English, and as the services write it that people come
//! from.
//!
//! Names are compared in [`plain`] letters. That a row was made, changed or imported on some day is no consent: only names
//! that speak of consent, opt-in or confirmation are taken for its date.

use super::states::{Means, plain};

/// What the column of the address is called, the surest first.
pub const EMAIL: &str = "email emailadresse emailaddress mail mailadresse mailaddress emailaddresse subscriberemail \
    kontaktemail abonnentenemail address adresse";

/// What a column is called that says when somebody agreed.
pub const CONSENTED_AT: &str = "consentedat consentdate consenttime consenttimestamp consentgivenat einwilligungam \
    eingewilligtam einwilligungsdatum einwilligungvom datumdereinwilligung zugestimmtam zustimmungam zustimmungsdatum \
    confirmedat confirmtime confirmationtime confirmationdate bestaetigtam bestaetigungsdatum doubleoptinat \
    doubleoptintime doubleoptindate doubleoptinam doubleoptindatum doiam doiat doidate doidatum doitime doitimestamp \
    doizeitpunkt optinat optinam optindate optindatum optintime optintimestamp";

/// What a column is called that says where.
pub const SOURCE: &str = "consentsource einwilligungsquelle optinsource quelle source";

/// What the column of the language is called.
pub const LOCALE: &str = "locale sprache language lang";

/// The first of these names that a column has.
#[must_use]
pub fn position(header: &[String], names: &str) -> Option<usize> {
    let header: Vec<String> = header.iter().map(|name| plain(name)).collect();
    names.split_whitespace().find_map(|name| header.iter().position(|field| field == name))
}

/// Whether one of these names is this one, in [`plain`] letters.
fn is_among(names: &str, name: &str) -> bool {
    names.split_whitespace().any(|known| known == name)
}

/// What a column of this name tells, if it is known to tell a state.
#[must_use]
pub fn means(name: &str) -> Option<Means> {
    let name = plain(name);
    STATES.iter().find(|(_, names)| is_among(names, &name)).map(|(means, _)| *means)
}

/// Whether a column's name sounds like a state, without being known as one.
#[must_use]
pub fn sounds_like_state(name: &str) -> bool {
    let words = || name.split(|c: char| !c.is_alphanumeric()).map(plain).filter(|word| !word.is_empty());
    let plain = plain(name);
    !says_nothing(&plain)
        && !is_about_person(&plain)
        && (PARTS.split_whitespace().any(|part| plain.contains(part))
            || words().any(|word| is_among(WORDS, &word) || word.starts_with("doi")))
}

/// Whether a column of this name, in [`plain`] letters, says nothing of a state, whatever stands in it.
#[must_use]
pub fn says_nothing(name: &str) -> bool {
    is_among(NOTHING, name) || is_among(CONSENTED_AT, name) || is_among(SOURCE, name)
}

/// Whether a column of this name, in [`plain`] letters, holds a name, a place, a company and the like, where "No" is
/// Norway and "Junk" a family.
#[must_use]
pub fn is_about_person(name: &str) -> bool {
    is_among(PERSON, name)
}

const STATES: [(Means, &str); 6] = [
    (
        Means::Words,
        "status state zustand subscriptionstatus subscriberstatus memberstatus emailstatus abostatus abonnementstatus \
         empfaengerstatus newsletterstatus kontaktstatus contactstatus userstatus mailstatus marketingstatus \
         emailmarketingstatus emailsubscriptionstatus optinstatus doistatus anmeldestatus",
    ),
    (
        Means::Subscribed,
        "subscribed issubscribed subscribedtoemails abonniert angemeldet aktiv active isactive istaktiv enabled isenabled \
         acceptsmarketing acceptsemailmarketing",
    ),
    (
        Means::Confirmed,
        "confirmed isconfirmed bestaetigt verified isverified activated aktiviert aktiviertam aktivierungsdatum \
         activatedat emailconfirmed emailverified isthissubscriberconfirmed isthisuserconfirmed doibestaetigt \
         doubleoptinbestaetigt optinbestaetigt doiconfirmed doubleoptinconfirmed optinconfirmed",
    ),
    (
        Means::Left,
        "unsubscribed unsubscribedat unsubscribedon unsubscribetime unsubscribedate unsubscribeddate unsubtime \
         isunsubscribed unsubscribe globalunsubscribe globallyunsubscribed abgemeldet abgemeldetam abmeldedatum abmeldung \
         abmeldungam ausgetragen ausgetragenam austragungsdatum ausgetretenam austrittsdatum deaktiviert deaktiviertam \
         deaktivierungsdatum deactivated deactivatedat disabled isdisabled isthisaccountdisabled isthisuserdisabled \
         inactive inaktiv blacklisted isblacklisted blocklisted isblocklisted blacklist blocklist blocked isblocked \
         emailblacklisted emailblocklisted isthissubscriberblacklisted isthisuserblacklisted gesperrt gesperrtam blockiert \
         optout optoutdate optouttime optoutat optedout emailoptout hasoptedoutofemail deleted isdeleted deletedat \
         geloescht geloeschtam widerruf widerrufen widerrufenam gekuendigt gekuendigtam emaildisabled suppressed \
         issuppressed donotemail donotmail abbestellt abbestelltam",
    ),
    (
        Means::Bounced,
        "bounced isbounced bouncedat bouncetime bouncedate hardbounced hardbounce cleaned cleantime cleanedat \
         unzustellbar unreachable undeliverable",
    ),
    (
        Means::Complained,
        "complained complainedat complaint complainttime spam markedasspam spamreport spamreported abuse beschwerde \
         beschwertam reportedspam",
    ),
];

/// Parts of names that sound like a state.
const PARTS: &str = "status state zustand austritt ausgetret abgang newsletter mailing werbung werbe marketing kontaktverb \
    anschreib verstorben subscri abonn optin optout optedin optedout block blacklist sperr bounce abgemeld abmeld \
    angemeld anmeld aktiv activ kuendig delete geloescht loesch complain beschwer spam unsub austrag ausgetrag eingetrag \
    consent einwillig gdpr dsgvo datenschutz confirm bestaetig verif suppress donot nomail keinemail widerruf widerspr \
    revoke cancel storn disable enable reject deliverab zustell reachab permission erlaub zustimm zugestimm valid gueltig \
    clean bereinig archiv suspend remove entfern abbestell junk abuse membership";

/// Words that sound like a state where they stand by themselves.
const WORDS: &str = "abo abos nl opt left exit ende end enddatum enddate bis until raus weg out";

/// Columns that say nothing of a state, whatever they sound like or hold: numbers, times and places of a row, other
/// channels, what a service adds for itself.
const NOTHING: &str = "id contactid kontaktid uuid uniqid uniqueid leid euid nr nummer lfdnr kundennummer mitgliedsnummer \
    personalnummer externalid foreignkey stripecustomerid giftid ip optinip confirmip optinconfirmip signupip createdip \
    activatedip createdhost activatedhost latitude longitude gmtoff dstoff timezone zeitzone created createdat createdon \
    updated updatedat modified modifiedat lastmodified lastchanged addedtime addedat dateadded modifiedtime entered \
    insertedat registered registeredat angemeldetam anmeldedatum anmeldungam registriertam registrierungsdatum \
    subscribedat subscribedon subscribeddate subscribedate subscriptiondate subscribetime abonniertam eingetragenam \
    erstelltam geaendertam statechangedat lastactivity lastopen lastclick memberrating unsubcampaigntitle unsubcampaignid \
    unsubreason unsubreasonother cleancampaigntitle cleancampaignid unsubscribeurl unsubscribelink abmeldelink \
    smsblacklisted smsblocklisted whatsappblacklisted whatsappblocklisted htmlemail sendthissubscriberhtmlemails \
    sendthisuserhtmlemails bouncecount numberofbounces subscribepage rssfrequency complimentaryplan";

/// Columns about who somebody is and where.
const PERSON: &str = "name vorname nachname zuname familienname firstname lastname middlename surname givenname familyname \
    fullname fname lname displayname anrede titel title salutation geschlecht gender sex pronomen firma firmenname company \
    companyname organisation organization institution einrichtung verein behoerde schule abteilung department position \
    funktion rolle beruf job jobtitle ort stadt wohnort city town plz postleitzahl zip zipcode postcode postalcode strasse \
    street hausnummer adresse address anschrift adresszusatz land country countrycode cc bundesland region kreis landkreis \
    county province telefon telefonnummer phone phonenumber tel mobil mobile handy fax sms whatsapp website webseite url \
    homepage web geburtstag geburtsdatum birthday birthdate dateofbirth alter age sprache language locale lang";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_sounds_like_a_state_is_known_by_its_sound() {
        for name in [
            "Newsletter-Status 2",
            "OPT-IN?",
            "Blacklist Grund",
            "noch aktiv",
            "Abgemeldet wann",
            "Infos (NL)",
            "DSGVO",
            "DOUBLE_OPT-IN",
            "Werbung erlaubt?",
            "Mitglied bis",
        ] {
            assert!(sounds_like_state(name), "{name}");
        }
        for name in [
            "Name",
            "Vorname",
            "confirmed_at",
            "OPTIN_IP",
            "Notiz",
            "PLZ",
            "Labor",
            "Ort",
            "Firma",
            "Land",
            "Angemeldet am",
            "Bundesland",
        ] {
            assert!(!sounds_like_state(name), "{name}");
        }
    }

    #[test]
    fn invariant_11_that_a_row_was_made_is_no_consent() {
        let header =
            |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        for name in [
            "ADDED_TIME",
            "created_at",
            "entered",
            "Datum",
            "Date",
            "Angemeldet am",
            "subscribed_at",
            "Einwilligung",
        ] {
            assert_eq!(position(&header(&[name]), CONSENTED_AT), None, "{name}");
        }
        for name in [
            "consented_at",
            "Einwilligung am",
            "Opt-in-Datum",
            "Bestätigt am",
            "DOI Datum",
            "double_opt_in_at",
        ] {
            assert_eq!(position(&header(&["x", name]), CONSENTED_AT), Some(1), "{name}");
        }
    }
}

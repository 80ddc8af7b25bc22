//! How a list is to be read, as the command line says it.

use clap::Args;

/// How to read a file that is not in our own format.
#[derive(Debug, Default, Args)]
pub struct Wanted {
    /// A column with the state of each person. For yes and no: NAME:left, NAME:subscribed, NAME:confirmed, NAME:bounced or NAME:complained; for notes and tags: NAME:remarks.
    #[arg(long, value_name = "NAME")]
    pub state_column: Vec<String>,
    /// A column that looks like a state but is not.
    #[arg(long, value_name = "NAME")]
    pub ignore_column: Vec<String>,
    /// The state of everybody in the file: subscribed, left, bounced or complained.
    #[arg(long, value_name = "STATE")]
    pub everybody: Option<String>,
    /// Do not import people who left, bounced or complained, instead of importing them with that state.
    #[arg(long)]
    pub leave_out: bool,
    #[arg(
        long,
        value_name = "SERVICE",
        help = "The service it was exported from: rundbrief, mailchimp, brevo, cleverreach, rapidmail, listmonk, keila, ghost, phplist, sendy, or none; usually detected"
    )]
    pub preset: Option<String>,
    /// comma, semicolon or tab; detected in the export of a known service.
    #[arg(long)]
    pub separator: Option<String>,
    /// utf8 or windows1252. UTF-16 is detected.
    #[arg(long)]
    pub encoding: Option<String>,
    /// Where people consented, if no column says it.
    #[arg(long, value_name = "TEXT")]
    pub source: Option<String>,
    /// When people consented, if no column says it.
    #[arg(long, value_name = "DAY")]
    pub consented_at: Option<String>,
    /// The column with the date of consent, if it has another name. The date a row was created is not a consent.
    #[arg(long, value_name = "NAME")]
    pub consented_at_column: Option<String>,
}

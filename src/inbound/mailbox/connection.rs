//! The folders of the mailbox: the one that is read, those beside it, and messages between them.

use std::time::Duration;

use async_imap::imap_proto::{
    AttributeValue, Capability, MailboxDatum, NameAttribute, Response, ResponseCode,
};
use tokio::time::sleep;

use crate::{
    config::BounceMailbox,
    inbound::{
        MOST_HELD,
        mailbox::{dialogue::Dialogue, trouble::Trouble},
    },
};

/// Where messages go that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// Recorded, and it is known what it says and of which mail.
    Done,
    /// Recorded, and it waits for a person.
    Unrecognised,
}

impl Folder {
    const ALL: [Self; 2] = [Folder::Done, Folder::Unrecognised];

    const fn name(self) -> &'static str {
        match self {
            Folder::Done => "done",
            Folder::Unrecognised => "unrecognised",
        }
    }
}

/// A connection whose folder is opened.
pub struct Connection {
    dialogue: Dialogue,
    /// To what the messages' numbers belong.
    pub validity: Option<u32>,
    /// What `done` and `unrecognised` stand behind.
    place: String,
    can_idle: bool,
    can_move: bool,
}

/// Connects, logs in, makes the folders for what was read, and opens the one to read.
pub async fn open(mailbox: &BounceMailbox) -> Result<Connection, Trouble> {
    let mut dialogue = Dialogue::open(mailbox).await?;
    let (mut can_idle, mut can_move, mut can_expunge) = (false, false, false);
    let offers = |response: &Response<'_>| {
        let Response::Capabilities(offers) = response else { return };
        for offer in offers {
            let Capability::Atom(name) = offer else { continue };
            can_idle |= name.eq_ignore_ascii_case("IDLE");
            can_move |= name.eq_ignore_ascii_case("MOVE");
            can_expunge |= name.eq_ignore_ascii_case("UIDPLUS");
        }
    };
    dialogue.command("CAPABILITY", offers).await?;
    if !can_move && !can_expunge {
        return Err(Trouble::CannotMove);
    }
    let place = place(&mut dialogue).await?;
    let folder = &mailbox.folder;
    if Folder::ALL.iter().any(|own| folder.eq_ignore_ascii_case(&format!("{place}{}", own.name()))) {
        return Err(Trouble::Fixed(folder.clone()));
    }
    let (mut validity, mut is_read_only) = (None, false);
    let codes = |response: &Response<'_>| {
        let (Response::Data { outcome, .. } | Response::Done { outcome, .. }) = response else { return };
        match outcome.code {
            Some(ResponseCode::UidValidity(number)) => validity = Some(number),
            Some(ResponseCode::ReadOnly) => is_read_only = true,
            _ => {}
        }
    };
    match dialogue.command(&format!("SELECT {}", quoted(folder)), codes).await {
        Err(Trouble::Refused(why)) => return Err(Trouble::NoFolder(folder.clone(), why)),
        opened => opened?,
    }
    if is_read_only {
        return Err(Trouble::Fixed(folder.clone()));
    }
    dialogue.has_news();
    Ok(Connection { dialogue, validity, place, can_idle, can_move })
}

/// Finds or makes the folders for what was read, and answers what stands before their names. Some servers have all folders
/// below INBOX, and each has its own sign between levels.
async fn place(dialogue: &mut Dialogue) -> Result<String, Trouble> {
    let mut sign = "-".to_owned();
    let root = |response: &Response<'_>| {
        if let Response::MailboxData(MailboxDatum::List(root)) = response
            && let Some(delimiter) = root.delimiter.as_deref()
        {
            delimiter.clone_into(&mut sign);
        }
    };
    dialogue.command("LIST \"\" \"\"", root).await?;
    let places = [format!("Rundbrief{sign}"), format!("INBOX{sign}Rundbrief{sign}")];
    for place in &places {
        let mut found = 0;
        for folder in Folder::ALL {
            found += usize::from(exists(dialogue, &format!("{place}{}", folder.name())).await?);
        }
        if found == Folder::ALL.len() {
            return Ok(place.clone());
        }
    }
    let mut refused = Trouble::NoPlace(String::new());
    'places: for place in places {
        for folder in Folder::ALL {
            let name = format!("{place}{}", folder.name());
            if exists(dialogue, &name).await? {
                continue;
            }
            match dialogue.command(&format!("CREATE {}", quoted(&name)), |_| {}).await {
                // So that mail programs show it; no harm when they do not.
                Ok(()) => drop(dialogue.command(&format!("SUBSCRIBE {}", quoted(&name)), |_| {}).await),
                Err(Trouble::Refused(why)) => {
                    refused = Trouble::NoPlace(why);
                    continue 'places;
                }
                Err(other) => return Err(other),
            }
        }
        return Ok(place);
    }
    Err(refused)
}

async fn exists(dialogue: &mut Dialogue, name: &str) -> Result<bool, Trouble> {
    let mut exists = false;
    let listed = |response: &Response<'_>| {
        let Response::MailboxData(MailboxDatum::List(found)) = response else { return };
        exists |= !found.name_attributes.iter().any(|attribute| {
            *attribute == NameAttribute::NoSelect
                || matches!(attribute, NameAttribute::Extension(name) if name.eq_ignore_ascii_case("\\NonExistent"))
        });
    };
    dialogue.command(&format!("LIST \"\" {}", quoted(name)), listed).await?;
    Ok(exists)
}

/// A name as commands have it (RFC 3501 §4.3).
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// What became of a message that was to be moved.
#[derive(Debug, PartialEq, Eq)]
pub enum Moved {
    Away,
    /// The server refuses that; to where, and its words.
    Refused(String, String),
}

impl Connection {
    /// The messages in the folder, the oldest first.
    pub async fn waiting(&mut self) -> Result<Vec<u32>, Trouble> {
        // Some servers tell of new messages only then.
        self.dialogue.command("NOOP", |_| {}).await?;
        self.dialogue.has_news();
        let mut waiting = Vec::new();
        let found = |response: &Response<'_>| {
            if let Response::MailboxData(MailboxDatum::Search(found)) = response {
                waiting.extend_from_slice(found);
            }
        };
        self.dialogue.command("UID SEARCH UNDELETED", found).await?;
        waiting.sort_unstable();
        waiting.dedup();
        Ok(waiting)
    }

    /// A message, of a long one its beginning; nothing when the server does not hand it out: it is gone, or cannot be read. It
    /// stays unread.
    pub async fn read(&mut self, message: u32) -> Result<Option<Vec<u8>>, Trouble> {
        let command = format!("UID FETCH {message} (UID BODY.PEEK[]<0.{MOST_HELD}>)");
        let mut text = None;
        let found = |response: &Response<'_>| {
            let Response::Fetch(_, values) = response else { return };
            if !values.contains(&AttributeValue::Uid(message)) {
                return;
            }
            for value in values {
                if let AttributeValue::BodySection { section: None, data: Some(data), .. } = value {
                    text = Some(data[..data.len().min(MOST_HELD)].to_vec());
                }
            }
        };
        match self.dialogue.command(&command, found).await {
            Ok(()) => Ok(text),
            Err(Trouble::Refused(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Marks a message as read and moves it to one of the folders beside.
    pub async fn move_to(&mut self, folder: Folder, message: u32) -> Result<Moved, Trouble> {
        let to = format!("{}{}", self.place, folder.name());
        match self.try_to_move(&to, message).await {
            Ok(()) => Ok(Moved::Away),
            Err(Trouble::Refused(why)) => Ok(Moved::Refused(to, why)),
            Err(other) => Err(other),
        }
    }

    async fn try_to_move(&mut self, to: &str, message: u32) -> Result<(), Trouble> {
        self.dialogue.command(&format!("UID STORE {message} +FLAGS.SILENT (\\Seen)"), |_| {}).await?;
        if self.can_move {
            self.dialogue.command(&format!("UID MOVE {message} {}", quoted(to)), |_| {}).await?;
            return Ok(());
        }
        // What MOVE does, step by step (RFC 6851 §3.3); the copy is there before the original goes.
        self.dialogue.command(&format!("UID COPY {message} {}", quoted(to)), |_| {}).await?;
        self.dialogue.command(&format!("UID STORE {message} +FLAGS.SILENT (\\Deleted)"), |_| {}).await?;
        self.dialogue.command(&format!("UID EXPUNGE {message}"), |_| {}).await?;
        Ok(())
    }

    /// Waits until there may be something new, for so long at most. Where the server cannot tell, it is looked more often.
    pub async fn wait(&mut self, longest: Duration) -> Result<(), Trouble> {
        if self.dialogue.has_news() {
            return Ok(());
        }
        if self.can_idle {
            return self.dialogue.idle(longest).await;
        }
        sleep(longest / 4).await;
        Ok(())
    }
}

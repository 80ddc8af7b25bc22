//! What can be found, how much it weighs, and where it is mended.

use std::collections::BTreeMap;

use serde::Serialize;
use strum::VariantArray;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing is sent until it is mended.
    Error,
    /// Somebody has to say that it is meant so.
    Warning,
    /// Good to know.
    Note,
}

/// Where a finding is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Title,
    Teaser,
    Body,
    Link,
    /// Its picture, and what it shows.
    Image,
    Publication,
    /// The operator's own mail templates.
    Templates,
    /// The DNS of the sender's domain.
    Dns,
    /// The relay's signature.
    Signature,
    /// The people it goes to.
    Recipients,
    /// The checklist beside its text.
    Checklist,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident: $level:ident, $place:ident;)+) => {
        /// What can be found. Each has its words in every language, with the way to mend it: `staff.finding`.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr, strum::VariantArray,
        )]
        #[strum(serialize_all = "snake_case")]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// Every one there is.
            pub const ALL: &[Code] = Code::VARIANTS;

            /// Its name: the key of its words, and what programs know it by.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                self.into()
            }

            #[must_use]
            pub fn level(self) -> Level {
                match self { $(Code::$name => Level::$level,)+ }
            }

            /// Where it is mended.
            #[must_use]
            pub fn place(self) -> Place {
                match self { $(Code::$name => Place::$place,)+ }
            }
        }
    };
}

codes! {
    /// The publication lacks what sending needs: `fields`.
    PublicationIncomplete: Error, Publication;
    /// A part (`part`) has no imprint.
    ImprintMissing: Error, Templates;
    /// A part (`part`) has no link to unsubscribe.
    UnsubscribeMissing: Error, Templates;
    /// The HTML has `kilobytes`, more than Gmail shows.
    HtmlTooLarge: Error, Body;
    /// A picture (`address`) has no text for those who do not see it.
    ImageWithoutAlt: Error, Image;
    /// A link (`address`) has no text to press on.
    LinkEmpty: Error, Body;
    /// A link (`address`) leads to a machine or network that readers cannot reach.
    LinkPrivate: Error, Body;
    /// A block (`block`) lacks one of its fields (`field`).
    BlockLacks: Error, Body;
    /// The `day` of an event falls on another weekday than was written.
    EventWeekday: Error, Body;
    /// An event ends before it begins.
    EventOrder: Error, Body;
    /// Nobody would get it.
    RecipientsNone: Error, Recipients;

    /// The subject has so many `characters` that phones cut it off.
    SubjectLong: Warning, Title;
    /// The subject shouts.
    SubjectShouting: Warning, Title;
    /// There is no teaser to stand beside the subject.
    PreheaderMissing: Warning, Teaser;
    /// The teaser says what the subject says.
    PreheaderRepeats: Warning, Teaser;
    /// The text of a picture (`alt`) does not say what it shows.
    AltVague: Warning, Image;
    /// A picture (`alt`) is light, has no ground of its own, and vanishes on white.
    PictureLight: Warning, Image;
    /// A picture (`address`) comes without encryption.
    ImageHttp: Warning, Image;
    /// A link (`address`) goes without encryption.
    LinkHttp: Warning, Body;
    /// The text of a link (`text`) does not say where it leads.
    LinkTextVague: Warning, Body;
    /// The text of a link (`text`) is an address other than the one it leads to (`address`).
    LinkTextDiffers: Warning, Body;
    /// A link (`address`) leads to a page that is not there: `status`.
    LinkDead: Warning, Body;
    /// A link (`address`) leads to a host that is not there.
    LinkNoHost: Warning, Body;
    /// A link (`address`) leads to a name that is for examples and will never be there.
    LinkExample: Warning, Body;
    /// Behind a link (`address`) nobody answers as it should.
    LinkUnreachable: Warning, Body;
    /// A link (`address`) leads on and on.
    LinkLoop: Warning, Body;
    /// A heading (`text`) leaves a level out.
    HeadingSkips: Warning, Body;
    /// The mail has `count` headings of the first level, and not one.
    HeadingFirst: Warning, Templates;
    /// A text (`text`) can hardly be read: `ratio`.
    ContrastLow: Warning, Templates;
    /// The HTML has `kilobytes`, nearly what Gmail cuts off.
    HtmlLarge: Warning, Body;
    /// There is no funding notice.
    FundingMissing: Warning, Publication;
    /// A part (`part`) does not show the funding notice.
    FundingNotShown: Warning, Templates;
    /// A part (`part`) does not link to the privacy statement.
    PrivacyNotShown: Warning, Templates;
    /// A text that was to be replaced (`text`) is still there.
    Placeholder: Warning, Body;
    /// Nobody has ticked an `item` of the checklist.
    ChecklistOpen: Warning, Checklist;
    /// What begins like a block (`word`) is none that there is.
    BlockUnknown: Warning, Body;
    /// A block (`word`) does not end, or stands within a list or a quote.
    BlockOpen: Warning, Body;
    /// A line of a block (`block`) is none of its `block_fields`: `text`.
    BlockLine: Warning, Body;
    /// A field (`field`) of a block (`block`) has more text than it has room for.
    BlockLong: Warning, Body;
    /// Where a picture is to stand (`text`) is no place that there is.
    BlockPosition: Warning, Body;
    /// The e-mail address of a contact (`text`) is none.
    BlockMail: Warning, Body;
    /// The telephone number of a contact (`text`) is none that could be dialled.
    BlockPhone: Warning, Body;
    /// The date of an event (`text`) cannot be read for certain.
    EventDate: Warning, Body;
    /// A time of an event (`text`) cannot be read.
    EventTime: Warning, Body;
    /// An event has an end and no beginning.
    EventNoBegin: Warning, Body;
    /// An event is at an hour that the clocks skip or show twice.
    EventHour: Warning, Body;
    /// Signs of the dialect (`text`) that make nothing, such as a `**` without a partner.
    MarkLeftOver: Warning, Body;
    /// It was sent before, at `at`.
    AlreadySent: Warning, Recipients;
    /// It goes to fewer people than the last one: `now`, `before`.
    RecipientsFell: Warning, Recipients;
    /// It goes to more people than the last one: `now`, `before`.
    RecipientsRose: Warning, Recipients;
    /// The sender's `domain` has no SPF record.
    SpfMissing: Warning, Dns;
    /// The sender's `domain` has more than one, so none counts.
    SpfMany: Warning, Dns;
    /// The SPF record of the sender's `domain` lets everybody send in its name.
    SpfOpen: Warning, Dns;
    /// The sender's `domain` has no DMARC record.
    DmarcMissing: Warning, Dns;
    /// The relay's key at `name` is not there.
    DkimMissing: Warning, Dns;
    /// The key with which the service signs is not at `name`.
    DkimUnpublished: Warning, Dns;
    /// At `name` is another key than the one with which the service signs, or another one besides.
    DkimOther: Warning, Dns;
    /// The relay's signature in the name of the `domain` does not cover `headers`, which one click needs.
    SignatureIncomplete: Warning, Signature;
    /// The receiver of a mail did not find the signature of the `domain` valid.
    SignatureFailed: Warning, Signature;
    /// A mail arrived without a signature.
    SignatureNone: Warning, Signature;

    /// The text of a link is a long address (`text`).
    LinkTextAddress: Note, Body;
    /// A line that is bold as a whole (`text`) stands for a heading.
    BoldHeading: Note, Body;
    /// A text (`text`) that may stand for something not known yet.
    PlaceholderMaybe: Note, Body;
    /// Nobody is named who made the picture.
    CreditMissing: Note, Image;
    /// A line (`text`) names the funding, as the foot of each mail does.
    FundingInText: Note, Body;
    /// A link (`address`) was answered with `status`, which says neither that it works nor that it does not.
    LinkUncertain: Note, Body;
    /// Some links could not be looked at in the time there was: `count`.
    LinksUnchecked: Note, Body;
    /// The DMARC record of the `domain` asks for nothing to be done.
    DmarcNone: Note, Dns;
    /// A picture (`alt`) is dark, has no ground of its own, and vanishes where a mail is shown dark.
    PictureDark: Note, Image;
    /// Which DKIM key the relay signs with is not known.
    DkimUnknown: Note, Dns;
    /// Nobody has looked yet at what the relay's signature covers.
    SignatureUnseen: Note, Signature;
    /// The signature of the `domain` covers what it should; whether it is valid was not said.
    SignatureUnproven: Note, Signature;
    /// The DNS of the `domain` could not be asked.
    DnsUnknown: Note, Dns;
    /// It is the first mailing: `now`.
    RecipientsFirst: Note, Recipients;
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub level: Level,
    /// Where it is mended.
    pub place: Place,
    /// What goes into its words, by name; see [`Code`].
    pub values: BTreeMap<&'static str, String>,
    /// The line of the update's text, counted from 1.
    pub line: Option<usize>,
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Finding {
    /// A finding without values.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { code, level: code.level(), place: code.place(), values: BTreeMap::new(), line: None }
    }

    /// With a value, shortened to what a line holds.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value: String = value.into();
        let mut shown: String = value.chars().take(MOST_SHOWN).collect();
        if shown.len() < value.len() {
            shown.push('…');
        }
        self.values.insert(name, shown);
        self
    }

    /// In this line of the update's text.
    #[must_use]
    pub fn in_line(self, line: usize) -> Self {
        Self { line: Some(line), ..self }
    }

    /// The words of the update that it is about, where it is about some. Long ones end with an ellipsis.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        ["text", "address", "alt", "word"].iter().find_map(|name| self.values.get(name)).map(String::as_str)
    }

    /// Mended at another place than most of its kind.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }
}

/// Characters of a value that are shown.
const MOST_SHOWN: usize = 120;

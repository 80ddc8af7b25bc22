//! The words of blocks and of their fields, in German and English.

#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    Button,
    Picture,
    Quote,
    Contact,
    Event,
    File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Key {
    Text,
    Link,
    Address,
    Description,
    Caption,
    Credit,
    Position,
    Name,
    Role,
    Phone,
    Mail,
    Title,
    Date,
    Begin,
    End,
    Place,
}

impl Kind {
    /// What may stand behind the `:::`, in lower case.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Button => &["knopf", "schaltfläche", "button"],
            Self::Picture => &["bild", "picture", "image"],
            Self::Quote => &["zitat", "quote"],
            Self::Contact => &["kontakt", "contact"],
            Self::Event => &["termin", "event"],
            Self::File => &["datei", "file"],
        }
    }

    /// The kind that a word means.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        use strum::VariantArray as _;
        let word = word.to_lowercase();
        Self::VARIANTS.iter().copied().find(|kind| kind.words().contains(&word.as_str()))
    }

    /// Its fields, in the order in which they are written.
    #[must_use]
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::Button => &[Key::Text, Key::Link],
            Self::Picture => {
                &[Key::Address, Key::Description, Key::Caption, Key::Credit, Key::Position, Key::Text]
            }
            Self::Quote => &[Key::Text, Key::Name, Key::Role],
            Self::Contact => &[Key::Name, Key::Role, Key::Phone, Key::Mail],
            Self::Event => &[Key::Title, Key::Date, Key::Begin, Key::End, Key::Place],
            Self::File => &[Key::Title, Key::Address],
        }
    }

    /// Those that it is nothing without.
    #[must_use]
    pub fn needs(self) -> &'static [Key] {
        match self {
            Self::Button => &[Key::Text, Key::Link],
            Self::Picture => &[Key::Address, Key::Description],
            Self::Quote => &[Key::Text, Key::Name],
            Self::Contact => &[Key::Name],
            Self::Event => &[Key::Title, Key::Date],
            Self::File => &[Key::Title, Key::Address],
        }
    }

    /// The field that a word means here.
    #[must_use]
    pub fn key(self, word: &str) -> Option<Key> {
        let word = word.trim().to_lowercase();
        self.keys().iter().copied().find(|key| key.words().contains(&word.as_str()))
    }

    /// Whether its text may have several lines, and signs of its own.
    #[must_use]
    pub fn has_text(self) -> bool {
        matches!(self, Self::Picture | Self::Quote)
    }
}

impl Key {
    /// What may stand before the colon, in lower case.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Text => &["text"],
            Self::Link => &["link", "adresse", "address", "url"],
            Self::Address => &["adresse", "address", "url"],
            Self::Description => &["beschreibung", "description"],
            Self::Caption => &["unterschrift", "bildunterschrift", "caption"],
            Self::Credit => &["nachweis", "bildnachweis", "credit"],
            Self::Position => &["platz", "position"],
            Self::Name => &["name"],
            Self::Role => &["rolle", "funktion", "role"],
            Self::Phone => &["telefon", "tel", "phone"],
            Self::Mail => &["e-mail", "email", "mail"],
            Self::Title => &["titel", "title"],
            Self::Date => &["datum", "date"],
            Self::Begin => &["beginn", "begin", "start"],
            Self::End => &["ende", "end"],
            Self::Place => &["ort", "place", "location"],
        }
    }

    /// Characters of a value, at most. A title and a place also go into the address of a calendar file.
    #[must_use]
    pub fn most(self) -> usize {
        match self {
            Self::Link | Self::Address => 2_000,
            Self::Description => 500,
            _ => 200,
        }
    }
}

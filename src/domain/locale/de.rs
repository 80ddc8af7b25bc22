//! German.

use crate::domain::locale::language::Language;

pub const LANGUAGE: Language = Language {
    own_name: "Deutsch",
    names: &["deutsch", "german", "deu", "ger", "allemand", "deutsche"],
    thousands: '.',
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    short_months: ["Jan", "Feb", "März", "Apr", "Mai", "Juni", "Juli", "Aug", "Sept", "Okt", "Nov", "Dez"],
    weekdays: ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"],
    short_weekdays: ["Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"],
    date: "%-d. %B %Y",
    long_date: "%A, %-d. %B %Y",
    clock: "%-H:%M Uhr",
    clock_range: "{begin} bis {end} Uhr",
    date_and_time: "%-d. %B %Y, %H:%M Uhr",
    short_date: "%d.%m.%Y",
    planned: "%a, %-d.%-m., %-H:%M",
    planned_with_year: "%a, %-d.%-m.%Y, %-H:%M",
    help: "Hilfe",
    phone: "Telefon",
    email: "E\u{2011}Mail",
    place: "Ort",
    save_event: "Termin speichern",
};

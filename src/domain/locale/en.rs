//! English.

use crate::domain::locale::language::Language;

pub const LANGUAGE: Language = Language {
    own_name: "English",
    names: &["englisch", "english", "eng", "anglais", "englische"],
    thousands: ',',
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    short_months: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    short_weekdays: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    date: "%-d %B %Y",
    long_date: "%A, %-d %B %Y",
    clock: "%-H:%M",
    clock_range: "{begin} to {end}",
    date_and_time: "%-d %B %Y, %H:%M",
    short_date: "%-d %b %Y",
    planned: "%a, %-d %b, %-H:%M",
    planned_with_year: "%a, %-d %b %Y, %-H:%M",
    help: "Help",
    phone: "Phone",
    email: "Email",
    place: "Place",
    save_event: "Add to calendar",
};

//! Blocks of fields: what is missing or unclear in them, and what is said in their fields.

use crate::{
    domain::publication::TimeZone,
    mail::markdown::{
        appointment::{self, Why},
        directive::{Directive, Key, Kind, Problem, Wrong},
    },
};

use super::{Code, Finding, Place, placeholders, wording};

/// What is wrong with the form of a block. The names of blocks and fields are put into words by whoever shows them.
pub fn problem(problem: &Problem) -> Finding {
    let block = |code, kind: Kind| Finding::new(code).with("block", <&str>::from(kind));
    let field = |code, kind, key: Key| block(code, kind).with("field", <&str>::from(key));
    let finding = match &problem.wrong {
        Wrong::Word(word) => Finding::new(Code::BlockUnknown).with("word", word),
        Wrong::Open(word) => Finding::new(Code::BlockOpen).with("word", word),
        Wrong::Lacks(kind, key) => field(Code::BlockLacks, *kind, *key),
        Wrong::Long(kind, key) => field(Code::BlockLong, *kind, *key),
        Wrong::Value(kind, Key::Position, text) => block(Code::BlockPosition, *kind).with("text", text),
        Wrong::Value(kind, Key::Mail, text) => block(Code::BlockMail, *kind).with("text", text),
        Wrong::Value(kind, _, text) => block(Code::BlockPhone, *kind).with("text", text),
        Wrong::Line(kind, text) => {
            let fields: Vec<&str> = kind.keys().iter().map(|key| (*key).into()).collect();
            block(Code::BlockLine, *kind).with("text", text).with("block_fields", fields.join(" "))
        }
    };
    finding.in_line(problem.line)
}

/// What stands in a block: placeholders, addresses, and when an event is on the clocks of this time zone.
pub fn check(directive: &Directive, zone: TimeZone, found: &mut Vec<Finding>) {
    for field in &directive.fields {
        let is_address = matches!(field.key, Key::Link | Key::Address);
        let (in_address, in_text) =
            if is_address { (field.value.as_str(), "") } else { ("", field.value.as_str()) };
        let placeholders = placeholders::in_address(in_address).chain(placeholders::in_text(in_text));
        found.extend(placeholders.map(|finding| finding.in_line(field.line)));
    }
    let line_of = |key| directive.field(key).map_or(directive.line, |field| field.line);
    match directive.kind {
        Kind::Button => {
            if let (Some(address), Some(words)) = (directive.link(), directive.get(Key::Text)) {
                let told = wording::link(&address, words).into_iter();
                found.extend(told.map(|finding| finding.in_line(line_of(Key::Link))));
            }
        }
        Kind::Picture => {
            if let Some(alt) = directive.get(Key::Description).filter(|alt| wording::is_vague_alt(alt)) {
                let vague = Finding::new(Code::AltVague).with("alt", alt).at(Place::Body);
                found.push(vague.in_line(line_of(Key::Description)));
            }
            if let Some(address) =
                directive.get(Key::Address).filter(|address| wording::is_plain_http(address))
            {
                let plain = Finding::new(Code::ImageHttp).with("address", address).at(Place::Body);
                found.push(plain.in_line(line_of(Key::Address)));
            }
        }
        Kind::Event => event(directive, zone, found),
        Kind::File => {
            if let (Some(address), Some(words)) = (directive.file_address(), directive.get(Key::Title)) {
                let told = wording::link(&address, words).into_iter();
                found.extend(told.map(|finding| finding.in_line(line_of(Key::Address))));
            }
        }
        Kind::Quote | Kind::Contact => {}
    }
}

fn event(directive: &Directive, zone: TimeZone, found: &mut Vec<Finding>) {
    match appointment::read(directive) {
        Err(unclear) => found.extend(unclear.into_iter().map(|unclear| {
            let finding = match unclear.why {
                Why::Date(text) => Finding::new(Code::EventDate).with("text", text),
                Why::Time(text) => Finding::new(Code::EventTime).with("text", text),
                Why::Weekday(date) => {
                    Finding::new(Code::EventWeekday).with("day", date.format("%Y-%m-%d").to_string())
                }
                Why::Order => Finding::new(Code::EventOrder),
                Why::NoBegin => Finding::new(Code::EventNoBegin),
            };
            finding.in_line(unclear.line)
        })),
        Ok(Some(event)) if event.when(zone).is_none() => {
            found.push(Finding::new(Code::EventHour).in_line(directive.line));
        }
        Ok(_) => {}
    }
}

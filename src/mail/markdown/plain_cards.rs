//! Blocks of fields as plain text.

use super::{
    directive::{Directive, Key, Kind},
    event_lines,
    surroundings::Surroundings,
};

/// The lines before the text that may be in a block.
pub fn before(directive: &Directive, around: &Surroundings<'_>) -> Vec<String> {
    let language = around.locale.language();
    let typed = |key| directive.get(key).map(str::to_owned);
    let named = |name: &str, key| directive.get(key).map(|value| format!("{name}: {value}"));
    let lines = match directive.kind {
        Kind::Quote => Vec::new(),
        Kind::Button => {
            let address = directive.link();
            let address =
                address.map(|address| address.strip_prefix("mailto:").map_or(address.clone(), str::to_owned));
            let text = typed(Key::Text).map(|text| if address.is_some() { format!("{text}:") } else { text });
            vec![text, address]
        }
        Kind::Picture => {
            let picture = typed(Key::Address).map(|address| {
                format!("[{}] ({address})", directive.get(Key::Description).unwrap_or_default())
            });
            let below = directive.below_picture();
            vec![picture.or(typed(Key::Description)), (!below.is_empty()).then_some(below)]
        }
        Kind::Contact => {
            vec![
                typed(Key::Name),
                typed(Key::Role),
                named(language.phone, Key::Phone),
                named(language.email, Key::Mail),
            ]
        }
        Kind::File => {
            let address = directive.file_address();
            let known = address.as_deref().and_then(|address| around.hosted.file(address));
            let title = directive.get(Key::Title).map(|title| match known {
                Some(file) => format!("{title} ({}):", file.label(around.locale)),
                None => format!("{title}:"),
            });
            vec![title, address]
        }
        Kind::Event => {
            let mut lines = vec![typed(Key::Title)];
            lines.extend(event_lines::when(directive, around.locale).into_iter().map(Some));
            lines.push(named(language.place, Key::Place));
            lines.extend(
                event_lines::calendar(directive, around)
                    .map(|address| Some(format!("{}:\n{address}", language.save_event))),
            );
            lines
        }
    };
    lines.into_iter().flatten().collect()
}

/// The lines behind it.
pub fn after(directive: &Directive) -> Vec<String> {
    let speaker = directive.speaker().filter(|_| directive.kind == Kind::Quote);
    speaker.map(|speaker| format!("— {speaker}")).into_iter().collect()
}

//! Blocks of fields as HTML for mail: what stands before and behind the text that may be in them.
//!
//! Tables hold them together where a mail program knows nothing else, with the padding on the cell, which Outlook goes by.
//! The classes are those of `email_templates/layout.html`: phones and the dark design change colours and widths by them.

use super::{
    directive::{Directive, Key, Kind, Position},
    escape::escaped,
    event_lines, is_linkable, is_web_address, picture,
    surroundings::Surroundings,
};

const SANS: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const SERIF: &str = "font-family:Georgia,'Times New Roman',serif";
/// Pixels of a picture beside a text, and between the two.
const BESIDE: u16 = 220;
const GAP: u16 = 16;
/// Pixels that the frame of a card takes.
const CARD_FRAME: u16 = 41;
const QUOTE_INDENT: u16 = 19;
const AROUND: &str = "<div style=\"margin:0 0 16px 0;\">";

/// What stands around the text of a block, and the room that its pictures have.
pub struct Frame {
    pub before: String,
    pub after: String,
    pub room: u16,
}

/// The HTML of a block where there is so much room.
pub fn frame(directive: &Directive, around: &Surroundings<'_>, room: u16) -> Frame {
    match directive.kind {
        Kind::Button => Frame { before: button(directive, around.accent), after: String::new(), room },
        Kind::Picture => picture(directive, around, room),
        Kind::Quote => quote(directive, room),
        Kind::Contact => card(&contact(directive, around), around.accent, room),
        Kind::Event => card(&event(directive, around), around.accent, room),
        Kind::File => card(&file(directive, around), around.accent, room),
    }
}

/// Never without its words: one that leads nowhere is its text.
fn button(directive: &Directive, accent: &str) -> String {
    let address = directive.link();
    let text = directive.get(Key::Text).or(address.as_deref()).unwrap_or_default();
    let text = escaped(text);
    match address.filter(|address| is_linkable(address)) {
        None if text.is_empty() => String::new(),
        None => format!("<p style=\"margin:0 0 16px 0;\"><strong>{text}</strong></p>\n"),
        Some(address) => format!(
            "<div style=\"margin:8px 0 24px 0;\"><table role=\"presentation\" class=\"rb-btn\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" style=\"border-collapse:separate;\">\n\
            <tr><td align=\"center\" bgcolor=\"{accent}\" style=\"background-color:{accent};border:1px solid {accent};border-radius:4px;mso-padding-alt:14px 28px;\">\
            <a href=\"{}\" style=\"display:inline-block;padding:14px 28px;{SANS};font-size:16px;line-height:1.25;font-weight:bold;color:#ffffff;text-decoration:none;\">\
            <span style=\"color:#ffffff;\">{text}</span></a></td></tr>\n</table></div>\n",
            escaped(&address)
        ),
    }
}

/// Beside its text, as two columns that stand below each other where there is no room for both, whether or not the program
/// knows what a phone is. Outlook gets them as cells.
fn picture(directive: &Directive, around: &Surroundings<'_>, room: u16) -> Frame {
    let image = |room| image(directive, around, room);
    let (picture, text) = (BESIDE + GAP, room.saturating_sub(BESIDE + GAP).max(1));
    let column = |width: u16, style: &str| {
        format!(
            "<div class=\"rb-col\" style=\"display:inline-block;width:100%;max-width:{width}px;vertical-align:top;{style}\">\n"
        )
    };
    let cells = |left: u16, right: u16| {
        (
            format!(
                "<!--[if mso]><table role=\"presentation\" width=\"100%\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\"><tr><td width=\"{left}\" valign=\"top\"><![endif]-->"
            ),
            format!("<!--[if mso]></td><td width=\"{right}\" valign=\"top\"><![endif]-->"),
            "<!--[if mso]></td></tr></table><![endif]-->",
        )
    };
    match directive.position() {
        Position::Left if directive.has_content => {
            let (begin, between, end) = cells(picture, text);
            let before = format!(
                "{AROUND}{begin}{}<div class=\"rb-gap\" style=\"padding:4px {GAP}px 12px 0;\">{}</div>\n</div>{between}{}",
                column(picture, ""),
                image(BESIDE),
                column(text, "")
            );
            Frame { before, after: format!("</div>{end}</div>\n"), room: text }
        }
        Position::Right if directive.has_content => {
            let (begin, between, end) = cells(text, picture);
            let before = format!("{AROUND}{begin}{}", column(text, ""));
            let after = format!(
                "</div>{between}{}<div class=\"rb-gap\" style=\"padding:4px 0 12px {GAP}px;\">{}</div>\n</div>{end}</div>\n",
                column(picture, ""),
                image(BESIDE)
            );
            Frame { before, after, room: text }
        }
        _ => {
            let before = format!("<div style=\"margin:0 0 20px 0;\">{}</div>\n", image(room));
            Frame { before, after: String::new(), room }
        }
    }
}

/// The picture with what stands below it.
fn image(directive: &Directive, around: &Surroundings<'_>, room: u16) -> String {
    let address = directive.get(Key::Address).unwrap_or_default();
    let alt = directive.get(Key::Description).unwrap_or_default();
    let mut out =
        if is_web_address(address) { picture::tag(address, alt, around.hosted, room) } else { escaped(alt) };
    let below = directive.below_picture();
    if !below.is_empty() {
        let below = escaped(&below);
        let below = format!(
            "<div class=\"rb-muted\" style=\"padding:8px 0 0 0;{SANS};font-size:13px;line-height:1.5;color:#55534d;\">{below}</div>"
        );
        out.push_str(&below);
    }
    out
}

fn quote(directive: &Directive, room: u16) -> Frame {
    let speaker = directive.speaker().map(|speaker| {
        format!(
            "<p class=\"rb-muted\" style=\"margin:0 0 16px 0;{SANS};font-size:14px;font-style:normal;color:#55534d;\">— {}</p>\n",
            escaped(&speaker)
        )
    });
    Frame {
        before: format!(
            "<blockquote style=\"margin:0 0 16px 0;padding:0 0 0 16px;border-left:3px solid #dcd8cf;{SERIF};font-style:italic;\">\n"
        ),
        after: format!("{}</blockquote>\n", speaker.unwrap_or_default()),
        room: room.saturating_sub(QUOTE_INDENT).max(1),
    }
}

/// A box around lines of HTML.
fn card(lines: &[String], accent: &str, room: u16) -> Frame {
    let lines: Vec<String> =
        lines.iter().map(|line| format!("<p style=\"margin:0 0 4px 0;\">{line}</p>\n")).collect();
    let lines = lines.concat();
    Frame {
        before: format!(
            "<div style=\"margin:0 0 20px 0;\"><table role=\"presentation\" class=\"rb-box\" width=\"100%\" border=\"0\" cellpadding=\"0\" cellspacing=\"0\" style=\"border-collapse:separate;\">\n\
            <tr><td align=\"left\" style=\"padding:14px 18px;border:1px solid #dcd8cf;border-left:4px solid {accent};{SANS};font-size:16px;line-height:1.5;\">\n{lines}"
        ),
        after: "</td></tr>\n</table></div>\n".to_owned(),
        room: room.saturating_sub(CARD_FRAME).max(1),
    }
}

fn contact(directive: &Directive, around: &Surroundings<'_>) -> Vec<String> {
    let language = around.locale.language();
    let link = |address: &str, text: &str| link(address, text, around.accent);
    let name = directive.get(Key::Name).map(|name| format!("<strong>{}</strong>", escaped(name)));
    let role = directive.get(Key::Role).map(escaped);
    let phone = directive.get(Key::Phone).map(|typed| {
        let number = directive.phone().map(|number| link(&format!("tel:{number}"), typed));
        format!("{}: {}", language.phone, number.unwrap_or_else(|| escaped(typed)))
    });
    let mail = directive.get(Key::Mail).map(|typed| {
        let address = directive.mail().map(|mail| link(&format!("mailto:{mail}"), mail));
        format!("{}: {}", language.email, address.unwrap_or_else(|| escaped(typed)))
    });
    [name, role, phone, mail].into_iter().flatten().collect()
}

fn event(directive: &Directive, around: &Surroundings<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(title) = directive.get(Key::Title) {
        lines.push(format!(
            "<strong style=\"{SERIF};font-size:18px;line-height:1.35;\">{}</strong>",
            escaped(title)
        ));
    }
    lines.extend(event_lines::when(directive, around.locale).iter().map(|line| escaped(line)));
    lines.extend(directive.get(Key::Place).map(escaped));
    lines.extend(event_lines::calendar(directive, around).map(|address| {
        let text = around.locale.language().save_event;
        format!("<strong>{}</strong>", link(&address, text, around.accent))
    }));
    lines
}

/// Its title leads to it; below stands what it is and how large, where that is known.
fn file(directive: &Directive, around: &Surroundings<'_>) -> Vec<String> {
    let address = directive.file_address();
    let title = directive.get(Key::Title).or(address.as_deref()).unwrap_or_default();
    let title = match address.as_deref().filter(|address| is_linkable(address)) {
        Some(address) => link(address, title, around.accent),
        None => escaped(title),
    };
    let label = address.and_then(|address| around.hosted.file(&address)).map(|file| {
        let label = escaped(&file.label(around.locale));
        format!("<span class=\"rb-muted\" style=\"font-size:14px;color:#55534d;\">{label}</span>")
    });
    std::iter::once(format!("<strong>{title}</strong>")).chain(label).collect()
}

fn link(address: &str, text: &str, accent: &str) -> String {
    format!(
        "<a href=\"{}\" style=\"color:{accent};text-decoration:underline;\">{}</a>",
        escaped(address),
        escaped(text)
    )
}

//! HTML taken apart: tags and texts in their order. For what our own templates and those of operators make; it repairs
//! nothing and fails at nothing.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// An opening tag: its name and everything behind that.
    Open(&'a str, &'a str),
    /// The name of a closing tag.
    Close(&'a str),
    /// Text as it stands there, with its entities.
    Text(&'a str),
}

/// The pieces, without comments and without what stands in style, script and title elements.
pub fn pieces(html: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let end = tag_end(rest);
        let inside = rest[1..end].trim_end_matches('/');
        rest = rest.get(end + 1..).unwrap_or_default();
        if let Some(name) = inside.strip_prefix('/') {
            pieces.push(Piece::Close(name.trim()));
            continue;
        }
        let (name, attributes) = inside.split_once(|c: char| c.is_whitespace()).unwrap_or((inside, ""));
        if name.starts_with(['!', '?']) {
            continue;
        }
        if ["style", "script", "title"].iter().any(|raw| name.eq_ignore_ascii_case(raw)) {
            let closing = format!("</{}", name.to_ascii_lowercase());
            let at = rest.to_ascii_lowercase().find(&closing);
            rest = at.and_then(|at| rest[at..].split_once('>')).map_or("", |(_, rest)| rest);
            continue;
        }
        pieces.push(Piece::Open(name, attributes));
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Where the tag that a text begins with ends: a `>` in quotes does not count.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => return at,
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// The value of an attribute, with its entities read; nothing when it is not there.
pub fn attribute(attributes: &str, wanted: &str) -> Option<String> {
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let name = &rest[..end];
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(behind) = rest.strip_prefix('=') {
            let behind = behind.trim_start();
            let quoted =
                ['"', '\''].into_iter().find_map(|quote| behind.strip_prefix(quote)?.split_once(quote));
            (value, rest) = quoted
                .unwrap_or_else(|| behind.split_at(behind.find(char::is_whitespace).unwrap_or(behind.len())));
            rest = rest.trim_start();
        } else if name.is_empty() {
            return None;
        }
        if name.eq_ignore_ascii_case(wanted) {
            return Some(decoded(value));
        }
    }
    None
}

/// A text with its entities read, as far as templates write them.
pub fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest[1..].split_once(';').map(|(name, _)| name).filter(|name| name.len() <= 8);
        if let Some(c) = entity.and_then(character) {
            out.push(c);
            rest = &rest[entity.map_or(1, |name| name.len() + 2)..];
        } else {
            out.push('&');
            rest = &rest[1..];
        }
    }
    out + rest
}

fn character(entity: &str) -> Option<char> {
    if let Some(number) = entity.strip_prefix('#') {
        let hex = number.strip_prefix(['x', 'X']);
        let code = hex.map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())?;
        return char::from_u32(code);
    }
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "shy" => '\u{ad}',
        "zwnj" => '\u{200c}',
        "middot" => '·',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "copy" => '©',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_comes_apart_in_order_and_nothing_breaks_it() {
        let html =
            "<!DOCTYPE html><title>x</title><style>p > a{}</style><!-- <p> --><p a='>'>Text <br/>mehr</p>";
        assert_eq!(
            pieces(html),
            [
                Piece::Open("p", "a='>'"),
                Piece::Text("Text "),
                Piece::Open("br", ""),
                Piece::Text("mehr"),
                Piece::Close("p"),
            ]
        );
        for odd in ["<", "<p", "a<b", "<!--", "<style>", "</", "<p a=\"", "<style></sty", "é<é>é"] {
            pieces(odd);
        }
    }

    #[test]
    fn attributes_are_found_whatever_their_quotes() {
        let attributes = "src=a.png alt=\"Ein &quot;Bild&quot; &amp; mehr\" width='5' hidden";
        assert_eq!(attribute(attributes, "alt").as_deref(), Some("Ein \"Bild\" & mehr"));
        assert_eq!(attribute(attributes, "WIDTH").as_deref(), Some("5"));
        assert_eq!(attribute(attributes, "src").as_deref(), Some("a.png"));
        assert_eq!(attribute(attributes, "hidden").as_deref(), Some(""));
        assert_eq!(attribute(attributes, "title"), None);
        for odd in ["=", "= =", "a=", "a=\"", "=\"x\" b", "é=é"] {
            attribute(odd, "x");
        }
    }

    #[test]
    fn entities_are_read_and_what_is_none_stays() {
        assert_eq!(decoded("M&#252;ller &amp; S&#xF6;hne & Co; &nope; &"), "Müller & Söhne & Co; &nope; &");
    }
}

//! Fields with an address in them, as mail programs and people write them.

/// An address without the name that mail programs write before it: `Name <address>`.
pub(super) fn without_name(text: &str) -> &str {
    let bare = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, bare)) if !name.contains(['@', '<', '>', ';']) => bare,
        _ => text,
    };
    let bare = bare.trim();
    bare.strip_prefix("mailto:").unwrap_or(bare)
}

/// Whether a field holds an address, or several of them, and nothing else. A sentence with one in it does not.
pub(super) fn holds_addresses(field: &str) -> bool {
    let mut parts =
        without_name(field.trim()).split([' ', ',', ';', '\t']).filter(|part| !part.is_empty()).peekable();
    parts.peek().is_some() && parts.all(|part| part.contains('@'))
}

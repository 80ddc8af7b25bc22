//! QR codes, as SVG within the page: the content security policy allows no `data:` image, and none leaves the server.

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

/// An SVG of a text, with the quiet zone of four modules that scanners need; nothing when the text is too long.
pub fn svg(text: &str, title: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let (width, colors) = (code.width(), code.to_colors());
    let mut path = String::new();
    for (row, line) in colors.chunks(width).enumerate() {
        let mut column = 0;
        while column < width {
            let run = line[column..].iter().take_while(|color| **color == Color::Dark).count();
            if run > 0 {
                // One rectangle for all dark modules beside each other.
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", column + 4, row + 4);
            }
            column += run.max(1);
        }
    }
    let side = width + 8;
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    Some(format!(
        "<svg class=\"qr\" viewBox=\"0 0 {side} {side}\" width=\"240\" height=\"240\" role=\"img\" aria-labelledby=\"qr-title\" shape-rendering=\"crispEdges\"><title id=\"qr-title\">{title}</title><path class=\"qr-paper\" d=\"M0 0h{side}v{side}H0z\"/><path class=\"qr-ink\" d=\"{path}\"/></svg>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dark_module_is_drawn_once() {
        let text =
            "otpauth://totp/LOK%20Lausitz:ada%40example.org?secret=GEZDGNBVGY3TQOJQ&issuer=LOK%20Lausitz";
        let svg = svg(text, "QR & <code>").unwrap();
        let drawn: usize = svg
            .split('h')
            .filter_map(|part| part.split_once("v1").and_then(|(run, _)| run.parse::<usize>().ok()))
            .sum();
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        assert_eq!(drawn, code.to_colors().iter().filter(|color| **color == Color::Dark).count());
        assert!(svg.contains("QR &amp; &lt;code>"));
    }
}

//! Samples of the pages around pictures.

use uuid::Uuid;

use crate::{
    domain::{ids::ImageId, text_use::Use},
    web::{
        page_context::{PageContext, Sample},
        staff::{
            images::view::{Description, ImagePage, ImageView, ImagesPage},
            staff_page::Mistakes,
        },
    },
};

impl ImageView {
    /// One that is not used, one that an update shows, one that several show, one that was sent and says nothing.
    fn samples() -> [Self; 4] {
        let of = |alt: &str, used: usize, kept_since: Option<&str>| Self {
            id: ImageId(Uuid::nil()),
            path: "/images/aaaaaaaaaaaaaaaaaaaaaaaaaa.jpg".into(),
            small_path: "/images/aaaaaaaaaaaaaaaaaaaaaaaaaa-s.jpg".into(),
            alt: alt.into(),
            credit: "Foto: Ada Muster".into(),
            width: 1200,
            height: 800,
            small_width: 600,
            small_height: 400,
            kilobytes: 240,
            created_at: "25.11.2026, 14:05".into(),
            kept_since: kept_since.map(str::to_owned),
            uses: vec![Use { id: Uuid::nil(), is_template: false, title: "Neues vom Projekt".into() }; used],
            can_go: used == 0 && kept_since.is_none(),
            markdown: format!("![{alt}](https://example.org/bild.jpg)"),
            url: "https://example.org/bild.jpg".into(),
        };
        [
            of("Ein Baum", 0, None),
            of("Ein Haus", 1, None),
            of("Ein Fluss", 2, None),
            of("", 1, Some("25.11.2026, 15:00")),
        ]
    }
}

fn typed() -> Description {
    Description { alt: "Ein Baum".into(), credit: "Ada Muster".into() }
}

fn mistakes() -> Mistakes {
    let mut mistakes = Mistakes::one("image", "Das ist kein Bild.");
    mistakes.add("alt", "Bitte sagen Sie, was zu sehen ist.");
    mistakes.add("credit", "Das ist zu lang.");
    mistakes
}

impl PageContext for ImagesPage {
    const TEMPLATE: &'static str = "staff/images.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let older_url = Some("/staff/images?before=1&q=".into());
        let (images, older) = (ImageView::samples().into(), Some(ImageId(Uuid::nil())));
        let (typed, errors) = (Description::default(), Mistakes::default());
        let usual = Self {
            images,
            older,
            older_url,
            is_first: true,
            query: String::new(),
            typed,
            errors,
            next: None,
        };
        let next = Some("/staff/publication".into());
        let (typed, errors) = (self::typed(), mistakes());
        let (images, query) = (Vec::new(), "Hafen".into());
        vec![
            usual,
            Self { images, older: None, older_url: None, is_first: false, query, typed, errors, next },
        ]
    }
}

impl PageContext for ImagePage {
    const TEMPLATE: &'static str = "staff/image.html";

    fn samples(_: &Sample<'_>) -> Vec<Self> {
        let of = |image| Self { image, typed: typed(), errors: Mistakes::default() };
        let [unused, _, _, sent] = ImageView::samples();
        let usual = of(unused);
        vec![usual, Self { errors: mistakes(), ..of(sent) }]
    }
}

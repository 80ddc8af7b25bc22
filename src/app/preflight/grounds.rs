//! Whether the logos and pictures of a mail can be seen on its ground. Those of ours: of others the pixels are not known.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::{
    app::images::{
        ground::{self, Vanishing},
        store::Store,
    },
    config::PublicUrl,
    domain::{publication::Publication, update::Update},
    mail::preflight::{Code, Finding, Place, targets},
};

/// How long all of them may take. What was not looked at by then is not told of.
const ALL: Duration = Duration::from_secs(10);

/// What vanishes, each where it is mended.
pub async fn check(
    store: &Store,
    own: &PublicUrl,
    publication: &Publication,
    update: &Update,
) -> Vec<Finding> {
    let content = &publication.content;
    let logos = content.logo.iter().chain(&content.funding_logos);
    let mut pictures: Vec<(String, String, Place, Option<usize>)> =
        logos.map(|logo| (logo.url.to_string(), logo.alt.clone(), Place::Publication, None)).collect();
    pictures.extend(targets(update).into_iter().map(|target| {
        let alt = update.image_alt.clone().filter(|_| target.place == Place::Image);
        let alt = alt.unwrap_or_else(|| target.url.to_string());
        (target.url.to_string(), alt, target.place, target.line)
    }));
    let until = Instant::now() + ALL;
    let mut found = Vec::new();
    for (url, alt, place, line) in pictures {
        let code = match timeout_at(until, ground::find_vanishing(store, &url, own)).await {
            Ok(Some(Vanishing::InTheDark)) => Code::PictureDark,
            Ok(Some(Vanishing::OnWhite)) => Code::PictureLight,
            Ok(None) => continue,
            Err(_) => break,
        };
        let finding = Finding::new(code).with("alt", alt).at(place);
        found.push(line.map_or(finding.clone(), |line| finding.in_line(line)));
    }
    found
}

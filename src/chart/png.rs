//! A figure as PNG: the same SVG bytes, drawn by `resvg`.
//!
//! Latin letters come from a font that is compiled in, so that a picture looks the same on every machine and a machine
//! without fonts can draw one. That font has no East Asian letters; those come from the fonts of the system, which are
//! looked at only when they are needed.

use std::sync::Mutex;

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, FontResolver, Options, Tree};
use thiserror::Error;

/// Pixels of the PNG for each pixel of the SVG: sharp on a slide and on a dense screen.
const SCALE: f32 = 3.0;

/// Why there is no picture.
#[derive(Debug, Error)]
pub enum PngError {
    #[error(
        "cannot draw the character '{0}': no font on this system has it; install one (Debian: apt install fonts-noto-cjk) or write the figure as svg"
    )]
    NoFont(char),
    #[error("cannot draw the figure: {0}")]
    Svg(#[from] usvg::Error),
    #[error("cannot draw the figure: it would be {width} x {height} pixels")]
    Size { width: u32, height: u32 },
    #[error("cannot write the picture: {0}")]
    Encode(String),
}

/// Draws `svg` at three times its size.
///
/// # Errors
/// [`PngError::NoFont`] when a character is in no font of this system; the others only for an SVG that did not come
/// from [`super::Figure::svg`].
pub fn png(svg: &str) -> Result<Vec<u8>, PngError> {
    draw(svg, !svg.chars().all(is_compiled_in))
}

/// The compiled-in font covers Latin, Greek and Cyrillic. Wrongly asking the system costs only its time.
fn is_compiled_in(c: char) -> bool {
    c < '\u{0500}' || ('\u{2010}'..='\u{2026}').contains(&c)
}

fn draw(svg: &str, with_system_fonts: bool) -> Result<Vec<u8>, PngError> {
    let missing = Mutex::new(None);
    let tree = Tree::from_str(svg, &options(with_system_fonts, &missing))?;
    if let Some(c) = missing.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        return Err(PngError::NoFont(c));
    }
    let size = tree.size();
    let (width, height) = ((size.width() * SCALE).ceil() as u32, (size.height() * SCALE).ceil() as u32);
    let mut pixels = Pixmap::new(width, height).ok_or(PngError::Size { width, height })?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| PngError::Encode(error.to_string()))
}

/// Options whose font search notes the first character that no font has. Alone, `resvg` would leave it out silently.
fn options(with_system_fonts: bool, missing: &Mutex<Option<char>>) -> Options<'_> {
    let search = FontResolver::default_fallback_selector();
    let mut options = Options {
        font_resolver: FontResolver {
            select_fallback: Box::new(move |c, used, fonts| {
                let found = search(c, used, fonts);
                if found.is_none()
                    && let Ok(mut missing) = missing.lock()
                {
                    missing.get_or_insert(c);
                }
                found
            }),
            ..FontResolver::default()
        },
        ..Options::default()
    };
    let fonts = options.fontdb_mut();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    let family = fonts.faces().next().and_then(|face| face.families.first()).map(|(name, _)| name.clone());
    if with_system_fonts {
        fonts.load_system_fonts();
    }
    // Last, since the system's own settings name another one.
    fonts.set_sans_serif_family(family.unwrap_or_default());
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> String {
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20"><text y="15" font-family="sans-serif">{text}</text></svg>"#
        )
    }

    #[test]
    fn a_picture_is_a_png_of_three_times_the_size() {
        let png = png(&word("50 µs")).expect("latin needs no system font");
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        assert_eq!(png[16..24], [0, 0, 0, 240, 0, 0, 0, 60]);
    }

    #[test]
    fn a_letter_in_no_font_is_an_error_that_names_the_package() {
        let error = draw(&word("缓存"), false).expect_err("the compiled-in font has no Chinese");
        assert!(matches!(error, PngError::NoFont('缓')), "{error:?}");
        assert!(error.to_string().contains("fonts-noto-cjk"));
    }

    #[test]
    fn latin_letters_look_the_same_whatever_fonts_the_system_has() {
        let picture = |with_system_fonts| draw(&word("TTFT 429 ms"), with_system_fonts).expect("latin");
        assert_eq!(picture(true), picture(false));
        assert_ne!(picture(true), draw(&word(" "), true).expect("nothing to draw"), "the words are there");
    }

    #[test]
    fn every_character_that_is_said_to_be_compiled_in_is() {
        let words = "abc ABC 0123456789 .,:;!?()[]<>/%×µ±·äöüßéñçøŁżЖя–—‘’“”…•";
        let escaped = crate::chart::escape(words);
        assert!(draw(&word(&escaped), false).is_ok());
    }
}

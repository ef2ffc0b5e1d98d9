//! The picture of a claim code: a QR code, one pixel a module, made larger by the page.
//!
//! Never: carries anything but the text it is given.

use qrcode::{Color, EcLevel, QrCode};
use slint::{Image, Rgb8Pixel, SharedPixelBuffer};

/// Light modules around the code (ISO/IEC 18004, 6.3.8).
const QUIET_ZONE: usize = 4;

/// A QR code with this text; an empty image when the text is too long for one.
#[must_use]
pub fn image(text: &str) -> Image {
    let Ok(code) = QrCode::with_error_correction_level(text, EcLevel::M) else { return Image::default() };
    let side = code.width() + 2 * QUIET_ZONE;
    let Ok(pixels) = u32::try_from(side) else { return Image::default() };
    let mut buffer = SharedPixelBuffer::<Rgb8Pixel>::new(pixels, pixels);
    buffer.make_mut_slice().fill(Rgb8Pixel::new(255, 255, 255));
    for (y, row) in code.to_colors().chunks(code.width()).enumerate() {
        for (x, module) in row.iter().enumerate() {
            if let (Color::Dark, Some(pixel)) =
                (module, buffer.make_mut_slice().get_mut((y + QUIET_ZONE) * side + x + QUIET_ZONE))
            {
                *pixel = Rgb8Pixel::new(0, 0, 0);
            }
        }
    }
    Image::from_rgb8(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_square_with_a_quiet_zone() {
        let buffer = image("https://example.gov/c#7K3M-9QXA-42VD-R").to_rgb8().unwrap();
        assert_eq!(buffer.width(), buffer.height());
        let side = usize::try_from(buffer.width()).unwrap();
        let dark = |x: usize, y: usize| buffer.as_slice()[y * side + x].r == 0;
        assert!((0..side).all(|n| !dark(n, 0) && !dark(0, n) && !dark(side - 1, n) && !dark(n, 3)));
        assert!((4..11).all(|n| dark(n, 4) && dark(4, n)), "finder pattern");
    }
}

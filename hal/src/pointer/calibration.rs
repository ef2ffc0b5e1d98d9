//! From where the panel says a finger is to where it is on the screen.
//!
//! A [`Calibration`] is six numbers `a b c d e f`, as in udev's `LIBINPUT_CALIBRATION_MATRIX`:
//!
//! ```text
//! x' = a x + b y + c        identity  1 0 0  0 1 0
//! y' = d x + e y + f        mirror x -1 0 1  0 1 0
//! ```
//!
//! on coordinates in 0..=1; then the [`Rotation`] of the screen is applied. Results are clamped to 0..=1.
//!
//! Never: maps the panel onto a line or a point (a matrix without an inverse is refused).

use serde::{Deserialize, Serialize};

/// The six numbers, libinput's order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f32; 6]", into = "[f32; 6]")]
pub struct Calibration([f32; 6]);

/// Six numbers that are no calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// Not a number, or far from anything a panel needs.
    #[error("a calibration takes six numbers between -{NUMBER_MAX} and {NUMBER_MAX}")]
    OutOfRange,
    /// Everything would land on one line.
    #[error("this calibration maps the whole panel onto a line")]
    Flat,
}

/// How the picture is turned against the panel, clockwise, in degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum Rotation {
    /// Upright.
    #[default]
    None,
    /// A quarter to the right.
    Right,
    /// Upside down.
    Half,
    /// A quarter to the left.
    Left,
}

/// Below this the determinant counts as zero.
const DETERMINANT_MIN: f32 = 1e-4;

/// No panel is off by more than this many of its own widths.
const NUMBER_MAX: f32 = 100.0;

impl Default for Calibration {
    fn default() -> Self {
        Self([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    }
}

impl TryFrom<[f32; 6]> for Calibration {
    type Error = CalibrationError;

    fn try_from(matrix: [f32; 6]) -> Result<Self, CalibrationError> {
        let [a, b, _, d, e, _] = matrix;
        if !matrix.iter().all(|n| n.abs() <= NUMBER_MAX) {
            return Err(CalibrationError::OutOfRange);
        }
        if (a * e - b * d).abs() < DETERMINANT_MIN {
            return Err(CalibrationError::Flat);
        }
        Ok(Self(matrix))
    }
}

impl From<Calibration> for [f32; 6] {
    fn from(calibration: Calibration) -> Self {
        calibration.0
    }
}

impl TryFrom<u16> for Rotation {
    type Error = String;

    fn try_from(degrees: u16) -> Result<Self, String> {
        match degrees {
            0 => Ok(Self::None),
            90 => Ok(Self::Right),
            180 => Ok(Self::Half),
            270 => Ok(Self::Left),
            other => Err(format!("rotation {other} is none of 0, 90, 180, 270")),
        }
    }
}

impl From<Rotation> for u16 {
    fn from(rotation: Rotation) -> Self {
        match rotation {
            Rotation::None => 0,
            Rotation::Right => 90,
            Rotation::Half => 180,
            Rotation::Left => 270,
        }
    }
}

impl Rotation {
    /// The same as a matrix: libinput's documented values.
    fn matrix(self) -> [f32; 6] {
        match self {
            Self::None => [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            Self::Right => [0.0, -1.0, 1.0, 1.0, 0.0, 0.0],
            Self::Half => [-1.0, 0.0, 1.0, 0.0, -1.0, 1.0],
            Self::Left => [0.0, 1.0, 0.0, -1.0, 0.0, 1.0],
        }
    }
}

impl Calibration {
    /// Where a touch at `x`, `y` of the panel is on a screen turned by `rotation`; within 0..=1.
    #[must_use]
    pub fn apply(&self, rotation: Rotation, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = transform(&self.0, x, y);
        let (x, y) = transform(&rotation.matrix(), x, y);
        (x.clamp(0.0, 1.0), y.clamp(0.0, 1.0))
    }
}

fn transform(matrix: &[f32; 6], x: f32, y: f32) -> (f32, f32) {
    let [a, b, c, d, e, f] = *matrix;
    (a * x + b * y + c, d * x + e * y + f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_upper_left_corner_goes_where_libinput_puts_it() {
        let plain = Calibration::default();
        let corner = |rotation| plain.apply(rotation, 0.0, 0.0);
        assert_eq!(corner(Rotation::None), (0.0, 0.0));
        assert_eq!(corner(Rotation::Right), (1.0, 0.0));
        assert_eq!(corner(Rotation::Half), (1.0, 1.0));
        assert_eq!(corner(Rotation::Left), (0.0, 1.0));
        let mirrored = Calibration::try_from([-1.0, 0.0, 1.0, 0.0, 1.0, 0.0]).unwrap();
        assert_eq!(mirrored.apply(Rotation::None, 0.25, 0.5), (0.75, 0.5));
    }

    #[test]
    fn a_calibration_that_hides_the_screen_is_refused() {
        assert_eq!(Calibration::try_from([0.0; 6]), Err(CalibrationError::Flat));
        assert_eq!(Calibration::try_from([1.0, 1.0, 0.0, 1.0, 1.0, 0.0]), Err(CalibrationError::Flat));
        let broken = [f32::NAN, 0.0, 0.0, 0.0, 1.0, 0.0];
        assert_eq!(Calibration::try_from(broken), Err(CalibrationError::OutOfRange));
        assert!(Rotation::try_from(45).is_err());
    }

    proptest! {
        #[test]
        fn every_touch_lands_on_the_screen(matrix in prop::array::uniform6(-120_f32..120.0), turn in 0_u16..4, x in 0_f32..1.0, y in 0_f32..1.0) {
            let rotation = Rotation::try_from(turn * 90).unwrap();
            if let Ok(calibration) = Calibration::try_from(matrix) {
                let (x, y) = calibration.apply(rotation, x, y);
                prop_assert!((0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y));
            }
        }

        #[test]
        fn four_quarter_turns_are_none(x in 0_f32..1.0, y in 0_f32..1.0) {
            let plain = Calibration::default();
            let mut at = (x, y);
            for _ in 0..4 {
                at = plain.apply(Rotation::Right, at.0, at.1);
            }
            prop_assert!((at.0 - x).abs() < 1e-5 && (at.1 - y).abs() < 1e-5);
        }
    }
}

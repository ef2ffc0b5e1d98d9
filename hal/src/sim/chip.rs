//! Simulated chips: what a card does with a command, and how it says so by T=0.
//!
//! Promises: counts the commands it carried out, so that a test sees one done twice.
//! Never: knows a reader.

/// A chip of the simulated kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChipKind {
    /// A chip with contacts and no application we know. Beside SELECT, which finds nothing, it does `B0`
    /// (gives as many bytes as wanted, at most [`PLAIN_BYTES`]), `D6` (takes data) and `EE` (gives the data
    /// back).
    Plain,
    /// The same, with a payment system environment.
    Payment,
    /// A memory card without contacts; the reader knows its UID.
    Memory {
        /// 4, 7 or 10 bytes.
        uid: Vec<u8>,
    },
    /// A payment card without contacts.
    ContactlessPayment,
    /// Put in the wrong way round: no answer to reset.
    Mute,
}

/// What [`ChipKind::Plain`] has to read.
pub const PLAIN_BYTES: usize = 600;

/// A payment system environment's answer, EMV book 1 section 11.3.4, with a number nobody may keep.
const ENVIRONMENT: &[u8] = b"\x6F\x15\x84\x0E1PAY.SYS.DDF01\xA5\x03\x88\x01\x01";

/// What a reader gives of a payment card without contacts to whoever asks; nobody may.
const PAYMENT_UID: &[u8] = &[0x04, 0x50, 0x41, 0x59, 0x01, 0x02, 0x80];

/// A card in a slot.
#[derive(Clone, Debug)]
pub struct Chip {
    kind: ChipKind,
    executed: u32,
    /// What GET RESPONSE gives under T=0.
    kept: Vec<u8>,
}

impl Chip {
    /// A chip fresh from the maker.
    #[must_use]
    pub fn new(kind: ChipKind) -> Self {
        Self { kind, executed: 0, kept: Vec::new() }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> &ChipKind {
        &self.kind
    }

    /// How many commands it carried out.
    #[must_use]
    pub fn executed(&self) -> u32 {
        self.executed
    }

    /// Its answer to reset for a card that speaks T=`protocol`; empty when it says nothing.
    #[must_use]
    pub fn atr(&self, protocol: u8) -> Vec<u8> {
        let mut atr = match (&self.kind, protocol) {
            (ChipKind::Mute, _) => return Vec::new(),
            (ChipKind::Memory { .. }, _) => {
                vec![0x3B, 0x8F, 0x80, 1, 0x80, 0x4F, 0x0C, 0xA0, 0, 0, 3, 6, 3, 0, 1, 0, 0, 0, 0]
            }
            (ChipKind::ContactlessPayment, _) => vec![0x3B, 0x82, 0x80, 1, 0x50, 0x50],
            // TA1 94, T=1, IFSC 32, BWI 4, CWI 5.
            (ChipKind::Plain | ChipKind::Payment, 1) => {
                vec![0x3B, 0x92, 0x94, 0x81, 0x31, 0x20, 0x45, 0x50, 0x4C]
            }
            // TA1 94, T=0 alone: no check byte.
            (ChipKind::Plain | ChipKind::Payment, _) => return vec![0x3B, 0x12, 0x94, 0x50, 0x4C],
        };
        atr.push(atr.iter().skip(1).fold(0, |sum, byte| sum ^ byte));
        atr
    }

    /// Carries out a command and answers, status word last.
    pub fn command(&mut self, apdu: &[u8]) -> Vec<u8> {
        let &[class, instruction, p1, _, ref body @ ..] = apdu else { return vec![0x67, 0] };
        self.executed += 1;
        if class == 0xFF {
            return match (&self.kind, instruction) {
                (ChipKind::Memory { uid }, 0xCA) => [uid.as_slice(), &[0x90, 0]].concat(),
                (ChipKind::ContactlessPayment, 0xCA) => [PAYMENT_UID, &[0x90, 0]].concat(),
                _ => vec![0x6D, 0],
            };
        }
        let pays = matches!(self.kind, ChipKind::Payment | ChipKind::ContactlessPayment);
        match instruction {
            0xA4 if pays && p1 == 4 && body.windows(13).any(|name| name.ends_with(b"PAY.SYS.DDF01")) => {
                [ENVIRONMENT, &[0x90, 0]].concat()
            }
            0xA4 => vec![0x6A, 0x82],
            0xB0 => {
                let plenty: Vec<u8> = (0..PLAIN_BYTES).map(|at| at.to_le_bytes()[0]).collect();
                let wanted = wanted(body).min(PLAIN_BYTES);
                [plenty.get(..wanted).unwrap_or_default(), &[0x90, 0]].concat()
            }
            0xD6 => vec![0x90, 0],
            0xEE => [data(body), &[0x90, 0]].concat(),
            _ => vec![0x6D, 0],
        }
    }

    /// The same by T=0, where data goes one way only and waits for GET RESPONSE.
    pub fn t0(&mut self, tpdu: &[u8]) -> Vec<u8> {
        let &[_, instruction, _, _, p3, ref body @ ..] = tpdu else { return vec![0x67, 0] };
        if instruction == 0xC0 {
            let count = if p3 == 0 { 256 } else { usize::from(p3) }.min(self.kept.len());
            let rest = self.kept.split_off(count);
            let part = std::mem::replace(&mut self.kept, rest);
            return [part.as_slice(), &self.more()].concat();
        }
        let mut answer = if body.is_empty() && !matches!(instruction, 0xB0 | 0xCA) {
            self.command(tpdu.get(..4).unwrap_or_default())
        } else {
            self.command(tpdu)
        };
        if body.is_empty() {
            return answer;
        }
        let status = answer.split_off(answer.len().saturating_sub(2));
        self.kept = answer;
        if self.kept.is_empty() { status } else { self.more().to_vec() }
    }

    fn more(&self) -> [u8; 2] {
        match self.kept.len() {
            0 => [0x90, 0],
            more => [0x61, u8::try_from(more).unwrap_or(0)],
        }
    }
}

/// Nc bytes of a body, short or extended.
fn data(body: &[u8]) -> &[u8] {
    match body {
        [0, high, low, rest @ ..] if rest.len() >= usize::from(u16::from_be_bytes([*high, *low])) => {
            rest.get(..usize::from(u16::from_be_bytes([*high, *low]))).unwrap_or_default()
        }
        [length, rest @ ..] => rest.get(..usize::from(*length)).unwrap_or_default(),
        [] => &[],
    }
}

/// Ne of a body without data.
fn wanted(body: &[u8]) -> usize {
    match body {
        [0] => 256,
        [le] => usize::from(*le),
        [0, 0, 0] => 65_536,
        [0, high, low] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    }
}

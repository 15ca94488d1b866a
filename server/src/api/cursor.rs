//! Places that clients are given to go on from: opaque, and only as they were given out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use scim_directory::UpdatePlace;
use sha2::Sha256;

/// How many bytes of the authentication code a cursor carries: 144 bits, so that with eight bytes before them base64
/// leaves no bit unused.
const CODE: usize = 18;
/// The longest place, in bytes.
const PLACE: usize = 256;

/// Makes cursors and reads them.
#[derive(Clone)]
pub(crate) struct Cursors {
    key: [u8; 32],
}

/// What a cursor is a place in. One of one kind is none of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The event log.
    Events,
    /// The list of deliveries.
    Deliveries,
    /// The users of a directory.
    Users,
    /// The groups of a directory.
    Groups,
    /// The users of a directory in the order of their last changes.
    UpdatedUsers,
    /// The groups of a directory in that order.
    UpdatedGroups,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Events => 1,
            Self::Deliveries => 2,
            Self::Users => 3,
            Self::Groups => 4,
            Self::UpdatedUsers => 5,
            Self::UpdatedGroups => 6,
        }
    }
}

impl Cursors {
    /// Cursors under a key that processes of one installation share.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// A cursor for a number.
    pub(crate) fn of_number(&self, kind: Kind, number: u64) -> String {
        self.seal(kind, &number.to_be_bytes())
    }

    /// The number of a cursor; `None` for a text that is none of this kind.
    pub(crate) fn number(&self, kind: Kind, text: &str) -> Option<u64> {
        self.open(kind, text)?.try_into().ok().map(u64::from_be_bytes)
    }

    /// A cursor for the id that comes last on a page.
    pub(crate) fn of_id(&self, kind: Kind, id: &str) -> String {
        self.seal(kind, id.as_bytes())
    }

    /// The id of a cursor; `None` for a text that is none of this kind.
    pub(crate) fn id(&self, kind: Kind, text: &str) -> Option<String> {
        String::from_utf8(self.open(kind, text)?).ok()
    }

    /// A cursor for the place of what comes last on a page.
    pub(crate) fn of_update(&self, kind: Kind, place: &UpdatePlace) -> String {
        self.seal(kind, &[&place.updated.to_be_bytes(), place.id.as_bytes()].concat())
    }

    /// The place of a cursor; `None` for a text that is none of this kind.
    pub(crate) fn update(&self, kind: Kind, text: &str) -> Option<UpdatePlace> {
        let place = self.open(kind, text)?;
        let (updated, id) = place.split_first_chunk()?;
        Some(UpdatePlace { updated: i64::from_be_bytes(*updated), id: String::from_utf8(id.to_vec()).ok()? })
    }

    fn seal(&self, kind: Kind, place: &[u8]) -> String {
        let code = self.mac(kind, place).finalize().into_bytes();
        let code = code.get(..CODE).unwrap_or_default();
        URL_SAFE_NO_PAD.encode([place, code].concat())
    }

    fn open(&self, kind: Kind, text: &str) -> Option<Vec<u8>> {
        if text.len() > 2 * PLACE {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (place, code) = bytes.split_at_checked(bytes.len().checked_sub(CODE)?)?;
        self.mac(kind, place).verify_truncated_left(code).ok()?;
        Some(place.to_vec())
    }

    fn mac(&self, kind: Kind, place: &[u8]) -> Hmac<Sha256> {
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(self.key) {
            *to = from;
        }
        let mut mac = Hmac::<Sha256>::new((&block).into());
        mac.update(&[kind.code()]);
        mac.update(place);
        mac
    }
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cursors(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, the same each time.
    fn random(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 11
    }

    #[test]
    fn a_cursor_leads_back_and_only_for_its_own_kind() {
        let cursors = Cursors::new([7; 32]);
        for number in [0, 1, 255, 1 << 40, u64::MAX] {
            let text = cursors.of_number(Kind::Events, number);
            assert_eq!(cursors.number(Kind::Events, &text), Some(number));
            assert_eq!(cursors.number(Kind::Deliveries, &text), None);
            assert_eq!(Cursors::new([8; 32]).number(Kind::Events, &text), None, "another installation's");
        }
        let text = cursors.of_id(Kind::Users, "diruser_1");
        assert_eq!(cursors.id(Kind::Users, &text).as_deref(), Some("diruser_1"));
        assert_eq!(cursors.id(Kind::Groups, &text), None);
        assert_eq!(cursors.number(Kind::Users, &text), None);
        let place = UpdatePlace { updated: -7, id: "diruser_1".to_owned() };
        let text = cursors.of_update(Kind::UpdatedUsers, &place);
        assert_eq!(cursors.update(Kind::UpdatedUsers, &text), Some(place));
        assert_eq!(cursors.update(Kind::UpdatedGroups, &text), None);
        assert_eq!(cursors.id(Kind::Users, &text), None);
    }

    // mission: M-66
    #[test]
    fn of_ten_thousand_flipped_bits_none_is_taken() {
        let cursors = Cursors::new([7; 32]);
        let mut state = 1;
        for round in 0..10_000_u64 {
            let text = cursors.of_number(Kind::Events, random(&mut state));
            let mut bytes = text.clone().into_bytes();
            if round % 2 == 0 {
                // A bit of what the text stands for.
                let mut decoded = URL_SAFE_NO_PAD.decode(&text).unwrap();
                let at = usize::try_from(random(&mut state)).unwrap() % (decoded.len() * 8);
                decoded[at / 8] ^= 1 << (at % 8);
                bytes = URL_SAFE_NO_PAD.encode(decoded).into_bytes();
            } else {
                // A bit of the text.
                let at = usize::try_from(random(&mut state)).unwrap() % (bytes.len() * 8);
                bytes[at / 8] ^= 1 << (at % 8);
            }
            let changed = String::from_utf8_lossy(&bytes).into_owned();
            assert_ne!(changed, text);
            assert_eq!(cursors.number(Kind::Events, &changed), None, "{text} {changed}");
        }
        for text in ["", "x", "AAAA", &"A".repeat(10_000)] {
            assert_eq!(cursors.number(Kind::Events, text), None);
        }
    }
}

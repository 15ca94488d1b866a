//! Values of the User schema whose form is known (RFC 7643 §4.1).

/// Whether the text is a country code of ISO 3166-1 alpha-2, in upper case.
pub(super) fn is_country(text: &str) -> bool {
    text.len() == 2 && COUNTRIES.split(' ').any(|c| c == text)
}

const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT \
BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR \
GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH \
KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ \
NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ \
SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF \
WS YE YT ZA ZM ZW";

/// Whether the text has the form of a time zone of the IANA database: `America/Los_Angeles`, `UTC`.
pub(super) fn is_time_zone(text: &str) -> bool {
    let Some((area, location)) = text.split_once('/') else {
        return ZONES_WITHOUT_AREA.split(' ').any(|z| z == text);
    };
    let well_formed = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
    };
    AREAS.split(' ').any(|a| a == area) && location.split('/').all(well_formed)
}

const AREAS: &str = "Africa America Antarctica Arctic Asia Atlantic Australia Brazil Canada Chile Etc Europe Indian Mexico \
Pacific US";

const ZONES_WITHOUT_AREA: &str = "CET CST6CDT Cuba EET EST EST5EDT Egypt Eire GB GB-Eire GMT GMT+0 GMT-0 GMT0 Greenwich HST \
Hongkong Iceland Iran Israel Jamaica Japan Kwajalein Libya MET MST MST7MDT NZ NZ-CHAT Navajo PRC PST8PDT Poland Portugal ROC \
ROK Singapore Turkey UCT UTC Universal W-SU WET Zulu";

/// Whether a URI looks like one of an image file: by the suffix of its path, or the media type of a data URI.
pub(super) fn is_image(uri: &str) -> bool {
    let rest_after = |prefix: &str| {
        let (head, rest) = uri.split_at_checked(prefix.len())?;
        head.eq_ignore_ascii_case(prefix).then_some(rest)
    };
    if rest_after("data:").is_some() {
        return rest_after("data:image/").is_some();
    }
    let path = uri.find(['?', '#']).and_then(|end| uri.get(..end)).unwrap_or(uri);
    let path =
        path.split_once("://").map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    path.rsplit_once('.').is_some_and(|(_, suffix)| IMAGES.iter().any(|i| i.eq_ignore_ascii_case(suffix)))
}

const IMAGES: [&str; 14] =
    ["avif", "bmp", "gif", "heic", "heif", "ico", "jpeg", "jpg", "jxl", "png", "svg", "tif", "tiff", "webp"];

/// Whether base64 text holds one X.509 certificate and nothing else: a sequence of what is signed, the
/// algorithm, and the signature (RFC 5280 §4.1).
pub(super) fn is_certificate(text: &str) -> bool {
    let is_one = || {
        let der = decode_base64(text)?;
        let (certificate, rest) = der_value(&der, SEQUENCE)?;
        let (_, behind_signed) = der_value(certificate, SEQUENCE)?;
        let (_, behind_algorithm) = der_value(behind_signed, SEQUENCE)?;
        let (_, behind_signature) = der_value(behind_algorithm, BIT_STRING)?;
        Some(rest.is_empty() && behind_signature.is_empty())
    };
    is_one() == Some(true)
}

const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// The content of a DER value with this tag, and what is behind it.
fn der_value(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    if *length < 0x80 {
        return rest.split_at_checked(usize::from(*length));
    }
    let digits = usize::from(*length & 0x7f);
    if !(1..=4).contains(&digits) {
        return None;
    }
    let (digits, rest) = rest.split_at_checked(digits)?;
    let length = digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit));
    rest.split_at_checked(length)
}

/// The bytes of base64 text (RFC 4648 §4), with or without padding.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut buffer, mut bits) = (0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = (buffer << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits).ok()?);
            buffer &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

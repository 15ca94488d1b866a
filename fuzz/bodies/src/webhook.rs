//! Where webhooks may go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::Uri;
use scim_webhook::{Policy, check_url};

/// A URL that is accepted leads nowhere but to a global address or a name of the public DNS, in the eyes of whoever
/// takes it apart; an address that is accepted is global. What is said of an error does not hold the input.
///
/// Input of 4 or 16 bytes is an address too.
pub fn webhook_url(data: &[u8]) {
    let policy = Policy::default();
    let ip = match data.len() {
        4 => <[u8; 4]>::try_from(data).map(IpAddr::from).ok(),
        16 => <[u8; 16]>::try_from(data).map(IpAddr::from).ok(),
        _ => None,
    };
    if let Some(ip) = ip {
        let allowed = policy.check_address(SocketAddr::new(ip, 443), |_| false).is_ok();
        assert!(!allowed || is_global(ip), "{ip} is not global");
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let url = match check_url(text, &policy) {
        Ok(url) => url,
        Err(error) => {
            assert!(error.to_string().len() < 300);
            return;
        }
    };
    assert_eq!(url.scheme(), "https");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    assert_ne!(url.port_or_known_default(), Some(0));
    let host = url.host_str().expect("a host");
    // The HTTP client takes the written URL apart in its own way, and so would a reader of the given one.
    let uri = Uri::try_from(url.as_str()).expect("a URI");
    assert_eq!(uri.host(), Some(host));
    assert_eq!(uri.port_u16().unwrap_or(443), url.port_or_known_default().expect("a port"));
    assert!(!naive_authority(text).contains('@'), "{text:?}");
    match bracketed(host).map_or_else(|| c_library(host), |inside| inside.parse().ok()) {
        Some(ip) => assert!(is_global(ip), "{text:?} leads to {ip}"),
        None => {
            let name = host.to_ascii_lowercase();
            assert!(name.contains('.') && !name.ends_with('.'), "{text:?}");
            let last = name.rsplit('.').next().unwrap_or_default();
            assert!(!matches!(last, "localhost" | "local" | "internal"), "{text:?}");
        }
    }
    // What is stored is what was checked.
    assert_eq!(check_url(url.as_str(), &policy), Ok(url));
}

fn naive_authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split(['/', '\\', '?', '#']).next().unwrap_or_default()
}

fn bracketed(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

/// IPv4 as `inet_aton` reads it, which the resolvers of many systems ask first: one to four numbers, decimal, octal
/// or hexadecimal, the last of which fills what is left.
fn c_library(host: &str) -> Option<IpAddr> {
    let parts: Vec<u64> = host.split('.').map(c_number).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 8 * (4 - u32::try_from(first.len()).ok()?);
    let high = first.iter().fold(0, |sum, part| sum << 8 | part);
    let whole = (*last < 1 << room).then_some(high << room | last)?;
    u32::try_from(whole).ok().map(|bits| Ipv4Addr::from(bits).into())
}

fn c_number(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None if lower.len() > 1 && lower.starts_with('0') => u64::from_str_radix(&lower, 8).ok(),
        None => lower.parse().ok(),
    }
}

/// Written down once more, octet by octet, from the IANA registries of special-purpose addresses.
fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !matches!(
            ip.octets(),
            [0 | 10 | 127 | 224..=255, ..]
                | [100, 64..=127, ..]
                | [169, 254, ..]
                | [172, 16..=31, ..]
                | [192, 0, 0 | 2, _]
                | [192, 88, 99, _]
                | [192, 168, ..]
                | [198, 18 | 19, ..]
                | [198, 51, 100, _]
                | [203, 0, 113, _]
        ),
        IpAddr::V6(ip) => is_global_v6(ip),
    }
}

fn is_global_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [0x2002, high, low, ..] => is_global(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)).into()),
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An oracle that never objects would prove nothing.
    #[test]
    fn the_oracle_knows_what_is_not_global() {
        for host in ["127.0.0.1", "0x7f.1", "2130706433", "017700000001", "0", "10.1", "0xA9.254.0251.0xfe"] {
            let ip = c_library(host).unwrap_or_else(|| panic!("{host} is an address"));
            assert!(!is_global(ip), "{host}");
        }
        for host in ["app.example.com", "256.1.1.1", "1.2.3.4.5", "0x7g", "", "4294967296", "1..2"] {
            assert_eq!(c_library(host), None, "{host}");
        }
        for ip in
            ["::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:7f00:1::", "2001::1", "fd00::1", "4000::"]
        {
            assert!(!is_global(ip.parse().expect("an address")), "{ip}");
        }
        for ip in ["8.8.8.8", "2606:4700::1", "2002:808:808::", "2001:200::"] {
            assert!(is_global(ip.parse().expect("an address")), "{ip}");
        }
    }
}

//! Where deliveries may go.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use http::Uri;
use ipnet::IpNet;
use url::{Host, SyntaxViolation, Url};

/// How long a host name may be (RFC 1035 §2.3.4).
const NAME_LIMIT: usize = 253;
/// How long each label of it may be.
const LABEL_LIMIT: usize = 63;

/// Names under these are not of the public DNS: RFC 6762 §3, the reservation of `internal` by ICANN, and RFC
/// 8375.
const PRIVATE_SUFFIXES: [&str; 3] = ["local", "internal", "home.arpa"];

/// IPv4 that is not to be reached from everywhere, by the IANA registry of special-purpose addresses, and
/// multicast.
#[rustfmt::skip]
const NOT_GLOBAL_V4: [([u8; 4], u8, &str); 15] = [
    ([0, 0, 0, 0],       8,  "0.0.0.0/8 (this network)"),
    ([10, 0, 0, 0],      8,  "10.0.0.0/8 (private use)"),
    ([100, 64, 0, 0],    10, "100.64.0.0/10 (shared by a provider)"),
    ([127, 0, 0, 0],     8,  "127.0.0.0/8 (loopback)"),
    ([169, 254, 0, 0],   16, "169.254.0.0/16 (link-local)"),
    ([172, 16, 0, 0],    12, "172.16.0.0/12 (private use)"),
    ([192, 0, 0, 0],     24, "192.0.0.0/24 (protocol assignments)"),
    ([192, 0, 2, 0],     24, "192.0.2.0/24 (documentation)"),
    ([192, 88, 99, 0],   24, "192.88.99.0/24 (6to4 relays)"),
    ([192, 168, 0, 0],   16, "192.168.0.0/16 (private use)"),
    ([198, 18, 0, 0],    15, "198.18.0.0/15 (benchmarks)"),
    ([198, 51, 100, 0],  24, "198.51.100.0/24 (documentation)"),
    ([203, 0, 113, 0],   24, "203.0.113.0/24 (documentation)"),
    ([224, 0, 0, 0],     4,  "224.0.0.0/4 (multicast)"),
    ([240, 0, 0, 0],     4,  "240.0.0.0/4 (reserved)"),
];

/// The same of IPv6: within 2000::/3, from which all global addresses are given out, and the best known ones
/// outside of it, by their names.
#[rustfmt::skip]
const NOT_GLOBAL_V6: [([u16; 8], u8, &str); 15] = [
    ([0, 0, 0, 0, 0, 0, 0, 0],           128, "::/128 (unspecified)"),
    ([0, 0, 0, 0, 0, 0, 0, 1],           128, "::1/128 (loopback)"),
    ([0, 0, 0, 0, 0, 0xffff, 0, 0],      96,  "::ffff:0:0/96 (IPv4 written as IPv6)"),
    ([0, 0, 0, 0, 0, 0, 0, 0],           96,  "::/96 (IPv4 written as IPv6)"),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0],   96,  "64:ff9b::/96 (NAT64)"),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0],   48,  "64:ff9b:1::/48 (local NAT64)"),
    ([0x100, 0, 0, 0, 0, 0, 0, 0],       64,  "100::/64 (discard)"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0],      23,  "2001::/23 (protocol assignments, Teredo)"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0],  32,  "2001:db8::/32 (documentation)"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0],      20,  "3fff::/20 (documentation)"),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0],      16,  "5f00::/16 (segment routing)"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0],      7,   "fc00::/7 (private use)"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0],      10,  "fe80::/10 (link-local)"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0],      10,  "fec0::/10 (site-local)"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0],      8,   "ff00::/8 (multicast)"),
];

/// What endpoints an installation allows.
///
/// By default only HTTPS to addresses of the public internet. A name is judged by each address that it
/// resolves to, for every new connection, so that a name that was public when an endpoint was created does
/// not lead inside later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct Policy {
    /// Whether plain HTTP, and HTTPS, to this machine's loopback addresses is allowed, for development.
    pub allow_loopback_http: bool,
    /// Networks that are allowed over HTTPS although they are not public.
    pub allowed_networks: Vec<Network>,
    /// Where this program itself listens: never a receiver, whatever else is allowed. Only these ports count.
    /// An unspecified address (`0.0.0.0`, `::`) stands for every address of this machine.
    pub own_addresses: Vec<SocketAddr>,
}

impl Policy {
    /// Whether a connection to this address is allowed. `is_local` says whether this machine has an address;
    /// it is only asked about ports that this program listens at.
    ///
    /// # Errors
    /// [`UrlError::Address`], [`UrlError::OwnAddress`].
    pub fn check_address(
        &self,
        address: SocketAddr,
        is_local: impl Fn(IpAddr) -> bool,
    ) -> Result<(), UrlError> {
        let (ip, port) = (address.ip(), address.port());
        let is_own = |own: &SocketAddr| {
            own.port() == port
                && (own.ip().to_canonical() == ip.to_canonical()
                    || own.ip().is_unspecified() && (ip.is_unspecified() || is_local(ip)))
        };
        if self.own_addresses.iter().any(is_own) {
            return Err(UrlError::OwnAddress);
        }
        match not_global(ip) {
            None => Ok(()),
            Some(_) if self.allows(ip) => Ok(()),
            Some(range) => Err(UrlError::Address(range)),
        }
    }

    fn allows(&self, ip: IpAddr) -> bool {
        if self.allow_loopback_http && ip.is_loopback() {
            return true;
        }
        // The gateway would go on to the IPv4 address, so that one has to be allowed too.
        let through = embedded_v4(ip).map(IpAddr::V4);
        self.allowed_networks.iter().any(|network| network.contains(ip))
            && through.is_none_or(|ip| not_global(ip).is_none() || self.allows(ip))
    }

    /// Whether names of this machine itself may be used.
    fn allows_loopback_names(&self) -> bool {
        self.allows(Ipv4Addr::LOCALHOST.into()) || self.allows(Ipv6Addr::LOCALHOST.into())
    }

    /// Names are judged by their form here, and by their addresses when they are resolved.
    fn check_name(&self, name: &str) -> Result<(), UrlError> {
        if name.ends_with('.') {
            return Err(UrlError::TrailingDot);
        }
        let is_label = |label: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            !label.is_empty() && label.len() <= LABEL_LIMIT && label.bytes().all(plain)
        };
        if name.len() > NAME_LIMIT || !name.split('.').all(is_label) {
            return Err(UrlError::Name);
        }
        if is_under(name, "localhost") {
            return if self.allows_loopback_names() { Ok(()) } else { Err(UrlError::PrivateName) };
        }
        let is_private = !name.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| is_under(name, suffix));
        if is_private && self.allowed_networks.is_empty() {
            return Err(UrlError::PrivateName);
        }
        Ok(())
    }
}

/// Whether an endpoint may have this URL: HTTPS, a host that may be public, no user name, no fragment.
///
/// A host that is an address, in any spelling, is checked as one. A name is not resolved here, because what it
/// resolves to is only worth something when the connection is made; the sender does it then.
///
/// ```
/// use scim_webhook::{Policy, UrlError, check_url};
/// let policy = Policy::default();
/// assert!(check_url("https://app.example.com/hooks", &policy).is_ok());
/// assert_eq!(check_url("https://0x7f.1/", &policy), Err(UrlError::Address("127.0.0.0/8 (loopback)")));
/// assert_eq!(check_url("https://localhost/", &policy), Err(UrlError::PrivateName));
/// ```
///
/// # Errors
/// [`UrlError`] says what is wrong and what to do, without the URL.
pub fn check_url(text: &str, policy: &Policy) -> Result<Url, UrlError> {
    Target::parse(text, policy).map(|target| target.url)
}

/// A URL that passed, in the forms that are needed to use it.
#[derive(Debug)]
pub(crate) struct Target {
    url: Url,
    /// The same, for the HTTP client.
    pub(crate) uri: Uri,
}

impl Target {
    pub(crate) fn parse(text: &str, policy: &Policy) -> Result<Self, UrlError> {
        let url = parse(text)?;
        let is_loopback = match url.host() {
            Some(Host::Domain(name)) => is_under(name, "localhost"),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        match url.scheme() {
            "https" => {}
            "http" if policy.allow_loopback_http && is_loopback => {}
            _ => return Err(UrlError::Scheme),
        }
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or(UrlError::Port)?;
        let check = |ip| policy.check_address(SocketAddr::new(ip, port), |ip: IpAddr| ip.is_loopback());
        match url.host() {
            Some(Host::Domain(name)) => policy.check_name(name)?,
            Some(Host::Ipv4(ip)) => check(ip.into())?,
            Some(Host::Ipv6(ip)) => check(ip.into())?,
            None => return Err(UrlError::Syntax),
        }
        let uri = Uri::try_from(url.as_str()).map_err(|_| UrlError::Syntax)?;
        Ok(Self { url, uri })
    }
}

/// Takes only URLs that every parser takes apart in the same way.
fn parse(text: &str) -> Result<Url, UrlError> {
    let ambiguous = std::cell::Cell::new(false);
    let note = |violation| match violation {
        SyntaxViolation::Backslash
        | SyntaxViolation::C0SpaceIgnored
        | SyntaxViolation::ExpectedDoubleSlash
        | SyntaxViolation::TabOrNewlineIgnored => ambiguous.set(true),
        _ => {}
    };
    let parsed = Url::options().syntax_violation_callback(Some(&note)).parse(text);
    let url = parsed.map_err(|error| match error {
        url::ParseError::InvalidPort => UrlError::Port,
        _ => UrlError::Syntax,
    })?;
    if ambiguous.get() {
        return Err(UrlError::Syntax);
    }
    // Also `https://@example.com/`, whose user name is empty.
    if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
        return Err(UrlError::Credentials);
    }
    if url.fragment().is_some() {
        return Err(UrlError::Fragment);
    }
    Ok(url)
}

fn authority(text: &str) -> &str {
    let rest = text.split_once("//").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn is_under(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The range by which an address is not global.
fn not_global(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => {
            let holds = |(start, prefix, _): &&([u8; 4], u8, _)| {
                let shift = 32 - u32::from(*prefix);
                u32::from(ip) >> shift == u32::from(Ipv4Addr::from(*start)) >> shift
            };
            NOT_GLOBAL_V4.iter().find(holds).map(|(_, _, range)| *range)
        }
        IpAddr::V6(ip) => {
            let holds = |(start, prefix, _): &&([u16; 8], u8, _)| {
                let shift = 128 - u32::from(*prefix);
                u128::from(ip) >> shift == u128::from(Ipv6Addr::from(*start)) >> shift
            };
            if let Some((_, _, range)) = NOT_GLOBAL_V6.iter().find(holds) {
                return Some(range);
            }
            match embedded_v4(IpAddr::V6(ip)) {
                Some(through) if not_global(through.into()).is_some() => {
                    Some("2002::/16 (6to4) of such an IPv4")
                }
                _ if u128::from(ip) >> 125 != 1 => Some("IPv6 outside of 2000::/3"),
                _ => None,
            }
        }
    }
}

/// The IPv4 address that a NAT64 gateway (RFC 6052 §2.1) or a 6to4 router (RFC 3056 §2) sends to.
fn embedded_v4(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    match ip.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some((u32::from(high) << 16 | u32::from(low)).into())
        }
        _ => None,
    }
}

/// Some neighbouring IP addresses, written as `10.0.0.0/8` or `fd00::/8`; a single address stands for itself.
///
/// ```
/// use scim_webhook::Network;
/// let network: Network = "10.20.0.0/16".parse()?;
/// assert!(network.contains([10, 20, 30, 40].into()));
/// assert!("10.20.0.1/16".parse::<Network>().is_err());
/// # Ok::<(), scim_webhook::NetworkError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

impl Network {
    /// Whether this address is in it. IPv4 addresses are in IPv4 networks only, and IPv6 in IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(address.into()));
        }
        let network: IpNet = text.parse().map_err(|_| NetworkError::Syntax)?;
        if network.addr() == network.network() { Ok(Self(network)) } else { Err(NetworkError::Start) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// It is not an address and a prefix length.
    #[error("a network is written like 10.0.0.0/8 or fd00::/8")]
    Syntax,
    /// The address is not the first one of the network.
    #[error("a network begins with its first address: bits behind the prefix must be 0")]
    Start,
}

/// Why a URL can't be an endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It is not an absolute URL, or one that parsers disagree about.
    #[error(
        "the endpoint's URL is not an absolute URL like https://app.example.com/hooks, without spaces and backslashes"
    )]
    Syntax,
    /// It is not HTTPS.
    #[error("the endpoint's URL must begin with https://")]
    Scheme,
    /// It holds a user name or password.
    #[error(
        "the endpoint's URL must not hold a user name or password: give the endpoint a header with them instead"
    )]
    Credentials,
    /// It holds a fragment, which would not be sent.
    #[error("the endpoint's URL must not hold a fragment: leave out the # and what follows it")]
    Fragment,
    /// Its port is not between 1 and 65535.
    #[error("the port in the endpoint's URL must be between 1 and 65535")]
    Port,
    /// Its host is no name of the DNS.
    #[error(
        "the host in the endpoint's URL is neither an address nor a DNS name of letters, digits, - and _"
    )]
    Name,
    /// Its host ends with a dot.
    #[error("the host in the endpoint's URL must not end with a dot: leave it out")]
    TrailingDot,
    /// Its host is a name of this machine or of a private network.
    #[error(
        "the host in the endpoint's URL is a name of a private network: use a public one, or have the operator allow the network"
    )]
    PrivateName,
    /// It leads to an address that is not of the public internet.
    #[error(
        "the endpoint's URL leads to an address in {0}: use a public one, or have the operator allow the network"
    )]
    Address(
        /// The range.
        &'static str,
    ),
    /// It leads to this program itself.
    #[error("the endpoint's URL leads back to this server: use the address of the receiver")]
    OwnAddress,
}

//! What a log line says of a path: its shape, never its text, which may hold personal data.

use scim_core::Registry;

/// `/scim/v2/{directory}/Users/{id}` for a path of that shape; `other` for what nobody knows.
pub(super) fn route_name(path: &str, prefix: &str, registry: &Registry) -> String {
    let Some((_, rest)) = path.strip_prefix(prefix).and_then(|rest| rest.split_once('/')) else {
        return "other".to_owned();
    };
    let mut segments = rest.split('/');
    let first = segments.next().unwrap_or_default();
    let fixed = ["ServiceProviderConfig", "ResourceTypes", "Schemas", "Bulk", "Me", ".search", ""];
    let endpoint = fixed.into_iter().find(|name| *name == first).or_else(|| {
        let types = registry.resource_types().iter();
        types.map(|t| t.endpoint().trim_start_matches('/')).find(|name| *name == first)
    });
    let Some(endpoint) = endpoint else { return "other".to_owned() };
    let more = match segments.next() {
        None | Some("") => "",
        Some(".search") => "/.search",
        Some(_) => "/{id}",
    };
    format!("{prefix}{{directory}}/{endpoint}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_the_client_is_in_a_route_name() {
        let name = |path| route_name(path, "/scim/v2/", &Registry::standard());
        assert_eq!(name("/scim/v2/dir_1/Users/ada@example.com"), "/scim/v2/{directory}/Users/{id}");
        assert_eq!(name("/scim/v2/dir_1/Users/.search"), "/scim/v2/{directory}/Users/.search");
        assert_eq!(name("/scim/v2/dir_1/Users"), "/scim/v2/{directory}/Users");
        assert_eq!(name("/scim/v2/ada@example.com/Users"), "/scim/v2/{directory}/Users");
        assert_eq!(name("/scim/v2/dir_1/ada@example.com"), "other");
        assert_eq!(name("/ada@example.com"), "other");
    }
}

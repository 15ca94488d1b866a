//! PATCH paths.

use scim_filter::{Expr, Filter, Limits, Path};

use crate::{check_place, resource_type};

/// A PATCH path prints as one that parses to the same; an error points into the text; a path without brackets is an
/// attribute path of a filter too; resolving it against a resource type does not panic.
pub fn patch_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Path::parse(text) {
        Ok(path) => {
            assert!(text.len() <= Path::MAX_LENGTH);
            let printed = path.to_string();
            let path = path.into_owned();
            if printed.len() <= Path::MAX_LENGTH {
                let again = Path::parse(&printed).expect("canonical text parses");
                assert_eq!(path, again.into_owned());
            }
            match path.filter() {
                Some(filter) => assert!(filter.post_order().len() <= Limits::default().nodes),
                None => {
                    let present = format!("{text} pr");
                    let present = Filter::parse(&present).expect("the same grammar in filters");
                    let Expr::Present(same) = present.root().expr() else { panic!("a presence") };
                    assert_eq!(same, path.attribute_path());
                }
            }
            for name in ["User", "Group"] {
                let _ = resource_type(name).resolve(&path.attribute_path());
            }
        }
        Err(error) => check_place(text, error.span(), &error),
    }
}

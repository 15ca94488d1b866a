//! The company that every provider provisions.

use super::expected::ExpectedUser;

/// One employee.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    pub(super) given: &'static str,
    pub(super) family: &'static str,
    pub(super) title: &'static str,
    pub(super) department: &'static str,
    pub(super) number: u32,
}

impl Person {
    /// The name under which scripts keep the person's id.
    pub(super) fn key(&self) -> String {
        self.given.to_lowercase()
    }

    pub(super) fn email(&self, domain: &str) -> String {
        format!("{}@{domain}", self.key())
    }

    pub(super) fn full_name(&self) -> String {
        format!("{} {}", self.given, self.family)
    }

    /// The person as a user with the address as userName; scripts change what their provider has otherwise.
    pub(super) fn expected(&self, domain: &str) -> ExpectedUser {
        ExpectedUser {
            user_name: self.email(domain),
            given_name: self.given.to_owned(),
            family_name: self.family.to_owned(),
            title: None,
            department: None,
            emails: vec![self.email(domain)],
            active: true,
        }
    }
}

const fn person(
    given: &'static str,
    family: &'static str,
    title: &'static str,
    department: &'static str,
    number: u32,
) -> Person {
    Person { given, family, title, department, number }
}

pub(super) const ADA: Person = person("Ada", "Okafor", "Engineer", "Engineering", 1001);
pub(super) const BEN: Person = person("Ben", "Lindqvist", "Engineer", "Engineering", 1002);
pub(super) const CARLA: Person = person("Carla", "Mendes", "Team Lead", "Engineering", 1003);
pub(super) const DEV: Person = person("Dev", "Raman", "Account Executive", "Sales", 1004);
pub(super) const ELIF: Person = person("Elif", "Yılmaz", "Account Executive", "Sales", 1005);
pub(super) const FINN: Person = person("Finn", "O'Neill", "Support Agent", "Support", 1006);
pub(super) const GRETA: Person = person("Greta", "Brückner", "Support Agent", "Support", 1007);
pub(super) const HANA: Person = person("Hana", "Sato", "Controller", "Finance", 1008);

pub(super) const STAFF: [Person; 8] = [ADA, BEN, CARLA, DEV, ELIF, FINN, GRETA, HANA];

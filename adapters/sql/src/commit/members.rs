//! Who comes to a resource and who goes.

use std::collections::{HashMap, HashSet};

use scim_core::{Member, MemberDelta, MembersChange, StoreError};
use scim_schema::fold;

use super::Commit;
use super::log::Columns;
use crate::error::DatabaseError;
use crate::params;
use crate::rows;
use crate::session::{Engine, is_storable};

/// So many members are looked up one by one, each by the whole key of the index: a planner that knows nothing
/// of the table yet can't take another way. More are looked up together.
const FEW: usize = 8;

impl Commit<'_> {
    /// Applies a change of members and says who really came and went.
    pub(super) fn change_members(
        &mut self,
        id: &str,
        change: &MembersChange,
    ) -> Result<(Vec<Member>, Vec<Member>), StoreError> {
        let none = MemberDelta::default();
        let (clear, add, remove) = match change {
            MembersChange::Keep => return Ok((Vec::new(), Vec::new())),
            MembersChange::Delta(delta) => (delta.clear, &delta.add, &delta.remove),
            MembersChange::Set(members) => (true, members, &none.remove),
        };
        let mut wanted = HashSet::new();
        let add: Vec<&Member> = add.iter().filter(|m| wanted.insert(m.id.as_str())).collect();
        let (present, gone): (HashSet<String>, Vec<String>) = if clear {
            let present: Vec<String> = self.members(id)?.into_iter().map(|m| m.id).collect();
            let gone = present.iter().filter(|m| !wanted.contains(m.as_str())).cloned().collect();
            (present.into_iter().collect(), gone)
        } else {
            let gone =
                remove.iter().filter(|r| !wanted.contains(r.as_str()) && is_storable(r)).cloned().collect();
            (self.present(id, &add)?, gone)
        };
        let added: Vec<Member> = add.into_iter().filter(|m| !present.contains(&m.id)).cloned().collect();
        let removed = self.unlink(id, &gone)?;
        self.link(id, &added)?;
        Ok((added, removed))
    }

    pub(super) fn members(&self, holder: &str) -> Result<Vec<Member>, DatabaseError> {
        rows::members(self.session, self.tenant, holder)
    }

    fn together(&self, members: usize) -> bool {
        self.session.engine() == Engine::Postgres && members > FEW
    }

    /// Which of some are members.
    fn present(&self, holder: &str, members: &[&Member]) -> Result<HashSet<String>, DatabaseError> {
        if members.is_empty() {
            return Ok(HashSet::new());
        }
        if self.together(members.len()) {
            let keys = Keys::of(members.iter().map(|m| m.id.as_str()));
            let found = self.session.all(
                "SELECT member FROM scim_members WHERE tenant = ?1 AND member_key = ANY(?2) AND holder = ?3",
                params![self.tenant, &keys.array(), holder],
                |row| row.owned(0),
            )?;
            return Ok(found.into_iter().collect());
        }
        let mut present = HashSet::new();
        for member in members {
            let found = self.session.first(
                "SELECT 1 FROM scim_members
                 WHERE tenant = ?1 AND member_key = ?2 AND holder = ?3 AND member = ?4",
                params![self.tenant, fold(&member.id).as_ref(), holder, &member.id],
                |_| Ok::<(), DatabaseError>(()),
            )?;
            if found.is_some() {
                present.insert(member.id.clone());
            }
        }
        Ok(present)
    }

    /// Adds members that are none yet.
    pub(super) fn link(&mut self, holder: &str, members: &[Member]) -> Result<(), DatabaseError> {
        if members.is_empty() {
            return Ok(());
        }
        self.added.extend(members.iter().map(|m| m.id.clone()));
        let last = self.session.first(
            "SELECT position FROM scim_members WHERE tenant = ?1 AND holder = ?2
             ORDER BY position DESC LIMIT 1",
            params![self.tenant, holder],
            |row| row.int(0),
        )?;
        let last = last.unwrap_or(0);
        if self.session.engine() == Engine::Postgres {
            let (columns, keys) =
                (Columns::of(members.iter()), Keys::of(members.iter().map(|m| m.id.as_str())));
            self.session.execute(
                "INSERT INTO scim_members
                     (tenant, holder, position, member, member_key, member_type, display)
                 SELECT ?1, ?2, ?3 + m.position, m.member, m.member_key, m.member_type, m.display
                 FROM unnest(?4, ?5, ?6, ?7) WITH ORDINALITY
                     AS m (member, member_key, member_type, display, position)",
                params![
                    self.tenant,
                    holder,
                    last,
                    &columns.ids,
                    &keys.array(),
                    &columns.types,
                    &columns.displays
                ],
            )?;
            return Ok(());
        }
        for (member, position) in members.iter().zip(last + 1..) {
            self.session.execute(
                "INSERT INTO scim_members
                     (tenant, holder, position, member, member_key, member_type, display)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    self.tenant,
                    holder,
                    position,
                    &member.id,
                    fold(&member.id).as_ref(),
                    member.resource_type.as_deref(),
                    member.display.as_deref()
                ],
            )?;
        }
        Ok(())
    }

    /// Removes members and gives back what was recorded with those that were there.
    fn unlink(&self, holder: &str, members: &[String]) -> Result<Vec<Member>, DatabaseError> {
        if members.is_empty() {
            return Ok(Vec::new());
        }
        if self.together(members.len()) {
            let keys = Keys::of(members.iter().map(String::as_str));
            let ids: Vec<Option<&str>> = members.iter().map(|m| Some(m.as_str())).collect();
            let gone = self.session.all(
                "DELETE FROM scim_members
                 WHERE tenant = ?1 AND member_key = ANY(?2) AND holder = ?3 AND member = ANY(?4)
                 RETURNING member, member_type, display",
                params![self.tenant, &keys.array(), holder, &ids],
                |row| rows::member(row, 0),
            )?;
            let mut gone: HashMap<String, Member> = gone.into_iter().map(|m| (m.id.clone(), m)).collect();
            return Ok(members.iter().filter_map(|m| gone.remove(m)).collect());
        }
        let mut gone = Vec::new();
        for member in members {
            gone.extend(self.session.first(
                "DELETE FROM scim_members
                 WHERE tenant = ?1 AND member_key = ?2 AND holder = ?3 AND member = ?4
                 RETURNING member, member_type, display",
                params![self.tenant, fold(member).as_ref(), holder, member],
                |row| rows::member(row, 0),
            )?);
        }
        Ok(gone)
    }

    /// Sees to it that what was added as a member is there, and stays until the commit.
    pub(super) fn check_members(&self) -> Result<(), StoreError> {
        if self.added.is_empty() {
            return Ok(());
        }
        if self.session.engine() == Engine::Postgres {
            let ids: HashSet<&str> = self.added.iter().map(String::as_str).collect();
            let array: Vec<Option<&str>> = ids.iter().map(|id| Some(*id)).collect();
            // Who deletes one of them meanwhile comes before this, or sees the edge.
            let found = self.session.all(
                "SELECT 1 FROM scim_resources WHERE tenant = ?1 AND id = ANY(?2) ORDER BY id FOR KEY SHARE",
                params![self.tenant, &array],
                |_| Ok::<(), DatabaseError>(()),
            )?;
            let missing = found.len() < ids.len();
            return if missing && self.batch.check_members { Err(StoreError::UnknownMember) } else { Ok(()) };
        }
        for id in self.added.iter().filter(|_| self.batch.check_members) {
            let found = self.session.first(
                "SELECT 1 FROM scim_resources WHERE tenant = ?1 AND id = ?2",
                params![self.tenant, id],
                |_| Ok::<(), DatabaseError>(()),
            )?;
            if found.is_none() {
                return Err(StoreError::UnknownMember);
            }
        }
        Ok(())
    }
}

/// The folded forms of ids.
struct Keys(Vec<String>);

impl Keys {
    fn of<'i>(ids: impl Iterator<Item = &'i str>) -> Self {
        Self(ids.map(|id| fold(id).into_owned()).collect())
    }

    fn array(&self) -> Vec<Option<&str>> {
        self.0.iter().map(|key| Some(key.as_str())).collect()
    }
}

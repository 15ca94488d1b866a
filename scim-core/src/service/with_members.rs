//! Answers with members, which may be a great many: they are written from a list that takes little memory,
//! piece by piece, as the answer is sent.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use scim_schema::{Projection, Registry, Resource, ResourceType};

use super::{Answer, Exchange, Inner, location};
use crate::body::{Body, Pieces};
use crate::edges::set_members;
use crate::error::{Error, ErrorKind};
use crate::member_list::MemberList;
use crate::render::ListResponse;
use crate::store::{Include, Store, Stored, TenantId, WithMembers};

/// How many members are written at once; so many are also written with the rest of the resource.
const AT_ONCE: usize = 256;
/// How long a piece becomes at least, unless it is the last.
const PIECE: usize = 32 * 1024;
/// How many members the resources of a list may have that are in memory together, unless one alone has more.
const TOGETHER: usize = 10_000;

impl Inner {
    pub(super) async fn with_members(
        &self,
        resource_type: &ResourceType,
        id: &str,
        include: Include,
        exchange: &Exchange,
    ) -> Result<WithMembers, Error> {
        let ids = [id.to_owned()];
        let found =
            self.store.get_with_members(&exchange.caller.tenant, resource_type, &ids, include, 0).await?;
        found.into_iter().next().flatten().ok_or_else(Error::not_found)
    }

    /// The answer that shows one resource with its members.
    pub(super) fn show_with_members(
        &self,
        resource_type: &Arc<ResourceType>,
        shown: WithMembers,
        projection: Projection,
        exchange: &Exchange,
    ) -> Answer {
        let answer = Answer {
            location: Some(location(resource_type, shown.stored.resource.id(), &exchange.base)),
            version: Some(shown.stored.version),
            ..Answer::empty(StatusCode::OK)
        };
        let text = Text::new(Arc::clone(resource_type), shown, projection, &self.registry, &exchange.base);
        Answer { body: Some(Body::written(text)), ..answer }
    }

    /// The answer that shows a list, of which some have members.
    pub(super) fn list_with_members(
        &self,
        response: ListResponse,
        listed: VecDeque<Listed>,
        include: Include,
        exchange: &Exchange,
    ) -> Answer {
        let text = ListText {
            store: Arc::clone(&self.store),
            registry: Arc::clone(&self.registry),
            tenant: exchange.caller.tenant.clone(),
            base: Arc::clone(&exchange.base),
            include,
            response,
            listed,
            read: VecDeque::new(),
            shown: 0,
            place: Place::Beginning,
        };
        Answer { body: Some(Body::written(text)), ..Answer::empty(StatusCode::OK) }
    }
}

/// The text of one resource.
struct Text {
    resource_type: Arc<ResourceType>,
    registry: Arc<Registry>,
    base: Arc<str>,
    projection: Projection,
    shown: WithMembers,
    next: Next,
}

/// What of a resource is written next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// All but the members.
    Resource,
    /// The members without the first so many. Before the first that is shown, their attribute begins.
    Members {
        from: usize,
        begun: bool,
    },
    Nothing,
}

impl Text {
    fn new(
        resource_type: Arc<ResourceType>,
        shown: WithMembers,
        projection: Projection,
        registry: &Arc<Registry>,
        base: &Arc<str>,
    ) -> Self {
        let (registry, base) = (Arc::clone(registry), Arc::clone(base));
        Self { resource_type, registry, base, projection, shown, next: Next::Resource }
    }

    /// Writes what is next.
    fn write(&mut self, text: &mut String) {
        self.next = match self.next {
            Next::Resource => self.write_resource(text),
            Next::Members { from, begun } => self.write_members(from, begun, text),
            Next::Nothing => Next::Nothing,
        };
    }

    fn write_resource(&mut self, text: &mut String) -> Next {
        let Self { shown: WithMembers { stored, members }, .. } = self;
        let few = members.len() <= AT_ONCE;
        if let (Some(membership), true) = (self.resource_type.membership(), few) {
            set_members(&mut stored.resource, membership, &members.part(0, AT_ONCE), &self.registry);
        }
        self.projection.show(&stored.resource, &self.base).write_json(text);
        if few {
            return Next::Nothing;
        }
        // It goes on.
        text.pop();
        Next::Members { from: 0, begun: false }
    }

    fn write_members(&self, from: usize, mut begun: bool, text: &mut String) -> Next {
        let Some(membership) = self.resource_type.membership() else { return Next::Nothing };
        let part = self.shown.members.part(from, AT_ONCE);
        let mut alone = Resource::default();
        set_members(&mut alone, membership, &part, &self.registry);
        let mut written = String::new();
        self.projection.show(&alone, &self.base).write_json(&mut written);
        // A name needs no escape.
        let attribute = format!("\"{}\":[", membership.attribute());
        // There may be nothing to show of these.
        let values = written.strip_prefix('{').and_then(|t| t.strip_prefix(attribute.as_str()));
        if let Some(values) = values.and_then(|t| t.strip_suffix("]}")) {
            if !text.ends_with('{') {
                text.push(',');
            }
            if !begun {
                text.push_str(&attribute);
                begun = true;
            }
            text.push_str(values);
        }
        let from = from.saturating_add(AT_ONCE);
        if from < self.shown.members.len() {
            return Next::Members { from, begun };
        }
        text.push_str(if begun { "]}" } else { "}" });
        Next::Nothing
    }
}

#[async_trait]
impl Pieces for Text {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut text = String::new();
        while self.next != Next::Nothing && text.len() < PIECE {
            self.write(&mut text);
        }
        Ok((!text.is_empty()).then(|| text.into()))
    }
}

/// The text of a list of which some resources have members. Those are read again when it is their turn, each
/// with its members at one moment. Who is gone by then is left out.
struct ListText {
    store: Arc<dyn Store>,
    registry: Arc<Registry>,
    tenant: TenantId,
    base: Arc<str>,
    include: Include,
    /// What the list says beside the resources.
    response: ListResponse,
    /// What is still to be read.
    listed: VecDeque<Listed>,
    /// What was read and is still to be written.
    read: VecDeque<Text>,
    shown: u64,
    place: Place,
}

/// A resource that was found.
pub(super) struct Listed {
    pub(super) resource_type: Arc<ResourceType>,
    pub(super) projection: Projection,
    pub(super) stored: Stored,
}

/// What of a list is written next.
#[derive(Clone, Copy, Debug)]
enum Place {
    Beginning,
    Resources,
    End,
    Nothing,
}

impl ListText {
    /// Reads the next resource, and others with it where that takes little memory.
    async fn read_on(&mut self) -> Result<(), Error> {
        let Some(next) = self.listed.front() else { return Ok(()) };
        let resource_type = Arc::clone(&next.resource_type);
        let with_members = Inner::include(&resource_type, &next.projection).members;
        let found = if with_members {
            let alike = self.listed.iter().take_while(|l| l.resource_type.name() == resource_type.name());
            let ids: Vec<String> = alike.map(|l| l.stored.resource.id().to_owned()).collect();
            self.store.get_with_members(&self.tenant, &resource_type, &ids, self.include, TOGETHER).await?
        } else {
            let stored = next.stored.clone();
            vec![Some(WithMembers { stored, members: MemberList::default() })]
        };
        if found.is_empty() {
            return Err(Error::new(ErrorKind::Internal, "the store answers nothing"));
        }
        for shown in found {
            if let (Some(listed), Some(shown)) = (self.listed.pop_front(), shown) {
                let Listed { resource_type, projection, .. } = listed;
                self.read.push_back(Text::new(resource_type, shown, projection, &self.registry, &self.base));
            }
        }
        Ok(())
    }

    /// Writes the next resource, or a part of it.
    fn write(&mut self, text: &mut String) {
        let Some(resource) = self.read.front_mut() else { return };
        if resource.next == Next::Resource {
            if self.shown > 0 {
                text.push(',');
            }
            self.shown += 1;
        }
        resource.write(text);
        if resource.next == Next::Nothing {
            self.read.pop_front();
        }
    }

    fn write_end(&mut self, text: &mut String) {
        self.response.items_per_page = self.shown;
        let rest = self.response.without_resources();
        text.push_str("],");
        text.push_str(rest.strip_prefix('{').unwrap_or(&rest));
    }
}

#[async_trait]
impl Pieces for ListText {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut text = String::new();
        while text.len() < PIECE {
            match self.place {
                Place::Beginning => {
                    text.push_str("{\"Resources\":[");
                    self.place = Place::Resources;
                }
                Place::Resources if !self.read.is_empty() => self.write(&mut text),
                Place::Resources if !self.listed.is_empty() => self.read_on().await?,
                Place::Resources => self.place = Place::End,
                Place::End => {
                    self.write_end(&mut text);
                    self.place = Place::Nothing;
                }
                Place::Nothing => break,
            }
        }
        Ok((!text.is_empty()).then(|| text.into()))
    }
}

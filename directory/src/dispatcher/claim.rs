//! Which attempts are due, and making them a dispatcher's own.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use scim_schema::DateTime;
use scim_sql::{Session, Statement, params};

use super::health::is_probed;
use super::look::{Candidate, Queue, Segment, SubjectOf, candidates, waiting, waiting_of_event};
use super::numbers::{among_the_first, list};
use super::search::{Room, Search, earlier, next_of, room};
use super::subject::{Decision, Turn, Waiting, is_fleeting, latest, strict};
use super::survey::{Survey, survey};
use super::target::{Address, Target};
use super::turns::{Served, interleave};
use crate::directories::Directories;
use crate::endpoint::Ordering;
use crate::error::DirectoryError;
use crate::event::{EventType, Lane};
use crate::model::DeliveryState;

/// How many queues of an endpoint's lane a transaction that writes looks at.
const QUEUES: usize = 256;
/// How many deliveries of a subject are looked at in one go.
const OF_SUBJECT: i64 = 500;
/// How many more deliveries are looked at than are wanted: some may be of one subject.
const SPARE: usize = 4;

/// What was claimed.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) due: Vec<Due>,
    pub(super) served: Vec<Served>,
    /// When the next attempt falls due, or may be made.
    pub(super) next: Option<DateTime>,
    /// Not all was looked at that might be due.
    pub(super) is_partial: bool,
    pub(super) is_full: bool,
    /// How many deliveries gave way to later ones.
    pub(super) superseded: usize,
    /// Something was changed, so that another look may find something else.
    pub(super) has_moved: bool,
}

/// A delivery whose attempt is this dispatcher's.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) address: Arc<Address>,
    /// The body as it is in the log.
    pub(super) body: Arc<str>,
    pub(super) flight: Flight,
}

/// What is remembered of an attempt until it is recorded.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) position: i64,
    pub(super) endpoint: i64,
    /// Where it goes.
    pub(super) url: Arc<str>,
    pub(super) event_id: String,
    pub(super) event_type: Option<EventType>,
    pub(super) told_as: Option<EventType>,
    pub(super) subject: Arc<str>,
    pub(super) occurred_at: DateTime,
    /// How many attempts were made before.
    pub(super) attempts: u32,
    /// Whether it finds out if the endpoint is back.
    pub(super) is_probe: bool,
    pub(super) began: DateTime,
}

/// Makes attempts this dispatcher's own until their lease ends. The endpoints are locked. `hints` say where
/// something was found.
pub(super) fn claim(
    session: &Session<'_>,
    directories: &Directories,
    search: &Search,
    targets: &[Target],
    hints: &BTreeMap<i64, (i64, i64)>,
) -> Result<Claimed, DirectoryError> {
    let mut claim = Claim {
        session,
        search,
        desks: Vec::new(),
        free: search.free(),
        visited: HashSet::new(),
        claimed: Claimed::default(),
        superseded: Vec::new(),
        statements: Vec::new(),
        chosen: Vec::new(),
        addresses: HashMap::new(),
    };
    if claim.free == 0 {
        claim.claimed.is_full = true;
        return Ok(claim.claimed);
    }
    let open = claim.with_room(targets);
    if open.is_empty() {
        return Ok(claim.claimed);
    }
    let numbers = open.iter().map(|target| target.number);
    let segments = claim.segments(numbers.clone(), hints);
    let survey = survey(session, search, numbers, &segments, QUEUES)?;
    let queues = claim.open(directories, &open, survey);
    claim.look(queues)?;
    let bodies = claim.write()?;
    Ok(claim.finish(&bodies))
}

/// An endpoint at which something may be begun.
struct Desk<'t> {
    target: &'t Target,
    wanted: usize,
    under_way: usize,
    /// There may be more queues, or more deliveries of a queue, than were looked at.
    is_capped: bool,
    /// Queues whose turn has not come.
    queues: VecDeque<Queue>,
    /// Deliveries whose turn has not come.
    list: VecDeque<(Queue, Candidate)>,
}

impl Desk<'_> {
    /// How many more attempts may be begun at it, if so many may be in all.
    fn may_take(&self, search: &Search, free: usize) -> usize {
        self.wanted.min(search.share(free, self.under_way))
    }
}

/// A delivery that is to be sent.
struct Chosen<'t> {
    target: &'t Target,
    lane: i64,
    row: Waiting,
    subject: Arc<str>,
    queue: Queue,
}

struct Claim<'t> {
    session: &'t Session<'t>,
    search: &'t Search,
    desks: Vec<Desk<'t>>,
    /// How many attempts may be begun in all.
    free: usize,
    /// Endpoints and subjects that were decided on.
    visited: HashSet<(i64, String)>,
    claimed: Claimed,
    /// Deliveries that give way.
    superseded: Vec<i64>,
    statements: Vec<(&'static str, Vec<Value>)>,
    chosen: Vec<Chosen<'t>>,
    addresses: HashMap<i64, Arc<Address>>,
}

/// A value of a statement that is run later.
enum Value {
    Int(i64),
    Text(String),
}

impl<'t> Claim<'t> {
    /// The endpoints at which something may be begun as far as is known here; others may have taken what room there is.
    fn with_room(&mut self, targets: &'t [Target]) -> Vec<&'t Target> {
        let mut open = Vec::new();
        for target in targets.iter().filter(|target| target.is_enabled) {
            match room(target, self.search, None) {
                Room::NotBefore(next) => earlier(&mut self.claimed.next, next),
                Room::Short => self.claimed.is_full = true,
                Room::For(_) => open.push(target),
            }
        }
        open
    }

    /// Where to look: in each lane of each endpoint from where it stopped to the end, and then from the beginning.
    fn segments(
        &self,
        endpoints: impl IntoIterator<Item = i64>,
        hints: &BTreeMap<i64, (i64, i64)>,
    ) -> Vec<Segment> {
        let mut segments = Vec::new();
        for endpoint in endpoints {
            for lane in Lane::CODES {
                let start = match hints.get(&endpoint) {
                    Some((hinted, directory)) if *hinted == lane => directory.saturating_sub(1),
                    _ => self.search.turns.after_directory(endpoint, lane),
                };
                segments.push(Segment { endpoint, lane, after: start, up_to: i64::MAX });
                segments.push(Segment { endpoint, lane, after: i64::MIN, up_to: start });
            }
        }
        segments
    }

    /// Finds out at which endpoints something may be begun. Answers their queues.
    fn open(&mut self, directories: &Directories, targets: &[&'t Target], survey: Survey) -> Vec<Queue> {
        let Survey { leases, keys, mut queues } = survey;
        for target in targets.iter().copied() {
            let of_others = leases.of(target.number);
            match room(target, self.search, of_others) {
                Room::NotBefore(next) => earlier(&mut self.claimed.next, next),
                Room::Short => self.claimed.is_full = true,
                Room::For(wanted) => self.desks.push(Desk {
                    target,
                    wanted,
                    under_way: self.search.taken_of(target.number) + of_others.map_or(0, |(count, _)| *count),
                    is_capped: false,
                    queues: VecDeque::new(),
                    list: VecDeque::new(),
                }),
            }
        }
        let targets: Vec<&Target> = self.desks.iter().map(|desk| desk.target).collect();
        self.addresses = Target::addresses(directories, &targets, &keys);
        self.desks.retain(|desk| self.addresses.contains_key(&desk.target.number));
        queues.retain(|queue| self.addresses.contains_key(&queue.endpoint));
        // Where there is not room for all, endpoints take turns too.
        let after = self.search.turns.after_endpoint();
        self.desks.sort_by_key(|desk| (desk.target.number <= after, desk.target.number));
        queues
    }

    fn look(&mut self, queues: Vec<Queue>) -> Result<(), DirectoryError> {
        let mut queues_of: HashMap<(i64, i64), Vec<Queue>> = HashMap::new();
        for queue in queues {
            earlier(&mut self.claimed.next, next_of(&queue, self.search.now));
            queues_of.entry((queue.endpoint, queue.lane)).or_default().push(queue);
        }
        for lane in Lane::CODES {
            for desk in &mut self.desks {
                let endpoint = desk.target.number;
                let mut queues = queues_of.remove(&(endpoint, lane)).unwrap_or_default();
                desk.is_capped |= queues.len() >= QUEUES;
                queues.retain(|queue| !queue.is_paused && queue.first <= self.search.now);
                desk.queues = self.search.turns.order(endpoint, lane, queues);
                desk.list.clear();
            }
            self.serve(lane)?;
        }
        self.claimed.is_partial |= self.desks.iter().any(|desk| desk.is_capped && desk.wanted > 0);
        Ok(())
    }

    /// Chooses what is sent of one lane.
    fn serve(&mut self, lane: i64) -> Result<(), DirectoryError> {
        loop {
            self.refill()?;
            let slice = self.slice();
            if slice.is_empty() {
                let may_find_more =
                    |desk: &Desk<'_>| desk.may_take(self.search, self.free) > 0 && !desk.queues.is_empty();
                if self.desks.iter().any(may_find_more) {
                    continue;
                }
                let is_short = |desk: &Desk<'_>| {
                    let has_more = !desk.list.is_empty() || !desk.queues.is_empty();
                    has_more && desk.wanted > 0 && desk.may_take(self.search, self.free) == 0
                };
                self.claimed.is_full |= self.free == 0 || self.desks.iter().any(is_short);
                return Ok(());
            }
            let subjects: Vec<SubjectOf<'_>> = slice
                .iter()
                .filter_map(|(desk, _, candidate)| {
                    let target = self.desks.get(*desk)?.target;
                    let limit = match target.ordering {
                        Ordering::Latest => OF_SUBJECT,
                        Ordering::Strict => 1,
                    };
                    Some(SubjectOf { endpoint: target.number, subject: &candidate.subject, limit })
                })
                .collect();
            let rows = waiting(self.session, &subjects, self.search.now)?;
            for ((desk, queue, candidate), mut rows) in slice.into_iter().zip(rows) {
                for row in &mut rows {
                    // A lease may have ended while its attempt goes on here.
                    if self.search.is_taken(row.position) {
                        let end = self.search.now.plus(self.search.config.lease);
                        row.under_way_until = row.under_way_until.or(Some(end));
                    }
                }
                self.decide(desk, lane, queue, &candidate, rows)?;
            }
        }
    }

    /// Reads deliveries of the queues that come next, where there are too few.
    fn refill(&mut self) -> Result<(), DirectoryError> {
        let mut asked: Vec<(Queue, i64)> = Vec::new();
        let mut owners = Vec::new();
        for (at, desk) in self.desks.iter_mut().enumerate() {
            if !desk.list.is_empty() || desk.may_take(self.search, self.free) == 0 {
                continue;
            }
            let count = desk.queues.len().min(desk.wanted + SPARE);
            let each = desk.under_way + SPARE + desk.wanted.div_ceil(count.max(1));
            let each = i64::try_from(each).unwrap_or(i64::MAX);
            for queue in desk.queues.drain(..count) {
                asked.push((queue, each));
                owners.push(at);
            }
        }
        let found = candidates(self.session, &asked, self.search.now)?;
        let mut by_desk: BTreeMap<usize, Vec<(Queue, VecDeque<Candidate>)>> = BTreeMap::new();
        for (((queue, each), owner), found) in asked.into_iter().zip(owners).zip(found) {
            if let Some(desk) = self.desks.get_mut(owner) {
                desk.is_capped |= i64::try_from(found.len()).is_ok_and(|count| count >= each);
            }
            by_desk.entry(owner).or_default().push((queue, found.into()));
        }
        for (owner, queues) in by_desk {
            if let Some(desk) = self.desks.get_mut(owner) {
                desk.list = interleave(queues);
            }
        }
        Ok(())
    }

    /// As many deliveries as are wanted, each of another subject.
    fn slice(&mut self) -> Vec<(usize, Queue, Candidate)> {
        let mut slice = Vec::new();
        let mut free = self.free;
        for (at, desk) in self.desks.iter_mut().enumerate() {
            let mut wanted = desk.may_take(self.search, free);
            while wanted > 0
                && let Some((queue, candidate)) = desk.list.pop_front()
            {
                if self.visited.insert((desk.target.number, candidate.subject.clone())) {
                    slice.push((at, queue, candidate));
                    wanted -= 1;
                    free -= 1;
                }
            }
        }
        slice
    }

    /// Decides on a subject.
    fn decide(
        &mut self,
        desk: usize,
        lane: i64,
        queue: Queue,
        candidate: &Candidate,
        rows: Vec<Waiting>,
    ) -> Result<(), DirectoryError> {
        let Some(target) = self.desks.get(desk).map(|desk| desk.target) else { return Ok(()) };
        let sent = match target.ordering {
            Ordering::Latest => self.latest(target.number, &candidate.subject, rows)?,
            Ordering::Strict => self.strict(target, lane, candidate, rows)?,
        };
        let Some(row) = sent else { return Ok(()) };
        if let Some(desk) = self.desks.get_mut(desk) {
            desk.wanted -= 1;
            desk.under_way += 1;
        }
        self.free -= 1;
        self.chosen.push(Chosen { target, lane, row, subject: candidate.subject.as_str().into(), queue });
        Ok(())
    }

    fn latest(
        &mut self,
        endpoint: i64,
        subject: &str,
        mut rows: Vec<Waiting>,
    ) -> Result<Option<Waiting>, DirectoryError> {
        if is_fleeting(&rows) && !self.was_told(endpoint, subject)? {
            self.superseded.extend(rows.iter().map(|row| row.position));
            return Ok(None);
        }
        let is_all = i64::try_from(rows.len()).is_ok_and(|rows| rows < OF_SUBJECT);
        let Decision { send, retold, superseded } = latest(&rows, is_all, self.search.now);
        self.superseded.extend(superseded);
        self.claimed.is_partial |= !is_all;
        if let Some((at, event_type, since)) = retold
            && let Some(row) = rows.get_mut(at)
            && row.told_as != Some(event_type)
        {
            (row.told_as, row.occurred_at) = (Some(event_type), since);
            let update = "UPDATE dir_deliveries
                SET told_as = ?2, lane = CASE WHEN ?3 = 1 THEN 0 ELSE lane END, told_since = ?4 WHERE position = ?1";
            let (told, is_urgent) = (event_type.as_str().to_owned(), event_type.is_urgent().into());
            let since = Value::Int(since.unix_micros());
            let values = vec![Value::Int(row.position), Value::Text(told), Value::Int(is_urgent), since];
            self.statements.push((update, values));
        }
        Ok(send.filter(|at| *at < rows.len()).map(|at| rows.swap_remove(at)))
    }

    /// Whether any delivery of a subject to an endpoint was ever attempted, also one that was given up or begun anew:
    /// the receiver may know the subject, whatever it answered.
    fn was_told(&self, endpoint: i64, subject: &str) -> Result<bool, DirectoryError> {
        let select = "SELECT 1 FROM dir_deliveries d WHERE d.endpoint = ?1 AND d.subject = ?2
            AND (d.attempts > 0 OR d.last_attempt IS NOT NULL OR d.leased_until IS NOT NULL
                OR EXISTS (SELECT 1 FROM dir_attempts a WHERE a.delivery = d.position)) LIMIT 1";
        let found =
            self.session.first(select, params![endpoint, subject], |_| Ok::<_, DirectoryError>(()))?;
        Ok(found.is_some())
    }

    fn strict(
        &mut self,
        target: &Target,
        lane: i64,
        candidate: &Candidate,
        rows: Vec<Waiting>,
    ) -> Result<Option<Waiting>, DirectoryError> {
        let Some(first) = rows.into_iter().next() else { return Ok(None) };
        let is_deletion = lane == Lane::Urgent.code();
        let subject = || Value::Text(candidate.subject.clone());
        match strict(&first, candidate.event, is_deletion, self.search.now) {
            Turn::First => Ok(Some(first)),
            Turn::Jump => {
                let row = waiting_of_event(self.session, target.number, candidate.event, self.search.now)?;
                let Some(row) = row.filter(|row| row.under_way_until.is_none()) else { return Ok(None) };
                let update = "UPDATE dir_deliveries
                    SET state = 4, finished = ?4, leased_until = NULL, holder = NULL
                    WHERE endpoint = ?1 AND subject = ?2 AND state = (SELECT 0) AND event < ?3";
                let now = Value::Int(self.search.now.unix_micros());
                let values = vec![Value::Int(target.number), subject(), Value::Int(row.event), now];
                self.statements.push((update, values));
                Ok(Some(row))
            }
            Turn::Wait(until) => {
                // Those behind it need not be looked at before; a deletion may get its turn at any time.
                if candidate.event != first.event && !is_deletion {
                    let update = "UPDATE dir_deliveries SET due = ?4
                        WHERE endpoint = ?1 AND subject = ?2 AND state = (SELECT 0) AND event > ?3 AND lane <> 0
                            AND due < ?4";
                    let until = Value::Int(until.unix_micros());
                    let values = vec![Value::Int(target.number), subject(), Value::Int(first.event), until];
                    self.statements.push((update, values));
                }
                Ok(None)
            }
        }
    }

    /// Writes what was decided, and reads the bodies of what is sent, by the positions of their events.
    fn write(&mut self) -> Result<HashMap<i64, Arc<str>>, DirectoryError> {
        let now = self.search.now;
        let among = among_the_first(self.session);
        let give_way = format!(
            "UPDATE dir_deliveries SET state = {}, finished = ?2, leased_until = NULL, holder = NULL
            WHERE position {among} AND state = (SELECT 0)",
            DeliveryState::Superseded.code()
        );
        let lease =
            format!("UPDATE dir_deliveries SET leased_until = ?2, holder = ?3 WHERE position {among}");
        let select_bodies = format!("SELECT position, body FROM dir_events WHERE position {among}");
        let gone = list(self.session, self.superseded.iter().copied());
        let sent = list(self.session, self.chosen.iter().map(|chosen| chosen.row.position));
        let events = list(self.session, self.chosen.iter().map(|chosen| chosen.row.event));
        let end = now.plus(self.search.config.lease).unix_micros();
        let mut statements = Vec::new();
        if !self.superseded.is_empty() {
            statements.push(Statement::new(&give_way, params![&gone, now.unix_micros()]));
        }
        for (sql, values) in &self.statements {
            let values: Vec<_> = values.iter().map(Value::param).collect();
            statements.push(Statement::new(sql, values));
        }
        if !self.chosen.is_empty() {
            statements.push(Statement::new(&lease, params![&sent, end, &*self.search.holder]));
            statements.push(Statement::new(&select_bodies, params![&events]));
        }
        let mut bodies = HashMap::new();
        if !statements.is_empty() {
            // No other statement has rows.
            self.session.batch_rows(&statements, |_, row| {
                bodies.insert(row.int(0)?, row.text(1)?.into());
                Ok::<_, DirectoryError>(())
            })?;
            self.claimed.has_moved = true;
        }
        self.claimed.superseded = self.superseded.len();
        Ok(bodies)
    }

    fn finish(self, bodies: &HashMap<i64, Arc<str>>) -> Claimed {
        let Self { search, mut claimed, chosen, addresses, .. } = self;
        for Chosen { target, lane, row, subject, queue } in chosen {
            let (Some(address), Some(body)) = (addresses.get(&target.number), bodies.get(&row.event)) else {
                continue;
            };
            claimed.served.push(Served {
                endpoint: target.number,
                lane,
                organization: queue.organization,
                directory: queue.directory,
                has_rate: target.rate.is_some(),
                time: search.now,
            });
            claimed.due.push(Due {
                address: Arc::clone(address),
                body: Arc::clone(body),
                flight: Flight {
                    position: row.position,
                    endpoint: target.number,
                    url: Arc::clone(&address.url),
                    event_id: row.event_id,
                    event_type: row.event_type,
                    told_as: row.told_as,
                    subject,
                    occurred_at: row.occurred_at,
                    attempts: row.attempts,
                    is_probe: is_probed(&target.health),
                    began: search.now,
                },
            });
        }
        claimed
    }
}

impl Value {
    fn param(&self) -> scim_sql::Param<'_> {
        match self {
            Self::Int(number) => (*number).into(),
            Self::Text(text) => text.into(),
        }
    }
}

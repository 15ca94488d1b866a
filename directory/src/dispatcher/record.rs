//! What became of attempts.

use scim_schema::{DateTime, Object, Value};
use scim_sql::{Param, Session, Statement, params};
use scim_webhook::{Failure, Outcome, Report};

use super::claim::Flight;
use super::health::{failed, next_due, succeeded};
use super::search::Search;
use super::target::Target;
use crate::directories::Directories;
use crate::endpoint::Ordering;
use crate::error::DirectoryError;
use crate::event::EventType;
use crate::id::DeliveryId;
use crate::log::write_notice;
use crate::model::DeliveryState;

/// A delivery is set aside whose attempts were broken off so often by a mistake in this program.
const TRIES: u32 = 5;
/// After so many failed attempts there is a notice.
const FAILING: u32 = 4;
/// Why a delivery was set aside, or an attempt was broken off.
const PANIC: &str = "panic";
/// Why an endpoint was disabled.
const GONE: &str = "gone";
const FAILED_FOR_DAYS: &str = "failing";

/// An attempt that came to an end.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    pub(super) flight: Flight,
    /// `None`: it was broken off by a mistake in this program.
    pub(super) report: Option<Report>,
    pub(super) time: DateTime,
}

/// What recording attempts came to.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    /// Of each attempt whether it counts: not if the lease ended, and somebody else has taken over or is done.
    pub(super) counts: Vec<bool>,
    /// There are new events, which tell of endpoints.
    pub(super) has_notices: bool,
}

/// What an attempt means for its delivery.
struct Effect<'f> {
    finished: &'f Finished,
    state: DeliveryState,
    due: Option<DateTime>,
    status: Option<u16>,
    reason: Option<&'static str>,
    /// The endpoint has another URL meanwhile: what happened says nothing of it.
    is_elsewhere: bool,
}

impl<'f> Effect<'f> {
    fn of(finished: &'f Finished, targets: &[Target], jitter: f64) -> Self {
        let made = finished.flight.attempts.saturating_add(1);
        let outcome = finished.report.as_ref().map(|report| &report.outcome);
        let target = targets.iter().find(|target| target.number == finished.flight.endpoint);
        let mut effect = Self {
            finished,
            state: DeliveryState::Pending,
            due: None,
            status: None,
            reason: None,
            is_elsewhere: target.is_some_and(|target| *target.url != *finished.flight.url),
        };
        match outcome {
            Some(Outcome::Delivered { status }) => {
                effect.status = Some(*status);
                effect.state = DeliveryState::Delivered;
            }
            Some(Outcome::Failed { status, reason, .. }) => {
                effect.status = *status;
                effect.reason = Some(reason.as_str());
            }
            None => effect.reason = Some(PANIC),
        }
        if matches!(outcome, Some(Outcome::Failed { reason: Failure::Gone, .. })) && !effect.is_elsewhere {
            effect.state = DeliveryState::Refused;
        }
        if effect.state == DeliveryState::Pending {
            effect.due = next_due(made, &finished.flight.event_id, finished.time, outcome, jitter);
            if effect.due.is_none() || (outcome.is_none() && made >= TRIES) {
                effect.due = None;
                effect.state = DeliveryState::Exhausted;
            }
        }
        effect
    }

    fn is_delivered(&self) -> bool {
        self.state == DeliveryState::Delivered
    }
}

/// Records attempts: done, due again, or given up; their leases end. Their endpoints are locked.
pub(super) fn record(
    session: &Session<'_>,
    directories: &Directories,
    search: &Search,
    targets: &mut [Target],
    finished: &[Finished],
) -> Result<Recorded, DirectoryError> {
    let effects: Vec<Effect<'_>> =
        finished.iter().map(|finished| Effect::of(finished, targets, search.config.jitter)).collect();
    let counts = write_effects(session, &search.holder, &effects, search.now)?;
    let mut counted: Vec<&Effect<'_>> = effects
        .iter()
        .zip(&counts)
        // What was delivered is so, whoever is at it now.
        .filter_map(|(effect, counts)| (*counts || effect.is_delivered()).then_some(effect))
        .collect();
    counted.sort_by_key(|effect| effect.finished.time);
    let mut notices = Notices { session, directories, are_there: false };
    for target in targets {
        let of_target: Vec<&Effect<'_>> = counted
            .iter()
            .copied()
            .filter(|effect| effect.finished.flight.endpoint == target.number)
            .collect();
        if of_target.is_empty() {
            continue;
        }
        if target.ordering == Ordering::Strict {
            call_next(session, &of_target, search.now)?;
        }
        judge(&mut notices, target, &of_target)?;
        target.write_health(session)?;
    }
    Ok(Recorded { counts, has_notices: notices.are_there })
}

fn write_effects(
    session: &Session<'_>,
    holder: &str,
    effects: &[Effect<'_>],
    now: DateTime,
) -> Result<Vec<bool>, DirectoryError> {
    // Whose lease was taken over records what was delivered, and nothing else; and not while the other is at it, so
    // that the subject's next event waits for both.
    let is_mine = "position = ?1 AND state = (SELECT 0)
        AND (holder = ?2 OR (?3 = 1 AND coalesce(leased_until, 0) <= ?4))";
    let keep = format!(
        "INSERT INTO dir_attempts (delivery, made_at, status, reason, excerpt, elapsed)
        SELECT position, last_attempt, status, reason, excerpt, elapsed FROM dir_deliveries
        WHERE {is_mine} AND last_attempt IS NOT NULL"
    );
    let update = format!(
        "UPDATE dir_deliveries
        SET state = ?5, attempts = attempts + 1, due = coalesce(?6, due), last_attempt = ?7, status = ?8,
            reason = ?9, excerpt = ?10, elapsed = ?11, finished = ?12, leased_until = NULL, holder = NULL
        WHERE {is_mine}"
    );
    let mut statements = Vec::new();
    let mut places = Vec::new();
    for effect in effects {
        let Finished { flight, report, time } = effect.finished;
        let delivered = effect.is_delivered();
        let key = [Param::from(flight.position), holder.into(), delivered.into(), now.unix_micros().into()];
        if flight.attempts > 0 {
            statements.push(Statement::new(&keep, key));
        }
        let excerpt = report.as_ref().map(|report| report.excerpt.as_str()).filter(|text| !text.is_empty());
        let elapsed = report.as_ref().and_then(|report| i64::try_from(report.elapsed.as_micros()).ok());
        let is_done = effect.state != DeliveryState::Pending;
        let values = [
            effect.state.code().into(),
            effect.due.map(DateTime::unix_micros).into(),
            flight.began.unix_micros().into(),
            effect.status.map(i64::from).into(),
            effect.reason.into(),
            excerpt.into(),
            elapsed.into(),
            is_done.then(|| time.unix_micros()).into(),
        ];
        places.push(statements.len());
        statements.push(Statement::new(&update, [key.as_slice(), &values].concat()));
    }
    let changed = session.batch(&statements)?;
    Ok(places.into_iter().map(|place| changed.get(place).is_some_and(|rows| *rows > 0)).collect())
}

/// In strict order the next event of a subject was put off until the one before it has come to its end.
fn call_next(session: &Session<'_>, effects: &[&Effect<'_>], now: DateTime) -> Result<(), DirectoryError> {
    let update = "UPDATE dir_deliveries SET due = ?3
        WHERE position = (
                SELECT position FROM dir_deliveries WHERE endpoint = ?1 AND subject = ?2 AND state = (SELECT 0)
                ORDER BY event LIMIT 1
            ) AND due > ?3 AND attempts = 0";
    let done = effects.iter().filter(|effect| effect.state != DeliveryState::Pending);
    let statements: Vec<Statement<'_>> = done
        .map(|effect| {
            let Flight { endpoint, subject, .. } = &effect.finished.flight;
            Statement::new(update, params![*endpoint, &**subject, now.unix_micros()])
        })
        .collect();
    if !statements.is_empty() {
        session.batch(&statements)?;
    }
    Ok(())
}

/// What attempts say about their endpoint, one after the other, and who is told.
fn judge(
    notices: &mut Notices<'_>,
    target: &mut Target,
    effects: &[&Effect<'_>],
) -> Result<(), DirectoryError> {
    for effect in effects {
        let Finished { flight, report, time } = effect.finished;
        if effect.is_elsewhere && effect.is_delivered() {
            continue;
        }
        // A mistake of this program is not the endpoint's.
        if let Some(Report { outcome, .. }) = report.as_ref().filter(|_| !effect.is_elsewhere) {
            if effect.is_delivered() {
                succeeded(&mut target.health, *time);
                if std::mem::take(&mut target.told_failing) {
                    notices.tell(target, EventType::DeliveryRecovered, effect)?;
                }
                continue;
            }
            let has_failed_for_days = failed(&mut target.health, *time, outcome, flight.is_probe);
            let is_gone = effect.state == DeliveryState::Refused;
            if target.is_enabled && (is_gone || has_failed_for_days) {
                let reason = if is_gone { GONE } else { FAILED_FOR_DAYS };
                target.disable(notices.session, reason, *time)?;
                tracing::warn!(endpoint = %target.id, reason, "webhook endpoint disabled");
                notices.tell(target, EventType::EndpointDisabled, effect)?;
            }
        }
        if flight.event_type.is_some_and(EventType::is_notice) {
            continue;
        }
        if effect.state == DeliveryState::Exhausted {
            notices.tell(target, EventType::DeliveryExhausted, effect)?;
        } else if flight.attempts + 1 == FAILING {
            target.told_failing = true;
            notices.tell(target, EventType::DeliveryFailing, effect)?;
        }
    }
    Ok(())
}

/// Events that tell of endpoints, in the transaction that records what they are about.
struct Notices<'n> {
    session: &'n Session<'n>,
    directories: &'n Directories,
    are_there: bool,
}

impl Notices<'_> {
    fn tell(
        &mut self,
        target: &Target,
        event_type: EventType,
        effect: &Effect<'_>,
    ) -> Result<(), DirectoryError> {
        let Finished { flight, time, .. } = effect.finished;
        let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        let moment = |time: Option<DateTime>| time.map_or(Value::Null, |time| time.to_string().into());
        let delivery = DeliveryId::of(u64::try_from(flight.position).unwrap_or_default());
        let mut data = Object::with_capacity(10);
        data.push("endpoint_id", target.id.as_str());
        if event_type == EventType::EndpointDisabled {
            data.push("reason", if effect.state == DeliveryState::Refused { GONE } else { FAILED_FOR_DAYS });
            data.push("disabled_at", time.to_string());
            data.push("failing_since", moment(target.health.failing_since));
        } else {
            data.push("delivery_id", delivery.as_str());
            data.push("event_id", flight.event_id.as_str());
            data.push("event_type", text(flight.told_as.or(flight.event_type).map(EventType::as_str)));
            data.push("subject", &*flight.subject);
            data.push("attempts", u64::from(flight.attempts) + 1);
            data.push("status", effect.status.map_or(Value::Null, |status| u64::from(status).into()));
            data.push("reason", text(effect.reason));
            data.push("next_attempt", moment(effect.due));
        }
        let key = format!("{delivery} {}", flight.attempts);
        self.are_there = true;
        write_notice(self.session, self.directories, event_type, &target.id, *time, &key, data)
    }
}

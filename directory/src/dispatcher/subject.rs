//! Which of the events of one user or group an endpoint gets next. Pure.

use scim_schema::DateTime;

use crate::event::EventType;

/// A delivery that waits or is under way, as far as its order is concerned.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) position: i64,
    /// The position of its event, by which deliveries are in order: that of a replayed event came late.
    pub(super) event: i64,
    pub(super) event_id: String,
    /// What it tells; `None` for a type of another version.
    pub(super) event_type: Option<EventType>,
    /// What is said instead, because it took the place of another.
    pub(super) told_as: Option<EventType>,
    pub(super) version: u64,
    /// After it, its subject is there no more.
    pub(super) is_removal: bool,
    /// After it, its user is there and was told to be gone, because it is not active.
    pub(super) is_deactivated: bool,
    pub(super) attempts: u32,
    /// An attempt was made or may have been made.
    pub(super) is_begun: bool,
    pub(super) due: DateTime,
    /// Until when somebody's attempt is under way.
    pub(super) under_way_until: Option<DateTime>,
    /// When what it tells happened.
    pub(super) occurred_at: DateTime,
}

impl Waiting {
    /// Its type, as it is told.
    fn told(&self) -> Option<EventType> {
        self.told_as.or(self.event_type)
    }

    /// Whether it has the whole state of its subject, so that earlier ones say nothing more.
    fn tells_all(&self) -> bool {
        use EventType::{GroupCreated, GroupDeleted, GroupUpdated, UserCreated, UserDeleted, UserUpdated};
        matches!(
            self.event_type,
            Some(UserCreated | UserUpdated | UserDeleted | GroupCreated | GroupUpdated | GroupDeleted)
        )
    }

    fn creation(&self) -> Option<EventType> {
        self.told().filter(|told| matches!(told, EventType::UserCreated | EventType::GroupCreated))
    }

    /// Who reacts to types must not miss it.
    fn came_or_went(&self) -> Option<EventType> {
        self.creation().or(self.told().filter(|told| *told == EventType::UserDeleted))
    }

    fn is_update(&self) -> bool {
        matches!(self.told(), Some(EventType::UserUpdated | EventType::GroupUpdated))
    }

    fn is_due(&self, now: DateTime) -> bool {
        // Of what has not failed no attempt has to wait, whatever the clock said when it happened.
        self.due <= now || self.attempts == 0
    }
}

/// What happens to the deliveries of one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    /// This one is sent.
    pub(super) send: Option<usize>,
    /// This one says that its subject was created or deleted, and when.
    pub(super) retold: Option<(usize, EventType, DateTime)>,
    /// The positions of those that give way.
    pub(super) superseded: Vec<i64>,
}

/// Whether a subject came and went without anybody having been told of it.
pub(super) fn is_fleeting(rows: &[Waiting]) -> bool {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return false };
    first.creation().is_some()
        && first.version == 1
        && last.is_removal
        && rows.iter().all(|row| !row.is_begun && row.under_way_until.is_none() && row.tells_all())
}

/// The latest event takes the place of those before it. `rows` are those of a subject in their order, from the
/// first one on; `is_all`: there are no more.
pub(super) fn latest(rows: &[Waiting], is_all: bool, now: DateTime) -> Decision {
    let mut decision = Decision::default();
    let free = |row: &Waiting| row.under_way_until.is_none();
    if let Some(newest) = rows.iter().rposition(|row| row.tells_all() && free(row)) {
        let older = || rows.iter().take(newest).filter(|row| row.tells_all() && free(row));
        decision.superseded = older().map(|row| row.position).collect();
        let told = |row: &Waiting| row.came_or_went().map(|told| (told, row.occurred_at));
        let came_or_went = older().filter_map(told).next_back();
        let may_say = |row: &&Waiting| {
            let is_gone = came_or_went.is_some_and(|(told, _)| told == EventType::UserDeleted);
            row.is_update() && !row.is_begun && (row.is_deactivated || !is_gone)
        };
        if let (Some((told, time)), Some(_)) = (came_or_went, rows.get(newest).filter(may_say)) {
            decision.retold = Some((newest, told, time));
        }
    }
    let is_under_way = !rows.iter().all(free);
    if !is_under_way && (is_all || decision.superseded.is_empty()) {
        let stays = |row: &Waiting| !decision.superseded.contains(&row.position);
        decision.send = rows.iter().position(|row| stays(row) && row.is_due(now));
    }
    decision
}

/// What an event does that waits for the first one of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The first one is sent.
    First,
    /// It goes itself, in the place of all before it.
    Jump,
    /// It waits until then.
    Wait(DateTime),
}

/// Each event waits for those before it; only a deletion does not wait for one that has failed.
pub(super) fn strict(first: &Waiting, event: i64, is_deletion: bool, now: DateTime) -> Turn {
    match first.under_way_until {
        Some(end) => Turn::Wait(end),
        None if first.is_due(now) => Turn::First,
        None if is_deletion && event != first.event => Turn::Jump,
        None => Turn::Wait(first.due),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventType::{GroupUserAdded, UserCreated, UserDeleted, UserUpdated};

    fn now() -> DateTime {
        DateTime::from_unix_micros(0)
    }

    fn row(position: i64, event_type: EventType) -> Waiting {
        Waiting {
            position,
            event: position,
            event_id: String::new(),
            event_type: Some(event_type),
            told_as: None,
            version: 2,
            is_removal: false,
            is_deactivated: false,
            attempts: 0,
            is_begun: false,
            due: now(),
            under_way_until: None,
            occurred_at: now(),
        }
    }

    fn created(position: i64) -> Waiting {
        Waiting { version: 1, ..row(position, UserCreated) }
    }

    fn removed(position: i64) -> Waiting {
        Waiting { is_removal: true, ..row(position, UserDeleted) }
    }

    fn tried(row: Waiting) -> Waiting {
        Waiting { attempts: 1, is_begun: true, due: now().plus_micros(1), ..row }
    }

    fn under_way(row: Waiting) -> Waiting {
        Waiting { is_begun: true, under_way_until: Some(now().plus_micros(1)), ..row }
    }

    fn decided(rows: &[Waiting]) -> (Option<usize>, Option<(usize, EventType)>, Vec<i64>) {
        let Decision { send, retold, superseded } = latest(rows, true, now());
        (send, retold.map(|(at, told, _)| (at, told)), superseded)
    }

    #[test]
    fn the_latest_takes_the_place_of_those_before_it() {
        let rows = [tried(row(1, UserUpdated)), row(2, UserUpdated), row(3, UserUpdated)];
        assert_eq!(decided(&rows), (Some(2), None, vec![1, 2]));
        assert_eq!(decided(&[row(1, UserUpdated), row(2, UserDeleted)]), (Some(1), None, vec![1]));
        assert_eq!(decided(&[tried(row(1, UserUpdated))]), (None, None, vec![]));
        assert_eq!(decided(&[]), (None, None, vec![]));
    }

    #[test]
    fn an_update_that_takes_the_place_of_a_creation_says_so() {
        let rows = [created(1), row(2, UserUpdated), row(3, UserUpdated)];
        assert_eq!(decided(&rows), (Some(2), Some((2, UserCreated)), vec![1, 2]));
        let rows = [tried(created(1)), row(2, UserUpdated)];
        assert_eq!(decided(&rows), (Some(1), Some((1, UserCreated)), vec![1]));
        // Told on from one to the next.
        let told = Waiting { told_as: Some(UserCreated), ..row(2, UserUpdated) };
        assert_eq!(decided(&[told, row(3, UserUpdated)]), (Some(1), Some((1, UserCreated)), vec![2]));
        // What was sent once is not changed.
        let sent = Waiting { due: now(), ..tried(row(2, UserUpdated)) };
        assert_eq!(decided(&[created(1), sent]), (Some(1), None, vec![1]));
        assert_eq!(decided(&[created(1), row(2, UserDeleted)]), (Some(1), None, vec![1]));
    }

    #[test]
    fn an_update_that_takes_the_place_of_a_deactivation_says_so() {
        let inactive = |position| Waiting { is_deactivated: true, ..row(position, UserUpdated) };
        let deactivated = |position| Waiting { is_deactivated: true, ..row(position, UserDeleted) };
        let rows = [tried(deactivated(1)), inactive(2), inactive(3)];
        assert_eq!(decided(&rows), (Some(2), Some((2, UserDeleted)), vec![1, 2]));
        assert_eq!(decided(&[created(1), deactivated(2), inactive(3)]).1, Some((2, UserDeleted)));
        let told = Waiting { told_as: Some(UserDeleted), ..inactive(2) };
        assert_eq!(decided(&[told, inactive(3)]), (Some(1), Some((1, UserDeleted)), vec![2]));
        // Back again.
        let rows = [deactivated(1), row(2, UserCreated), row(3, UserUpdated)];
        assert_eq!(decided(&rows), (Some(2), Some((2, UserCreated)), vec![1, 2]));
        assert_eq!(decided(&[deactivated(1), row(2, UserUpdated)]), (Some(1), None, vec![1]));
        // Who was deactivated before is not told to be gone again.
        assert_eq!(decided(&[inactive(1), inactive(2)]), (Some(1), None, vec![1]));
    }

    #[test]
    fn what_is_under_way_stays_and_the_rest_gives_way_meanwhile() {
        let rows = [under_way(created(1)), row(2, UserUpdated), row(3, UserUpdated)];
        assert_eq!(decided(&rows), (None, None, vec![2]));
        let rows = [under_way(row(1, UserUpdated)), row(2, UserCreated), row(3, UserUpdated)];
        assert_eq!(decided(&rows), (None, Some((2, UserCreated)), vec![2]));
    }

    #[test]
    fn what_does_not_tell_all_is_sent_in_its_order_and_takes_nobody_s_place() {
        let rows = [row(1, GroupUserAdded), row(2, UserUpdated), row(3, GroupUserAdded), row(4, UserUpdated)];
        assert_eq!(decided(&rows), (Some(0), None, vec![2]));
        let rows = [tried(row(1, GroupUserAdded)), row(3, GroupUserAdded), row(4, UserUpdated)];
        assert_eq!(decided(&rows), (Some(1), None, vec![]));
    }

    #[test]
    fn of_more_than_are_looked_at_the_last_one_stays_and_none_is_sent() {
        let rows = [created(1), row(2, UserUpdated)];
        let decision = latest(&rows, false, now());
        assert_eq!((decision.send, decision.retold), (None, Some((1, UserCreated, now()))));
        assert_eq!(decision.superseded, [1]);
        assert_eq!(latest(&[row(1, GroupUserAdded)], false, now()).send, Some(0));
    }

    #[test]
    fn who_came_and_went_untold_is_not_told_of() {
        assert!(is_fleeting(&[created(1), removed(2)]));
        assert!(is_fleeting(&[created(1), row(2, UserUpdated), removed(3)]));
        // Somebody may know of it.
        assert!(!is_fleeting(&[tried(created(1)), removed(2)]));
        assert!(!is_fleeting(&[created(1), tried(row(2, UserUpdated)), removed(3)]));
        assert!(!is_fleeting(&[row(1, UserCreated), removed(2)]), "active again");
        assert!(!is_fleeting(&[row(1, UserUpdated), removed(2)]));
        // It is still there.
        assert!(!is_fleeting(&[created(1), row(2, UserDeleted)]));
        assert!(!is_fleeting(&[created(1), removed(2), row(3, UserUpdated)]));
        assert!(!is_fleeting(&[]));
    }

    #[test]
    fn in_strict_order_only_a_deletion_passes_one_that_failed() {
        let waits = Turn::Wait(now().plus_micros(1));
        assert_eq!(strict(&row(1, UserCreated), 2, true, now()), Turn::First);
        assert_eq!(strict(&row(1, UserCreated), 1, false, now()), Turn::First);
        assert_eq!(strict(&tried(row(1, UserCreated)), 2, false, now()), waits);
        assert_eq!(strict(&tried(row(1, UserCreated)), 2, true, now()), Turn::Jump);
        assert_eq!(strict(&tried(row(1, UserDeleted)), 1, true, now()), waits);
        assert_eq!(strict(&under_way(row(1, UserCreated)), 2, true, now()), waits);
    }
}

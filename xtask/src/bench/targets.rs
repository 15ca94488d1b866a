//! What is promised, and whether it holds. Ratios are between the best figures of one run.

use std::collections::{BTreeMap, BTreeSet};

use super::samples::Measured;
use super::table::nanoseconds;

/// One promise.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) id: &'static str,
    pub(super) promise: &'static str,
    pub(super) measured: String,
    /// `None` where the run has no figures for it.
    pub(super) holds: Option<bool>,
}

/// The filters that every peer accepts.
const COMMON: [&str; 7] = [
    "f01_username_eq",
    "f02_okta_probe",
    "f03_entra_external",
    "f04_present",
    "f05_subattr_co",
    "f06_date_gt",
    "f07_and_or_group",
];
const ACCEPTED: usize = 12;
const PATCHES: [&str; 4] =
    ["p1_replace_active", "p2_add_email", "p3_value_path_replace", "p4_pathless_replace"];
const GROUPS: [&str; 3] = ["10", "1000", "100000"];

/// Judges all targets.
pub(super) fn judge(measured: &Measured, allocations: &BTreeMap<String, u64>) -> Vec<Target> {
    let judge = Judge { measured, allocations };
    let mut targets = judge.parsing();
    targets.extend(judge.hostile());
    targets.extend(judge.evaluation());
    targets.extend(judge.patch());
    targets.extend(judge.resources());
    targets
}

struct Judge<'m> {
    measured: &'m Measured,
    allocations: &'m BTreeMap<String, u64>,
}

impl Judge<'_> {
    fn parsing(&self) -> Vec<Target> {
        let common: Option<Vec<f64>> = COMMON.iter().map(|id| self.to_floor("filter_parse", id)).collect();
        let common = common.and_then(|ratios| geometric_mean(&ratios));
        let accepted = self.measured.benches().iter().filter(|b| b.starts_with("filter_parse/")).count();
        let short: Option<u64> = COMMON.iter().take(6).map(|id| self.allocated("parse", id)).sum();
        vec![
            at_most("T1", "parse f01-f07: at most 4x the token scan", common, 4.0),
            at_most(
                "T1",
                "parse f12: at most 4x the token scan",
                self.to_floor("filter_parse", "f12_long_nest"),
                4.0,
            ),
            self.parsing_against_peers(),
            Target {
                id: "T1",
                promise: "all twelve filters accepted",
                measured: format!("{accepted}"),
                holds: (accepted > 0).then_some(accepted == ACCEPTED),
            },
            count("T2", "parse f01-f06: no allocation", short, 0),
            count("T2", "parse f12: at most 25 allocations", self.allocated("parse", "f12_long_nest"), 25),
            count(
                "T2",
                "owned tree of f01: at most 2 allocations",
                self.allocated("parse_owned", "f01_username_eq"),
                2,
            ),
        ]
    }

    /// The best peer is the one with the best mean over all seven filters.
    fn parsing_against_peers(&self) -> Target {
        let mean = |times: Option<Vec<f64>>| times.and_then(|times| geometric_mean(&times));
        let best = |id: &str, name: &str| Some(self.measured.get(&format!("filter_parse/{id}"), name)?.best);
        let of = |name: &str| mean(COMMON.iter().map(|id| best(id, name)).collect());
        let benches: Vec<String> = COMMON.iter().map(|id| format!("filter_parse/{id}")).collect();
        let names: BTreeSet<&str> =
            benches.iter().flat_map(|bench| self.measured.peers(bench).map(|(name, _)| name)).collect();
        let peers = names.iter().filter_map(|name| Some((*name, of(name)?)));
        let peer = peers.min_by(|(_, a), (_, b)| a.total_cmp(b)).zip(of("ours"));
        let ratio = peer.map(|((name, time), ours)| (name, time / ours));
        faster("T1", "parse f01-f07: at least 3x faster than the best peer", ratio, 3.0)
    }

    fn hostile(&self) -> Vec<Target> {
        let benches = self.measured.benches();
        let ratios = benches.iter().filter_map(|bench| {
            let id = bench.strip_prefix("filter_hostile/")?;
            Some((id, self.to_floor("filter_hostile", id)?))
        });
        vec![worst("T3", "64 KiB of hostile text: at most 10x the scan", ratios, 10.0)]
    }

    fn evaluation(&self) -> Vec<Target> {
        let counted = self.allocations.iter().filter(|(name, _)| name.starts_with("eval/"));
        let allocated = counted.map(|(_, n)| *n).reduce(|sum, n| sum + n);
        let hand = |id| self.to_floor("filter_eval", id);
        let peer = self.to_best_peer("filter_eval", "f09_value_path");
        vec![
            count("T4", "evaluate: no allocation in 12 x 10,000 documents", allocated, 0),
            at_most("T4", "evaluate f01: at most 1.5x the predicate by hand", hand("f01_username_eq"), 1.5),
            at_most("T4", "evaluate f09: at most 1.5x the predicate by hand", hand("f09_value_path"), 1.5),
            faster("T4", "evaluate f09: at least 2.5x faster than the best peer", peer, 2.5),
        ]
    }

    fn patch(&self) -> Vec<Target> {
        let clone = PATCHES.iter().filter_map(|id| Some((*id, self.to_floor("patch_user", id)?)));
        let slowest_lead = PATCHES
            .iter()
            .filter_map(|id| self.to_best_peer("patch_user", id))
            .min_by(|(_, a), (_, b)| a.total_cmp(b));
        let groups = ["patch_group_add", "patch_group_remove"];
        let times = |group: &'static str| {
            GROUPS.iter().filter_map(move |n| Some(self.measured.get(&format!("{group}/{n}"), "ours")?.best))
        };
        let longest = groups.iter().flat_map(|group| times(group)).max_by(f64::total_cmp);
        let flatness = groups.iter().filter_map(|group| {
            let (low, high) = (times(group).min_by(f64::total_cmp)?, times(group).max_by(f64::total_cmp)?);
            (times(group).count() == GROUPS.len()).then_some((*group, high / low))
        });
        vec![
            worst("T5", "PATCH a user: at most 1.3x one clone of the tree", clone, 1.3),
            faster("T5", "PATCH a user: at least 5x faster than the best peer", slowest_lead, 5.0),
            Target {
                id: "T6",
                promise: "add or remove a member: at most 5 µs, 10 to 100,000 members",
                measured: longest.map(nanoseconds).unwrap_or_default(),
                holds: longest.map(|longest| longest <= 5000.0),
            },
            worst("T6", "add or remove a member: largest group within 1.5x of the smallest", flatness, 1.5),
        ]
    }

    fn resources(&self) -> Vec<Target> {
        let (read, shown) =
            (self.to_floor("resource_parse", "user"), self.to_floor("resource_project", "user"));
        vec![
            at_most("T7", "read and validate a user: at most 2x serde_json's parse", read, 2.0),
            at_most("T8", "project and serialise a user: at most 1.5x serde_json", shown, 1.5),
        ]
    }

    fn to_floor(&self, group: &str, id: &str) -> Option<f64> {
        let bench = format!("{group}/{id}");
        Some(self.measured.get(&bench, "ours")?.best / self.measured.get(&bench, "floor")?.best)
    }

    /// The best peer of one benchmark, and how many times longer it takes.
    fn to_best_peer(&self, group: &str, id: &str) -> Option<(&str, f64)> {
        let bench = format!("{group}/{id}");
        let ours = self.measured.get(&bench, "ours")?.best;
        let name = self.measured.best_peer(&bench)?;
        Some((name, self.measured.get(&bench, name)?.best / ours))
    }

    fn allocated(&self, what: &str, id: &str) -> Option<u64> {
        self.allocations.get(&format!("{what}/{id}")).copied()
    }
}

fn at_most(id: &'static str, promise: &'static str, ratio: Option<f64>, limit: f64) -> Target {
    let measured = ratio.map(|ratio| format!("{ratio:.2}x")).unwrap_or_default();
    Target { id, promise, measured, holds: ratio.map(|ratio| ratio <= limit) }
}

fn faster(id: &'static str, promise: &'static str, peer: Option<(&str, f64)>, least: f64) -> Target {
    let measured = peer.map(|(name, ratio)| format!("{ratio:.1}x ({name})")).unwrap_or_default();
    Target { id, promise, measured, holds: peer.map(|(_, ratio)| ratio >= least) }
}

fn count(id: &'static str, promise: &'static str, found: Option<u64>, limit: u64) -> Target {
    let measured = found.map(|found| found.to_string()).unwrap_or_default();
    Target { id, promise, measured, holds: found.map(|found| found <= limit) }
}

/// The largest of several ratios must be within the limit.
fn worst<'n>(
    id: &'static str,
    promise: &'static str,
    ratios: impl Iterator<Item = (&'n str, f64)>,
    limit: f64,
) -> Target {
    let worst = ratios.max_by(|(_, a), (_, b)| a.total_cmp(b));
    let measured = worst.map(|(name, ratio)| format!("{ratio:.2}x ({name})")).unwrap_or_default();
    Target { id, promise, measured, holds: worst.map(|(_, ratio)| ratio <= limit) }
}

fn geometric_mean(values: &[f64]) -> Option<f64> {
    let count = u32::try_from(values.len()).ok().filter(|count| *count > 0)?;
    Some((values.iter().map(|value| value.ln()).sum::<f64>() / f64::from(count)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(targets: &[Target], promise: &str) -> Option<bool> {
        targets.iter().find(|target| target.promise.contains(promise)).unwrap().holds
    }

    #[test]
    fn without_figures_nothing_is_judged() {
        let targets = judge(&Measured::default(), &BTreeMap::new());
        assert!(targets.iter().all(|target| target.holds.is_none()));
    }

    #[test]
    fn ratios_are_held_against_their_limits() {
        let measured = Measured::of(&[
            ("filter_eval/f01_username_eq", "ours", 14.0),
            ("filter_eval/f01_username_eq", "floor", 10.0),
            ("filter_eval/f09_value_path", "ours", 16.0),
            ("filter_eval/f09_value_path", "floor", 10.0),
            ("filter_eval/f09_value_path", "slow", 400.0),
            ("filter_eval/f09_value_path", "fast", 40.0),
        ]);
        let targets = judge(&measured, &BTreeMap::from([("eval/f01".into(), 1)]));
        assert_eq!(holds(&targets, "evaluate f01"), Some(true));
        assert_eq!(holds(&targets, "evaluate f09: at most"), Some(false));
        assert_eq!(holds(&targets, "evaluate f09: at least"), Some(true));
        assert_eq!(holds(&targets, "evaluate: no allocation"), Some(false));
        assert!(targets.iter().any(|target| target.measured == "2.5x (fast)"));
    }

    #[test]
    fn the_best_peer_of_several_filters_has_the_best_mean() {
        let mut times = Vec::new();
        let benches: Vec<String> = COMMON.iter().map(|id| format!("filter_parse/{id}")).collect();
        for (at, bench) in benches.iter().enumerate() {
            times.push((bench.as_str(), "ours", 10.0));
            times.push((bench.as_str(), "steady", 40.0));
            times.push((bench.as_str(), "moody", if at == 0 { 20.0 } else { 80.0 }));
            if at == 0 {
                times.push((bench.as_str(), "refuses the others", 10.0));
            }
        }
        let targets = judge(&Measured::of(&times), &BTreeMap::new());
        assert!(targets.iter().any(|target| target.measured == "4.0x (steady)"));
    }

    #[test]
    fn one_slow_size_or_shape_is_enough_to_miss() {
        let mut times = vec![("filter_hostile/dots", "ours", 101.0), ("filter_hostile/dots", "floor", 10.0)];
        for group in ["patch_group_add/10", "patch_group_add/1000", "patch_group_add/100000"] {
            times.push((group, "ours", if group.ends_with("100000") { 1600.0 } else { 1000.0 }));
        }
        let targets = judge(&Measured::of(&times), &BTreeMap::new());
        assert_eq!(holds(&targets, "hostile"), Some(false));
        assert_eq!(holds(&targets, "at most 5 µs"), Some(true));
        assert_eq!(holds(&targets, "largest group"), Some(false));
    }
}

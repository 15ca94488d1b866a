//! The sums for each peer, and what is printed.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::cases::Case;
use super::drivers::{Peer, Registry};
use super::verdicts::{FILE, Right, Verdicts};

/// What came out for one peer.
#[derive(Debug)]
pub(crate) struct Tally {
    peer: &'static Peer,
    filters: Counts,
    patches: Counts,
    /// The differences by the place of their verdict; without one at the end.
    differences: BTreeMap<usize, Vec<Difference>>,
    undecided: Vec<Difference>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    cases: usize,
    agree: usize,
    we: usize,
    they: usize,
    open: usize,
}

#[derive(Debug)]
struct Difference {
    case: String,
    ours: String,
    theirs: String,
}

impl Tally {
    pub(crate) fn new(peer: &'static Peer) -> Self {
        let counts = Counts::default();
        Self { peer, filters: counts, patches: counts, differences: BTreeMap::new(), undecided: Vec::new() }
    }

    /// Counts a case, and keeps it where the answers differ.
    pub(crate) fn add(&mut self, case: &Case, ours: &Answer, theirs: &Answer, verdicts: &Verdicts) {
        let counts = if case.is_filter() { &mut self.filters } else { &mut self.patches };
        counts.cases += 1;
        if ours.agrees(theirs) {
            counts.agree += 1;
            return;
        }
        let difference =
            Difference { case: case.id.clone(), ours: ours.describe(theirs), theirs: theirs.describe(ours) };
        let Difference { case, ours, theirs } = &difference;
        let found = verdicts.find(self.peer.name, case, ours, theirs);
        let Some((place, verdict)) = found.and_then(|place| Some((place, verdicts.all.get(place)?))) else {
            self.undecided.push(difference);
            return;
        };
        match verdict.right {
            Right::We => counts.we += 1,
            Right::They => counts.they += 1,
            Right::Open => counts.open += 1,
        }
        self.differences.entry(place).or_default().push(difference);
    }

    /// Whether each difference has a verdict, and each verdict as many as it says; prints where not.
    pub(crate) fn check(&self, verdicts: &Verdicts) -> bool {
        let name = self.peer.name;
        for difference in &self.undecided {
            println!("no verdict: {name}");
            difference.print();
        }
        let mut good = self.undecided.is_empty();
        for (place, verdict) in verdicts.all.iter().enumerate() {
            let Some(wanted) = verdict.peers.get(name) else { continue };
            let found = self.differences.get(&place).map_or(0, Vec::len);
            if found != *wanted {
                good = false;
                println!(
                    "{}: {name} has {found} differences, not {wanted}: look at them with --list, then correct {FILE}",
                    verdict.id
                );
            }
        }
        good
    }

    /// Every difference below the verdict on it.
    pub(crate) fn print_differences(&self, verdicts: &Verdicts) {
        for (place, differences) in &self.differences {
            let Some(verdict) = verdicts.all.get(*place) else { continue };
            println!("\n{} {}: {} ({:?})", self.peer.name, verdict.id, verdict.why, verdict.right);
            differences.iter().for_each(Difference::print);
        }
    }
}

impl Difference {
    fn print(&self) {
        println!("  {}\n      ours    {}\n      theirs  {}", self.case, self.ours, self.theirs);
    }
}

/// The sums as a table in Markdown, then the verdicts by how much they cover.
pub(crate) fn print_table(tallies: &[Tally], verdicts: &Verdicts) {
    println!("| peer | cases | agree | differ | we are right | they are right | open |");
    println!("|---|---|---|---|---|---|---|");
    for tally in tallies {
        let Peer { name, version, registry, .. } = tally.peer;
        let registry = if *registry == Registry::PyPi { "PyPI" } else { "npm" };
        for (what, counts) in [("filters", tally.filters), ("PATCH", tally.patches)] {
            let Counts { cases, agree, we, they, open } = counts;
            if cases > 0 {
                let differ = cases - agree;
                println!(
                    "| {name} {version} ({registry}), {what} | {cases} | {agree} | {differ} | {we} | {they} | {open} |"
                );
            }
        }
    }
    let count = |right: Right| verdicts.all.iter().filter(|verdict| verdict.right == right).count();
    println!(
        "\n{} verdicts: we are right {}, they are right {}, open {}",
        verdicts.all.len(),
        count(Right::We),
        count(Right::They),
        count(Right::Open)
    );
}

#[cfg(test)]
mod tests {
    use super::super::{cases, drivers};
    use super::*;

    /// What comes of the first filter where the peer breaks, under a verdict that expects some differences.
    fn good(expected: usize, pattern: &str) -> bool {
        let verdicts: Verdicts = toml::from_str(&format!(
            "[[verdict]]\nid = \"a\"\nright = \"we\"\nwhy = \"so\"\npeers = {{ scimmy = {expected} }}\n\
             when = [{{ theirs = [\"{pattern}\"] }}]"
        ))
        .unwrap();
        let (_, cases) = cases::collect(&crate::workspace::root().unwrap()).unwrap();
        let mut tally = Tally::new(drivers::chosen(Some("scimmy")).unwrap()[0]);
        let refused = Answer::Refused("why".into());
        tally.add(&cases[0], &refused, &Answer::Failed("TypeError".into()), &verdicts);
        tally.add(&cases[1], &refused, &refused, &verdicts);
        assert_eq!((tally.filters.cases, tally.filters.agree, tally.filters.they), (2, 1, 0));
        tally.check(&verdicts)
    }

    #[test]
    fn each_difference_needs_a_verdict_and_each_verdict_its_differences() {
        assert!(good(1, "failed: *"));
        assert!(!good(1, "refused: *"), "no verdict fits");
        assert!(!good(2, "failed: *"), "one difference is gone");
        assert!(!good(0, "failed: *"), "one difference is new");
    }
}

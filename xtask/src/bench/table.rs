//! Tables of plain text.

use super::Verdict;
use super::samples::Measured;
use super::targets::Target;

/// A line for each benchmark, with the best times of all rounds.
pub(super) fn comparison(measured: &Measured, verdicts: &[Verdict]) -> String {
    let head = ["bench", "ours", "floor", "ours/floor", "best peer", "", "peer/ours", "not timed"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut notes = Vec::new();
    for bench in measured.benches() {
        let best = |name: &str| measured.get(bench, name).map(|times| times.best);
        let (ours, floor) = (best("ours"), best("floor"));
        let peer = measured.best_peer(bench);
        let peer_time = peer.and_then(best);
        let ratio = |above: Option<f64>, below: Option<f64>| match (above, below) {
            (Some(above), Some(below)) => format!("{:.2}", above / below),
            _ => String::new(),
        };
        let time = |time: Option<f64>| time.map(nanoseconds).unwrap_or_default();
        let untimed = verdicts.iter().filter(|verdict| verdict.bench == bench);
        let untimed: Vec<_> = untimed.map(|v| format!("{} {}", v.implementation, v.verdict)).collect();
        rows.push(vec![
            bench.to_owned(),
            time(ours),
            time(floor),
            ratio(ours, floor),
            peer.unwrap_or_default().to_owned(),
            time(peer_time),
            ratio(peer_time, ours),
            untimed.join(", "),
        ]);
        if let Some(clone) = best("clone_ours") {
            notes.push(format!("{bench}: one clone of our tree takes {}", nanoseconds(clone)));
        }
        for verdict in verdicts.iter().filter(|verdict| verdict.bench == bench) {
            let Verdict { bench, implementation, verdict, detail } = verdict;
            notes.push(format!("{bench}: {implementation} {verdict}: {detail}"));
        }
    }
    format!("{}\n{}\n", lines(&rows, &[1, 2, 3, 5, 6]), notes.join("\n"))
}

/// A line for each target.
pub(super) fn targets(targets: &[Target]) -> String {
    let mut rows = vec![["", "target", "measured", ""].map(str::to_owned).to_vec()];
    for target in targets {
        let holds = match target.holds {
            Some(true) => "holds",
            Some(false) => "MISSES",
            None => "not measured",
        };
        rows.push(vec![target.id.into(), target.promise.into(), target.measured.clone(), holds.into()]);
    }
    lines(&rows, &[])
}

/// A time in the unit that suits it.
pub(crate) fn nanoseconds(time: f64) -> String {
    match time {
        ..100.0 => format!("{time:.1} ns"),
        ..10_000.0 => format!("{time:.0} ns"),
        ..10_000_000.0 => format!("{:.1} µs", time / 1e3),
        _ => format!("{:.1} ms", time / 1e6),
    }
}

/// Columns of equal width; those of numbers flush right.
pub(crate) fn lines(rows: &[Vec<String>], numbers: &[usize]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = width(column);
            if numbers.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_benchmark_has_one_line() {
        let measured = Measured::of(&[
            ("patch_user/p1", "ours", 1000.0),
            ("patch_user/p1", "floor", 2000.0),
            ("patch_user/p1", "clone_ours", 500.0),
            ("patch_user/p1", "them", 4000.0),
        ]);
        let wrong = Verdict {
            bench: "patch_user/p1".into(),
            implementation: "others".into(),
            verdict: "wrong".into(),
            detail: "1 email".into(),
        };
        let text = comparison(&measured, &[wrong]);
        let words: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        let expected = [
            "patch_user/p1",
            "1000",
            "ns",
            "2000",
            "ns",
            "0.50",
            "them",
            "4000",
            "ns",
            "4.00",
            "others",
            "wrong",
        ];
        assert_eq!(words, expected);
        assert!(text.contains("one clone of our tree takes 500 ns"));
        assert!(text.contains("others wrong: 1 email"));
    }

    #[test]
    fn times_have_a_unit_that_suits_them() {
        let shown = [12.34, 1234.0, 123_400.0, 12_340_000.0].map(nanoseconds);
        assert_eq!(shown, ["12.3 ns", "1234 ns", "123.4 µs", "12.3 ms"]);
    }
}

//! Times texts and requests made to hurt: one table, and a failure where one takes too long, or longer than its size
//! explains. `cargo xtask hostile` runs this in a release build.
#![expect(clippy::expect_used, reason = "a measurement, not a service")]

#[path = "../../../../scim-patch/tests/it/hostile/requests.rs"]
mod requests;
#[path = "../../../../scim-filter/tests/it/hostile/texts.rs"]
mod texts;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use scim_filter::{Filter, Limits, MatchOptions, Matcher, Options, ParseErrorKind, Path};
use scim_patch::{PATCH_OP, PatchErrorKind, PatchOptions, Plan};
use scim_schema::{Dialect, JsonLimits, Registry, Report, Resource, ResourceType, Value, parse_json};

use requests::{REQUESTS, Request};
use texts::{TEXTS, Text};

/// The stack that all of it runs on, in bytes.
const STACK: usize = 128 * 1024;

/// The longest that a text may take under the default limits, accepted or refused.
const LONGEST: Duration = Duration::from_millis(5);

/// The longest that a PATCH may take that costs as much as the list and the request multiplied: what `max_work` bounds.
const MOST: Duration = Duration::from_secs(1);

/// How much longer twice as much may take.
const GROWTH: f64 = 2.6;

/// What is faster than this is not judged by its growth: it would be measuring the clock.
const MEASURABLE: Duration = Duration::from_micros(500);

/// Nor are bodies larger than this, in bytes: beyond the cache, memory is slower.
const BODY: usize = 2 * 1024 * 1024;

/// The members of a group that a request is for which looks at all of them again and again.
const MEMBERS: usize = 100_000;

/// Sizes stop here, in repetitions.
const LARGEST: usize = 400_000;

/// The best of so many rounds counts.
const ROUNDS: usize = 8;

/// So often a growth that is too large is measured again, as other programs may have been the reason.
const RETRIES: usize = 40;

fn main() -> ExitCode {
    let run = || {
        let world = World::new();
        let mut table = Table::default();
        table.line(["input", "limits", "size", "bytes", "time", "2N/N", "outcome"]);
        for text in TEXTS {
            world.filters(&mut table, text);
            world.paths(&mut table, text);
        }
        for request in REQUESTS {
            world.patches(&mut table, request);
        }
        println!("{} measurements, {} too slow", table.lines - 1, table.failures);
        table.failures == 0
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(run).expect("a thread can be started");
    if thread.join().expect("nothing panics") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct World {
    registry: Registry,
    user: Resource,
    dialect: Dialect,
}

/// What became of an input: accepted, or why not.
type Outcome = Result<(), String>;

impl World {
    fn new() -> Self {
        let user =
            r#"{"userName": "bjensen", "title": "x", "emails": [{"value": "a@x.org", "type": "work"}]}"#;
        Self { registry: Registry::standard(), user: resource(user), dialect: Dialect::strict() }
    }

    fn target(&self, name: &str) -> &ResourceType {
        self.registry.resource_type(name).expect("a standard resource type")
    }

    /// A filter is parsed, typed, and asked about one resource.
    fn filter(&self, text: &str, limits: Limits) -> Outcome {
        let options = Options { limits, ..Options::default() };
        let filter = Filter::parse_with(text, &options).map_err(|error| match error.kind() {
            ParseErrorKind::Limit { limit, value } => {
                format!("limit {limit} {value}, byte {}", error.span().start)
            }
            _ => format!("grammar, byte {}", error.span().start),
        })?;
        let matcher = Matcher::new(&filter, [self.target("User")], &MatchOptions::default())
            .map_err(|error| error.kind().to_string())?;
        std::hint::black_box(matcher.matches("User", &self.user));
        Ok(())
    }

    fn filters(&self, table: &mut Table, (name, text): &Text) {
        let limits = Limits::default();
        let wide = Limits { length: usize::MAX, depth: usize::MAX, nodes: usize::MAX, literal: usize::MAX };
        // The longest that the default limits look at, and one far beyond.
        let fitting = largest(|n| text(n).len() <= limits.length);
        for (shown, limits, n) in
            [("default", limits, fitting), ("default", limits, LARGEST), ("none", wide, fitting)]
        {
            let text = text(n);
            let input = Input { name, limits: shown, n, bytes: text.len() };
            table.bounded(&input, &Work::new(|| self.filter(&text, limits)));
        }
        table.growing(name, "none", &|n| {
            let text = text(n);
            (text.len(), Work::new(move || self.filter(&text, wide)))
        });
    }

    fn paths(&self, table: &mut Table, (name, text): &Text) {
        let in_brackets = |n: usize| format!("emails[{}].value", text(n));
        let fitting = largest(|n| in_brackets(n).len() <= Path::MAX_LENGTH);
        for n in [fitting, LARGEST] {
            let path = in_brackets(n);
            let input = Input { name, limits: "path", n, bytes: path.len() };
            let parse = || Path::parse(&path).map(drop).map_err(|error| error.to_string());
            table.bounded(&input, &Work::new(parse));
        }
    }

    fn patches(&self, table: &mut Table, request: &Request) {
        for (shown, bounded, inline_members) in [
            ("default", true, true),
            ("default, delta", true, false),
            ("none", false, true),
            ("none, delta", false, false),
        ] {
            let members = |n: usize| if request.product { MEMBERS } else { n };
            let make = |n: usize| {
                let operations = (request.operations)(n);
                let text = format!(r#"{{"schemas": ["{PATCH_OP}"], "Operations": {operations}}}"#);
                let before = if request.group { group(members(n)) } else { self.user.clone() };
                let body = value(&text);
                let run = move || self.patch(&body, request, &before, bounded, inline_members);
                (text.len(), Work::new(run))
            };
            match (request.product, bounded) {
                _ if !request.group && !inline_members => {}
                (false, _) => table.growing(request.name, shown, &make),
                (true, true) => table.expensive(request.name, shown, &make),
                (true, false) => {}
            }
        }
    }

    fn patch(
        &self,
        body: &Value,
        request: &Request,
        before: &Resource,
        bounded: bool,
        inline_members: bool,
    ) -> Outcome {
        let mut options = PatchOptions { inline_members, ..PatchOptions::new(&self.dialect) };
        if !bounded {
            options.max_operations = usize::MAX;
            options.max_work = usize::MAX;
            options.read.max_values = usize::MAX;
            options.read.max_members = usize::MAX;
            options.read.max_string = usize::MAX;
            options.read.max_identifier = usize::MAX;
        }
        let target = self.target(if request.group { "Group" } else { "User" });
        let mut report = Report::default();
        let outcome =
            Plan::new(body, target, &options, &mut report).and_then(|plan| plan.apply(before, &mut report));
        outcome.map(drop).map_err(|error| match error.kind() {
            PatchErrorKind::TooLarge | PatchErrorKind::TooManyOperations => format!("limit: {error}"),
            _ => error.to_string(),
        })
    }
}

fn group(members: usize) -> Resource {
    resource(&format!(r#"{{"displayName": "G", "members": {}}}"#, requests::members(members)))
}

/// The largest size for which that holds.
fn largest(holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, 1);
    while holds(high) && high < LARGEST {
        (low, high) = (high, 2 * high);
    }
    while high - low > 1 {
        let middle = low.midpoint(high);
        if holds(middle) { low = middle } else { high = middle }
    }
    low
}

fn value(json: &str) -> Value {
    parse_json(json.as_bytes(), JsonLimits { nodes: usize::MAX, ..JsonLimits::default() }).expect("JSON")
}

fn resource(json: &str) -> Resource {
    let Value::Object(object) = value(json) else { return Resource::default() };
    Resource::from_canonical(object)
}

struct Input<'i> {
    name: &'i str,
    limits: &'i str,
    n: usize,
    bytes: usize,
}

#[derive(Default)]
struct Table {
    lines: usize,
    failures: usize,
}

/// Something to time, and what it takes, which is made beforehand.
struct Work<'w> {
    run: Box<dyn Fn() -> (Duration, Outcome) + 'w>,
}

impl<'w> Work<'w> {
    fn new(work: impl Fn() -> Outcome + 'w) -> Self {
        let run = move || {
            let start = Instant::now();
            let outcome = work();
            (start.elapsed(), outcome)
        };
        Self { run: Box::new(run) }
    }

    /// The best time of a few rounds, and what came of it.
    fn time(&self) -> (Duration, Outcome) {
        let (mut best, outcome) = (self.run)();
        for _ in 1..ROUNDS {
            if best > Duration::from_secs(1) {
                break;
            }
            best = best.min((self.run)().0);
        }
        (best, outcome)
    }
}

impl Table {
    /// An input that must be done or refused in the time that is allowed.
    fn bounded(&mut self, input: &Input<'_>, work: &Work<'_>) {
        let (time, outcome) = work.time();
        self.row(input, time, None, &outcome, time > LONGEST);
    }

    /// An input whose time must grow as its size does.
    fn growing<'w>(&mut self, name: &str, limits: &str, make: &dyn Fn(usize) -> (usize, Work<'w>)) {
        let mut n = 1_000;
        let (mut bytes, mut work) = make(n);
        let (mut time, mut outcome) = work.time();
        while time < MEASURABLE && n < LARGEST && bytes < BODY {
            n *= 4;
            (bytes, work) = make(n);
            (time, outcome) = work.time();
        }
        let input = Input { name, limits, n, bytes };
        if time < MEASURABLE {
            self.row(&input, time, None, &outcome, false);
            return;
        }
        let (_, double) = make(2 * n);
        let mut twice = Duration::MAX;
        let mut growth = f64::INFINITY;
        // A busy machine may disturb one side: what a slow algorithm does, it does each time.
        for _ in 0..RETRIES {
            (time, twice) = (time.min(work.time().0), twice.min(double.time().0));
            growth = twice.as_secs_f64() / time.as_secs_f64();
            if growth <= GROWTH {
                break;
            }
        }
        self.row(&input, time, Some(growth), &outcome, growth > GROWTH);
    }

    /// An input that costs too much when it is large, until a limit stops it: the largest that is accepted, about, and
    /// one that is not.
    fn expensive<'w>(&mut self, name: &str, limits: &str, make: &dyn Fn(usize) -> (usize, Work<'w>)) {
        for n in [1_000, 20_000] {
            let (bytes, work) = make(n);
            let (time, outcome) = work.time();
            self.row(&Input { name, limits, n, bytes }, time, None, &outcome, time > MOST);
        }
    }

    fn row(&mut self, input: &Input<'_>, time: Duration, growth: Option<f64>, outcome: &Outcome, slow: bool) {
        let outcome = match outcome {
            Ok(()) => "accepted".to_owned(),
            Err(reason) => format!("refused: {reason}"),
        };
        let growth = growth.map(|growth| format!("{growth:.2}")).unwrap_or_default();
        let time = format!("{:.3} ms", time.as_secs_f64() * 1e3);
        let (size, bytes) = (input.n.to_string(), input.bytes.to_string());
        let outcome = if slow { format!("TOO SLOW, {outcome}") } else { outcome };
        self.failures += usize::from(slow);
        self.line([input.name, input.limits, &size, &bytes, &time, &growth, &outcome]);
    }

    fn line(&mut self, [name, limits, n, bytes, time, growth, outcome]: [&str; 7]) {
        self.lines += 1;
        println!("{name:<31} {limits:<15} {n:>7} {bytes:>9} {time:>12} {growth:>5}  {outcome}");
    }
}

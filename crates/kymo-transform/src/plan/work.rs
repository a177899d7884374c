use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use kymo_model::Timestamp;
use roaring::RoaringTreemap;

use super::{Bounds, Input, Stage, nothing, point, selection, update};
use crate::Error;
use crate::copy::{self, Wanted, Whole};
use crate::insert::{self, Inserted};
use crate::language::{
    Action, Factor, Place, Scale, Script, Seats, Shift, Statement, Stretch, Unit, Window,
};
use crate::lineage::Merged;
use crate::scale::{self, ScaleStep};
use crate::step::{Chain, Filter, Patch, Patching, Retime, Slice, Step};
use crate::timelines;
use crate::times::TimeMap;

/// What a stage does, found by asking its input.
#[derive(Default)]
pub(crate) struct Work {
    /// What makes the whole output; nothing else is done then.
    pub(crate) whole: Option<Whole>,
    /// The other trace that comes to this one.
    pub(crate) merged: Option<Merged>,
    /// What is done to each row.
    pub(crate) chain: Chain,
    /// For each statement of the stage how many events it names; `None` where it names none.
    pub(crate) named: Vec<Option<u64>>,
    /// For each statement of the stage that matches nothing why that is, where it is known.
    pub(crate) reasons: Vec<Option<String>>,
    /// Whether steps may add rows.
    pub(crate) adds: bool,
    /// The window that is cut out.
    pub(crate) slice: Option<(Timestamp, Timestamp)>,
    /// Where times go.
    pub(crate) map: Option<TimeMap>,
    /// The statement that moves rows one by one, so that they get other numbers.
    pub(crate) reorders: Option<Place>,
    /// Rows that are added as they are.
    pub(crate) inserted: Option<Inserted>,
    /// The statement that moves time.
    moves: Place,
    /// What was asked of the input, with the answers: statements often name the same rows.
    asked: BTreeMap<String, Arc<RoaringTreemap>>,
}

impl Work {
    /// Turns the statements of a stage into steps.
    pub(crate) async fn of(
        stage: &Stage,
        script: &Script,
        seed: u64,
        input: &Input,
    ) -> Result<Self, Error> {
        let mut work = Self::default();
        for index in &stage.statements {
            if let Some(statement) = script.statements.get(*index) {
                let named = work.add(statement, seed, input).await?;
                let reason = match (named, selection(&statement.action)) {
                    (Some(0), Some(selection)) => nothing::reason(&selection, &input.session)
                        .await
                        .unwrap_or_default(),
                    _ => None,
                };
                work.named.push(named);
                work.reasons.push(reason);
            }
        }
        if let Some(map) = work.map {
            work.chain.steps.push(Step::Retime(Retime {
                map,
                place: work.moves,
            }));
        }
        Ok(work)
    }

    /// Puts a trace that was made for some statements beside the input.
    pub(crate) async fn beside(
        made: &Path,
        stage: &Stage,
        script: &Script,
        seed: u64,
        input: &Input,
    ) -> Result<Self, Error> {
        let mut work = Self::default();
        let first = stage.statements.first();
        let Some(statement) = first.and_then(|index| script.statements.get(*index)) else {
            return Ok(work);
        };
        let order = order_at(statement.place, statement, seed, input);
        let plan = copy::join(&order, made, None, None, input).await?;
        work.whole = Some(plan.whole);
        work.merged = Some(plan.merged);
        work.named = vec![None; stage.statements.len()];
        Ok(work)
    }

    /// Turns a statement into steps. Returns how many events it names.
    async fn add(
        &mut self,
        statement: &Statement,
        seed: u64,
        input: &Input,
    ) -> Result<Option<u64>, Error> {
        let mut named = None;
        let mut rows = Arc::default();
        if let Some(selection) = selection(&statement.action) {
            let sql = selection.sql();
            rows = match self.asked.get(&sql) {
                Some(known) => Arc::clone(known),
                None => Arc::new(selection.rows(&input.session).await?),
            };
            named = Some(rows.len());
            // A function could answer something else the next time.
            if selection.condition.is_none_or(|one| !one.sql.contains('(')) {
                self.asked.insert(sql, Arc::clone(&rows));
            }
        }
        match &statement.action {
            Action::Scale(Scale::Workload {
                workload,
                amount,
                ramp,
                placement,
            }) => {
                let order = order_at(statement.place, statement, seed, input);
                let order = scale::Order {
                    workload,
                    amount: *amount,
                    ramp: *ramp,
                    placement: placement.map(|seats| match seats {
                        Seats::Spread => &kymo_synth::Placement::Spread,
                        Seats::Binpack => &kymo_synth::Placement::Binpack,
                    }),
                    seed,
                    label: &order.label,
                    feeds: &input.feeds,
                };
                let more = self.scale(&order, input).await?;
                named = Some(more);
            }
            Action::Scale(Scale::Namespace {
                name,
                place,
                amount,
            }) => {
                let order = order_at(*place, statement, seed, input);
                let (copies, about) =
                    copy::namespace(&order, name, *amount, &input.feeds, &input.session).await?;
                named = Some(about);
                self.copies(copies, &order, input)?;
            }
            Action::Scale(Scale::Nodes { amount, condition }) => {
                let order = order_at(statement.place, statement, seed, input);
                let (copies, about) =
                    copy::nodes(&order, *amount, condition.as_ref(), seed, input).await?;
                named = Some(about);
                self.copies(copies, &order, input)?;
            }
            Action::Scale(Scale::Everything { amount }) => {
                let order = order_at(statement.place, statement, seed, input);
                let (copies, about) = copy::everything(&order, *amount, seed, input).await?;
                named = Some(about);
                self.copies(copies, &order, input)?;
            }
            Action::Merge {
                path,
                path_place,
                at,
                prefix,
            } => {
                let order = order_at(*path_place, statement, seed, input);
                let wanted = Wanted {
                    path,
                    at: at.as_ref(),
                    prefix: prefix.as_deref(),
                };
                let plan = copy::merge(&order, wanted, input).await?;
                named = Some(plan.named);
                self.whole = Some(plan.whole);
                self.merged = Some(plan.merged);
            }
            Action::Repeat { times, every } => {
                let order = order_at(statement.place, statement, seed, input);
                let (trace, session) = (&input.trace, &input.session);
                let repeat =
                    copy::repeat(&order, *times, *every, input.span, trace, session).await?;
                self.whole = Some(Whole::Repeat(Arc::new(repeat)));
            }
            Action::Delete { .. } | Action::Keep { .. } => {
                self.chain.steps.push(Step::Filter(Filter {
                    rows,
                    keep: matches!(statement.action, Action::Keep { .. }),
                    filtered: BTreeSet::new(),
                }));
            }
            Action::Slice(window) => self.cut(window, input)?,
            Action::Patch {
                unit,
                patch,
                window,
                ..
            } => {
                let Bounds { from, to } = super::window(window, input.span)?;
                let with_edges = *unit == Unit::Objects && (from.is_some() || to.is_some());
                self.adds |= with_edges;
                self.chain
                    .steps
                    .push(Step::Patch(Box::new(Patch::new(Patching {
                        document: patch.clone(),
                        rows,
                        from,
                        to,
                        with_edges,
                        feeds: Arc::clone(&input.feeds),
                    }))));
            }
            Action::Stretch {
                what: Stretch::Time,
                factor,
                ..
            } => self.stretch(statement, *factor, input)?,
            Action::Stretch {
                what,
                factor,
                condition,
            } => {
                let condition = condition.as_ref();
                let place = statement.place;
                let (moves, count) =
                    timelines::plan(*what, *factor, condition, place, input).await?;
                named = Some(count);
                if let Some(moves) = moves {
                    self.reorders = Some(place);
                    self.chain.steps.push(Step::Timelines(moves));
                }
            }
            Action::Insert {
                columns,
                query,
                place,
            } => {
                let order = insert::Order {
                    columns,
                    query,
                    place: *place,
                    seed,
                };
                let inserted = insert::insert(&order, input).await?;
                named = Some(inserted.new.len() as u64);
                self.inserted = Some(inserted);
            }
            Action::Update { assignments, .. } => {
                if let Some(selection) = selection(&statement.action) {
                    let update = update::update(assignments, &selection, rows, input).await?;
                    if update.times.is_some() {
                        self.reorders = Some(statement.place);
                    }
                    self.chain.steps.push(Step::Update(update));
                }
            }
            // What they make is put beside the input before, and nothing is done to that; and what is
            // anonymized is the output of the stage before, by `crate::anonymize`.
            Action::Synthesize(_) | Action::Anonymize { .. } => {}
            Action::Shift(shift) => self.shift(statement, shift, input)?,
        }
        Ok(named)
    }

    async fn scale(&mut self, order: &scale::Order<'_>, input: &Input) -> Result<u64, Error> {
        let fleet = scale::plan(order, input.span, &input.session).await?;
        let named = fleet.named;
        self.adds = true;
        self.chain
            .steps
            .push(Step::Scale(Box::new(ScaleStep::new(Arc::new(fleet)))));
        Ok(named)
    }

    fn copies(
        &mut self,
        copies: copy::Copies,
        order: &copy::Order,
        input: &Input,
    ) -> Result<(), Error> {
        if !copies.fits(input.trace.meta().last_seq) {
            return Err(Error::Statement {
                message: "so many copies have more events than can be numbered".to_owned(),
                place: order.place,
                hint: Some("make fewer".to_owned()),
            });
        }
        self.whole = Some(Whole::Copies(Arc::new(copies)));
        Ok(())
    }

    fn cut(&mut self, window: &Window, input: &Input) -> Result<(), Error> {
        let bounds = super::window(window, input.span)?;
        let from = bounds.from.unwrap_or(Timestamp(i64::MIN));
        let to = bounds.to.unwrap_or(Timestamp(i64::MAX));
        self.chain
            .steps
            .push(Step::Slice(Box::new(Slice::new(from, to))));
        self.slice = Some((from, to));
        Ok(())
    }

    fn stretch(
        &mut self,
        statement: &Statement,
        factor: Factor,
        input: &Input,
    ) -> Result<(), Error> {
        self.moves = statement.place;
        let start = input.span.start.0;
        let map = self.map.get_or_insert(TimeMap {
            origin: start,
            target: start,
            ..TimeMap::IDENTITY
        });
        let both = map
            .stretched(factor.numerator, factor.denominator)
            .ok_or_else(|| Error::Statement {
                message: "the factors together are too large to be exact".to_owned(),
                place: factor.place,
                hint: Some("use fewer digits".to_owned()),
            })?;
        *map = both;
        Ok(())
    }

    fn shift(&mut self, statement: &Statement, shift: &Shift, input: &Input) -> Result<(), Error> {
        self.moves = statement.place;
        let start = input.span.start.0;
        let target = match shift {
            Shift::To(time) => point(time, input.span)?.0,
            Shift::By(by) => start.checked_add(*by).ok_or_else(|| Error::Statement {
                message: "the trace would leave the years 1677 to 2262".to_owned(),
                place: statement.place,
                hint: None,
            })?,
        };
        self.map = Some(TimeMap {
            origin: start,
            target,
            ..TimeMap::IDENTITY
        });
        Ok(())
    }
}

/// Says whose copies are made: the same seed, trace and statement make the same uids, all others
/// others.
fn order_at(place: Place, statement: &Statement, seed: u64, input: &Input) -> copy::Order {
    let trace = input.trace.identity().trace_id;
    copy::Order {
        label: format!("{seed}/{trace}/{}", statement.place.start),
        place,
    }
}

//! What pairs at several context lengths show: from which length on a hit pays, in sentences and a table.

use super::data::Data;
use super::effect::{Contrast, Effect};
use super::model::{label_column, labelled};
use super::table::{Cell, Column, Table};
use super::{trust, units, verify};
use crate::fit::{BreakEven, Curves, Fit, Fitted, Point};
use crate::pairs::{Pairs, came_from_cache};
use crate::plan::Arm;
use crate::record::Conditions;
use crate::sample::Sample;
use crate::stats::Estimate;
use crate::stats::curve::Crossing;
use crate::verdict::OverLengths;

/// The pairs of one log at several lengths.
#[derive(Debug, Clone)]
pub struct Sweep {
    pub log: usize,
    lengths: Vec<Measured>,
    fit: Option<Fit>,
    /// Why it may be believed; `None` where no pair was measured.
    trust: Option<OverLengths>,
    /// Under what conditions each session measured; `None` where the log does not say.
    said: Vec<Option<Conditions>>,
}

/// One length.
#[derive(Debug, Clone)]
struct Measured {
    point: Point,
    /// Replays that hit, where the server tells.
    hits: Option<usize>,
}

/// Whether a sample belongs to pairs at several lengths.
pub fn is_of_a_sweep(sample: &Sample) -> bool {
    sample.place.asked_tokens.is_some()
}

impl Sweep {
    /// One for each log that holds such pairs.
    pub fn all(data: &Data) -> Vec<Sweep> {
        (0..data.logs.len()).filter_map(|log| Sweep::of(data, log)).collect()
    }

    fn of(data: &Data, log: usize) -> Option<Sweep> {
        let mut sweep = Sweep { log, lengths: Vec::new(), fit: None, trust: None, said: Vec::new() };
        let mut sessions = Vec::new();
        for session in data.logs[log].sessions() {
            let samples: Vec<Sample> = session.iter().filter_map(|entry| entry.sample.clone()).collect();
            if !samples.iter().any(is_of_a_sweep) {
                continue;
            }
            for pair in &Pairs::of(&samples).measured {
                let entry = session.iter().find(|entry| entry.run_index == pair.cold.trial);
                let (Some(entry), Some(cold), Some(hit)) = (entry, pair.cold.ttft_ns(), pair.other.ttft_ns()) else {
                    continue;
                };
                sweep.add(entry.context_tokens, [cold as f64, hit as f64], came_from_cache(pair.other));
            }
            sessions.push(samples);
            let stated = data.logs[log].stated.iter().find(|(of, _)| *of == session[0].session);
            sweep.said.push(stated.map(|(_, said)| said.clone()));
        }
        sweep.lengths.sort_by_key(|measured| measured.point.context_tokens);
        let points: Vec<Point> = sweep.lengths.iter().map(|measured| measured.point.clone()).collect();
        sweep.fit = Fit::of(&points);
        let pays = sweep.fit.as_ref().is_some_and(|fit| fit.proved_from.is_some());
        sweep.trust = OverLengths::of(&sessions, pays);
        (!sessions.is_empty()).then_some(sweep)
    }

    pub fn has_pairs(&self) -> bool {
        !self.lengths.is_empty()
    }

    /// Whether a check failed that nothing stands against.
    pub fn is_void(&self) -> bool {
        self.trust.as_ref().is_some_and(|trust| trust.void().is_some())
    }

    fn add(&mut self, context_tokens: u64, [cold, hit]: [f64; 2], did_hit: Option<bool>) {
        let is_it = |measured: &Measured| measured.point.context_tokens == context_tokens;
        let at = self.lengths.iter().position(is_it).unwrap_or_else(|| {
            let point = Point { context_tokens, cold: Vec::new(), hit: Vec::new() };
            self.lengths.push(Measured { point, hits: None });
            self.lengths.len() - 1
        });
        let measured = &mut self.lengths[at];
        measured.point.cold.push(cold);
        measured.point.hit.push(hit);
        if let Some(did_hit) = did_hit {
            *measured.hits.get_or_insert(0) += usize::from(did_hit);
        }
    }

    /// The effect at each length, of the pairs that count.
    pub fn effects(&self) -> Vec<Effect> {
        let of = |measured: &Measured| {
            let Contrast { cold, hit, ratio } = Contrast::of(&measured.point.cold, &measured.point.hit)?;
            Some(Effect { log: self.log, context_tokens: measured.point.context_tokens, cold, hit, ratio })
        };
        self.lengths.iter().filter_map(of).collect()
    }

    /// The curve of an arm, where there are lengths enough.
    pub fn fitted(&self, arm: Arm) -> Option<&Fitted> {
        let curves = self.fit.as_ref()?.curves.as_ref()?;
        match arm {
            Arm::Cold => Some(&curves.cold),
            Arm::Hit => Some(&curves.hit),
            Arm::Unseen => None,
        }
    }

    /// From which length on a hit pays, and how that is known; where it hurts; the rates.
    pub fn findings(&self) -> Vec<String> {
        let grade = self.trust.as_ref().map(|trust| format!("Grade {}: {}.", trust.grade.letter, trust.grade.reason));
        if let Some(reason) = self.trust.as_ref().and_then(OverLengths::void) {
            let void = format!("INCONCLUSIVE: {reason}, so the times show nothing.");
            return [void].into_iter().chain(grade).collect();
        }
        let Some(fit) = &self.fit else { return vec!["INCONCLUSIVE: no pair was measured.".into()] };
        let mut findings = vec![self.pays(fit)];
        findings.extend(fit.hurts_to.map(|to| {
            let from = tokens(fit.range.low);
            match to as f64 > fit.range.low {
                true => format!("A hit hurts from {from} to {} tokens: it takes longer than cold.", units::count(to)),
                false => format!("A hit hurts at {from} tokens: it takes longer than cold."),
            }
        }));
        findings.extend(fit.curves.as_ref().map(|curves| rates(curves, fit.range.high)));
        findings.extend(grade);
        findings
    }

    fn pays(&self, fit: &Fit) -> String {
        let proof = match fit.proved_from {
            Some(from) => format!("proved from {}", units::count(from)),
            None => "proved at no length".into(),
        };
        let Some(curves) = &fit.curves else {
            return format!("A hit pays: {proof} tokens; a break-even length takes pairs at four lengths or more.");
        };
        let end = |crossing: Crossing| match crossing {
            Crossing::Below => format!("below {}", tokens(fit.range.low)),
            Crossing::At(at) => tokens(at),
            Crossing::Above => format!("above {}", tokens(fit.range.high)),
        };
        let BreakEven { at, interval, .. } = curves.break_even;
        match at {
            Crossing::Below => {
                format!("A hit pays at every length measured, from {} tokens on; {proof}.", tokens(fit.range.low))
            }
            Crossing::Above => format!("A hit does not pay up to {} tokens; {proof}.", tokens(fit.range.high)),
            Crossing::At(at) => {
                let interval = interval.map(|(low, high)| format!(", 90 % interval {} to {}", end(low), end(high)));
                format!("A hit pays from {} tokens on{}; {proof}.", tokens(at), interval.unwrap_or_default())
            }
        }
    }

    /// The trust block: what a reviewer asks, and the answer.
    pub fn trust_table(&self) -> Table {
        let said: Vec<Option<&Conditions>> = self.said.iter().map(Option::as_ref).collect();
        let of = |trust| trust::rows_over_lengths(trust, self.lengths.len(), &said);
        trust::table(self.trust.as_ref().map(of).unwrap_or_default())
    }

    /// The caveats, each a sentence of advice, and what stays open.
    pub fn remarks(&self) -> Vec<String> {
        let Some(trust) = &self.trust else { return Vec::new() };
        let caveats = trust.caveats.iter().map(|caveat| verify::sentence(&caveat.to_string()));
        let open = format!("Not identified: {}.", trust.not_identified.join("; "));
        caveats.chain([open]).collect()
    }
}

fn rates(curves: &Curves, longest: f64) -> String {
    let per_second = |rate: Estimate| {
        let interval = rate.interval.map(|i| format!(" [{} to {}]", tokens(i.low), tokens(i.high)));
        format!("{}{} tokens/s", tokens(rate.value), interval.unwrap_or_default())
    };
    let known = |rate: Option<Estimate>| rate.map_or("at a rate that was not identified".into(), per_second);
    let at_longest = curves
        .cold
        .tokens_per_s_at(longest)
        .map(|rate| format!(" and, by the fit, {} at {} tokens", tokens(rate), tokens(longest)));
    format!(
        "Prefill computes {} at short lengths{}; a hit loads {}.",
        known(curves.cold.tokens_per_s()),
        at_longest.unwrap_or_default(),
        known(curves.hit.tokens_per_s())
    )
}

fn tokens(n: f64) -> String {
    units::count(n.round() as u64)
}

/// A row for each length of each log: how many replays hit.
pub fn table(data: &Data, sweeps: &[Sweep]) -> Table {
    let mut columns = vec![
        Column::number("context_tokens", "tokens"),
        Column::number("pairs", "pairs"),
        Column::number("hits", "replays that hit"),
    ];
    let row = |measured: &Measured| {
        vec![
            Cell::Count(measured.point.context_tokens),
            Cell::Count(measured.point.cold.len() as u64),
            Cell::known(measured.hits, |hits| Cell::Count(hits as u64)),
        ]
    };
    let rows = sweeps.iter().flat_map(|sweep| sweep.lengths.iter().map(move |of| (sweep.log, of)));
    let rows = rows.map(|(log, measured)| labelled(data, log, row(measured))).collect();
    label_column(data, &mut columns);
    Table { name: "lengths", title: "Pairs at each length".into(), is_detail: false, columns, rows }
}

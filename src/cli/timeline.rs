//! `chancery timeline`: entries counted by day, month or year, and by what else they have in common.

use super::collapse::Collapse;
use super::connect::Source;
use super::failure::Failure;
use super::groups::{Answer, Rows, ask, notes};
use super::name::{self, Point};
use super::number;
use super::output::{RowForm, print, table};
use super::plot::{bar, figure, signed_bar, sparkline};
use super::screen::{Screen, count, plain, stdout};
use crate::rpc::proto;
use crate::view::aggregate::UNDATED;
use clap::ValueEnum;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;

/// The columns of the longest bar where the width of the terminal is not known.
const BAR_COLUMNS: usize = 50;
/// The most groups that are drawn.
const DRAWN_GROUPS: usize = 20;
/// Longer stretches without an entry are not drawn line by line.
const GAP_MAX: usize = 400;

/// Counts entries over time.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The filter, as 'country = PAK AND occurred >= 2021'; every event where it is left out
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// How long a stretch of time is
    #[arg(long, value_enum, default_value_t)]
    by: By,
    /// Which dates: of what was told, of its report, of its record
    #[arg(long, value_enum, default_value_t)]
    dates: Dates,
    /// Tell apart by a field too, as dyad, directed_dyad, country, type, root, quad, actor, place, series; at most two
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    group: Vec<String>,
    /// Add up the values of a measure, as goldstein
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    measure: String,
    /// Draw it: bars, or with --group a line for each group; of a measure its mean
    #[arg(long, conflicts_with = "output")]
    plot: bool,
    /// The order of the rows
    #[arg(long, value_enum, default_value_t)]
    order: Order,
    /// At most so many rows; by default 50 for a table on a terminal, else all
    #[arg(long, value_name = "N", value_parser = number::within(1..=u64::MAX))]
    limit: Option<u64>,
    /// Leave out entries that tell of an event that an earlier one of the answer tells of
    #[arg(long, value_enum, default_value_t)]
    collapse: Collapse,
    /// Answer as the archive stood then: a position, YYYY-MM-DD (its end, in UTC) or an RFC 3339 time
    #[arg(long, value_name = "POINT")]
    as_of: Option<Point>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: RowForm,
    #[command(flatten)]
    source: Source,
}

/// How long a stretch of time is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum By {
    /// A day
    Day,
    /// A month
    #[default]
    Month,
    /// A year
    Year,
}

/// Which dates are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Dates {
    /// When it happened
    #[default]
    Occurred,
    /// When it was reported
    Reported,
    /// When it was recorded here
    Recorded,
}

/// The order of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    /// As time goes by
    #[default]
    Time,
    /// The largest count first
    Count,
}

impl Args {
    fn length(&self) -> &'static str {
        match self.by {
            By::Day => "day",
            By::Month => "month",
            By::Year => "year",
        }
    }

    /// The name of the column of stretches, as `reported.month`.
    fn column(&self) -> String {
        match self.dates {
            Dates::Occurred => self.length().to_owned(),
            Dates::Reported => format!("reported.{}", self.length()),
            Dates::Recorded => format!("recorded.{}", self.length()),
        }
    }

    fn request(&self) -> proto::AggregateRequest {
        proto::AggregateRequest {
            filter: name::filter(&self.filter),
            as_of: self.as_of.map(Point::as_of),
            by: std::iter::once(self.column())
                .chain(self.group.iter().cloned())
                .collect(),
            measure: self.measure.clone(),
            order: match self.order {
                Order::Time => proto::GroupOrder::Values.into(),
                Order::Count => proto::GroupOrder::Count.into(),
            },
            collapse: self.collapse.wire(),
            ..proto::AggregateRequest::default()
        }
    }
}

/// Asks and prints or draws.
///
/// # Errors
/// The server's.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let request = args.request();
    let answer = args
        .source
        .with(async |client| ask(&client, request).await)
        .await?;
    let mut out = stdout();
    let names: Vec<String> = std::iter::once(args.column())
        .chain(args.group.iter().cloned())
        .collect();
    notes(screen, &answer, &names[1..], &args.measure);
    match (args.plot, args.group.is_empty()) {
        (true, true) => bars(&mut out, screen, &args, &answer)?,
        (true, false) => lines(&mut out, screen, &args, &answer)?,
        (false, _) => {
            let rows = Rows {
                names: &names,
                measure: &args.measure,
                form: args.output,
                limit: args.limit,
            };
            rows.print(&mut out, screen, &answer)?;
        }
    }
    out.flush()?;
    Ok(())
}

/// What is drawn of a group: its count, or the mean of its measure.
fn drawn(args: &Args, group: &proto::Group) -> Option<f64> {
    if args.measure.is_empty() {
        Some(group.count as f64)
    } else {
        group.measure.as_ref().map(|of| of.mean)
    }
}

/// A bar for each stretch of time, those without an entry too.
fn bars(out: &mut dyn Write, screen: &Screen, args: &Args, answer: &Answer) -> Result<(), Failure> {
    let groups: BTreeMap<&str, &proto::Group> = answer
        .groups
        .iter()
        .filter_map(|group| Some((group.values.first()?.as_str(), group)))
        .collect();
    let figures: Vec<f64> = answer
        .groups
        .iter()
        .filter_map(|group| drawn(args, group))
        .collect();
    let largest = figures
        .iter()
        .fold(0.0_f64, |largest, figure| largest.max(figure.abs()));
    let is_signed = figures.iter().any(|figure| *figure < 0.0);
    let columns = screen
        .width()
        .map_or(BAR_COLUMNS, |width| width.saturating_sub(32).clamp(10, 100));
    let mut table = table(screen, &[]);
    for stretch in stretches(groups.keys().copied(), args.by) {
        let group = groups.get(stretch.as_str());
        let figure_of = group.and_then(|group| drawn(args, group));
        let shown = match (figure_of, args.measure.is_empty()) {
            (Some(figure), true) => count(figure as u64).to_string(),
            (Some(mean), false) => figure(mean),
            (None, true) => "0".to_owned(),
            (None, false) => "-".to_owned(),
        };
        let shape = figure_of.map_or_else(String::new, |figure| {
            if is_signed {
                signed_bar(figure, largest, columns)
            } else {
                bar(figure, largest, columns)
            }
        });
        table.add_row([stretch, shown, shape]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    print(out, &table)
}

/// A line for each group, the largest first.
fn lines(out: &mut dyn Write, screen: &Screen, args: &Args, answer: &Answer) -> Result<(), Failure> {
    let mut of_group: HashMap<String, (u64, HashMap<&str, f64>)> = HashMap::new();
    let mut labels = BTreeSet::new();
    for group in &answer.groups {
        let Some((stretch, values)) = group.values.split_first() else {
            continue;
        };
        labels.insert(stretch.as_str());
        let own = of_group.entry(values.join(" · ")).or_default();
        own.0 += group.count;
        if let Some(figure) = drawn(args, group) {
            own.1.insert(stretch, figure);
        }
    }
    let stretches: Vec<String> = stretches(labels.into_iter(), args.by)
        .into_iter()
        .filter(|stretch| is_of(stretch, args.by))
        .collect();
    let mut groups: Vec<_> = of_group.iter().collect();
    groups.sort_by(|(a, one), (b, other)| other.0.cmp(&one.0).then(a.cmp(b)));
    let limit = args
        .limit
        .map_or(DRAWN_GROUPS, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let (first, last) = (stretches.first(), stretches.last());
    let over = match (first, last) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => String::new(),
    };
    let mut table = table(screen, &[&args.group.join(" · "), "count", &over]);
    for (name, (total, figures)) in groups.iter().take(limit) {
        let nothing = args.measure.is_empty().then_some(0.0);
        let line: Vec<Option<f64>> = stretches
            .iter()
            .map(|stretch| figures.get(stretch.as_str()).copied().or(nothing))
            .collect();
        table.add_row([
            plain(name).into_owned(),
            count(*total).to_string(),
            sparkline(&line),
        ]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    print(out, &table)?;
    if groups.len() > limit {
        let more = count((groups.len() - limit) as u64).to_string();
        writeln!(out, "{}", screen.ink().dim(format_args!("... {more} more")))?;
    }
    Ok(())
}

/// Whether a label is of a stretch of this length, and not of a wider one.
fn is_of(label: &str, by: By) -> bool {
    number_of(label, by).is_some()
}

/// The stretches from the first to the last of these labels without a gap; wider ones, and those without a date, after them.
fn stretches<'l>(labels: impl Iterator<Item = &'l str>, by: By) -> Vec<String> {
    let (mut numbers, mut others) = (BTreeSet::new(), Vec::new());
    for label in labels {
        match number_of(label, by) {
            Some(number) => {
                numbers.insert(number);
            }
            None => others.push(label.to_owned()),
        }
    }
    others.sort_by_key(|label| (label == UNDATED, label.clone()));
    let mut all = Vec::new();
    let mut before: Option<i64> = None;
    for number in numbers {
        if let Some(before) = before {
            let gap = usize::try_from(number - before).unwrap_or(usize::MAX);
            if gap <= GAP_MAX {
                all.extend((before + 1..number).map(|number| label_of(number, by)));
            }
        }
        all.push(label_of(number, by));
        before = Some(number);
    }
    all.extend(others);
    all
}

/// The number of a stretch among those of its length.
fn number_of(label: &str, by: By) -> Option<i64> {
    let (sign, digits) = match label.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, label),
    };
    let parts: Vec<i64> = digits.split('-').map(str::parse).collect::<Result<_, _>>().ok()?;
    match (by, parts.as_slice()) {
        (By::Year, [year]) => Some(sign * year),
        (By::Month, [year, month]) => Some(sign * year * 12 + month - 1),
        (By::Day, [year, month, day]) => {
            let (month, day) = (u8::try_from(*month).ok()?, u8::try_from(*day).ok()?);
            Some(crate::record::date::day_number(sign * year, month, day).into())
        }
        _ => None,
    }
}

fn label_of(number: i64, by: By) -> String {
    let year = |year: i64| {
        if year < 0 {
            format!("-{:04}", -year)
        } else {
            format!("{year:04}")
        }
    };
    match by {
        By::Year => year(number),
        By::Month => format!("{}-{:02}", year(number.div_euclid(12)), number.rem_euclid(12) + 1),
        By::Day => {
            let (of, month, day) = crate::record::date::civil_day(i32::try_from(number).unwrap_or(i32::MAX));
            format!("{}-{month:02}-{day:02}", year(of))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_without_an_entry_are_there_too() {
        let all = |labels: &[&str], by| stretches(labels.iter().copied(), by).join(" ");
        assert_eq!(
            all(&["2013-11", "2014-02", "2014", UNDATED], By::Month),
            "2013-11 2013-12 2014-01 2014-02 2014 undated"
        );
        assert_eq!(
            all(&["2012-02-28", "2012-03-01"], By::Day),
            "2012-02-28 2012-02-29 2012-03-01"
        );
        assert_eq!(all(&["-0044", "-0042"], By::Year), "-0044 -0043 -0042");
        assert_eq!(
            all(&["0001", "1939"], By::Year),
            "0001 1939",
            "a gap too long to be drawn"
        );
    }
}

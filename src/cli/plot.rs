//! Figures as shapes: bars and sparklines of block characters. Pure.

/// Eighths of a column, growing from the left.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// Heights.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar from nothing to a figure, where the largest is so many columns wide. A figure that is not nothing is seen.
pub fn bar(figure: f64, largest: f64, columns: usize) -> String {
    if figure <= 0.0 || largest <= 0.0 || !figure.is_finite() {
        return String::new();
    }
    let eighths = (figure / largest * (columns * 8) as f64).round().max(1.0) as usize;
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.push(EIGHTHS[eighths % 8 - 1]);
    }
    bar
}

/// Bars of figures of which some are below nothing: these go to the left of an axis, the others to the right.
pub fn signed_bar(figure: f64, largest: f64, columns: usize) -> String {
    let half = columns / 2;
    if figure >= 0.0 {
        return format!("{}│{}", " ".repeat(half), bar(figure, largest, half));
    }
    let whole = (-figure / largest * half as f64).round().max(1.0) as usize;
    let whole = whole.min(half);
    format!("{}{}│", " ".repeat(half - whole), "█".repeat(whole))
}

/// A line of heights, a character each; where there is no figure, a blank. The lowest stands for nothing, or for the least where
/// that is below nothing.
pub fn sparkline(figures: &[Option<f64>]) -> String {
    let known = || figures.iter().flatten().copied();
    let largest = known().fold(f64::NEG_INFINITY, f64::max);
    let least = known().fold(0.0, f64::min);
    let height = |figure: &Option<f64>| match figure {
        None => ' ',
        Some(_) if largest <= least => HEIGHTS[0],
        Some(figure) => HEIGHTS[((figure - least) / (largest - least) * 7.0).round() as usize],
    };
    figures.iter().map(height).collect()
}

/// From here on a figure is written as a power of ten: its digits say no more than the first fifteen of them, and take the width
/// of a table.
const WRITTEN_OUT_BELOW: f64 = 1e15;

/// A figure with as many decimals as it needs, at most four; a very large one as `1.5e308`.
pub fn figure(figure: f64) -> String {
    if figure.abs() >= WRITTEN_OUT_BELOW {
        let text = format!("{figure:.4e}");
        return match text.split_once('e') {
            Some((digits, power)) => format!("{}e{power}", without_zeros(digits)),
            None => text,
        };
    }
    let text = format!("{figure:.4}");
    let text = without_zeros(&text);
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// Decimals without the zeros at their end.
fn without_zeros(text: &str) -> &str {
    text.trim_end_matches('0').trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_figure() {
        assert_eq!(bar(10.0, 10.0, 4), "████");
        assert_eq!(bar(5.0, 10.0, 4), "██");
        assert_eq!(bar(1.0, 10.0, 4), "▍");
        assert_eq!(bar(0.001, 10.0, 4), "▏", "something is seen");
        assert_eq!(bar(0.0, 10.0, 4), "");
    }

    #[test]
    fn figures_below_nothing_go_to_the_left() {
        assert_eq!(signed_bar(-2.0, 4.0, 8), "  ██│");
        assert_eq!(signed_bar(4.0, 4.0, 8), "    │████");
        assert_eq!(signed_bar(-0.01, 4.0, 8), "   █│");
    }

    #[test]
    fn a_sparkline_has_a_character_for_each_figure() {
        assert_eq!(sparkline(&[Some(0.0), Some(7.0), None, Some(3.0)]), "▁█ ▄");
        assert_eq!(sparkline(&[Some(-1.0), Some(1.0)]), "▁█");
        assert_eq!(sparkline(&[Some(0.0), Some(0.0)]), "▁▁");
    }

    #[test]
    fn figures_have_the_decimals_they_need() {
        for (number, text) in [
            (2.0, "2"),
            (-0.25, "-0.25"),
            (1.0 / 3.0, "0.3333"),
            (-0.00001, "0"),
            (12_300.0, "12300"),
            (-999_999_999_999_999.0, "-999999999999999"),
            (1e15, "1e15"),
            (1e308, "1e308"),
            (-1.25e20, "-1.25e20"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(figure(number), text);
        }
    }
}

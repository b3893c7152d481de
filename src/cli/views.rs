//! `chancery views`: how the views stand. `chancery rebuild`: a view is made anew.

use super::connect::Reach;
use super::failure::Failure;
use super::output::{Form, print, table};
use super::screen::{Screen, count, plain, stdout};
use crate::client::Client;
use crate::rpc::proto;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::io::Write;
use std::time::{Duration, Instant};

/// How often a line of progress is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Lists the views.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    reach: Reach,
}

/// Has views made anew.
#[derive(clap::Args, Debug)]
pub struct RebuildArgs {
    /// The view; all of them, one after the other, where none is named
    #[arg(value_name = "VIEW")]
    view: Option<String>,
    /// Do not wait until it is made
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Asks and prints.
///
/// # Errors
/// The server's.
pub async fn run(args: Args, screen: &Screen) -> Result<(), Failure> {
    let client = args.reach.client().await?;
    let request = proto::ListViewsRequest {};
    let views = client.views().list_views(request).await?.into_inner().views;
    let mut out = stdout();
    match args.output {
        Form::Json => {
            for view in &views {
                writeln!(out, "{}", as_json(view))?;
            }
        }
        Form::Table => {
            let mut table = table(
                screen,
                &["view", "version", "through", "lag", "files", "size", "state"],
            );
            table.add_rows(views.iter().map(|view| {
                [
                    view.name.clone(),
                    view.version.clone(),
                    count(view.view_position).to_string(),
                    count(view.tail - view.view_position.min(view.tail)).to_string(),
                    count(view.files).to_string(),
                    HumanBytes(view.bytes).to_string(),
                    doing(view),
                ]
            }));
            print(&mut out, &table)?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Asks, and waits until they are made.
///
/// # Errors
/// The server's.
pub async fn rebuild(args: RebuildArgs, screen: &Screen) -> Result<(), Failure> {
    let client = args.reach.client().await?;
    let names = match args.view {
        Some(name) => vec![name],
        None => {
            let listed = client.views().list_views(proto::ListViewsRequest {}).await?;
            let views = listed.into_inner().views;
            views.into_iter().map(|view| view.name).collect()
        }
    };
    for name in names {
        rebuild_one(&client, name, args.no_wait, screen).await?;
    }
    Ok(())
}

async fn rebuild_one(client: &Client, name: String, no_wait: bool, screen: &Screen) -> Result<(), Failure> {
    let request = proto::GetViewRequest { name: name.clone() };
    let before = client.views().get_view(request).await?.into_inner().rebuilds;
    let request = proto::RebuildViewRequest { name: name.clone() };
    client.views().rebuild_view(request).await?;
    if no_wait {
        screen.note(format_args!(
            "{name} is made anew beside the one that answers; `chancery views` says how far it is"
        ));
        return Ok(());
    }
    let begun = Instant::now();
    let view = wait(client, name, screen).await?;
    if view.rebuilds == before {
        return Err(Failure::failed(
            "the view was not made; the daemon's log says why, and the one that answers stays",
        ));
    }
    writeln!(
        stdout(),
        "{} made anew: {} records in {:.1} s, {}",
        view.name,
        count(view.view_position),
        begun.elapsed().as_secs_f64(),
        HumanBytes(view.bytes)
    )?;
    Ok(())
}

/// Shows the progress until it is made. Who stops waiting stops nothing.
async fn wait(client: &Client, name: String, screen: &Screen) -> Result<proto::View, Failure> {
    let mut progress = Progress::new(screen);
    let mut told = client
        .views()
        .watch_view(proto::WatchViewRequest { name })
        .await?
        .into_inner();
    let mut last = proto::View::default();
    while let Some(view) = told.message().await? {
        progress.at(screen, &view);
        last = view;
    }
    progress.end();
    Ok(last)
}

fn doing(view: &proto::View) -> String {
    let left = view
        .seconds_left
        .map(|left| {
            format!(
                ", {} left",
                indicatif::HumanDuration(Duration::from_secs_f64(left.max(0.0)))
            )
        })
        .unwrap_or_default();
    let anew = match view.anew_because.as_str() {
        "" => String::new(),
        why => format!("; made anew: {}", plain(why)),
    };
    match view.state() {
        proto::ViewState::Following => format!("following{anew}"),
        proto::ViewState::CatchingUp => format!("catching up{left}{anew}"),
        proto::ViewState::Rebuilding => {
            let at = view.rebuilt_position.unwrap_or_default();
            format!("being made anew, through {}{left}", count(at))
        }
        proto::ViewState::Absent | proto::ViewState::Unspecified => {
            "absent: the daemon's log says why".to_owned()
        }
    }
}

fn as_json(view: &proto::View) -> Value {
    let state = match view.state() {
        proto::ViewState::Following => "following",
        proto::ViewState::CatchingUp => "catching-up",
        proto::ViewState::Rebuilding => "rebuilding",
        proto::ViewState::Absent | proto::ViewState::Unspecified => "absent",
    };
    let mut json = json!({
        "name": view.name, "version": view.version, "view_position": view.view_position, "tail": view.tail,
        "lag": view.tail - view.view_position.min(view.tail), "state": state, "bytes": view.bytes, "files": view.files,
    });
    if !view.anew_because.is_empty() {
        json["anew_because"] = view.anew_because.as_str().into();
    }
    if let Some(at) = view.rebuilt_position {
        json["rebuilt_position"] = at.into();
    }
    if view.records_s > 0.0 {
        json["records_s"] = view.records_s.round().into();
    }
    if let Some(left) = view.seconds_left {
        json["seconds_left"] = left.round().into();
    }
    json
}

/// A bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    said: Instant,
}

impl Progress {
    fn new(screen: &Screen) -> Self {
        let bar = screen.err_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
            if let Ok(style) = ProgressStyle::with_template("rebuild {bar:30} {percent:>3}% {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self {
            bar,
            said: Instant::now(),
        }
    }

    fn at(&mut self, screen: &Screen, view: &proto::View) {
        let at = view.rebuilt_position.unwrap_or(view.view_position);
        if let Some(bar) = &self.bar {
            bar.set_length(view.tail);
            bar.set_position(at);
            bar.set_message(format!("{} records/s", count(view.records_s as u64)));
        } else if self.said.elapsed() >= LINE_EVERY {
            self.said = Instant::now();
            screen.note(format_args!("{} of {} records", count(at), count(view.tail)));
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_that_began_anew_says_why() {
        let mut view = proto::View {
            state: proto::ViewState::CatchingUp.into(),
            seconds_left: Some(120.0),
            ..proto::View::default()
        };
        assert_eq!(doing(&view), "catching up, 2 minutes left");
        assert!(as_json(&view)["anew_because"].is_null());
        view.anew_because = "version 8 was of another version of the program".to_owned();
        assert_eq!(
            doing(&view),
            "catching up, 2 minutes left; made anew: version 8 was of another version of the program"
        );
        assert_eq!(as_json(&view)["anew_because"], view.anew_because);
    }
}

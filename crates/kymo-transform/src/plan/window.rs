use kymo_model::{Timestamp, parse_duration};
use kymo_query::Span;

use crate::Error;
use crate::language::{TimePoint, Window};

/// A stretch of time in a trace; an open end is that of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

/// Returns the time that is meant, in a trace of this span.
pub(crate) fn point(point: &TimePoint, span: Span) -> Result<Timestamp, Error> {
    let wrong = |message: String| Error::Statement {
        message,
        place: point.place,
        hint: None,
    };
    if let Ok(time) = point.text.parse::<Timestamp>() {
        return Ok(time);
    }
    let offset = parse_duration(&point.text).map_err(|_| {
        wrong(format!(
            "`{}` is neither a duration such as `10m` or `-5m` nor an RFC 3339 time",
            point.text
        ))
    })?;
    span.at(point.text.starts_with('-'), offset).ok_or_else(|| {
        wrong(format!(
            "`{}` is outside the years 1677 to 2262",
            point.text
        ))
    })
}

fn resolved(end: Option<&TimePoint>, span: Span) -> Result<Option<(Timestamp, &TimePoint)>, Error> {
    end.map(|end| point(end, span).map(|time| (time, end)))
        .transpose()
}

/// Returns the stretch that is meant, in a trace of this span; ends outside of it are open.
pub(crate) fn window(window: &Window, span: Span) -> Result<Bounds, Error> {
    let from = resolved(window.from.as_ref(), span)?;
    let to = resolved(window.to.as_ref(), span)?;
    let nothing = |end: &TimePoint, message: String| Error::Statement {
        message,
        place: end.place,
        hint: Some(format!(
            "the trace goes from {} to {}",
            span.start, span.end
        )),
    };
    if let (Some((from, begin)), Some((to, _))) = (from, to)
        && from >= to
    {
        return Err(nothing(
            begin,
            format!("the stretch begins at {from}, not before its end at {to}"),
        ));
    }
    if let Some((from, begin)) = from
        && from > span.end
    {
        return Err(nothing(
            begin,
            format!("the stretch begins at {from}, after the end of the trace"),
        ));
    }
    if let Some((to, end)) = to
        && to <= span.start
    {
        return Err(nothing(
            end,
            format!("the stretch ends at {to}, before the trace begins"),
        ));
    }
    Ok(Bounds {
        from: from.map(|(from, _)| from).filter(|from| *from > span.start),
        to: to.map(|(to, _)| to).filter(|to| *to <= span.end),
    })
}

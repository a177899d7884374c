use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::column::page::{Page, PageReader};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{SerializedFileReader, SerializedPageReader};

use crate::Error;

/// How many bytes of a file are looked at together.
const WINDOW_BYTES: usize = 4 << 20;
/// What one window shares with the next, so that nothing is cut in two.
const OVERLAP_BYTES: usize = 1 << 10;
const MAGIC: &[u8] = b"PAR1";

/// What is handed out of a file.
pub(crate) enum Bytes<'a> {
    /// Bytes as they lie there, compressed ones too.
    Raw(&'a [u8]),
    /// Values, decompressed.
    Page(&'a [u8]),
}

/// Returns every file of a trace.
pub(crate) fn files(trace: &Path) -> Result<Vec<PathBuf>, Error> {
    let error = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    let mut files = Vec::new();
    let mut directories = Vec::new();
    if trace.is_dir() {
        directories.push(trace.to_owned());
    } else {
        files.push(trace.to_owned());
    }
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).map_err(error(&directory))? {
            let entry = entry.map_err(error(&directory))?;
            let kind = entry.file_type().map_err(error(&entry.path()))?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Hands out all bytes of a file, and the pages of a Parquet file once more without compression.
pub(crate) fn visit(path: &Path, visit: &mut dyn FnMut(&str, Bytes<'_>)) -> Result<(), Error> {
    let io = |source| Error::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(io)?;
    let mut window = Vec::with_capacity(WINDOW_BYTES);
    let mut is_parquet = None;
    loop {
        let room = (WINDOW_BYTES - window.len()) as u64;
        let read = file
            .by_ref()
            .take(room)
            .read_to_end(&mut window)
            .map_err(io)?;
        is_parquet.get_or_insert_with(|| window.starts_with(MAGIC));
        if read == 0 {
            break;
        }
        visit("bytes", Bytes::Raw(&window));
        let kept = window.len().min(OVERLAP_BYTES);
        window.drain(..window.len() - kept);
    }
    if is_parquet == Some(true) {
        pages(path, visit)?;
    }
    Ok(())
}

fn pages(path: &Path, visit: &mut dyn FnMut(&str, Bytes<'_>)) -> Result<(), Error> {
    let parquet = |source| Error::Parquet {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    let file = Arc::new(file);
    let reader = SerializedFileReader::new(file.try_clone().map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?)
    .map_err(parquet)?;
    for group in reader.metadata().row_groups() {
        let rows = usize::try_from(group.num_rows()).unwrap_or_default();
        for column in group.columns() {
            let name = column.column_path().string();
            let mut pages = SerializedPageReader::new(Arc::clone(&file), column, rows, None)
                .map_err(parquet)?;
            while let Some(page) = pages.get_next_page().map_err(parquet)? {
                let bytes = match &page {
                    Page::DictionaryPage { buf, .. }
                    | Page::DataPage { buf, .. }
                    | Page::DataPageV2 { buf, .. } => buf,
                };
                visit(&name, Bytes::Page(bytes));
            }
        }
    }
    Ok(())
}

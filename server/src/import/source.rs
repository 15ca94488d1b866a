//! The file, line by line, in constant memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result, ensure};
use csv::{ByteRecord, Position};
use sha2::{Digest as _, Sha256};

use super::columns::Columns;
use crate::cli::ImportFormat;

/// The longest line, in bytes. A group of 100,000 members takes about 6 MiB.
const MAX_LINE: usize = 64 << 20;
/// How much of the beginning and of the end of a file its fingerprint covers.
const SAMPLE: u64 = 1 << 20;
/// A batch is full when its lines have so many bytes together.
const BATCH_BYTES: usize = 1 << 20;

/// Where the next line begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Place {
    /// In bytes.
    pub(super) at: u64,
    /// Lines before it.
    pub(super) lines: u64,
}

/// A line that was not looked at yet.
#[derive(Debug)]
pub(super) struct RawLine {
    /// Its number, from 1.
    pub(super) number: u64,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Json(Vec<u8>),
    Record(ByteRecord),
    /// What is wrong with the line itself.
    Bad(String),
}

/// Lines that follow each other.
#[derive(Debug)]
pub(super) struct RawBatch {
    pub(super) lines: Vec<RawLine>,
    /// What comes behind them.
    pub(super) next: Place,
}

/// A file that is being read.
pub(super) struct Source {
    reader: Reader,
    place: Place,
    pub(super) size: u64,
    /// By which the file is known again: of its format, size, time of change, beginning and end.
    pub(super) fingerprint: String,
}

enum Reader {
    Json(BufReader<File>),
    Csv(Box<csv::Reader<Limited>>),
}

impl Source {
    pub(super) fn open(path: &Path, format: ImportFormat) -> Result<Self> {
        let open = || File::open(path).with_context(|| format!("{} can't be read", path.display()));
        let metadata = open()?.metadata()?;
        ensure!(metadata.is_file(), "{} is not a file: an import reads it more than once", path.display());
        let size = metadata.len();
        let fingerprint = fingerprint(&mut open()?, &metadata, format)?;
        let reader = match format {
            ImportFormat::Csv => {
                let file = Limited { file: open()?, left: MAX_LINE };
                Reader::Csv(Box::new(csv::ReaderBuilder::new().flexible(true).from_reader(file)))
            }
            _ => Reader::Json(BufReader::with_capacity(1 << 18, open()?)),
        };
        Ok(Self { reader, place: Place::default(), size, fingerprint })
    }

    /// The columns of a CSV file; `None` for JSON.
    pub(super) fn columns(&mut self) -> Result<Option<Columns>> {
        match &mut self.reader {
            Reader::Json(_) => Ok(None),
            Reader::Csv(reader) => {
                let headers = reader.byte_headers().context("the first line of the file is no CSV header")?;
                Columns::new(headers).map(Some)
            }
        }
    }

    /// Goes on at a place where a line begins.
    pub(super) fn seek(&mut self, place: Place) -> Result<()> {
        match &mut self.reader {
            Reader::Json(reader) => {
                reader.seek(SeekFrom::Start(place.at))?;
            }
            // Before the first line stands the header.
            Reader::Csv(_) if place == Place::default() => {
                self.columns()?;
            }
            Reader::Csv(reader) => {
                let mut position = Position::new();
                position.set_byte(place.at).set_line(place.lines.saturating_add(1));
                reader.byte_headers()?;
                reader.seek(position)?;
            }
        }
        self.place = place;
        Ok(())
    }

    /// Up to `most` lines that are not empty; `None` at the end of the file.
    pub(super) fn batch(&mut self, most: usize) -> Result<Option<RawBatch>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < most && bytes < BATCH_BYTES {
            let Some(line) = self.line()? else { break };
            bytes += match &line.content {
                Content::Json(text) => text.len(),
                Content::Record(record) => record.as_slice().len(),
                Content::Bad(_) => 0,
            };
            lines.push(line);
        }
        Ok((!lines.is_empty()).then_some(RawBatch { lines, next: self.place }))
    }

    fn line(&mut self) -> Result<Option<RawLine>> {
        match &mut self.reader {
            Reader::Json(reader) => json_line(reader, &mut self.place),
            Reader::Csv(reader) => csv_line(reader, &mut self.place),
        }
        .context("the file can't be read")
    }
}

fn json_line(reader: &mut BufReader<File>, place: &mut Place) -> io::Result<Option<RawLine>> {
    loop {
        let (mut text, mut length, at) = (Vec::new(), 0_usize, place.at);
        loop {
            let buffer = reader.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            // Of a line that is too long nothing is kept.
            if length.saturating_add(part.len()) <= MAX_LINE {
                text.extend_from_slice(part);
            } else {
                text = Vec::new();
            }
            length = length.saturating_add(part.len());
            let used = part.len() + usize::from(end.is_some());
            let is_over = used == 0;
            reader.consume(used);
            place.at += used as u64;
            if end.is_some() || is_over {
                break;
            }
        }
        if place.at == at {
            return Ok(None);
        }
        place.lines += 1;
        let number = place.lines;
        if length > MAX_LINE {
            let content = Content::Bad(format!("the line is longer than {} MiB", MAX_LINE >> 20));
            return Ok(Some(RawLine { number, content }));
        }
        if at == 0 && text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3);
        }
        if !text.trim_ascii().is_empty() {
            return Ok(Some(RawLine { number, content: Content::Json(text) }));
        }
    }
}

fn csv_line(reader: &mut csv::Reader<Limited>, place: &mut Place) -> io::Result<Option<RawLine>> {
    reader.get_mut().left = MAX_LINE;
    let mut record = ByteRecord::new();
    if !reader.read_byte_record(&mut record).map_err(io::Error::from)? {
        return Ok(None);
    }
    let number = record.position().map_or(place.lines + 1, Position::line);
    let position = reader.position();
    *place = Place { at: position.byte(), lines: position.line().saturating_sub(1) };
    Ok(Some(RawLine { number, content: Content::Record(record) }))
}

/// Reads so much and no more: a quote that is never closed must not fill the memory.
struct Limited {
    file: File,
    left: usize,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("a record is longer than 64 MiB; is a quote not closed?"));
        }
        let most = self.left.min(buffer.len());
        let read = self.file.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left -= read;
        Ok(read)
    }
}

impl Seek for Limited {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.left = MAX_LINE;
        self.file.seek(to)
    }
}

fn fingerprint(file: &mut File, metadata: &std::fs::Metadata, format: ImportFormat) -> Result<String> {
    let size = metadata.len();
    let changed = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    let mut hash = Sha256::new();
    hash.update(format!("{format:?} {size} {} ", changed.map_or(0, |t| t.as_nanos())));
    for start in [0, size.saturating_sub(SAMPLE)] {
        file.seek(SeekFrom::Start(start))?;
        let mut sample = Vec::new();
        file.take(SAMPLE).read_to_end(&mut sample)?;
        hash.update(&sample);
    }
    Ok(hash.finalize().iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &[u8], format: ImportFormat) -> (tempfile::NamedTempFile, Source) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let source = Source::open(file.path(), format).unwrap();
        (file, source)
    }

    #[test]
    fn lines_have_their_numbers_wherever_reading_begins() {
        let (_file, mut source) = source(b"\xef\xbb\xbf{}\n\n  \r\n[1]\n{\"a\": 1}", ImportFormat::Jsonl);
        let batch = source.batch(2).unwrap().unwrap();
        let numbers: Vec<u64> = batch.lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [1, 4]);
        for _ in 0..2 {
            source.seek(batch.next).unwrap();
            let rest = source.batch(9).unwrap().unwrap();
            assert_eq!(rest.lines.first().unwrap().number, 5);
            assert!(source.batch(9).unwrap().is_none());
        }
    }

    #[test]
    fn records_have_the_numbers_of_their_first_lines() {
        let (_file, mut source) = source(b"userName,title\na,\"x\ny\"\nb,z\n", ImportFormat::Csv);
        source.seek(Place::default()).unwrap();
        let first = source.batch(1).unwrap().unwrap();
        assert_eq!(first.lines.first().unwrap().number, 2);
        source.seek(first.next).unwrap();
        let second = source.batch(9).unwrap().unwrap();
        assert_eq!(second.lines.iter().map(|line| line.number).collect::<Vec<_>>(), [4]);
        assert!(source.batch(9).unwrap().is_none());
    }

    #[test]
    fn another_content_is_another_file() {
        let (_a, a) = source(b"{}\n", ImportFormat::Jsonl);
        let (_b, b) = source(b"[]\n", ImportFormat::Jsonl);
        assert_ne!(a.fingerprint, b.fingerprint);
    }
}
